"""From single images to cines: slice positions, order of the cycle, base and apex, ED and ES."""

from itertools import pairwise

import numpy as np

POSITION_MM = 0.5  # frames closer than this along the normal are one slice position
SAME_DIRECTION = 0.9994  # cosine of 2 degrees


def slice_positions(frames):
    """Gather parallel frames by slice position.

    Args:
        frames: `DicomFrame`s of one orientation.

    Returns:
        list of slice positions along the normal, each a list of frames in the order of the cycle.
    """
    normal = frames[0].normal
    ordered = sorted(frames, key=lambda frame: float(frame.position @ normal))
    along = np.array([frame.position @ normal for frame in ordered])
    starts = np.flatnonzero(np.diff(along) > POSITION_MM) + 1
    edges = [0, *starts.tolist(), len(ordered)]
    return [sorted(ordered[a:b], key=_moment) for a, b in pairwise(edges)]


def parallel_groups(frames, key):
    """Gather frames that share a key and an orientation.

    Args:
        frames: `DicomFrame`s.
        key: function of a frame.

    Returns:
        list of lists of frames, in the order in which the groups begin.
    """
    groups = {}
    for frame in frames:
        mine = groups.setdefault(key(frame), [])
        group = next((one for one in mine if parallel(one[0], frame)), None)
        if group is None:
            mine.append(group := [])
        group.append(frame)
    return [group for mine in groups.values() for group in mine]


def parallel(one, other):
    """Whether rows and columns of two frames run in the same directions."""
    return bool((np.sum(one.orientation * other.orientation, axis=1) > SAME_DIRECTION).all())


def _moment(frame):
    time = next((t for t in (frame.trigger, frame.temporal) if t is not None), -np.inf)
    return time, frame.instance, frame.index or 0


def base_first(areas):
    """Whether a short-axis stack runs from base to apex, judged by the areas drawn in it.

    Choice: ventricles narrow towards the apex. The correlation of area and position is summed over
    chambers and phases, since a single list can be level; so judged, all 26 stacks of the CHLA
    training patients run as their pictures show.

    Args:
        areas: for each chamber and phase, slice position -> area, of the slices where it was drawn.

    Returns:
        bool; True where nothing was drawn.
    """
    slopes = 0.0
    for drawn in areas:
        where, area = np.array(list(drawn), float), np.array(list(drawn.values()), float)
        if len(where) > 1 and where.std() > 0 and area.std() > 0:
            slopes += np.corrcoef(where, area)[0, 1]
    return bool(slopes <= 0)


def end_phases(areas):
    """Phases of end-diastole and end-systole, judged by the drawn left ventricular areas.

    Choice: the phases with the largest and the smallest cavity, over the slices that are drawn at
    every drawn phase. A phase without any cavity is one in which only other labels were drawn; no
    heart empties itself.

    Args:
        areas: phase -> slice position -> cavity area.

    Returns:
        (end-diastole, end-systole), None each where fewer than two phases can be compared.
    """
    areas = {phase: part for phase, part in areas.items() if any(part.values())}
    shared = set.intersection(*map(set, areas.values())) if areas else set()
    if len(areas) < 2 or not shared:
        return None, None
    sizes = {phase: sum(part[place] for place in shared) for phase, part in areas.items()}
    return max(sizes, key=sizes.get), min(sizes, key=sizes.get)


def phase_fractions(phases, count):
    """Position in the cycle of evenly spaced frames, 0 to below 1.

    Args:
        phases: [P] int, frames after end-diastole, negative before it.
        count: frames a cycle.
    """
    return np.mod(phases, count) / count
