"""Part of a cohort in memory: pixels, label maps and their frame table."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from cmrkit.cohort.frames import read_frames
from cmrkit.cohort.store import load_pixels


class Part(NamedTuple):
    """Frames that belong together; `len(part.frames)` is their number n.

    Attributes:
        images: [n, R, R] uint8.
        masks: [n, R, R] uint8, labels as `frames.LABELS`; None where they are not needed.
        frames: frame table, n rows; synthetic frames have no `patient_id`.
    """

    images: np.ndarray
    masks: np.ndarray
    frames: pd.DataFrame

    def take(self, rows):
        """The frames in these rows (numbers, in this order, or a boolean array)."""
        table = self.frames[rows] if np.asarray(rows).dtype == bool else self.frames.iloc[rows]
        masks = None if self.masks is None else self.masks[rows]
        return Part(self.images[rows], masks, table.reset_index(drop=True))

    def view(self, view):
        """The frames of one view."""
        return self.take(self.frames["view"].to_numpy() == view)


def load_part(folder, role=None, views=None, annotated=False):
    """Read part of a cohort folder.

    Args:
        folder: cohort folder.
        role: `gan`, `unet` or `external`; None for all frames (synthetic cohorts have no roles).
        views: views to read; None for all.
        annotated: leave out frames on which no label is annotated.

    Raises:
        FileNotFoundError: no cohort in the folder.
        ValueError: no frame of this role and these views.
    """
    rows, frames = find_rows(folder, role, views, annotated)
    return Part(*load_pixels(folder, rows), frames)


def find_rows(folder, role=None, views=None, annotated=False):
    """Which frames `load_part` reads, without their pixels.

    Args:
        folder, role, views, annotated: as in `load_part`, which raises the same errors.

    Returns:
        rows: [n] row numbers in the store.
        frames: their part of the frame table, numbered from 0.
    """
    frames = read_frames(folder)
    wanted = np.ones(len(frames), dtype=bool)
    if role is not None:
        wanted &= (frames["role"] == role).to_numpy()
    if views is not None:
        wanted &= frames["view"].isin(views).to_numpy()
    if annotated:
        wanted &= (frames["labels_present"].str.len() > 0).to_numpy()
    if not wanted.any():
        kind = "annotated frame" if annotated else "frame"
        raise ValueError(f"{folder}: no {kind} with role {role} and views {views}; see 01_cohort")
    return np.flatnonzero(wanted), frames[wanted].reset_index(drop=True)


def join(*parts):
    """Several parts as one; columns that a table lacks are missing values."""
    images, masks, frames = zip(*parts, strict=True)
    return Part(np.concatenate(images), np.concatenate(masks), pd.concat(frames, ignore_index=True))
