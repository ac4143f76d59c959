"""An archive of one's own: any tree of DICOM cines, classic or enhanced."""

import copy
import os

import numpy as np
import pandas as pd

from cmrkit.cohort.problems import Problem
from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.cines import end_phases
from cmrkit.cohort.readers.dicom_cines import Stack, find_stacks
from cmrkit.cohort.readers.dicom_contours import (
    contour_sets,
    draw,
    owner,
    read_links,
    stack_of,
)
from cmrkit.cohort.readers.dicom_files import read_pixels
from cmrkit.cohort.readers.dicom_masks import read_labels_beside, read_segmentation, volumes_of
from cmrkit.cohort.readers.dicom_scan import scan
from cmrkit.cohort.readers.files import DataError, not_found, vendor_name
from cmrkit.cohort.readers.planes import APEX, judge_views, words
from cmrkit.cohort.readers.stack_list import chosen_slices
from cmrkit.cohort.series import CineSlice

_EXPECTED = "DICOM files of cardiac MR cines, in any tree of folders"


class DicomArchive:
    """An archive of DICOM cines.

    Patients are told apart by Patient ID. Of each, one examination is used, the one with the most
    slices. Its cines are found by `dicom_cines`, their views judged by `planes`; `stacks` lists
    them, `choose` takes the corrected list. Masks come from contour files, DICOM segmentations or
    NIfTI volumes of the same name.

    End-diastole and end-systole are the phases with the largest and smallest drawn left ventricle.
    Choice: without masks the first phase is end-diastole, as scanners start at the R wave, and
    end-systole is not stated.

    Args:
        folder: root of the tree.

    Raises:
        FileNotFoundError: no cine below it; says what was found instead.
    """

    name = "dicom"
    state = ""  # `open_source` states the files

    def __init__(self, folder):
        found = scan(folder, self.name, min(os.cpu_count() or 1, 4))
        self.problems = found.problems
        self._stacks, self._list = {}, {}
        for patient in sorted(found.frames):
            self._add(patient, found.frames[patient])
        if not self._stacks:
            first = f" ({self.problems[0].problem})" if self.problems else ""
            raise not_found(folder, _EXPECTED + first, "your scanner's archive")
        self._segmentations = dict(found.segmentations)
        self._volumes = found.volumes
        self._contours = self._owned(contour_sets(found.contours), folder, found.tables)

    def _add(self, patient, frames):
        """Find the cines of a patient and judge their views."""
        studies = {}
        for frame in frames:
            studies.setdefault(frame.study, []).append(frame)
        found = [find_stacks(part) for part in studies.values()]
        stacks, left = max(found, key=lambda pair: sum(len(stack.slices) for stack in pair[0]))
        used = sum(bool(part) for part, _ in found)
        if used > 1:
            left = [*left, f"{used - 1} more examination: one examination a patient is used"]
        self.problems += [Problem(patient, "", None, why) for why in left]
        if stacks:
            self._stacks[patient] = [_base_first(stack) for stack in stacks]
            self._list[patient] = _proposals(patient, self._stacks[patient])

    def _owned(self, sets, folder, tables):
        """Contour sets by patient; those of no or several patients are a problem."""
        frames = {p: [f for s in stacks for part in s.slices for f in part]
                  for p, stacks in self._stacks.items()} if sets else {}  # fmt: skip
        owned, links = {}, []
        try:
            links = read_links(tables) if sets else []
        except DataError as error:
            self.problems.append(Problem("", "", None, str(error)))
        for part in sets:
            patient = owner(part, folder, frames, links)
            if patient:
                owned.setdefault(patient, []).append(part)
            else:
                why = f"{len(part.files)} contours: images of no or several patients fit; add a "
                why += "link.csv with a column for the patient's folder and one for the contours'"
                self.problems.append(Problem("", "", None, why))
        return owned

    def patients(self):
        """One row a patient; `original_id` is the pseudonym, so that no id stands in a params file.

        The site is a pseudonym of the institution's name.
        """
        first = [stacks[0].first for stacks in self._stacks.values()]
        return pd.DataFrame(
            {
                "patient_id": list(self._stacks),
                "original_id": list(self._stacks),
                "site": [pseudonym("site", f.site) if f.site else "unknown" for f in first],
                "vendor": [vendor_name(frame.vendor) for frame in first],
                "disease": "unknown",
            }
        )

    def stacks(self):
        """List of all cines, a row a stack, with the proposed view and slices."""
        return pd.DataFrame([row for rows in self._list.values() for row in rows])

    def choose(self, table):
        """Use the views and slices of a corrected list instead of the proposed ones.

        Args:
            table: as `stack_list.review` returns it.
        """
        for patient, rows in table.groupby("patient_id", sort=False):
            self._list[patient] = rows.to_dict("records")
        self.state = [self.state, table[["stack_id", "view", "slices"]].to_numpy().tolist()]

    def only(self, patient_id):
        """The archive with one patient."""
        one = copy.copy(self)
        one.problems = []
        for name in ("_stacks", "_list", "_segmentations", "_contours"):
            held = getattr(self, name)
            setattr(one, name, {patient_id: held[patient_id]} if patient_id in held else {})
        return one

    def picture(self, patient_id, stack_id):
        """[rows, columns] float32, first phase of the middle chosen slice of a stack.

        Raises:
            DataError: pixels that cannot be read.
        """
        at = [row["stack_id"] for row in self._list[patient_id]].index(stack_id)
        row, stack = self._list[patient_id][at], self._stacks[patient_id][at]
        chosen = chosen_slices(row["slices"], row["positions"])
        return read_pixels(stack.slices[chosen[len(chosen) // 2]][:1])[0]

    def read(self, patient_id):
        """Yield the patient's slices, short-axis ones base to apex, and `Problem`s between them.

        Raises:
            DataError: unknown patient, or no cine with a view.
        """
        if patient_id not in self._stacks:
            raise DataError(f"patient_id: no patient {patient_id!r} in this folder")
        rows = self._list[patient_id]
        if not any(row["view"] for row in rows):
            raise DataError("no cine is a 4ch, 2ch or sax view; correct stacks.csv if one is")
        counted, said = {}, set()
        for number, row in enumerate(rows):
            if row["view"]:
                start = counted.get(row["view"], 0)
                chosen = chosen_slices(row["slices"], row["positions"])
                counted[row["view"]] = start + len(chosen)
                yield from self._read_stack(patient_id, number, row["view"], chosen, start, said)

    def _read_stack(self, patient_id, number, view, chosen, start, said):
        stack = self._stacks[patient_id][number]
        masks, present, problems = self._masks(patient_id, number)
        yield from (Problem(patient_id, view, None, why) for why in problems if why not in said)
        said.update(problems)
        areas = {
            p: {s: int((masks[s, p] == 1).sum()) for s in chosen if 1 in present[s][p]}
            for p in range(stack.phases)
            if any(1 in present[s][p] for s in chosen)
        }
        ed, es = end_phases(areas)
        phases = np.arange(stack.phases)
        ed = 0 if ed is None else ed
        for index, s in enumerate(chosen, start=start):
            try:
                images = read_pixels(stack.slices[s])
            except DataError as error:
                yield Problem(patient_id, view, index, str(error))
                continue
            yield CineSlice(
                patient_id=patient_id, view=view, slice_index=index, images=images,
                masks=masks[s], labels_present=present[s],
                spacing_mm=stack.slices[s][0].spacing_mm, phase_index=phases,
                phase_fraction=(phases - ed) % stack.phases / stack.phases,
                is_ed=phases == ed, is_es=phases == es,
            )  # fmt: skip

    def _masks(self, patient_id, number):
        """Label maps of a stack, labels of each frame, and sentences on what could not be used."""
        stacks = self._stacks[patient_id]
        stack = stacks[number]
        views = [row["view"] for row in self._list[patient_id]]
        problems = []
        for read in (self._from_contours, self._from_segmentations, self._from_volumes):
            found = read(patient_id, number, stacks, views, problems)
            if found is not None:
                return *found, problems
        shape = len(stack.slices), stack.phases, *stack.first.shape
        return np.zeros(shape, np.uint8), [[()] * shape[1] for _ in stack.slices], problems

    def _from_contours(self, patient_id, number, stacks, views, problems):
        for part in self._contours.get(patient_id, []):
            try:
                if stack_of(part, stacks, views) == number:
                    found = draw(part, stacks[number])
                    if part.automatic:
                        problems.append("contours made by a program, not drawn: used as labels")
                    return found
            except DataError as error:
                problems.append(str(error))
        return None

    def _from_segmentations(self, patient_id, number, stacks, views, problems):
        masks = None
        for path in self._segmentations.get(patient_id, []):
            try:
                found = read_segmentation(path, stacks[number])
            except DataError as error:
                problems.append(str(error))
                continue
            if found is not None:
                masks = found if masks is None else np.where(found, found, masks)
        return None if masks is None else (masks, _labels_drawn(masks))

    def _from_volumes(self, patient_id, number, stacks, views, problems):
        paths = volumes_of(stacks[number], self._volumes)
        if len(paths) > 1:
            problems.append("several NIfTI files have the name of this cine")
        if len(paths) != 1:
            return None
        try:
            masks = read_labels_beside(paths[0], stacks[number])
        except DataError as error:
            problems.append(str(error))
            return None
        return masks, _labels_drawn(masks)


def _labels_drawn(masks):
    """Labels of every frame: all that the volume holds, in phases where anything was drawn."""
    labels = tuple(int(label) for label in np.unique(masks) if label)
    phases = [labels if drawn else () for drawn in masks.any(axis=(0, 2, 3))]
    return [list(phases) for _ in masks]


def _base_first(stack):
    """Stack in the direction from base to apex."""
    return stack if stack.first.normal @ APEX > 0 else Stack(stack.slices[::-1])


def _proposals(patient, stacks):
    """Rows of the list: the judged view, and whether it is the one proposed for the study."""
    judged = judge_views(stacks)
    rank = {
        number: (len(stack.slices) if judged[number][0] == "sax" else 0,
                 "SS" in stack.first.contrast[3], stack.phases, stack.first.series_number, number)
        for number, stack in enumerate(stacks)
    }  # fmt: skip
    best = {}
    for number in rank:
        view = judged[number][0]
        best[view] = max(best.get(view, number), number, key=rank.get)
    rows = []
    for number, (stack, (view, clear)) in enumerate(zip(stacks, judged, strict=True)):
        used = view in ("4ch", "2ch", "sax") and best[view] == number
        one = used and view != "sax" and len(stack.slices) > 1
        rows.append(
            {
                "patient_id": patient,
                "stack_id": pseudonym("cine", f"{stack.first.series}\0{stack.first.uid}"),
                "view": view if used else "",
                "slices": str(_through_the_heart(stack, stacks, best.get("sax"))) if one else "",
                "judged": view,
                "clear": clear,
                "words": " ".join(words(stack.first.description)),
                "positions": len(stack.slices),
                "phases": stack.phases,
                "rows": stack.first.shape[0],
                "columns": stack.first.shape[1],
                "row_mm": round(stack.first.spacing_mm[0], 4),
                "column_mm": round(stack.first.spacing_mm[1], 4),
            }  # fmt: skip
        )
    return rows


def _through_the_heart(stack, stacks, short):
    """Slice of a long-axis stack that runs through the middle of the short-axis one."""
    if short is None:
        return len(stack.slices) // 2
    centre = stacks[short].middle(len(stacks[short].slices) // 2)
    away = [abs((centre - stack.middle(s)) @ stack.first.normal) for s in range(len(stack.slices))]
    return int(np.argmin(away))
