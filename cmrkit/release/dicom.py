"""Synthetic frames as DICOM that no archive can take for a patient's.

An image is a Secondary Capture, since no scanner acquired it, of conversion type SYN, derived, with
`Synthetic Data` set to YES (0008,001C, DICOM PS3.3 C.12.1). Its mask is a Segmentation of the
same frame. Identifiers follow from generator, seed, truncation and frame, so the same bundle gives
the same bytes. A validator older than (0008,001C) reports that attribute as unknown, and nothing
else.
"""

from importlib.metadata import version

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from cmrkit.cohort.frames import LABELS

CHAMBERS = {
    1: codes.SCT.LeftVentricle,
    2: codes.SCT.LeftVentricleMyocardium,
    3: codes.SCT.RightVentricle,
    4: codes.SCT.LeftAtrium,
    5: codes.SCT.RightAtrium,
}


def write_dicom(path, image, mask, row, about):
    """Write `<path>.dcm`, and `<path>_seg.dcm` where the frame has labels.

    Args:
        path: without ending.
        image, mask: [R, R] uint8.
        row: of the frame table.
        about: facts of the bundle; `generator` and `written` go into identifiers and dates.
    """
    picture = image_dataset(image, row, about)
    picture.save_as(f"{path}.dcm", enforce_file_format=True)
    if mask.any():
        segmentation_dataset(picture, mask, row, about).save_as(f"{path}_seg.dcm")


def image_dataset(image, row, about):
    """One frame as a Secondary Capture image.

    Choice: the patient module says SYNTHETIC where a name must stand and is empty elsewhere: an
    empty name might be filled in by an archive, and a made-up one would pretend.
    """
    ds = Dataset()
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = _uid(about, row["frame_id"])
    ds.SyntheticData = "YES"
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.DerivationDescription = "Drawn by a PG-GAN from random numbers; not an image of a patient"
    ds.PatientName, ds.PatientID = "SYNTHETIC^NOT A PATIENT", "SYNTHETIC"
    for keyword in (
        "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
        "ReferringPhysicianName", "StudyID", "PatientOrientation",
    ):  # fmt: skip
        setattr(ds, keyword, None)
    ds.StudyInstanceUID = _uid(about, "study")
    ds.StudyDescription = "Synthetic cardiac MRI"
    ds.SeriesInstanceUID = _uid(about, row["view"])
    ds.SeriesNumber = 1 + list(about["frames"]).index(row["view"])
    ds.SeriesDescription = f"SYNTHETIC {row['view']}"
    ds.Modality, ds.ConversionType = "OT", "SYN"  # nothing was measured, so no modality
    ds.BodyPartExamined = "HEART"
    ds.Manufacturer, ds.ManufacturerModelName = "cmrkit", "PG-GAN"
    ds.SoftwareVersions = version("cmrkit")
    ds.InstanceNumber = row["index"] + 1
    ds.ImageComments = f"SYNTHETIC {row['frame_id']}"
    ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "00"
    if not np.isnan(row["spacing_row_mm"]):
        ds.PixelSpacing = [round(row[f"spacing_{axis}_mm"], 6) for axis in ("row", "col")]
        ds.PixelSpacingCalibrationType = "GEOMETRY"
        ds.PixelSpacingCalibrationDescription = "pixel size of the images it was trained on"
    ds.Rows, ds.Columns = image.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = image.tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def segmentation_dataset(picture, mask, row, about):
    """The mask of one frame as a Segmentation, a segment a chamber that occurs in it."""
    present = [label for label in CHAMBERS if (mask == label).any()]
    drawn_by = hd.AlgorithmIdentificationSequence(
        "PG-GAN, drawn together with the image", codes.DCM.ArtificialIntelligence,
        version("cmrkit"),
    )  # fmt: skip
    segments = [
        hd.seg.SegmentDescription(
            number, LABELS[label], codes.SCT.AnatomicalStructure, CHAMBERS[label],
            hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC, drawn_by,
        )
        for number, label in enumerate(present, start=1)
    ]  # fmt: skip
    planes = np.stack([mask == label for label in present], axis=-1)[None]  # [1, R, R, K]
    ds = hd.seg.Segmentation(
        [picture], planes, hd.seg.SegmentationTypeValues.BINARY, segments,
        series_instance_uid=_uid(about, f"{row['view']} masks"),
        series_number=100 + picture.SeriesNumber,
        sop_instance_uid=_uid(about, f"{row['frame_id']} mask"),
        instance_number=picture.InstanceNumber,
        manufacturer="cmrkit", manufacturer_model_name="PG-GAN",
        software_versions=version("cmrkit"), device_serial_number="none",
        content_label="CHAMBERS", content_description="Synthetic chambers",
    )  # fmt: skip
    ds.ContentCreatorName = None  # must be there, and nobody drew it
    del ds.ContributingEquipmentSequence  # would name an acquisition that never was
    ds.SyntheticData = "YES"
    ds.PatientOrientation = None
    ds.SeriesDescription = f"SYNTHETIC {row['view']} masks"
    date, time = about["written"].split("+")[0].replace("-", "").replace(":", "").split("T")
    for item in [*ds.DimensionOrganizationSequence, *ds.DimensionIndexSequence]:
        item.DimensionOrganizationUID = _uid(about, f"{row['frame_id']} dimensions")
    for name in ("Content", "InstanceCreation", "Series"):  # of the study, not of this minute
        for keyword, value in ((f"{name}Date", date), (f"{name}Time", time)):
            if keyword in ds:
                setattr(ds, keyword, value)
    return ds


def _uid(about, what):
    """Identifier that follows from all that decides the pixels."""
    decides = [about["generator"], str(about["seed"]), str(about["truncation"])]
    return generate_uid(entropy_srcs=[*decides, what])
