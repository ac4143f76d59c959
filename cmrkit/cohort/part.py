"""Part of a cohort, in memory or on the disk: pixels, label maps and their frame table."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from cmrkit.cohort.frames import read_frames
from cmrkit.cohort.store import StoredPixels, open_pixels


class Part(NamedTuple):
    """Frames that belong together; `len(part.frames)` is their number n.

    Attributes:
        images: [n, R, R] uint8, an array or `StoredPixels`.
        masks: [n, R, R] uint8, labels as `frames.LABELS`, likewise; None where they are not needed.
        frames: frame table, n rows; synthetic frames have no `patient_id`.
    """

    images: np.ndarray | StoredPixels
    masks: np.ndarray | StoredPixels | None
    frames: pd.DataFrame

    def take(self, rows):
        """The frames in these rows (numbers, in this order, or a boolean array)."""
        rows = np.asarray(rows) if len(rows) else np.empty(0, int)
        table = self.frames[rows] if rows.dtype == bool else self.frames.iloc[rows]
        pixels = (_take(array, rows) for array in (self.images, self.masks))
        return Part(*pixels, table.reset_index(drop=True))

    def view(self, view):
        """The frames of one view."""
        return self.take(self.frames["view"].to_numpy() == view)

    def load(self):
        """The same part in memory."""
        masks = None if self.masks is None else np.asarray(self.masks)
        return Part(np.asarray(self.images), masks, self.frames)

    def blocks(self, size):
        """The part again, in memory at most `size` frames at a time."""
        count = -(-len(self.frames) // size)
        for rows in np.array_split(np.arange(len(self.frames)), max(1, count)):
            yield self.take(rows).load()


def _take(pixels, rows):
    if pixels is None:
        return None
    return pixels.take(rows) if isinstance(pixels, StoredPixels) else pixels[rows]


def open_part(folder, role=None, views=None, annotated=False):
    """Part of a cohort folder, of any size: its pixels stay on the disk.

    Args:
        folder: cohort folder.
        role: `gan`, `unet` or `external`; None for all frames (synthetic cohorts have no roles).
        views: views to read; None for all.
        annotated: leave out frames on which no label is annotated.

    Raises:
        FileNotFoundError: no cohort in the folder.
        ValueError: no frame of this role and these views.
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
    pixels = open_pixels(folder, np.flatnonzero(wanted))
    return Part(*pixels, frames[wanted].reset_index(drop=True))


def load_part(folder, role=None, views=None, annotated=False):
    """As `open_part`, in memory."""
    return open_part(folder, role, views, annotated).load()


def join(*parts):
    """Several parts as one, in memory; columns that a table lacks are missing values."""
    images, masks, frames = zip(*parts, strict=True)
    return Part(np.concatenate(images), np.concatenate(masks), pd.concat(frames, ignore_index=True))
