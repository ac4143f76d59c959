"""Smooth random fields in space, for everything too small to be modelled one by one."""

from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter

_SIDE = 128  # a power of two, so that wrapping is a bit mask
_VOXELS_A_WAVE = 16


@cache
def _noise_block(index):
    """Periodic smooth noise, zero mean and unit SD, [128 ** 3] float32.

    The seed is fixed: patients differ by where they look into the block.
    """
    block = np.random.default_rng([7477, index]).standard_normal((_SIDE,) * 3, dtype=np.float32)
    block = gaussian_filter(block, _VOXELS_A_WAVE / 3.75, mode="wrap")
    return ((block - block.mean()) / block.std()).ravel()


def smooth_noise(points, size_mm, offset, index=0):
    """Random field sampled at points.

    Args:
        points: [3, ...] float32, mm.
        size_mm: typical distance between neighbouring maxima.
        offset: 0 to 1, picks another part of the field, so that patients differ.
        index: which of several independent fields.

    Returns:
        [...] float32, zero mean and unit SD.

    Choice: the nearest voxel is taken; with 16 voxels a wave the steps are below one pixel.
    """
    scale = np.float32(_VOXELS_A_WAVE / size_mm)
    place = None
    for axis, way in zip(points, (0.377, 0.731, 0.153), strict=True):
        voxel = (axis * scale + np.float32(way * offset * 1000 + 4 * _SIDE)).astype(np.int32)
        voxel &= _SIDE - 1
        place = voxel if place is None else place * _SIDE + voxel
    return _noise_block(index)[place]


def random_tubes(points, size_mm, offset, width):
    """Tube network: where two random fields are both near zero.

    Args:
        points, size_mm, offset: as in `smooth_noise`.
        width: in SDs of the fields.

    Returns:
        [...] bool.
    """
    first = smooth_noise(points, size_mm, offset, 0)
    second = smooth_noise(points, size_mm, offset, 1)
    return first * first + second * second < np.float32(width**2)
