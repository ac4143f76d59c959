"""One DICOM file: is it an MR image, where does it lie, when in the cycle, and its pixels."""

import hashlib
import re
import warnings
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import decoders, iter_pixels

from cmrkit.cohort.readers.dicom_groups import functional_group, shared_groups, source_images
from cmrkit.cohort.readers.files import DataError, reading

ENDINGS = (".dcm", ".ima", ".dicom")
MOST_FRAMES = 20_000  # beyond it the header is broken

_SECONDARY_CAPTURE = (
    "1.2.840.10008.5.1.4.1.1.7"  # and its multi-frame kinds, which add ".1" to ".4"
)
_SEGMENTATIONS = (  # of bits or fractions, and of label numbers
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
)
_SCREENSHOT_WORDS = {"SCREEN SAVE", "SCREENSAVE", "SCREENSHOT", "VXTL STATE"}
_PHASE_WORDS = {"P", "PHASE", "PHASE MAP", "VELOCITY", "VELOCITY MAP", "PHASE CONTRAST"}
_DIRECTIONS_OFF = 0.01  # unit vectors may be off by rounding

# gdcm ends the whole process on some damaged files, so it only decodes what nothing else here does
for _decoder in (
    decoders.JPEGBaseline8BitDecoder, decoders.JPEGLSLosslessDecoder,
    decoders.JPEGLSNearLosslessDecoder, decoders.JPEG2000LosslessDecoder,
    decoders.JPEG2000Decoder,
):  # fmt: skip
    _decoder.remove_plugin("gdcm")


@dataclass(frozen=True, slots=True, eq=False)
class DicomFrame:
    """Header of one image; its pixels stay in the file. All text but `vendor` stays in memory.

    Attributes:
        path: file.
        index: frame within the file, None for a single-frame file.
        patient: Patient ID as stored.
        person: digests of name and date of birth, which tell two patients with one ID apart; ""
            where not stated.
        study: Study Instance UID.
        series: Series Instance UID.
        series_number: Series Number.
        uid: SOP Instance UID.
        instance: Instance Number.
        shape: (rows, columns).
        position: [3] mm, middle of the first pixel in patient coordinates.
        orientation: [2, 3] unit vectors, along a row (rising column) and along a column.
        spacing_mm: (row, column).
        thickness_mm: of the slice, 0 if not stated.
        trigger: time after the R wave in ms, None if not stated.
        temporal: temporal position, None if not stated.
        phases: images a cycle as stated, 0 if not.
        contrast: echo time, inversion time, flip angle (0 where not stated) and sequence variant.
        rescale: (slope, intercept) from stored to real values.
        vendor: manufacturer as stored.
        site: institution as stored.
        description: series description and protocol name.
    """

    path: Path
    index: int | None
    patient: str
    person: tuple[str, str]
    study: str
    series: str
    series_number: int
    uid: str
    instance: int
    shape: tuple[int, int]
    position: np.ndarray
    orientation: np.ndarray
    spacing_mm: tuple[float, float]
    thickness_mm: float
    trigger: float | None
    temporal: float | None
    phases: int
    contrast: tuple[float, float, float, str]
    rescale: tuple[float, float]
    vendor: str
    site: str
    description: str

    @property
    def normal(self):
        """[3] unit vector across the slice."""
        return np.cross(*self.orientation)

    @property
    def reference(self):
        """SOP Instance UID, and frame number from 1 or None, by which segmentations name it."""
        return self.uid, None if self.index is None else self.index + 1


