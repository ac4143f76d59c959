"""From single images to cines: which lie at one slice position, and in which order they follow."""

from itertools import pairwise

import numpy as np

POSITION_MM = 0.5  # frames closer than this along the normal are one slice position


def slice_positions(frames):
    """Gather the frames of one series by slice position.

    Args:
        frames: `DicomFrame`s of one orientation.

    Returns:
        list of slice positions along the normal, each a list of frames in the order of the cycle.
    """
    normal = frames[0].normal
    ordered = sorted(frames, key=lambda frame: float(frame.position @ normal))
    along = np.array([frame.position @ normal for frame in ordered])
    starts = np.flatnonzero(np.diff(along) > POSITION_MM) + 1
    return [sorted(part, key=_moment) for part in _split(ordered, starts)]


def _split(items, starts):
    edges = [0, *starts.tolist(), len(items)]
    return [items[a:b] for a, b in pairwise(edges)]


def _moment(frame):
    time = -np.inf if frame.time_ms is None else frame.time_ms
    return time, frame.instance, frame.index or 0
