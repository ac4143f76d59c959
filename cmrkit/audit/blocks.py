"""Frames made coarser, for comparisons that fine detail would only slow down."""

import numpy as np

from cmrkit.cohort.part import Part, find_rows
from cmrkit.cohort.store import load_pixels

READ_FRAMES = 2048  # read at a time


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


def load_coarse(folder, side, role=None, views=None):
    """Read frames as `load_part` does, reduced to `side` pixels and in little memory.

    Args:
        folder: cohort folder.
        side: pixels a side wanted, as in `block_means`.
        role, views: see `load_part`.

    Returns:
        `Part` without label maps (`masks` is None).

    Raises:
        ValueError: no frame of this role and these views.
    """
    rows, frames = find_rows(folder, role, views)
    parts = []
    for block in np.array_split(rows, -(-len(rows) // READ_FRAMES)):
        images, _ = load_pixels(folder, block)
        parts.append(np.rint(block_means(images, side)).astype(np.uint8))
    return Part(np.concatenate(parts), None, frames)