@dataclass(frozen=True)
class Segmentation:
    """A DICOM segmentation: its file, and `DicomFrame.reference` of the images it was drawn on."""

    path: Path
    images: frozenset


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
        list of `DicomFrame`, or a `Segmentation`.

    Raises:
        DataError: not MR, a secondary capture, burned-in annotation, no geometry, or unreadable.
    """
    with reading("DICOM header"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom on values that break the standard but do no harm
        if not is_dicom(path):
            raise DataError("DICOM header: not a DICOM file, or cut short")
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if str(header.get("SOPClassUID", "")) in _SEGMENTATIONS:
            return Segmentation(Path(path), frozenset(source_images(header)))
        _refuse(header)
        count = int(header.get("NumberOfFrames") or 1)
        if "PerFrameFunctionalGroupsSequence" in header and header.PerFrameFunctionalGroupsSequence:
            groups = header.PerFrameFunctionalGroupsSequence
            if "NumberOfFrames" in header:
                if len(groups) != count or count > MOST_FRAMES:
                    raise DataError(f"{count} frames, but positions of {len(groups)}")
                shared = shared_groups(header)
                return [_enhanced(path, header, shared, group, i) for i, group in enumerate(groups)]
        if count > 1:
            raise DataError("several frames without their positions; export as MR or enhanced MR")
        return [_frame(path, None, header, header, header, header, header)]


def _refuse(header):
    """Refuse by name what is no cardiac MR image, or may show a patient's name."""
    image_type = {str(word).strip().upper() for word in _several(header.get("ImageType"))}
    capture = str(header.get("SOPClassUID", "")).startswith(_SECONDARY_CAPTURE)
    if capture or header.get("ConversionType") or image_type & _SCREENSHOT_WORDS:
        raise DataError("secondary capture: may show patient data; left out")
    if _text(header, "BurnedInAnnotation").upper() == "YES":
        raise DataError("burned-in annotation: may show patient data; left out")
    modality = _text(header, "Modality")
    if modality != "MR":
        kind = modality if re.fullmatch("[A-Z]{2,8}", modality) else "not stated"
        raise DataError(f"modality {kind}: expected MR")
    if _text(header, "PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        raise DataError("photometric interpretation: a colour image; expected MONOCHROME2")
    if image_type & _PHASE_WORDS:
        raise DataError("phase or velocity map: no anatomy to see; left out")


def _several(value):
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _text(dataset, keyword):
    return str(dataset.get(keyword) or "").strip()


def _number(dataset, keyword):
    """Value as a finite float, None where it is missing, empty or no number."""
    try:
        number = float(dataset.get(keyword))
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _enhanced(path, header, shared, group, index):
    def part(name):
        return functional_group(name, group, shared)

    place, moment = pydicom.Dataset(), pydicom.Dataset()
    place.update(part("PlanePositionSequence"))
    place.update(part("PlaneOrientationSequence"))
    trigger = _number(part("CardiacSynchronizationSequence"), "NominalCardiacTriggerDelayTime")
    temporal = _number(part("FrameContentSequence"), "TemporalPositionIndex")
    if trigger is not None:
        moment.TriggerTime = trigger
    if temporal is not None:
        moment.TemporalPositionIdentifier = int(temporal)
    echo = _number(part("MREchoSequence"), "EffectiveEchoTime")
    flip = _number(part("MRTimingAndRelatedParametersSequence"), "FlipAngle")
    moment.EchoTime, moment.FlipAngle = echo or 0, flip or 0
    measures, values = part("PixelMeasuresSequence"), part("PixelValueTransformationSequence")
    return _frame(path, index, header, place, measures, values, moment)


def _frame(path, index, header, place, measures, values, moment):
    position = _numbers(place, "ImagePositionPatient", 3)
    orientation = _numbers(place, "ImageOrientationPatient", 6).reshape(2, 3)
    if np.abs(orientation @ orientation.T - np.eye(2)).max() > _DIRECTIONS_OFF:
        raise DataError("ImageOrientationPatient: not two perpendicular directions")
    spacing = _numbers(measures, "PixelSpacing", 2)
    if spacing.min() <= 0:
        raise DataError("PixelSpacing: pixel sizes are above 0")
    slope = _number(values, "RescaleSlope")
    contrast = [_number(moment, key) or 0.0 for key in ("EchoTime", "InversionTime", "FlipAngle")]
    return DicomFrame(
        path=Path(path), index=index, patient=_text(header, "PatientID"),
        person=_person(header),
        study=_text(header, "StudyInstanceUID"), series=_text(header, "SeriesInstanceUID"),
        series_number=int(_number(header, "SeriesNumber") or 0),
        uid=_text(header, "SOPInstanceUID"),
        instance=int(_number(header, "InstanceNumber") or 0),
        shape=(int(header.Rows), int(header.Columns)),
        position=position, orientation=orientation, spacing_mm=tuple(spacing.tolist()),
        thickness_mm=_number(measures, "SliceThickness") or 0.0,
        trigger=_number(moment, "TriggerTime"),
        temporal=_number(moment, "TemporalPositionIdentifier"),
        phases=int(_number(header, "CardiacNumberOfImages") or 0),
        contrast=(*contrast, "/".join(map(str, _several(header.get("SequenceVariant"))))),
        rescale=(1.0 if slope in (None, 0) else slope, _number(values, "RescaleIntercept") or 0.0),
        vendor=_text(header, "Manufacturer"), site=_text(header, "InstitutionName"),
        description=f"{_text(header, 'SeriesDescription')} {_text(header, 'ProtocolName')}",
    )  # fmt: skip


def _person(header):
    """Digests of name and date of birth, alike however scanners write the same ones."""
    writings = _text(header, "PatientName").split("=")  # in Latin, ideographic, phonetic letters
    name = next((text for text in writings if text.strip("^ ")), "")
    birth = re.sub(r"\D", "", _text(header, "PatientBirthDate")).strip("0")
    texts = " ".join(name.replace("^", " ").split()).casefold(), birth
    return tuple(
        hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16] if text else ""
        for text in texts
    )


def _numbers(dataset, keyword, count):
    values = np.array(_several(dataset.get(keyword)), dtype=float)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise DataError(f"{keyword}: missing or not {count} numbers; the frame has no geometry")
    return values


def read_pixels(frames):
    """Read the pixels of frames, rescaled and with bright as high values; each file opened once.

    Args:
        frames: `DicomFrame`s of one shape.

    Returns:
        [n, rows, columns] float32.

    Raises:
        DataError: truncated, or of a compression that nothing here can decode.
    """
    pixels = np.empty((len(frames), *frames[0].shape), np.float32)
    numbered = sorted(enumerate(frames), key=lambda pair: (str(pair[1].path), pair[1].index or 0))
    for path, part in groupby(numbered, key=lambda pair: pair[1].path):
        places, wanted = zip(*part, strict=True)
        pixels[list(places)] = _read_file(path, wanted)
    return pixels


def _read_file(path, frames):
    header = pydicom.Dataset()
    indices = None if frames[0].index is None else [frame.index for frame in frames]
    with reading("DICOM pixels"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored = list(iter_pixels(path, ds_out=header, indices=indices))
        if len(stored) != len(frames) or any(one.shape != frames[0].shape for one in stored):
            raise DataError(f"DICOM pixels: shape {stored[0].shape}, header says {frames[0].shape}")
        slope, intercept = np.array([frame.rescale for frame in frames], np.float32).T
        pixels = np.stack(stored).astype(np.float32) * slope[:, None, None]
        pixels += intercept[:, None, None]
        return -pixels if header.PhotometricInterpretation == "MONOCHROME1" else pixels
