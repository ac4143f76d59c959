"""Imaging planes: `4ch`, `2ch` and the `sax` stack through one heart, as a technologist plans."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

TILT_DEG, AIM_MM, BREATH_MM = 2.5, 4.0, 2.0
"""SDs of what a technologist gets wrong.

Choice: tilt about each axis, centring of the field of view on the heart, and how far breath-holds
differ from slice to slice.
"""


@dataclass(frozen=True)
class Pose:
    """Where the heart lies in the chest: origin [3] mm and axes [3, 3], columns a, u, v."""

    origin: np.ndarray
    axes: np.ndarray

    def to_heart(self, points):
        """Patient coordinates [3, ...] to heart coordinates."""
        moved = points - self.origin.reshape(3, *[1] * (points.ndim - 1)).astype(np.float32)
        return np.tensordot(self.axes.T.astype(np.float32), moved, axes=1)

    def to_patient(self, points):
        """Heart coordinates [3, ...] to patient coordinates."""
        moved = np.tensordot(self.axes.astype(np.float32), points, axes=1)
        return moved + self.origin.reshape(3, *[1] * (points.ndim - 1)).astype(np.float32)


@dataclass(frozen=True)
class Plane:
    """An image plane in patient coordinates.

    Attributes:
        view: `4ch`, `2ch` or `sax`.
        slice_index: position in the view.
        centre: [3] mm, the middle of the field of view.
        column, row: [3] unit vectors, to the right and down the image.
    """

    view: str
    slice_index: int
    centre: np.ndarray
    column: np.ndarray
    row: np.ndarray

    @property
    def normal(self):
        """Unit vector through the slice."""
        return np.cross(self.column, self.row)

    def points(self, offsets_mm, depth_mm=0.0):
        """Pixel centres, [3, H, W] float32, for offsets (rows, columns) from the centre in mm."""
        rows, columns = offsets_mm
        centre = self.centre + depth_mm * self.normal
        grid = (
            centre[:, None, None]
            + self.row[:, None, None] * rows[None, :, None]
            + self.column[:, None, None] * columns[None, None, :]
        )
        return grid.astype(np.float32)


def heart_pose(rng):
    """Draw how the heart lies in the chest.

    Choice: the long axis points to the left, to the front and down, as in an average adult, with
    individual tilts of about 6 degrees; dextrocardia is left out.
    """
    a = _unit(np.array([0.70, -0.55, -0.45]) + rng.normal(0, 0.09, 3))
    u = np.array([-0.72, -0.62, 0.02]) + rng.normal(0, 0.13, 3)
    u = _unit(u - (u @ a) * a)
    v = np.cross(u, a)
    v = v if v[2] > 0 else -v
    return Pose(np.array([8.0, 4.0, 0.0]) + rng.normal(0, 4, 3), np.stack([a, u, v], axis=1))


def view_planes(view, pose, heart, slices, turn_deg, rng):
    """Planes of one view with the errors that a technologist makes.

    Args:
        view: `4ch`, `2ch` or `sax`.
        pose: `Pose`.
        heart: `anatomy.Heart`.
        slices: number of short-axis slices.
        turn_deg: rotation of the short-axis images in their plane; 0 has the superior side up.
        rng: Generator of the errors.

    Returns:
        list of `Plane`, for `sax` from base to apex.

    Raises:
        ValueError: unknown view.
    """
    a, u, v = pose.axes.T
    tilt = Rotation.from_rotvec(rng.normal(0, TILT_DEG, 3), degrees=True).as_matrix()
    length, outer = heart.length, heart.radius
    aim = rng.normal(0, AIM_MM, 2)

    def plane(index, middle, normal, down, turn=0.0):
        normal = tilt @ normal
        row = _unit(down - (down @ normal) * normal)
        column = np.cross(row, normal)
        turn = np.deg2rad(turn)
        row, column = (
            np.cos(turn) * row - np.sin(turn) * column,
            np.cos(turn) * column + np.sin(turn) * row,
        )
        centre = pose.to_patient(np.array(middle, np.float32)).astype(float)
        breath = rng.normal(0, BREATH_MM) * np.array([0, -0.3, 1.0])
        return Plane(view, index, centre + aim[0] * row + aim[1] * column + breath, column, row)

    superior, posterior = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    if view == "sax":
        turn = turn_deg + rng.normal(0, 8)
        return [
            plane(i, (level, 0.70 * outer, 0.0), -a, -superior, turn)
            for i, level in enumerate(sax_heights(heart, slices))
        ]
    if view == "4ch":
        return [plane(0, (0.25 * length, 0.60 * outer, rng.normal(-3, 2)), v, posterior)]
    if view == "2ch":
        return [plane(0, (0.30 * length, rng.normal(0, 1.5), 0.0), u, -superior)]
    raise ValueError(f"view: {view!r}; use 4ch, 2ch or sax")


def sax_heights(heart, slices):
    """Heights of the short-axis slices on the long axis, base to apex.

    Args:
        heart: `anatomy.Heart`.
        slices: number of slices.

    Returns:
        [slices] mm, evenly spaced, so that the areas of a full stack times the distance of two
        slices give the volumes of both ventricles.

    Choice: the stack reaches above the mitral plane, to the pulmonary valve; one that begins at
    the mitral plane misses up to 8 % of an enlarged right ventricle, its outflow tract.
    """
    top = heart.outflow_top
    return top + (np.arange(slices) + 0.5) / slices * (heart.length - top)


def _unit(vector):
    return vector / np.linalg.norm(vector)
