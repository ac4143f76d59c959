"""Part of a cohort in memory: pixels, label maps and their frame table."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from cmrkit.cohort.frames import read_frames
from cmrkit.cohort.store import load_pixels


class Part(NamedTuple):
    """Frames that belong together.

    Attributes:
        images: [n, R, R] uint8.
        masks: [n, R, R] uint8, labels as `frames.LABELS`.
        frames: frame table, n rows.
    """

    images: np.ndarray
    masks: np.ndarray
    frames: pd.DataFrame

    def take(self, rows):
        """The frames in these rows (numbers or a boolean array)."""
        table = self.frames[rows] if np.asarray(rows).dtype == bool else self.frames.iloc[rows]
        return Part(self.images[rows], self.masks[rows], table.reset_index(drop=True))

    def view(self, view):
        """The frames of one view."""
        return self.take(self.frames["view"].to_numpy() == view)


def load_part(folder, role=None, views=None):
    """Read part of a cohort folder.

    Args:
        folder: cohort folder.
        role: `gan`, `unet` or `external`; None for all frames (synthetic cohorts have no roles).
        views: views to read; None for all.

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
    if not wanted.any():
        raise ValueError(f"{folder}: no frame with role {role} and views {views}; see 01_cohort")
    images, masks = load_pixels(folder, np.flatnonzero(wanted))
    return Part(images, masks, frames[wanted].reset_index(drop=True))


def block_means(images, side):
    """Reduce frames by averaging square blocks of pixels.

    Args:
        images: [n, R, R]; R a multiple of `side`, or smaller than it (then returned as they are).
        side: pixels a side wanted.

    Returns:
        [n, side, side] float32.
    """
    block = max(1, images.shape[1] // side)
    n, wide = len(images), images.shape[1] // block
    blocks = np.asarray(images).reshape(n, wide, block, wide, block)
    return blocks.mean(axis=(2, 4), dtype=np.float32)
