"""Sunnybrook Cardiac Data: adults, short axis, left ventricle.

Source: Radau et al., The MIDAS Journal 2009, hdl 10380/3070.
"""

import re
from collections import defaultdict

import numpy as np
import pandas as pd
from PIL import Image

from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.cines import slice_positions
from cmrkit.cohort.readers.contours import read_contour, ventricle_mask
from cmrkit.cohort.readers.dicom_files import is_dicom, read_frames, read_pixels
from cmrkit.cohort.readers.files import DataError, not_found, reading
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
            raise DataError(f"patient_id: no patient {patient_id!r} in this folder")
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
            DataError: unknown patient or a broken file.
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
                phase_fraction=np.full(len(numbers), np.nan),
                is_ed=phases == ed, is_es=phases == es,
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

    def read(self, patient_id):
        """Yield the patient's slices, base to apex, each a whole cine.

        Raises:
            DataError: unknown patient or a broken file.
        """
        code = self._known(patient_id)
        contours = self._contours(code)
        paths = sorted(path for path in self._dicoms[code].rglob("*") if is_dicom(path))
        found = [read_frames(path) for path in paths]
        frames = [frame for part in found if isinstance(part, list) for frame in part]
        if not frames:
            raise DataError("no DICOM files in the patient's folder; complete the download")
        slices = sorted(slice_positions(frames), key=lambda part: part[0].instance)
        masks = {f.instance: _drawn(contours, f) for f in frames if f.instance in contours["i"]}
        ed, es = _end_phases({number: (mask == 1).sum() for number, (mask, _) in masks.items()})
        for index, part in enumerate(slices):
            empty = np.zeros(part[0].shape, np.uint8), ()
            drawn = [masks.get(frame.instance, empty) for frame in part]
            phases = (np.array([frame.instance for frame in part]) - 1) % PHASES
            yield CineSlice(
                patient_id=patient_id, view="sax", slice_index=index,
                images=read_pixels(part),
                masks=np.stack([mask for mask, _ in drawn]),
                labels_present=[labels for _, labels in drawn],
                spacing_mm=part[0].spacing_mm, phase_index=phases,
                phase_fraction=(phases - (ed or 0)) % PHASES / PHASES,
                is_ed=phases == ed, is_es=phases == es,
            )  # fmt: skip

    def _contours(self, code):
        """Contour files of a patient: `i` (endocardium) and `o` (epicardium), by instance."""
        found = {"i": {}, "o": {}}
        for path in sorted(self._folder.rglob("IM-*contour-manual.txt")):
            name = re.fullmatch(r"IM-\d+-(\d+)-([io])contour-manual\.txt", path.name)
            if name and code in map(patient_code, path.parts):
                found[name[2]][int(name[1])] = path
        return found


def patient_code(text):
    """Code with two digits, e.g. `SC-HF-I-04` for `SC-HF-I-4`; None if it is not one."""
    found = _CODE.fullmatch(text)
    return found and f"SC-{found[1]}-{int(found[2]):02d}"


def _slices(numbers):
    """Instance numbers, sorted, by slice; they count 20 phases a slice, base to apex."""
    slices = defaultdict(list)
    for number in sorted(numbers):
        slices[(number - 1) // PHASES].append(number)
    return [slices[key] for key in sorted(slices)]


def _end_phases(areas):
    """Phase numbers of end-diastole and end-systole, from the cavity area of every drawn frame.

    Choice: two phases of each patient are drawn; end-diastole is the one with the larger cavity,
    over the slices drawn at both.
    """
    drawn = defaultdict(dict)  # phase -> slice -> area
    for number, area in areas.items():
        drawn[(number - 1) % PHASES][(number - 1) // PHASES] = int(area)
    shared = set.intersection(*map(set, drawn.values())) if drawn else set()
    sizes = {phase: sum(part[s] for s in shared) for phase, part in drawn.items()}
    if len(sizes) < 2 or not shared:
        return None, None
    return max(sizes, key=sizes.get), min(sizes, key=sizes.get)


def _label_of(path):
    """Path of the mask that belongs to an image: the same name below Labels/."""
    parts = ["Labels" if part == "Images" else part for part in path.parts]
    return path.__class__(*parts)


def _read_png(path, number):
    with reading(f"PNG of instance {number}"):
        return np.asarray(Image.open(path).convert("L"), dtype=np.float32)


def _drawn(contours, frame):
    points = [
        read_contour(files[frame.instance], f"{kind} contour of instance {frame.instance}")
        if frame.instance in files
        else None
        for kind, files in contours.items()
    ]
    return ventricle_mask(frame.shape, *points)


def _read_link(path):
    """Map patient code to DICOM folder name, from `link.csv` or `scd_patientdata.csv`."""
    with reading(path.name):
        table = pd.read_csv(path, dtype=str)
        folder, code = list(table.columns)[:2]
        pairs = zip(table[code].map(patient_code, na_action="ignore"), table[folder], strict=True)
        return {code: folder for code, folder in pairs if code}
