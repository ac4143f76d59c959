"""Sunnybrook Cardiac Data: adults, short axis, left ventricle.

Source: Radau et al., The MIDAS Journal 2009, hdl 10380/3070.
"""

import re
from collections import defaultdict

import numpy as np
import pandas as pd
from PIL import Image

from cmrkit.cohort.problems import Problem
from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.contours import draw_ventricle, unmatched
from cmrkit.cohort.readers.dicom_files import is_dicom, read_pixels
from cmrkit.cohort.readers.files import DataError, files_below, not_found, reading, walk
from cmrkit.cohort.readers.sunnybrook_series import read_headers, short_axis, slice_spacing
from cmrkit.cohort.series import CineSlice

PHASES = 20  # every cine of the set has 20; instance n is phase (n - 1) % 20 of its slice
DISEASES = {
    "HF-I": "heart failure with infarction",
    "HF-NI": "heart failure without infarction",
    "HYP": "hypertrophy",
    "N": "healthy",
}

_CODE = re.compile(r"SC-(HF-I|HF-NI|HYP|N)-0*(\d+)")
_PNG = re.compile(r"(SC-.*)-IM-\d+-(\d+)\.dcm\.png")
_EXPECTED = (
    "Images/ and Labels/ with SC-*-IM-0001-0048.dcm.png, or link.csv with the DICOM folders "
    "SCD0000101 ... (or DICOM folders SC-HF-I-1 ...) and contour files "
    "IM-0001-0048-icontour-manual.txt"
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
    if any(_PNG.fullmatch(path.name) for path in files_below(folder)):
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
        for path in files_below(folder):
            found = _PNG.fullmatch(path.name)
            if found and _label_of(path) and (code := patient_code(found[1])):
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
            `scd_patientdata.csv`), the DICOM folders and the contour files. In the older layout of
            the MICCAI 2009 challenge the DICOM folders carry the patients' codes, without a table.

    Raises:
        FileNotFoundError: no such files.
    """

    def __init__(self, folder):
        places = [path for path, is_folder in walk(folder) if is_folder]
        files = files_below(folder)
        named = {path.name: path for path in reversed(places)}
        links = [path for path in files if path.name in ("link.csv", "scd_patientdata.csv")]
        linked = _read_link(links[0]) if links else {}
        self._dicoms = {code: named[name] for code, name in linked.items() if name in named}
        if not self._dicoms:
            self._dicoms = _named_after_patients(places)
        if not self._dicoms:
            raise not_found(folder, _EXPECTED, _ORIGIN)
        self._contours = _contours(files)
        super().__init__(self._dicoms)

    def read(self, patient_id):
        """Yield the patient's slices, base to apex, each a whole cine, and `Problem`s between them.

        Raises:
            DataError: unknown patient, or no short-axis cine.
        """
        code = self._known(patient_id)
        contours = self._contours.get(code, {})
        frames, problems = read_headers(self._dicoms[code])
        slices, left = short_axis(frames, self._dicoms[code], set(contours))
        masks, broken = _draw(contours, slices)
        for why in (*problems, *left, *broken):
            yield Problem(patient_id, "sax", None, why)
        ed, es = _end_phases({number: (mask == 1).sum() for number, (mask, _) in masks.items()})
        apart = slice_spacing(slices)
        for index, part in enumerate(slices):
            try:
                images = read_pixels(part)
            except DataError as error:
                yield Problem(patient_id, "sax", index, str(error))
                continue
            empty = np.zeros(part[0].shape, np.uint8), ()
            drawn = [masks.get(frame.instance, empty) for frame in part]
            phases = (np.array([frame.instance for frame in part]) - 1) % PHASES
            yield CineSlice(
                patient_id=patient_id, view="sax", slice_index=index, images=images,
                masks=np.stack([mask for mask, _ in drawn]),
                labels_present=[labels for _, labels in drawn],
                spacing_mm=part[0].spacing_mm, phase_index=phases,
                phase_fraction=(phases - (ed or 0)) % PHASES / PHASES,
                is_ed=phases == ed, is_es=phases == es, slice_spacing_mm=apart,
            )  # fmt: skip


def _named_after_patients(places):
    """Map patient code to DICOM folder, where folders carry the code itself (MICCAI 2009)."""
    found = {}
    for place in places:
        code = patient_code(place.name)
        if code and code not in found and any(map(is_dicom, files_below(place))):
            found[code] = place
    return found


def _contours(files):
    """Contour files: patient code -> instance -> kind (`i` endo-, `o` epicardium) -> path."""
    found = {}
    for path in files:
        name = re.fullmatch(r"IM-\d+-(\d+)-([io])contour-manual\.txt", path.name)
        codes = {code for part in path.parts if (code := patient_code(part))} if name else ()
        for code in codes:
            found.setdefault(code, {}).setdefault(int(name[1]), {})[name[2]] = path
    return found


def _draw(contours, slices):
    """Label maps of all frames with a contour, by instance, and sentences on what is broken."""
    frames = [frame for part in slices for frame in part]
    held = [frame for frame in frames if frame.instance in contours]
    problems = unmatched(len(contours) - len(held), len(contours))
    masks = {}
    for frame in held:
        number = frame.instance
        mask, labels, broken = draw_ventricle(contours[number], frame.shape, number)
        problems += broken
        if labels:
            masks[number] = mask, labels
    return masks, problems


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
    """Path of the mask of an image below Images/, the same below Labels/; None for other files."""
    parts = list(path.parts)
    # the last one counts: the set may lie in a folder that has such a name itself
    last = max((i for i, part in enumerate(parts) if part in ("Images", "Labels")), default=None)
    if last is None or parts[last] == "Labels":
        return None
    return path.__class__(*parts[:last], "Labels", *parts[last + 1 :])


def _read_png(path, number):
    with reading(f"PNG of instance {number}"):
        return np.asarray(Image.open(path).convert("L"), dtype=np.float32)


def _read_link(path):
    """Map patient code to DICOM folder name, from `link.csv` or `scd_patientdata.csv`."""
    with reading(path.name):
        table = pd.read_csv(path, dtype=str)
        folder, code = list(table.columns)[:2]
        pairs = zip(table[code].map(patient_code, na_action="ignore"), table[folder], strict=True)
        return {code: folder for code, folder in pairs if code}
