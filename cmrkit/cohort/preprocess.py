"""From a slice as acquired to frames of one pixel size, cut to the heart, in 8 bit."""

from dataclasses import dataclass

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import ScaleIntensityRange, SpatialResample
from scipy.ndimage import gaussian_filter

from cmrkit.cohort.frames import LABELS

CROPS = ("centre", "motion", "mask")
PERCENTILES = 1, 99
PIXEL_MM = 0.02, 20.0  # of a mouse's heart to the coarsest scout; beyond, the header is wrong
MOTION_SMOOTHING_MM = 12.0  # joins the moving walls of one heart
MOTION_PRIOR_MM = 60.0  # operators place the heart near the middle of the field of view


@dataclass(frozen=True)
class FrameGrid:
    """Where the pixels of a frame lie in its source slice.

    Attributes:
        resolution: R, pixels a side.
        spacing_mm: distance of two pixels of the frame, the same in rows and columns.
        source_shape: (H, W) of the source slice.
        source_spacing_mm: (row, column); the assumed one where the source states none.
        centre: (row, column) in source pixels, the middle of the frame.
    """

    resolution: int
    spacing_mm: float
    source_shape: tuple[int, int]
    source_spacing_mm: tuple[float, float]
    centre: tuple[float, float]

    def to_source(self, points):
        """Map frame pixels to source pixels, so that a contour can be laid over the original.

        Args:
            points: [n, 2] (row, column) in frame pixels; (0, 0) is the middle of the first pixel.

        Returns:
            [n, 2] float64 (row, column) in source pixels.
        """
        offset_mm = (np.asarray(points) - (self.resolution - 1) / 2) * self.spacing_mm
        return offset_mm / self.source_spacing_mm + self.centre

    def to_frame(self, points):
        """Map source pixels to frame pixels; the inverse of `to_source`."""
        offset_mm = (np.asarray(points) - self.centre) * self.source_spacing_mm
        return offset_mm / self.spacing_mm + (self.resolution - 1) / 2

    def inside_source(self):
        """[R, R] bool, frame pixels whose middle lies within the source slice."""
        side = np.arange(self.resolution)
        rows = self.to_source(np.stack([side, side], axis=1))
        height, width = self.source_shape
        in_row = (rows[:, 0] >= -0.5) & (rows[:, 0] <= height - 0.5)
        in_column = (rows[:, 1] >= -0.5) & (rows[:, 1] <= width - 0.5)
        return in_row[:, None] & in_column[None, :]


def preprocess(cine, resolution, fov_mm, assumed_spacing_mm=None, crop="centre"):
    """Resample a slice to one pixel size, cut it to the heart and map its grey values to 8 bit.

    Args:
        cine: `CineSlice`.
        resolution: R, pixels a side.
        fov_mm: side of the square frame in mm.
        assumed_spacing_mm: pixel size where the source states none; None refuses such a slice.
        crop: `centre`, `motion` or `mask`, see `frame_grid`.

    Returns:
        images: [P, R, R] uint8, black outside the source slice.
        masks: [P, R, R] uint8.
        grid: `FrameGrid`, where the frames lie in the slice.

    Raises:
        ValueError: arrays that do not fit, no spacing, a slice without contrast.

    Choice: one interpolation does resampling, cut and padding, so that nothing is blurred twice.
    Grey values are mapped between the 1st and the 99th percentile of the frame area over all
    phases of the slice, so that bright fat does not darken the heart and a cine does not flicker.
    """
    check_slice(cine)
    grid = frame_grid(cine, resolution, fov_mm, assumed_spacing_mm, crop)
    images = _to_8_bit(_resample(cine.images, grid), grid.inside_source())
    return images, _resample_labels(cine.masks, grid), grid


def check_slice(cine):
    """Refuse a slice whose arrays do not fit each other.

    Raises:
        ValueError: naming the attribute.
    """
    phases = len(cine.images)
    if cine.images.ndim != 3 or phases == 0 or min(cine.images.shape) == 0:
        raise ValueError(f"images: shape {cine.images.shape}; expected [phases, rows, columns]")
    if not np.isfinite(cine.images).all():
        raise ValueError("images: not a number or infinite pixels; repair or leave out the slice")
    if cine.masks.shape != cine.images.shape:
        raise ValueError(f"masks: shape {cine.masks.shape}, but images are {cine.images.shape}")
    unknown = sorted(set(np.unique(cine.masks).tolist()) - set(LABELS))
    if unknown:
        raise ValueError(f"masks: unknown label {unknown[0]}; allowed: {list(LABELS)}")
    for name in ("labels_present", "phase_index", "phase_fraction", "is_ed", "is_es"):
        if len(getattr(cine, name)) != phases:
            raise ValueError(f"{name}: {len(getattr(cine, name))} values for {phases} phases")


