"""All label maps that lie beside the cines of one patient, whichever way they are kept."""

from dataclasses import dataclass

import numpy as np

from cmrkit.cohort.readers.dicom_contours import draw, stack_of
from cmrkit.cohort.readers.dicom_masks import (
    paint,
    read_labels_beside,
    read_segmentation,
    volumes_of,
)
from cmrkit.cohort.readers.files import DataError


@dataclass(frozen=True)
class Labels:
    """Where the labels of a patient may lie.

    Attributes:
        contours: list of `ContourSet` of this patient.
        segmentations: paths of DICOM segmentations of this patient.
        volumes: paths of all NIfTI files of the archive.
    """

    contours: list
    segmentations: list
    volumes: list

    def read(self, number, stacks, views):
        """Label maps of one stack: from contours, else segmentations, else a NIfTI volume.

        Args:
            number: which of the stacks.
            stacks: all `Stack`s of the patient.
            views: their views, "" for those left out.

        Returns:
            masks: [slices, phases, rows, columns] uint8.
            present: [slices][phases] tuples of the labels annotated.
            problems: list of sentences.
        """
        problems, stack = [], stacks[number]
        found = self._from_contours(number, stacks, views, problems)
        for read in (self._from_segmentations, self._from_volume):
            if found is None and (masks := read(stack, problems)) is not None:
                found = masks, _labels_drawn(masks, problems)
        if found is None:
            shape = len(stack.slices), stack.phases, *stack.first.shape
            found = np.zeros(shape, np.uint8), [[()] * shape[1] for _ in stack.slices]
        return *found, problems

    def _from_contours(self, number, stacks, views, problems):
        for part in self.contours:
            try:
                if stack_of(part, stacks, views) == number:
                    masks, present, broken = draw(part, stacks[number])
                    problems += broken
                    if not any(map(any, present)):
                        continue
                    if part.automatic:
                        problems.append("contours made by a program, not drawn: used as labels")
                    return masks, present
            except DataError as error:
                problems.append(str(error))
        return None

    def _from_segmentations(self, stack, problems):
        segments = []  # of all files, since many programs write a file a structure
        for path in self.segmentations:
            try:
                segments += read_segmentation(path, stack)
            except DataError as error:
                problems.append(str(error))
        return paint(segments, stack) if segments else None

    def _from_volume(self, stack, problems):
        paths = volumes_of(stack, self.volumes)
        if len(paths) > 1:
            problems.append("several NIfTI files have the name of this cine")
        if len(paths) != 1:
            return None
        try:
            return read_labels_beside(paths[0], stack)
        except DataError as error:
            problems.append(str(error))
            return None


def _labels_drawn(masks, problems):
    """Labels of every frame: those drawn in some slice of its phase.

    Choice: before the first and after the last drawn slice, none means that the heart ends there;
    between drawn slices it means that nobody drew there.
    """
    drawn = masks.any(axis=(2, 3))  # [slices, phases]
    above, below = (np.logical_or.accumulate(part) for part in (drawn, drawn[::-1]))
    skipped = above & below[::-1] & ~drawn
    if count := int(skipped.any(axis=1).sum()):
        problems.append(
            f"{count} slice position{'s' * (count > 1)} without labels between labelled ones: not "
            "drawn; draw them, or volumes come out too small"
        )
    labels = [tuple(int(x) for x in np.unique(phase) if x) for phase in masks.swapaxes(0, 1)]
    return [[() if none else own for none, own in zip(part, labels, strict=True)]
            for part in skipped]  # fmt: skip
