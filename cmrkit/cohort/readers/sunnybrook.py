"""Sunnybrook Cardiac Data: adults, short axis, GE scanner, LV cavity.

As PNG (`Images/**/SC-<code>-IM-0001-<n>.dcm.png`, `Labels/` alike, end-diastole and end-systole) or
as DICOM cine (`dicoms/<id>/<n>.dcm`) with text contours (`contourfiles/<code>/**`, `link.csv`).
Both hold the same patients: a patient has one pseudonym, whichever is read.

Source: Radau et al., MIDAS Journal 2009, hdl 10380/3070.
"""

import re
from collections import defaultdict

import numpy as np
import pandas as pd
import pydicom
from PIL import Image, ImageDraw
from pydicom.errors import InvalidDicomError

from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.series import CineSlice

PHASES = 20  # images a slice position, numbered on through the stack
DISEASES = {
    "HF-I": "heart failure with infarction",
    "HF-NI": "heart failure without infarction",
    "HYP": "hypertrophy",
    "N": "healthy",
}
_CODE = re.compile(r"SC-(HF-I|HF-NI|HYP|N)-0*(\d+)")
_NUMBER = re.compile(r"IM-0001-(\d{4})")


class _Sunnybrook:
    """What both forms share: `_files` maps a patient's code to its files by image number."""

    name = "sunnybrook"

    def __init__(self, files):
        self._files = files
        self._code = {pseudonym(self.name, code): code for code in sorted(files)}

    def patients(self):
        """One row a patient that is present; `original_id` is the published code."""
        return pd.DataFrame(
            {
                "patient_id": list(self._code),
                "original_id": list(self._code.values()),
                "site": "Sunnybrook",
                "vendor": "GE",
                "disease": [DISEASES[_CODE.match(c)[1]] for c in self._code.values()],
            }
        )

    def read(self, patient_id):
        """One `CineSlice` a slice position, with its annotated phases.

        End-diastole is the phase of the larger cavity over the stack, the other end-systole.

        Raises:
            ValueError: a file is damaged.
        """
        frames = {
            n: self._frame(*files) for n, files in self._files[self._code[patient_id]].items()
        }
        area = defaultdict(int)
        for n, (_, mask, _, _) in frames.items():
            area[(n - 1) % PHASES] += int((mask == 1).sum())
        first = max(area, key=area.get)
        for index, slice_number in enumerate(sorted({(n - 1) // PHASES for n in frames})):
            numbers = [n for n in sorted(frames) if (n - 1) // PHASES == slice_number]
            yield _slice(patient_id, index, numbers, [frames[n] for n in numbers], first)


class SunnybrookPng(_Sunnybrook):
    """The set as PNG; it states no pixel size.

    Args:
        folder: Path that holds `Images/` and `Labels/`.

    Raises:
        FileNotFoundError: no such files there.
    """

    def __init__(self, folder):
        labels = {path.name: path for path in (folder / "Labels").rglob("SC-*.png")}
        files = defaultdict(dict)
        for image in sorted((folder / "Images").rglob("SC-*.png")):
            if image.name in labels:
                files[_code(image.name)][_number(image.name)] = (image, labels[image.name])
        if not files:
            raise FileNotFoundError(
                f"{folder}: expected Images/**/SC-*-IM-0001-*.png with Labels/ of the same names, "
                "or dicoms/ with contourfiles/ (Sunnybrook Cardiac Data, hdl 10380/3070)"
            )
        super().__init__(files)

    def _frame(self, image, label):
        try:
            pixels = np.asarray(Image.open(image).convert("L"), dtype=np.float32)
            mask = (np.asarray(Image.open(label).convert("L")) > 127).astype(np.uint8)
        except OSError as error:
            raise ValueError(f"a PNG cannot be read: {type(error).__name__}") from None
        return pixels, mask, (1,), None


class SunnybrookDicom(_Sunnybrook):
    """The set as DICOM with manual contours; only annotated images are read.

    Args:
        folder: Path that holds `dicoms/`, `contourfiles/` and `link.csv`.

    Raises:
        FileNotFoundError: no such files there.
    """

    def __init__(self, folder):
        files = defaultdict(dict)
        link = folder / "link.csv"
        pairs = pd.read_csv(link, dtype=str).itertuples(index=False) if link.exists() else []
        for series, code in pairs:
            drawn = (folder / "contourfiles" / code).rglob("*-icontour-manual.txt")
            for inner in sorted(drawn):
                number = _number(inner.name)
                dicom = folder / "dicoms" / series / f"{number}.dcm"
                if dicom.exists():
                    outer = inner.parents[1] / "o-contours" / inner.name.replace("icon", "ocon")
                    files[_code(code)][number] = (dicom, inner, outer)
        if not files:
            raise FileNotFoundError(
                f"{folder}: expected link.csv, dicoms/<id>/<n>.dcm and contourfiles/<code>/ "
                "(Sunnybrook Cardiac Data, hdl 10380/3070)"
            )
        super().__init__(files)

    def _frame(self, dicom, inner, outer):
        try:
            dataset = pydicom.dcmread(dicom)
            pixels = dataset.pixel_array.astype(np.float32)
            spacing = tuple(float(mm) for mm in dataset.PixelSpacing)
        except (InvalidDicomError, AttributeError, OSError) as error:
            raise ValueError(f"a DICOM file cannot be read: {type(error).__name__}") from None
        cavity = rasterise(np.loadtxt(inner), pixels.shape)
        mask, present = cavity.astype(np.uint8), (1,)
        if outer.exists():
            mask[rasterise(np.loadtxt(outer), pixels.shape) & ~cavity] = 2
            present = (1, 2)
        return pixels, mask, present, spacing


def rasterise(polygon, shape):
    """Pixels whose centre lies inside a contour.

    Args:
        polygon: [n, 2] float, x (column) and y (row) in pixels.
        shape: (rows, columns).

    Returns:
        bool array of this shape.
    """
    fine = 8  # supersampling, since ImageDraw rounds corners to whole pixels
    canvas = Image.new("1", (shape[1] * fine, shape[0] * fine))
    corners = [((x + 0.5) * fine, (y + 0.5) * fine) for x, y in polygon]
    ImageDraw.Draw(canvas).polygon(corners, fill=1)
    return np.asarray(canvas)[fine // 2 :: fine, fine // 2 :: fine]


def _code(name):
    """Published code without leading zeros, since PNG and contour folders differ in them."""
    found = _CODE.match(name)
    return f"SC-{found[1]}-{found[2]}"


def _number(name):
    return int(_NUMBER.search(name)[1])


def _slice(patient_id, index, numbers, frames, end_diastole):
    images, masks, present, spacings = zip(*frames, strict=True)
    phase = (np.array(numbers) - 1) % PHASES
    return CineSlice(
        patient_id=patient_id, view="sax", slice_index=index,
        images=np.stack(images), masks=np.stack(masks), labels_present=list(present),
        spacing_mm=spacings[0], phase_index=phase,
        phase_fraction=(phase - end_diastole) % PHASES / PHASES,
        is_ed=phase == end_diastole, is_es=phase != end_diastole,
    )  # fmt: skip
