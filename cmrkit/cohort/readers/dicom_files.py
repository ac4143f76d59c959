"""One DICOM file: is it an MR image, where does it lie, when in the cycle, and its pixels."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import pixel_array

from cmrkit.cohort.readers.files import DataError, reading

_SECONDARY_CAPTURE = (
    "1.2.840.10008.5.1.4.1.1.7"  # and its multi-frame kinds, which add ".1" to ".4"
)
_SCREENSHOT_WORDS = {"SCREEN SAVE", "SCREENSAVE", "SCREENSHOT", "VXTL STATE"}


@dataclass(frozen=True, slots=True, eq=False)
class DicomFrame:
    """Header of one image; its pixels stay in the file.

    Attributes:
        path: file.
        index: frame within the file, None for a single-frame file.
        patient: Patient ID as stored; stays in memory.
        series: Series Instance UID; stays in memory.
        uid: SOP Instance UID; stays in memory.
        instance: Instance Number.
        shape: (rows, columns).
        position: [3] mm, middle of the first pixel in patient coordinates.
        orientation: [2, 3] unit vectors, along a row (rising column) and along a column.
        spacing_mm: (row, column).
        time: trigger time in ms or temporal index, whatever orders the cine; None if not stated.
        rescale: (slope, intercept) from stored to real values.
        vendor: manufacturer as stored.
        site: institution as stored; stays in memory.
        description: series description; stays in memory.
    """

    path: Path
    index: int | None
    patient: str
    series: str
    uid: str
    instance: int
    shape: tuple[int, int]
    position: np.ndarray
    orientation: np.ndarray
    spacing_mm: tuple[float, float]
    time: float | None
    rescale: tuple[float, float]
    vendor: str
    site: str
    description: str

    @property
    def normal(self):
        """[3] unit vector across the slice."""
        return np.cross(*self.orientation)


def is_dicom(path):
    """Whether the file carries the DICOM preamble."""
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_frames(path):
    """Read the headers of a classic file (one image) or an enhanced one (many).

    Returns:
        list of `DicomFrame`; none for a segmentation.

    Raises:
        DataError: not MR, a secondary capture, burned-in annotation, no geometry, or unreadable.
    """
    with reading("DICOM header"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom on values that break the standard but do no harm
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if str(header.get("Modality", "")) == "SEG":
            return []
        _refuse(header)
        groups = header.get("PerFrameFunctionalGroupsSequence")
        if int(header.get("NumberOfFrames") or 1) > 1 and groups:
            shared = header.SharedFunctionalGroupsSequence[0]
            return [_enhanced(path, header, shared, group, i) for i, group in enumerate(groups)]
        if int(header.get("NumberOfFrames") or 1) > 1:
            raise DataError("several frames without their positions; export as MR or enhanced MR")
        return [_frame(path, None, header, header, header, header, header.get("TriggerTime"))]


def _refuse(header):
    """Refuse by name what is no cardiac MR image, or may show a patient's name."""
    if str(header.get("SOPClassUID", "")).startswith(_SECONDARY_CAPTURE):
        raise DataError("secondary capture: may show patient data; left out")
    image_type = {str(word).upper() for word in _several(header.get("ImageType"))}
    if header.get("ConversionType") or image_type & _SCREENSHOT_WORDS:
        raise DataError("secondary capture: may show patient data; left out")
    if str(header.get("BurnedInAnnotation", "")).strip().upper() == "YES":
        raise DataError("burned-in annotation: may show patient data; left out")
    modality = str(header.get("Modality", "")).strip()
    if modality != "MR":
        raise DataError(f"modality {modality[:16]!r}: expected MR")
    photometric = str(header.get("PhotometricInterpretation", "")).strip()
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise DataError(f"photometric interpretation {photometric[:16]!r}: expected MONOCHROME2")


def _several(value):
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _enhanced(path, header, shared, group, index):
    def part(name):
        sequence = group.get(name) or shared.get(name)
        return sequence[0] if sequence else pydicom.Dataset()

    cardiac = part("CardiacSynchronizationSequence")
    content = part("FrameContentSequence")
    time = cardiac.get("NominalCardiacTriggerDelayTime")
    if time is None:
        time = content.get("TemporalPositionIndex")
    place = pydicom.Dataset()
    place.update(part("PlanePositionSequence"))
    place.update(part("PlaneOrientationSequence"))
    measures, values = part("PixelMeasuresSequence"), part("PixelValueTransformationSequence")
    return _frame(path, index, header, place, measures, values, time)


def _frame(path, index, header, place, measures, values, time):
    position = _numbers(place, "ImagePositionPatient", 3)
    orientation = _numbers(place, "ImageOrientationPatient", 6).reshape(2, 3)
    if np.abs(orientation @ orientation.T - np.eye(2)).max() > 0.01:
        raise DataError("ImageOrientationPatient: not two perpendicular directions")
    spacing = _numbers(measures, "PixelSpacing", 2)
    if spacing.min() <= 0:
        raise DataError("PixelSpacing: pixel sizes are above 0")
    if time is None:
        time = header.get("TemporalPositionIdentifier")
    return DicomFrame(
        path=Path(path), index=index,
        patient=str(header.get("PatientID") or "").strip(),
        series=str(header.get("SeriesInstanceUID") or ""),
        uid=str(header.get("SOPInstanceUID") or ""),
        instance=int(header.get("InstanceNumber") or 0),
        shape=(int(header.Rows), int(header.Columns)),
        position=position, orientation=orientation, spacing_mm=tuple(spacing.tolist()),
        time=None if time in (None, "") else float(time),
        rescale=(
            float(values.get("RescaleSlope") or 1), float(values.get("RescaleIntercept") or 0)
        ),
        vendor=str(header.get("Manufacturer") or "").strip(),
        site=str(header.get("InstitutionName") or "").strip(),
        description=str(header.get("SeriesDescription") or ""),
    )  # fmt: skip


def _numbers(dataset, keyword, count):
    values = np.array(_several(dataset.get(keyword)), dtype=float)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise DataError(f"{keyword}: missing or not {count} numbers; the frame has no geometry")
    return values


def read_pixels(frame):
    """Read the pixels of a frame, rescaled and with bright as high values.

    Returns:
        [rows, columns] float32.

    Raises:
        DataError: truncated, or of a compression that nothing here can decode.
    """
    with reading("DICOM pixels"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.Dataset()
        stored = pixel_array(frame.path, ds_out=header, index=frame.index)
        pixels = np.asarray(stored, dtype=np.float32) * frame.rescale[0] + frame.rescale[1]
        if pixels.shape != frame.shape:
            raise DataError(f"DICOM pixels: shape {pixels.shape}, header says {frame.shape}")
        bright_is_low = header.PhotometricInterpretation == "MONOCHROME1"
        return np.float32(pixels.max() - pixels if bright_is_low else pixels)
