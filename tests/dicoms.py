"""DICOM files for tests: small cines of a beating disc, in planes as scanners lay them; labels."""

import highdicom
import numpy as np
import pydicom
import pydicom.data
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

from cmrkit.cohort.problems import Problem
from cmrkit.cohort.readers import open_source
from cmrkit.cohort.readers.planes import APEX, RIGHT_VENTRICLE

SIDE = 24
PHASES = 5
SPACING = (1.5, 1.25)  # (row, column) mm
CENTRE = np.array([40.0, -60.0, -20.0])


def plane(view, axis=APEX):
    """[2, 3] directions along rows and columns of a view in a heart with this long axis."""
    axis = np.array(axis) / np.linalg.norm(axis)
    lateral = -(RIGHT_VENTRICLE - (RIGHT_VENTRICLE @ axis) * axis)
    lateral /= np.linalg.norm(lateral)
    anterior = np.cross(axis, lateral)
    if view == "sax":
        return np.array([lateral, -anterior])
    turned = np.radians({"4ch": 30, "2ch": 90, "3ch": 150}[view])
    return np.array([np.cos(turned) * lateral + np.sin(turned) * anterior, -axis])


def pixels(phase=0, number=0, side=SIDE):
    """[side, side] int16, a bright disc that shrinks and grows; its middle tells the slice."""
    rows, columns = np.indices((side, side))
    radius = side / 4 - 2 * np.sin(np.pi * phase / PHASES)
    inside = np.hypot(rows - side / 2 - number / 2, columns - side / 2) < radius
    noise = np.random.default_rng([phase, number]).integers(0, 30, (side, side))
    return (noise + 400 * inside + 10 * number).astype(np.int16)


def image(view="sax", number=0, phase=0, axis=APEX, step_mm=8.0, **tags):
    """A classic MR image; `tags` overwrite or, with None, remove its attributes."""
    directions = plane(view, axis)
    middle = CENTRE + number * step_mm * np.cross(*directions)
    half = (SIDE - 1) / 2
    corner = middle - half * SPACING[1] * directions[0] - half * SPACING[0] * directions[1]
    one = Dataset()
    values = {
        "SOPClassUID": MRImageStorage, "SOPInstanceUID": generate_uid(), "Modality": "MR",
        "PatientID": "P1", "PatientName": "Doe^Jane", "PatientBirthDate": "19700101",
        "StudyInstanceUID": "1.2.1", "SeriesInstanceUID": f"1.2.1.{len(view)}{ord(view[0])}",
        "SeriesNumber": 3, "InstanceNumber": number * PHASES + phase + 1,
        "Manufacturer": "SIEMENS", "InstitutionName": "Saint Elsewhere",
        "ImageType": ["ORIGINAL", "PRIMARY"], "SequenceVariant": "SS", "EchoTime": 1.5,
        "FlipAngle": 60, "TriggerTime": 40.0 * phase, "SliceThickness": 8,
        "ImagePositionPatient": [f"{x:.9g}"[:16] for x in corner],
        "ImageOrientationPatient": [f"{x:.9f}"[:12] for x in directions.ravel()],
        "PixelSpacing": list(SPACING), "Rows": SIDE, "Columns": SIDE, "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 16,
        "HighBit": 15, "PixelRepresentation": 1, "PixelData": pixels(phase, number).tobytes(),
    }  # fmt: skip
    for name, value in (values | tags).items():
        if value is not None:
            setattr(one, name, value)
    return one


