"""M&Ms-2: short axis and 4-chamber view, several centres, vendors and diseases.

Source: Martin-Isla et al., IEEE Journal of Biomedical and Health Informatics 2023;27:3302, doi
10.1109/JBHI.2023.3267857.
"""

import re

import numpy as np

from cmrkit.cohort.problems import Problem
from cmrkit.cohort.readers.files import DataError, files_below, not_found
from cmrkit.cohort.readers.mnms import LABEL_OF, LABELS, ChallengeArchive, Columns
from cmrkit.cohort.readers.nifti import (
    cine_slices,
    find_volume,
    in_words,
    labels_or_none,
    read_volume,
)

_ORIGIN = (
    "the University of Barcelona, www.ub.edu/mnms-2; cite Martin-Isla et al., IEEE J Biomed Health "
    "Inform 2023;27:3302, doi 10.1109/JBHI.2023.3267857"
)


class Mnms2Archive(ChallengeArchive):
    """The M&Ms-2 set as published: short axis and 4-chamber, end-diastole, end-systole and cine.

    Args:
        folder: any folder above the patient folders `001` ... with `001_SA_ED.nii.gz`.

    Raises:
        FileNotFoundError: the folder does not hold the set.
    """

    name = "mnms2"
    columns = Columns("SUBJECT_CODE", "SCANNER", "scanner", "VENDOR", "DISEASE")

    def __init__(self, folder):
        found = [
            (name[1], path.parent)
            for path in files_below(folder)
            if (name := re.fullmatch(r"(\d+)_[SL]A_(ED|ES|CINE)\.nii(\.gz)?", path.name))
        ]
        if not found:
            expected = "patient folders with 001_SA_ED.nii.gz, and dataset_information.csv"
            raise not_found(folder, expected, _ORIGIN)
        super().__init__(folder, dict(found))

    def read(self, patient_id):
        """Yield the patient's slices, short axis first, and `Problem`s between them.

        A broken file costs its view; broken labels or a broken cine count as not there.

        Raises:
            DataError: unknown patient.
        """
        folder, code = self.folder(patient_id), self._original[patient_id]
        for part, view in (("SA", "sax"), ("LA", "4ch")):
            problems = []
            try:
                slices = _view(patient_id, view, folder / f"{code}_{part}", problems)
            except DataError as error:
                slices, problems = [], [*problems, str(error)]
            yield from (Problem(patient_id, view, None, why) for why in problems)
            yield from slices


def _view(patient_id, view, stem, problems):
    """List of the slices of one view, empty where none of its files is there."""
    ends = {}  # name -> (volume, labels or None)
    for phase in ("ED", "ES"):
        what, path = f"{stem.name[-2:]} {phase}", find_volume(_with(stem, phase))
        if path:
            volume = read_volume(path, what)
            drawn = find_volume(_with(stem, f"{phase}_gt"))
            masks = None
            if drawn:
                masks = labels_or_none(drawn, f"{what} labels", volume, LABEL_OF, problems)
            ends[phase] = volume, masks
    return _slices(patient_id, view, stem, ends, problems) if ends else []


def _with(stem, ending):
    return stem.with_name(f"{stem.name}_{ending}")


def _slices(patient_id, view, stem, ends, problems):
    """Slices of one view: the whole cine where it holds both ends, else the ends alone.

    Choice: the set does not state where in the cine end-diastole and end-systole lie; they are the
    phases with identical images.
    """
    first = [volume.voxels[:, :1] for volume, _ in ends.values()]
    if len({voxels.shape for voxels in first}) > 1:
        one, other = (in_words(voxels.shape) for voxels in first)
        raise DataError(f"{stem.name[-2:]}: ED has {one}, ES {other}; expected one shape a view")
    at = dict(zip(ends, range(len(ends)), strict=True))
    cine = _cine(stem, problems)
    found = {name: _identical(cine, voxels) for name, voxels in zip(ends, first, strict=True)}
    if None in found.values():
        images = np.concatenate(first, axis=1)
    else:
        images, at = cine, found
    masks = np.zeros(images.shape, np.uint8)
    labels_present = [()] * images.shape[1]
    for name, (_, drawn) in ends.items():
        if drawn is not None:
            masks[:, at[name]] = drawn[:, 0]
            labels_present[at[name]] = LABELS
    spacing = next(iter(ends.values()))[0].spacing_mm
    ed, es = at.get("ED"), at.get("ES")
    whole = images.shape[1] > 2
    return list(
        cine_slices(patient_id, view, images, masks, labels_present, spacing, ed, es, whole)
    )


def _cine(stem, problems):
    """Voxels of the whole cine, or None."""
    path = find_volume(_with(stem, "CINE"))
    try:
        return path and read_volume(path, f"{stem.name[-2:]} cine").voxels
    except DataError as error:
        problems.append(f"{error}; end-diastole and end-systole alone are read")
        return None


def _identical(cine, voxels):
    """Phase of the cine that holds the same images, or None."""
    if cine is None or cine[:, :1].shape != voxels[:, :1].shape:
        return None
    same = (cine == voxels[:, :1]).all(axis=(0, 2, 3))
    return int(same.argmax()) if same.any() else None
