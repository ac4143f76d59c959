"""Frames made coarser, for comparisons that fine detail would only slow down."""

import numpy as np


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
