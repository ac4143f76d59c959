"""From the images of one examination to cines: stacks of parallel slices through the cycle."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from cmrkit.cohort.readers.cines import POSITION_MM, parallel, parallel_groups, slice_positions

LONGEST_CYCLE_MS = 2500.0  # beyond it, as in perfusion, images follow each other over many beats
MOST_PHASES = 100
SAME_CONTRAST = 0.1  # of echo and inversion time; maps and multi-echo series vary more
CLOSEST = 0.9  # of the slice thickness; slices that overlap more show one place twice
NO_CINE = "1 image a slice position: no cine"


@dataclass(frozen=True)
class Stack:
    """Cines of one orientation, shape, pixel size and sequence.

    Attributes:
        slices: slice positions along the normal, each a list of `DicomFrame`s in the order of the
            cycle, all of the same length.
    """

    slices: tuple

    @property
    def first(self):
        """Its first frame, which stands for what all share."""
        return self.slices[0][0]

    @property
    def phases(self):
        """Images a cycle."""
        return len(self.slices[0])

    def along(self):
        """[slices] positions along the normal in mm."""
        return np.array([part[0].position @ self.first.normal for part in self.slices])

    def middle(self, number):
        """[3] mm, the middle of a slice in patient coordinates."""
        frame = self.slices[number][0]
        half = (np.array(frame.shape) - 1) / 2 * frame.spacing_mm  # (down, along a row)
        return frame.position + half[1] * frame.orientation[0] + half[0] * frame.orientation[1]


def find_stacks(frames):
    """Find the cines among the images of one examination.

    Args:
        frames: `DicomFrame`s.

    Returns:
        stacks: list of `Stack`, in the order of their series.
        problems: list of sentences, one for each thing left out.

    Choice: scanners keep a short-axis stack in one series, or the slices of every breath-hold in a
    series of their own, so slices of one orientation, pixel size and sequence are joined. Within a
    series, images of another sequence variant or flip angle are another acquisition. Where two
    series hold the same position, the later breath-hold counts.
    """
    problems = Counter()
    found = []
    for group in parallel_groups(frames, _alike):
        slices = []
        for part in slice_positions(group):
            ordered, why = _cine_of_one_folder(part)
            slices += [ordered] if ordered else []
            problems[why] += 1
        stack, left = _same_length(slices)
        problems["another number of phases than the rest of its stack"] += left
        found += [stack] if stack else []
    stacks = _join(sorted(found, key=lambda stack: _order(stack.first)))
    # examinations hold many localisers and maps; they are worth a line only where nothing is left
    problems = {why: count for why, count in problems.items() if why and count}
    if stacks:
        problems.pop(NO_CINE, None)
    return stacks, [f"{count} slice position{'s' * (count > 1)}: {why}"
                    for why, count in sorted(problems.items())]  # fmt: skip


def _order(frame):
    return frame.series_number, frame.series, frame.instance


def _alike(frame):
    """What the frames of one stack have in common, beside their orientation."""
    size = (*frame.shape, *np.round(frame.spacing_mm, 4))
    return frame.series, size, frame.contrast[3], round(frame.contrast[2])


def _cine_of_one_folder(frames):
    """As `_cine`; where all images together are none, those of the one folder that are.

    Some archives give one Series UID to a cine and to perfusion at the same place, and only their
    folders tell them apart; others spread one cine over folders, so folders decide nothing else.
    """
    ordered, why = _cine(frames)
    if ordered or why == NO_CINE:
        return ordered, why
    folders = defaultdict(list)
    for frame in frames:
        folders[frame.path.parent].append(frame)
    cines = [found for part in folders.values() if (found := _cine(part)[0])]
    return (cines[0], "") if len(cines) == 1 else (None, why)


def _cine(frames):
    """Frames of one position in the order of the cycle, or None and why they are no cine."""
    if len(frames) < 2:
        return None, NO_CINE
    contrasts = np.array([frame.contrast[:2] for frame in frames])
    if (np.ptp(contrasts, axis=0) > SAME_CONTRAST * contrasts.max(axis=0)).any():
        return None, "echo or inversion time varies: a map, no cine"
    for name, longest in (("trigger", LONGEST_CYCLE_MS), ("temporal", MOST_PHASES)):
        times = [getattr(frame, name) for frame in frames]
        if None in times or len(set(times)) == 1:
            continue
        if len(set(times)) < len(times):
            return None, "two images at one moment: two acquisitions in one series"
        if max(times) - min(times) > longest:
            return None, "spans many heart beats: no cine"
        return sorted(frames, key=lambda frame: getattr(frame, name)), ""
    if all(frame.phases == len(frames) for frame in frames):
        return sorted(frames, key=lambda frame: (frame.instance, frame.index or 0)), ""
    return None, "images that differ neither in trigger time nor in temporal position: no cine"


def _same_length(slices):
    """Stack of the slices with the most frequent number of phases, and how many are left out."""
    if not slices:
        return None, 0
    counts = Counter(map(len, slices))
    usual = max(counts, key=lambda length: (counts[length], length))
    return Stack(tuple(s for s in slices if len(s) == usual)), len(slices) - counts[usual]


def _join(stacks):
    joined = []
    for stack in stacks:
        twin = next((i for i, other in enumerate(joined) if _continues(other, stack)), None)
        if twin is None:
            joined.append(stack)
            continue
        fresh = stack.along()
        kept = [part for part, at in zip(joined[twin].slices, joined[twin].along(), strict=True)
                if np.abs(fresh - at).min() > POSITION_MM]  # fmt: skip
        normal = stack.first.normal
        slices = sorted([*kept, *stack.slices], key=lambda part: part[0].position @ normal)
        joined[twin] = Stack(tuple(slices))
    return joined


def _continues(one, other):
    """Whether two stacks are parts of one.

    Choice: several slices that lie on or half between those of another stack are the same heart
    acquired again; a slice on its own is a breath-hold that was repeated.
    """
    a, b = one.first, other.first
    same = (a.study, a.shape, a.contrast[3]) == (b.study, b.shape, b.contrast[3])
    same = same and np.allclose(a.spacing_mm, b.spacing_mm, atol=1e-3) and parallel(a, b)
    same = same and one.phases == other.phases and abs(a.contrast[2] - b.contrast[2]) < 1
    if not same or min(len(one.slices), len(other.slices)) == 1:
        return same
    places = one.along()[:, None] - [part[0].position @ a.normal for part in other.slices]
    return np.abs(places).min() > max(POSITION_MM, CLOSEST * max(a.thickness_mm, b.thickness_mm))
