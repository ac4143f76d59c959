"""Broken archives: what cannot be used is one line, and the rest goes on."""

import dicoms
import numpy as np
import pytest
from dicoms import change, image, save, write_cine, write_foreign_cine, write_patient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from cmrkit.cohort.build import build_cohort
from cmrkit.cohort.readers import open_source

PACKED = (RLELossless, JPEGLSLossless, JPEG2000Lossless)
SETTINGS = {"resolution": 16, "fov_mm": 30.0}


def build(folder, out):
    archive = open_source("dicom", folder)
    patients = archive.patients().assign(role="gan")
    return build_cohort([(archive, patients)], out, **SETTINGS)


def damaged(path, kind):
    data = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(data[: len(data) // 3])
    elif kind == "pixels cut":
        path.write_bytes(data[:-100])
    elif kind == "no DICOM":
        path.with_suffix(".dcm").write_bytes(b"hello")


@pytest.mark.parametrize(
    ("tags", "line"),
    [
        ({"Modality": "CT"}, "modality CT: expected MR"),
        ({"PixelSpacing": None}, "PixelSpacing: missing"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient: missing"),
        ({"BurnedInAnnotation": "YES"}, "burned-in annotation"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary capture"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P"]}, "phase or velocity map"),
        ({"PhotometricInterpretation": "RGB"}, "colour image"),
        ({"NumberOfFrames": 3}, "several frames without their positions"),
        ({"PatientID": "P3"}, "a series that names two patients"),
        ({"PatientBirthDate": "19800101"}, "names or dates of birth: mixed"),
        ({"TriggerTime": 40.0}, "two images at one moment"),
        ({"Rows": 20}, "1 image a slice position"),
        ({"PixelData": b"12"}, "DICOM pixels: cannot be read"),
    ],
)
def test_a_bad_file_is_one_line_and_the_other_patient_goes_on(tmp_path, tags, line):
    write_patient(tmp_path / "in" / "a", "P1", views=("sax",), slices=1)
    write_patient(tmp_path / "in" / "b", "P2", views=("sax",), slices=1)
    bad = sorted((tmp_path / "in" / "b" / "sax").iterdir())[0]
    change(bad, **tags)
    frames, problems = build(tmp_path / "in", tmp_path / "out")
    assert len(frames) >= dicoms.PHASES
    said = problems["problem"].str.cat(sep="\n")
    if "Rows" not in tags:  # a stray image beside a whole cine is no line: localisers are many
        assert line in said
    assert len(problems) <= 2


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientBirthDate": ""},
        {"PatientBirthDate": None},
        {"PatientBirthDate": "00000000"},
        {"PatientName": ""},
        {"PatientName": "NAME^P1^^"},
        {"PatientName": " name  ^p1"},
        {"PatientName": "Name^P1=\u5c71\u7530", "SpecificCharacterSet": "ISO_IR 192"},
    ],
)
def test_one_person_written_in_two_ways_is_one_person(tmp_path, tags):
    write_patient(tmp_path, "P1", views=("sax",), slices=1)
    change(sorted((tmp_path / "sax").iterdir())[0], **tags)
    archive = open_source("dicom", tmp_path)
    assert archive.problems == []
    assert len(archive.patients()) == 1


def test_two_names_under_one_id_are_still_refused(tmp_path):
    write_patient(tmp_path / "a", "P1", views=("sax",), slices=1)
    write_patient(tmp_path / "b", "P2", views=("sax",), slices=1)
    change(sorted((tmp_path / "a" / "sax").iterdir())[0], PatientName="Other^P1")
    archive = open_source("dicom", tmp_path)
    assert [one.problem.split(":")[0] for one in archive.problems] == [
        "one Patient ID with 2 names or dates of birth"
    ]
    assert len(archive.patients()) == 1


@pytest.mark.parametrize("kind", ["truncated", "pixels cut", "no DICOM"])
def test_a_broken_file_is_one_line(tmp_path, kind):
    write_patient(tmp_path / "in" / "a", "P1", views=("sax",), slices=1)
    write_patient(tmp_path / "in" / "b", "P2", views=("sax",), slices=1)
    damaged(sorted((tmp_path / "in" / "b" / "sax").iterdir())[0], kind)
    frames, problems = build(tmp_path / "in", tmp_path / "out")
    assert len(frames) >= dicoms.PHASES
    assert len(problems) == 1


def test_a_folder_without_a_cine_says_what_was_found(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no such files; expected DICOM files"):
        open_source("dicom", tmp_path / "empty")
    save(image(), tmp_path / "one" / "image")
    with pytest.raises(FileNotFoundError, match="1 image a slice position: no cine"):
        open_source("dicom", tmp_path / "one")


@pytest.fixture(scope="module")
def archive_to_break(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutated")
    write_patient(folder / "a", "P1", views=("sax",), slices=1)
    path = sorted((folder / "a" / "sax").iterdir())[2]
    return folder, path, path.read_bytes()


@settings(
    max_examples=220, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.data())
def test_mutated_files_raise_no_other_exception(archive_to_break, data):
    folder, path, whole = archive_to_break
    changed = bytearray(whole)
    header = len(whole) - 2 * dicoms.SIDE**2
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, header - 1))
        changed[place] = data.draw(st.integers(0, 255))
    path.write_bytes(changed[: data.draw(st.sampled_from([len(whole), header, header // 2]))])
    try:
        archive = open_source("dicom", folder)
        for patient in archive.patients()["patient_id"]:
            for one in archive.read(patient):
                assert np.ndim(getattr(one, "images", None)) in (0, 3)
    except (ValueError, FileNotFoundError):
        pass


@pytest.fixture(scope="module")
def packed_cines(tmp_path_factory):
    """By syntax: an archive with one cine, and its third file."""
    cines = {}
    for syntax in PACKED:
        folder = tmp_path_factory.mktemp("packed")
        if syntax == JPEG2000Lossless:  # nothing here writes it
            write_foreign_cine(folder, "MR_small_jp2klossless.dcm")
        else:
            write_cine(folder, slices=1, compress=syntax)
        archive = open_source("dicom", folder)
        cines[syntax] = archive, sorted(folder.iterdir())[1]
    return cines


@pytest.mark.parametrize("syntax", PACKED)
@settings(
    max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
def test_mutated_compressed_pixels_raise_no_other_exception(packed_cines, syntax, data):
    archive, path = packed_cines[syntax]
    whole = path.read_bytes()
    start = whole.index(b"\xfe\xff\x00\xe0")  # the first item of the pixel data
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(start, len(whole) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.sampled_from([len(whole), (start + len(whole)) // 2]))
    path.write_bytes(changed[:end])
    try:
        for one in archive.read(archive.patients()["patient_id"][0]):
            assert getattr(one, "problem", "").startswith("DICOM pixels") or one.images.ndim == 3
    finally:
        path.write_bytes(whole)