def frame_grid(cine, resolution, fov_mm, assumed_spacing_mm=None, crop="centre"):
    """Lay the frame over the slice.

    Args:
        cine: `CineSlice`.
        resolution: R, pixels a side.
        fov_mm: side of the square frame in mm.
        assumed_spacing_mm: as in `preprocess`.
        crop: what the frame is centred on. `centre`: the middle of the source slice. `motion`:
            the region that moves, found from the temporal variance; the middle for fewer than 2
            phases or a slice without motion. `mask`: the middle of the annotated labels, or as
            `motion` where there are none. `mask` looks at the answer: on patients that test a
            network it makes the task easier than it is.

    Returns:
        `FrameGrid`.

    Raises:
        ValueError: no spacing or an absurd one, or an unknown crop.
    """
    spacing = cine.spacing_mm
    if spacing is None:
        if assumed_spacing_mm is None:
            raise ValueError("spacing_mm: not stated in the source; give assumed_spacing_mm")
        spacing = (assumed_spacing_mm,) * 2
    if not all(PIXEL_MM[0] <= size <= PIXEL_MM[1] for size in spacing):
        raise ValueError(
            f"spacing_mm: {spacing[0]:g} x {spacing[1]:g}; pixels are {PIXEL_MM[0]:g} to "
            f"{PIXEL_MM[1]:g} mm; correct the header"
        )
    if crop not in CROPS:
        raise ValueError(f"crop: {crop!r}; use one of {', '.join(CROPS)}")
    centre = None
    if crop == "mask":
        centre = _centre_of_labels(cine.masks)
    if crop == "motion" or (crop == "mask" and centre is None):
        centre = _centre_of_motion(cine.images, spacing)
    shape = cine.images.shape[1:]
    if centre is None:
        centre = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    return FrameGrid(resolution, fov_mm / resolution, shape, tuple(spacing), centre)


def _centre_of_labels(masks):
    rows, columns = np.nonzero(masks.any(axis=0))
    if not len(rows):
        return None
    return float(rows.min() + rows.max()) / 2, float(columns.min() + columns.max()) / 2


def _centre_of_motion(images, spacing):
    """Centroid (row, column) of what moves, or None without motion.

    Choice: the standard deviation over the cycle, smoothed, above its median, and weighted towards
    the middle of the slice; pixels above a quarter of its maximum count. With it a frame of 160 mm
    cuts off labels in 0.4 % of the CHLA slices, the fixed centre in 7 %.
    """
    if len(images) < 2:
        return None
    motion = images.std(axis=0, dtype=np.float64)
    if motion.max() <= 0:
        return None
    spacing = np.array(spacing)
    motion = gaussian_filter(motion, MOTION_SMOOTHING_MM / spacing)
    motion = np.maximum(motion - np.median(motion), 0)
    pixels = np.indices(motion.shape).reshape(2, -1)
    middle = (np.array(motion.shape) - 1)[:, None] / 2
    distance = np.linalg.norm((pixels - middle) * spacing[:, None], axis=0)
    weight = motion.ravel() * np.exp(-(distance**2) / (2 * MOTION_PRIOR_MM**2))
    weight[weight < weight.max() / 4] = 0
    return tuple((pixels @ weight / weight.sum()).tolist())


def _resample(channels, grid):
    """Resample [C, H, W] to float32 [C, R, R]; smoothed first where pixels grow, 0 outside.

    Choice: the Gaussian has the width that MONAI and scikit-image use against aliasing.
    """
    growth = [grid.spacing_mm / size for size in grid.source_spacing_mm]
    sigma = [0, *(max(0.0, (factor - 1) / 2) for factor in growth)]
    smooth = gaussian_filter(channels.astype(np.float32), sigma, mode="nearest")
    affine = np.diag([*grid.source_spacing_mm, 1.0])
    new_affine = np.diag([grid.spacing_mm, grid.spacing_mm, 1.0])
    new_affine[:2, 2] = grid.to_source([[0, 0]])[0] * grid.source_spacing_mm
    resample = SpatialResample(mode="bilinear", padding_mode="zeros", dtype=torch.float32)
    return resample(
        MetaTensor(torch.from_numpy(smooth), affine=torch.from_numpy(affine)),
        dst_affine=torch.from_numpy(new_affine),
        spatial_size=(grid.resolution, grid.resolution),
    ).numpy()


def _resample_labels(masks, grid):
    """Labels [P, R, R] uint8, each pixel the label that covers most of it.

    Choice: every label is resampled like an image and the largest share wins. Rings drawn with
    walls of 3 to 9 mm keep their area within 3 % and stay closed from 1.5 pixels on, as with the
    nearest source pixel, but without its stairs where pixels shrink.
    """
    labels = np.setdiff1d(masks, 0)
    side = grid.resolution
    if not len(labels):
        return np.zeros((len(masks), side, side), np.uint8)
    covered = masks == labels[:, None, None, None]
    shares = _resample(covered.reshape(-1, *masks.shape[1:]), grid)
    shares = shares.reshape(len(labels), len(masks), side, side)
    shares = np.concatenate([1 - shares.sum(axis=0, keepdims=True), shares])
    return np.array([0, *labels], dtype=np.uint8)[shares.argmax(axis=0)]


def _to_8_bit(images, inside):
    """Map [P, R, R] to uint8 between percentiles of the pixels `inside` the source slice."""
    low, high = np.percentile(images[:, inside], PERCENTILES)
    if high <= low:
        raise ValueError(f"images: no contrast, {PERCENTILES[1]} % of pixels are {low:g}")
    scaled = ScaleIntensityRange(low, high, 0, 255, clip=True)(images)
    return np.where(inside, np.rint(scaled), 0).astype(np.uint8)
