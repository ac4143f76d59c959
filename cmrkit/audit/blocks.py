"""Frames made coarser, for comparisons that fine detail would only slow down."""

import numpy as np

from cmrkit.cohort.part import open_part

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
    part = open_part(folder, role, views)._replace(masks=None)
    blocks = (block_means(block.images, side) for block in part.blocks(READ_FRAMES))
    return part._replace(images=np.concatenate([np.rint(b).astype(np.uint8) for b in blocks]))
