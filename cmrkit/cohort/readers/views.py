"""Which view a cine shows, from where its plane lies in the body and against the others."""

import re

import numpy as np

# From the base of the heart to its apex in patient coordinates (left, back, head).
# Choice: a normal heart points left, forwards and down at about 45 degrees.
TYPICAL_LONG_AXIS = np.array([0.65, -0.55, -0.52])
TYPICAL_LONG_AXIS /= np.linalg.norm(TYPICAL_LONG_AXIS)

PARALLEL = np.cos(np.radians(10))
TRANSVERSE = np.cos(np.radians(20))  # closer to the body axis than this: no short axis
NEAR, LIKELY = np.cos(np.radians(40)), np.cos(np.radians(60))  # to the typical long axis
ACROSS = np.cos(np.radians(65))  # normals of long-axis planes lie across the long axis
STACK = 3  # slice positions that make a stack

# Lines in which long-axis planes cut a short-axis slice, in degrees from the lateral wall (0)
# towards the anterior wall (90): through both ventricles, through the anterior wall, and through
# the outflow tract.
_LINES = {"4ch": 15, "2ch": 90, "none": 135}

_WORDS = {
    "sax": r"sax|shax|short[ _-]*ax|\bsa\b",
    "4ch": r"4[ _-]*ch|four[ _-]*ch|\bhla\b",
    "2ch": r"2[ _-]*ch|two[ _-]*ch|\bvla\b",
    "none": r"3[ _-]*ch|three[ _-]*ch|lvot|rvot|outflow|aort|axial|transv|coron|sagit",
}


def view_of_description(text):
    """View that a series description names without doubt, or None.

    Choice: a name given at the scanner outranks geometry, which rare anatomy can mislead.
    """
    named = [view for view, words in _WORDS.items() if re.search(words, text, re.IGNORECASE)]
    return named[0] if len(named) == 1 else None


def views_of_planes(normals, counts):
    """Views of one patient's cines by geometry.

    Args:
        normals: [n, 3] unit normals of the planes, either sign, patient coordinates.
        counts: [n] slice positions of each.

    Returns:
        list of n views: `sax`, `4ch`, `2ch` or `none`.

    Choice: the short axis is the direction with most slice positions that is neither transverse
    nor far from the typical long axis of the heart; failing a stack, the one that most other planes
    cross at right angles. Long-axis planes are told apart by the line in which they cut it.
    """
    normals = np.asarray(normals, dtype=float)
    axis = long_axis(normals, counts)
    views = []
    for normal in normals:
        along = abs(normal @ axis)
        if along > PARALLEL:
            views.append("sax")
        else:
            views.append(_long_axis_view(normal, axis) if along < ACROSS else "none")
    return views


def long_axis(normals, counts):
    """Unit vector from base to apex: the normal of the short axis, or the typical one."""
    normals = np.asarray(normals, dtype=float)
    towards_apex = normals * np.where(normals @ TYPICAL_LONG_AXIS < 0, -1, 1)[:, None]
    nearness = towards_apex @ TYPICAL_LONG_AXIS
    likely = (np.abs(normals[:, 2]) < TRANSVERSE) & (nearness > LIKELY)
    if not likely.any():
        return TYPICAL_LONG_AXIS
    angles = np.abs(normals @ normals.T)
    positions = np.where(likely, (angles > PARALLEL) @ np.asarray(counts), 0)
    if positions.max() >= STACK:
        return towards_apex[positions.argmax()]
    crossed = (angles < ACROSS).sum(axis=1)
    found = np.where(likely & ((crossed > 0) | (nearness > NEAR)), crossed + nearness, -1)
    return towards_apex[found.argmax()] if found.max() > 0 else TYPICAL_LONG_AXIS


def _long_axis_view(normal, axis):
    """View whose line in the short-axis slice is nearest to that of the plane."""
    anterior = np.array([0.0, 0.0, 1.0]) - axis[2] * axis  # up in the body, within the slice
    anterior /= np.linalg.norm(anterior)
    lateral = np.cross(anterior, axis)
    if lateral[0] < 0:  # the lateral wall lies to the left of the patient
        lateral = -lateral
    line = np.cross(normal, axis)
    angle = np.degrees(np.arctan2(line @ anterior, line @ lateral))
    return min(_LINES, key=lambda view: abs((angle - _LINES[view] + 90) % 180 - 90))
