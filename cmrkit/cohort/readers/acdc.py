"""ACDC: adults, short axis, whole cines with labels at end-diastole and end-systole.

Source: Bernard et al., IEEE Transactions on Medical Imaging 2018;37:2514, doi
10.1109/TMI.2018.2837502.
"""

import re

import numpy as np
import pandas as pd

from cmrkit.cohort.problems import Problem
from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.files import DataError, files_below, not_found, reading
from cmrkit.cohort.readers.nifti import (
    cine_slices,
    find_volume,
    in_words,
    labels_or_none,
    read_volume,
)

DISEASES = {
    "NOR": "healthy",
    "MINF": "myocardial infarction",
    "DCM": "dilated cardiomyopathy",
    "HCM": "hypertrophic cardiomyopathy",
    "RV": "abnormal right ventricle",
}
LABEL_OF = {1: 3, 2: 2, 3: 1}  # theirs: RV cavity, myocardium, LV cavity

_EXPECTED = "folders patient001 ... with Info.cfg and patient001_frame01.nii.gz"
_ORIGIN = (
    "the ACDC challenge, Human Heart Project, CREATIS Lyon; cite Bernard et al., IEEE Trans Med "
    "Imaging 2018;37:2514, doi 10.1109/TMI.2018.2837502"
)


class AcdcArchive:
    """The ACDC set as published, training and testing patients alike.

    Args:
        folder: any folder above the folders `patientNNN`.

    Raises:
        FileNotFoundError: the folder does not hold the set.
    """

    name = "acdc"

    def __init__(self, folder):
        found = dict(filter(None, map(_patient_folder, files_below(folder))))
        self._folders = {name: found[name] for name in sorted(found)}
        if not self._folders:
            raise not_found(folder, _EXPECTED, _ORIGIN)
        self._original = {pseudonym(self.name, name): name for name in self._folders}
        self._info, self.problems = {}, []
        for patient, name in self._original.items():
            try:
                self._info[name] = _info(self._folders[name] / "Info.cfg")
            except DataError as error:
                self._info[name] = {}
                why = f"{error}; group unknown, end-diastole and end-systole by the drawn areas"
                self.problems.append(Problem(patient, "", None, why))

    def patients(self):
        """One row a patient; `original_id` is the folder's name, e.g. `patient001`."""
        groups = [info.get("Group") for info in self._info.values()]
        return pd.DataFrame(
            {
                "patient_id": list(self._original),
                "original_id": list(self._folders),
                "site": "Dijon",
                "vendor": "Siemens",
                "disease": [DISEASES.get(group, "unknown") for group in groups],
            }
        )

    def read(self, patient_id):
        """Yield the patient's slices: the whole cine if present, else the two labelled phases.

        `Problem`s come before them; broken labels count as not there.

        Raises:
            DataError: unknown patient, no volume, or a broken one.
        """
        if patient_id not in self._original:
            raise DataError(f"patient_id: no patient {patient_id!r} in this folder")
        name = self._original[patient_id]
        folder, info = self._folders[name], self._info[name]
        numbers, volumes = _images(folder)
        images = np.concatenate([volume.voxels for volume in volumes], axis=1)
        masks = np.zeros(images.shape, np.uint8)
        labels_present = [()] * len(numbers)
        for phase, number in enumerate(numbers):
            path = find_volume(folder / f"{name}_frame{number:02d}_gt")
            if path is None:
                continue
            # a cine is one volume of many phases, single frames are many of one
            volume = volumes[phase if len(volumes) > 1 else 0]
            what, problems = f"labels of frame {number}", []
            drawn = labels_or_none(path, what, volume, LABEL_OF, problems, phases=1)
            yield from (Problem(patient_id, "sax", None, why) for why in problems)
            if drawn is not None:
                masks[:, phase] = drawn[:, 0]
                labels_present[phase] = tuple(sorted(LABEL_OF.values()))
        ed, es = (_position(numbers, info.get(key)) for key in ("ED", "ES"))
        yield from cine_slices(
            patient_id, "sax", images, masks, labels_present, volumes[0].spacing_mm, ed, es,
            whole_cycle=len(numbers) > 2,
        )  # fmt: skip


def _patient_folder(path):
    """(patient's name, folder) of a file of the set, None for any other file."""
    if path.name == "Info.cfg" and path.parent.name.startswith("patient"):
        return path.parent.name, path.parent
    found = re.fullmatch(r"(patient.*?)_(4d|frame\d+)(_gt)?\.nii(\.gz)?", path.name)
    inside = next((one for one in path.parents if found and one.name == found[1]), None)
    return inside and (inside.name, inside)


def _images(folder):
    """Frame numbers (1 is the first), and their `Volume`s: one cine, or one a frame."""
    cine = find_volume(folder / f"{folder.name}_4d")
    if cine:
        volume = read_volume(cine, "4D cine")
        return list(range(1, volume.voxels.shape[1] + 1)), [volume]
    single = re.compile(rf"{re.escape(folder.name)}_frame(\d+)\.nii(\.gz)?")
    found = [single.fullmatch(path.name) for path in folder.iterdir()]
    numbers = sorted({int(one[1]) for one in found if one})
    if not numbers:
        raise DataError("neither a 4D cine nor single frames; complete the download")
    volumes = [
        read_volume(find_volume(folder / f"{folder.name}_frame{number:02d}"), f"frame {number}")
        for number in numbers
    ]
    shapes = sorted({volume.voxels.shape for volume in volumes})
    if len(shapes) > 1:
        one, other = map(in_words, shapes[:2])
        raise DataError(f"frames: {one} and {other}; expected one shape a patient")
    if shapes[0][1] > 1:
        raise DataError(f"frames: {in_words(shapes[0])}; expected one phase a frame")
    return numbers, volumes


def _info(path):
    """Lines `key: value` of Info.cfg.

    Raises:
        DataError: no such file.
    """
    with reading("Info.cfg"):
        # some copies begin with a mark of the encoding, or hold a letter of another one
        text = path.read_text("utf-8-sig", errors="replace")
        return dict(re.findall(r"^(\w+):[ \t]*(\S+)", text, re.MULTILINE))


def _position(numbers, stated):
    """Phase of the frame number stated in Info.cfg, or None."""
    number = int(stated) if stated and re.fullmatch("[0-9]{1,6}", stated) else None
    return numbers.index(number) if number in numbers else None
