"""An archive of one's own: any tree of DICOM cines, classic or enhanced."""

import copy
import os

import numpy as np
import pandas as pd

from cmrkit.cohort.problems import Problem
from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.cines import POSITION_MM, end_phases
from cmrkit.cohort.readers.dicom_cines import Stack, find_stacks
from cmrkit.cohort.readers.dicom_contours import Images, contour_sets, read_links
from cmrkit.cohort.readers.dicom_files import read_pixels
from cmrkit.cohort.readers.dicom_labels import Labels
from cmrkit.cohort.readers.dicom_masks import volumes_of_none
from cmrkit.cohort.readers.dicom_scan import scan
from cmrkit.cohort.readers.files import DataError, not_found, vendor_name
from cmrkit.cohort.readers.planes import APEX
from cmrkit.cohort.readers.stack_list import chosen_slices, propose
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
        contours = self._owned(contour_sets(found.contours), folder, found.tables)
        segmentations = self._drawn_on(found.segmentations)
        self._report_volumes(found.volumes)
        self._labels = {
            p: Labels(contours.get(p, []), segmentations.get(p, []), found.volumes)
            for p in self._stacks
        }

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
            self._list[patient] = propose(patient, self._stacks[patient])

    def _owned(self, sets, folder, tables):
        """Contour sets by patient; those of no or several patients are a problem."""
        frames = {p: [f for s in stacks for part in s.slices for f in part]
                  for p, stacks in self._stacks.items()} if sets else {}  # fmt: skip
        images, owned, links = Images(frames, folder), {}, []
        try:
            links = read_links(tables) if sets else []
        except DataError as error:
            self.problems.append(Problem("", "", None, str(error)))
        for part in sets:
            patient = images.owner(part, links)
            if patient:
                owned.setdefault(patient, []).append(part)
            else:
                why = f"{len(part.files)} contours: images of no or several patients fit; add a "
                why += "link.csv with a column for the patient's folder and one for the contours'"
                self.problems.append(Problem("", "", None, why))
        return owned

    def _drawn_on(self, segmentations):
        """Paths of segmentations by patient; those drawn on no cine are a problem.

        Choice: the images that a segmentation names decide, not its Patient ID, which programs
        leave empty or write anew.
        """
        owner = {frame.reference: patient for patient, stacks in self._stacks.items()
                 for stack in stacks for part in stack.slices for frame in part if frame.uid
                 } if segmentations else {}  # fmt: skip
        owned, unmatched = {}, 0
        for one in segmentations:
            patients = {owner[image] for image in one.images if image in owner}
            unmatched += not patients
            for patient in patients:
                owned.setdefault(patient, []).append(one.path)
        if unmatched:
            why = f"{unmatched} DICOM segmentation{'s' * (unmatched > 1)}: drawn on no image of a "
            why += "cine found here; add those images, or export it from the images that lie here"
            self.problems.append(Problem("", "", None, why))
        return owned

    def _report_volumes(self, volumes):
        """Say how many NIfTI files are named like no cine, as their labels are not used."""
        stacks = [stack for stacks in self._stacks.values() for stack in stacks]
        if unmatched := len(volumes_of_none(stacks, volumes)):
            why = f"{unmatched} NIfTI file{'s' * (unmatched > 1)}: named like no cine; labels are "
            why += "named like the folder or file of their cine, e.g. sax_gt.nii.gz for sax"
            self.problems.append(Problem("", "", None, why))

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
        for name in ("_stacks", "_list", "_labels"):
            setattr(one, name, {patient_id: getattr(self, name)[patient_id]})
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
        said = set()
        for view in dict.fromkeys(row["view"] for row in rows if row["view"]):
            yield from self._read_view(patient_id, view, said)

    def _read_view(self, patient_id, view, said):
        """Slices of a view, which a person may have chosen from several stacks."""
        stacks, rows = self._stacks[patient_id], self._list[patient_id]
        views = [row["view"] for row in rows]
        chosen = {number: chosen_slices(row["slices"], row["positions"])
                  for number, row in enumerate(rows) if row["view"] == view}  # fmt: skip
        labels = {}
        for number, slices in chosen.items():
            masks, present, problems = self._labels[patient_id].read(number, stacks, views)
            yield from (Problem(patient_id, view, None, why) for why in problems if why not in said)
            said.update(problems)
            labels[number] = masks, present, *_end_phases(masks, present, slices)
        places, apart = [(number, s) for number, slices in chosen.items() for s in slices], np.nan
        if view == "sax":
            places, apart = _towards_the_apex(places, stacks)
        for index, (number, s) in enumerate(places):
            stack, (masks, present, ed, es) = stacks[number], labels[number]
            try:
                images = read_pixels(stack.slices[s])
            except DataError as error:
                yield Problem(patient_id, view, index, str(error))
                continue
            phases = np.arange(stack.phases)
            yield CineSlice(
                patient_id=patient_id, view=view, slice_index=index, images=images,
                masks=masks[s], labels_present=present[s],
                spacing_mm=stack.slices[s][0].spacing_mm, phase_index=phases,
                phase_fraction=(phases - ed) % stack.phases / stack.phases,
                is_ed=phases == ed, is_es=phases == es, slice_spacing_mm=apart,
            )  # fmt: skip


def _end_phases(masks, present, slices):
    """Phases of end-diastole and end-systole of a stack; the first and None without labels."""
    areas = {
        p: {s: int((masks[s, p] == 1).sum()) for s in slices if 1 in present[s][p]}
        for p in range(masks.shape[1])
        if any(1 in present[s][p] for s in slices)
    }
    ed, es = end_phases(areas)
    return 0 if ed is None else ed, es


def _towards_the_apex(places, stacks):
    """Short-axis (stack, slice) numbers from base to apex, and their distance in mm."""
    first = stacks[places[0][0]].first
    normal = first.normal if _runs_to_the_apex(first) else -first.normal
    along = np.array([stacks[number].middle(s) @ normal for number, s in places])
    order = np.argsort(along, kind="stable")
    apart = np.diff(along[order])
    apart = apart[apart > POSITION_MM]  # two stacks may hold one position
    return [places[i] for i in order], float(np.median(apart)) if len(apart) else np.nan


def _base_first(stack):
    """Stack in the direction from base to apex."""
    return stack if _runs_to_the_apex(stack.first) else Stack(stack.slices[::-1])


def _runs_to_the_apex(frame):
    """Whether its normal points from base to apex."""
    return frame.normal @ APEX > 0
