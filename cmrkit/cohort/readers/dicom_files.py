"""One DICOM file: is it an MR image, where does it lie, when in the cycle, and its pixels."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import apply_rescale, pixel_array

from cmrkit.cohort.readers.files import DataError, reading

_SECONDARY_CAPTURE = (
    "1.2.840.10008.5.1.4.1.1.7"  # and its multi-frame kinds, which add ".1" to ".4"
)
_SCREENSHOT_WORDS = {"SCREEN SAVE", "SCREENSAVE", "SCREENSHOT", "VXTL STATE"}


@dataclass(frozen=True)
class DicomFrame:
    """Header of one image; its pixels stay in the file.

    Attributes:
        path: file.
        index: frame within the file, None for a single-frame file.
        patient: Patient ID as stored; stays in memory.
        series: Series Instance UID; stays in memory.
        instance: Instance Number.
        shape: (rows, columns).
        position: [3] mm, middle of the first pixel in patient coordinates.
        orientation: [2, 3] unit vectors, along a row (rising column) and along a column.
        spacing_mm: (row, column).
        time_ms: trigger time or temporal index, whatever orders the cine; None where not stated.
        vendor: manufacturer as stored.
        description: series description; stays in memory.
    """

    path: Path
    index: int | None
    patient: str
    series: str
    instance: int
    shape: tuple[int, int]
    position: np.ndarray
    orientation: np.ndarray
    spacing_mm: tuple[float, float]
    time_ms: float | None
    vendor: str
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
        list of `DicomFrame`.

    Raises:
        DataError: not MR, a secondary capture, burned-in annotation, no geometry, or unreadable.
    """
    with reading("DICOM header"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom on values that break the standard but do no harm
        header = pydicom.dcmread(path, stop_before_pixels=True)
        _refuse(header)
        groups = header.get("PerFrameFunctionalGroupsSequence")
        if int(header.get("NumberOfFrames") or 1) > 1 and groups:
            shared = header.SharedFunctionalGroupsSequence[0]
            return [_enhanced(path, header, shared, group, i) for i, group in enumerate(groups)]
        if int(header.get("NumberOfFrames") or 1) > 1:
            raise DataError("several frames without their positions; export as MR or enhanced MR")
        return [_frame(path, None, header, header, header, header.get("TriggerTime"))]


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
    return _frame(path, index, header, place, part("PixelMeasuresSequence"), time)


def _frame(path, index, header, place, measures, time):
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
        instance=int(header.get("InstanceNumber") or 0),
        shape=(int(header.Rows), int(header.Columns)),
        position=position, orientation=orientation, spacing_mm=tuple(spacing.tolist()),
        time_ms=None if time in (None, "") else float(time),
        vendor=str(header.get("Manufacturer") or "").strip(),
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
        dataset = pydicom.dcmread(frame.path)
        pixels = pixel_array(dataset, index=frame.index)
        pixels = np.asarray(apply_rescale(pixels, dataset), dtype=np.float32)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            pixels = pixels.max() - pixels
        if pixels.shape != frame.shape:
            raise DataError(f"DICOM pixels: shape {pixels.shape}, header says {frame.shape}")
        return pixels