def save(one, path, syntax=ExplicitVRLittleEndian, compress=None):
    """Write a file with preamble, compressed on request."""
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = syntax
    one.file_meta.MediaStorageSOPClassUID = one.get("SOPClassUID", MRImageStorage)
    one.file_meta.MediaStorageSOPInstanceUID = one.get("SOPInstanceUID", generate_uid())
    if compress:
        one.compress(compress, generate_instance_uid=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    one.save_as(path, enforce_file_format=True)
    return path


def write_cine(folder, view="sax", slices=3, compress=None, phases=PHASES, **tags):
    """Write a classic cine, a file an image, in an order that says nothing."""
    for number in range(slices):
        for phase in range(phases):
            name = f"IM{(7 * phase + 3 * number) % 100:02d}{number}{phase}"
            save(image(view, number, phase, **tags), folder / name, compress=compress)


def write_foreign_cine(folder, name):
    """Write two phases that show a test file of pydicom's, its pixels as they are stored there."""
    packed = pydicom.dcmread(pydicom.data.get_testdata_file(name))
    names = ("Rows", "Columns", "BitsStored", "HighBit", "PixelRepresentation", "PixelData")
    tags = {name: packed[name].value for name in names}
    for phase in range(2):
        save(image(phase=phase, **tags), folder / f"{phase}", packed.file_meta.TransferSyntaxUID)


def write_patient(folder, patient="P1", views=("sax", "4ch"), slices=3, **tags):
    """Write a patient's cines, a folder a view."""
    named = {"PatientID": patient, "PatientName": f"Name^{patient}"} | tags
    for number, view in enumerate(views):
        uid = f"1.2.{sum(map(ord, patient))}"
        own = {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.{number + 1}"}
        count = slices if view == "sax" else 1
        write_cine(folder / view, view, count, SeriesNumber=number + 1, **(own | named))


def affine_of(folder):
    """[4, 4] NIfTI affine (mm, to the right, front and head) of the voxels [x, y, slice] of a cine.

    Args:
        folder: of a classic cine with two slices or more, or one slice of 8 mm.
    """
    images = [pydicom.dcmread(path) for path in folder.iterdir()]
    directions = np.array(images[0].ImageOrientationPatient).reshape(2, 3)
    normal = np.cross(*directions)
    places = {tuple(map(float, one.ImagePositionPatient)) for one in images}
    positions = [np.array(place) for place in sorted(places, key=lambda place: place @ normal)]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = directions[0] * SPACING[1], directions[1] * SPACING[0]
    affine[:3, 2] = positions[1] - positions[0] if positions[1:] else 8 * normal
    affine[:3, 3] = positions[0]
    return np.diag([-1.0, -1, 1, 1]) @ affine


def enhanced(view="sax", slices=3, phases=PHASES, **tags):
    """An enhanced MR image that holds the same cine in one file."""
    one = image(view, 0, 0, SOPClassUID=EnhancedMRImageStorage, TriggerTime=None)
    stack, groups = [], []
    for phase in range(phases):
        for number in range(slices):
            single = image(view, number, phase)
            group = Dataset()
            group.PlanePositionSequence = [Dataset()]
            group.PlanePositionSequence[0].ImagePositionPatient = single.ImagePositionPatient
            group.CardiacSynchronizationSequence = [Dataset()]
            group.CardiacSynchronizationSequence[0].NominalCardiacTriggerDelayTime = 40.0 * phase
            groups.append(group)
            stack.append(pixels(phase, number))
    shared = Dataset()
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = one.ImageOrientationPatient
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = one.PixelSpacing
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(one, keyword)
    one.NumberOfFrames = len(groups)
    one.PerFrameFunctionalGroupsSequence = groups
    one.SharedFunctionalGroupsSequence = [shared]
    one.PixelData = np.stack(stack).tobytes()
    for name, value in tags.items():
        setattr(one, name, value)
    return one


def change(path, **tags):
    """Write a file again with other attributes; None removes one."""
    one = pydicom.dcmread(path)
    for name, value in tags.items():
        if value is None:
            delattr(one, name)
        else:
            setattr(one, name, value)
    one.save_as(path)


def write_segmentation(path, sources, drawn, kind="BINARY", **tags):
    """A segmentation by highdicom; `tags` overwrite its attributes.

    Args:
        sources: MR images.
        drawn: segment's name -> [images, rows, columns] uint8.
    """
    for one in sources:  # highdicom wants what a scanner states
        one.FrameOfReferenceUID, one.StudyID, one.AccessionNumber = "1.2.3", "", ""
        one.PatientSex, one.StudyDate, one.StudyTime, one.ReferringPhysicianName = "", "", "", ""
    code = highdicom.sr.CodedConcept("80891009", "SCT", "Heart")
    segments = [
        highdicom.seg.SegmentDescription(
            number, name, code, code, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
        )
        for number, name in enumerate(drawn, start=1)
    ]
    pixels = np.stack(list(drawn.values()), axis=-1)
    whole = highdicom.seg.Segmentation(
        sources, pixels, kind, segments, "1.2.9", 9, "1.2.9.1", 1, "maker", "model", "1", "1"
    )
    for name, value in tags.items():
        setattr(whole, name, value)
    whole.save_as(path)


def read(folder):
    """Slices of all patients of an archive, and sentences on what could not be used."""
    archive = open_source("dicom", folder)
    found = [one for patient in archive.patients()["patient_id"] for one in archive.read(patient)]
    problems = [one.problem for one in (*archive.problems, *found) if isinstance(one, Problem)]
    return [one for one in found if not isinstance(one, Problem)], problems


def contour(path, size):
    """Write the contour of a square of so many pixels."""
    points = [(8, 8), (8 + size, 8), (8 + size, 8 + size), (8, 8 + size)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(f"{x} {y}" for x, y in points))
