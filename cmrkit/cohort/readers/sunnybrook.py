"""Sunnybrook Cardiac Data: adults, short axis, left ventricle.

Source: Radau et al., The MIDAS Journal 2009, hdl 10380/3070.
"""

import re
from collections import defaultdict

import numpy as np
import pandas as pd
from PIL import Image

from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.contours import read_contour, ventricle_mask
from cmrkit.cohort.readers.files import not_found, reading
from cmrkit.cohort.series import CineSlice

PHASES = 20  # every cine of the set has 20; instance n is phase (n - 1) % 20 of its slice
DISEASES = {
    "HF-I": "heart failure with infarction",
    "HF-NI": "heart failure without infarction",
    "HYP": "hypertrophy",
    "N": "healthy",
}

_CODE = re.compile(r"SC-(HF-I|HF-NI|HYP|N)-0*(\d+)")
_EXPECTED = (
    "Images/ and Labels/ with SC-*-IM-0001-0048.dcm.png, or link.csv with the DICOM folders "
    "SCD0000101 ... and contour files IM-0001-0048-icontour-manual.txt"
)
_ORIGIN = (
    "the Cardiac Atlas Project, Sunnybrook Cardiac Data (CC0), or as PNG from GitHub, "
    "mshunshin/SegNetCMR; cite Radau et al., The MIDAS Journal 2009, hdl 10380/3070"
)


def open_sunnybrook(folder):
    """Open the set in whichever of its two published layouts the folder holds.

    Raises:
        FileNotFoundError: neither layout is there.
    """
    if next(folder.rglob("SC-*-IM-*.png"), None) is not None:
        return SunnybrookPng(folder)
    return SunnybrookDicom(folder)


class _Sunnybrook:
    """What both layouts share: patients known by the code of the original set.

    Both give a patient the same pseudonym, so that one cannot be on two sides of a split.
    """

    name = "sunnybrook"

    def __init__(self, codes):
        self._code = {pseudonym(self.name, code): code for code in sorted(codes)}

    def patients(self):
        """One row a patient; `original_id` is the code with two digits, e.g. `SC-HF-I-04`."""
        return pd.DataFrame(
            {
                "patient_id": list(self._code),
                "original_id": list(self._code.values()),
                "site": "Sunnybrook",
                "vendor": "GE",
                "disease": [DISEASES[_CODE.fullmatch(code)[1]] for code in self._code.values()],
            }
        )

    def _known(self, patient_id):
        if patient_id not in self._code:
            raise ValueError(f"patient_id: no patient {patient_id!r} in this folder")
        return self._code[patient_id]


class SunnybrookPng(_Sunnybrook):
    """End-diastole and end-systole as PNG, with masks of the LV cavity; no pixel size.

    Args:
        folder: any folder above `Images/` and `Labels/`.

    Raises:
        FileNotFoundError: no such files.
    """

    def __init__(self, folder):
        self._files = defaultdict(dict)  # code -> instance -> image path
        for path in sorted(folder.rglob("SC-*-IM-*.png")):
            found = re.fullmatch(r"(SC-.*)-IM-\d+-(\d+)\.dcm\.png", path.name)
            if found and "Images" in path.parts and (code := patient_code(found[1])):
                self._files[code][int(found[2])] = path
        if not self._files:
            raise not_found(folder, _EXPECTED, _ORIGIN)
        super().__init__(self._files)

    def read(self, patient_id):
        """Yield the patient's slices, base to apex, each with one or two phases.

        Raises:
            ValueError: unknown patient or a broken file.
        """
        files = self._files[self._known(patient_id)]
        masks = {number: _read_png(_label_of(path), number) > 127 for number, path in files.items()}
        ed, es = _end_phases({number: mask.sum() for number, mask in masks.items()})
        for index, numbers in enumerate(_slices(files)):
            images = np.stack([_read_png(files[number], number) for number in numbers])
            drawn = np.stack([masks[number] for number in numbers])
            phases = (np.array(numbers) - 1) % PHASES
            yield CineSlice(
                patient_id=patient_id, view="sax", slice_index=index, images=images,
                masks=drawn.astype(np.uint8),
                labels_present=[(1,) if mask.any() else () for mask in drawn],
                spacing_mm=None, phase_index=phases,
                phase_fraction=np.full(len(numbers), np.nan), is_ed=phases == ed, is_es=phases == es,
            )  # fmt: skip


class SunnybrookDicom(_Sunnybrook):
    """Whole cines as DICOM, with contour files at end-diastole and end-systole.

    Args:
        folder: any folder above the table that links DICOM folders and patients (`link.csv` or
            `scd_patientdata.csv`), the DICOM folders and the contour files.

    Raises:
        FileNotFoundError: no such files.
    """

    def __init__(self, folder):
        self._folder = folder
        links = [*folder.rglob("link.csv"), *folder.rglob("scd_patientdata.csv")]
        self._dicoms = {}
        for code, name in (_read_link(links[0]) if links else {}).items():
            found = next((path for path in sorted(folder.rglob(name)) if path.is_dir()), None)
            if found:
                self._dicoms[code] = found
        if not self._dicoms:
            raise not_found(folder, _EXPECTED, _ORIGIN)
        super().__init__(self._dicoms)
