"""Sunnybrook readers: both published layouts, contours against hand-counted pixels, real files."""

import pickle

import dicoms
import numpy as np
import pytest
from PIL import Image

from cmrkit.cohort.problems import Problem
from cmrkit.cohort.readers import open_source
from cmrkit.cohort.readers.contours import fill_contour, read_contour, ventricle_mask
from cmrkit.cohort.readers.sunnybrook import SunnybrookDicom, SunnybrookPng, patient_code


def write_png(folder, code, areas):
    """A 32 x 32 image and mask for every (instance, mask area)."""
    for part in ("Images", "Labels"):
        (folder / part / "Sunnybrook_Part1").mkdir(parents=True, exist_ok=True)
    for instance, area in areas.items():
        image = np.full((32, 32, 3), instance % 256, np.uint8)
        mask = np.zeros((32 * 32, 3), np.uint8)
        mask[:area] = 255
        name = f"{code}-IM-0001-{instance:04d}.dcm.png"
        Image.fromarray(image).save(folder / "Images" / "Sunnybrook_Part1" / name)
        Image.fromarray(mask.reshape(32, 32, 3)).save(folder / "Labels" / "Sunnybrook_Part1" / name)


# two slices of 20 phases: phase 19 (the larger cavity) and phase 7; then one phase alone
AREAS = {40: 90, 28: 40, 60: 50, 48: 20, 80: 10}


@pytest.fixture
def png_folder(tmp_path):
    write_png(tmp_path, "SC-HYP-03", AREAS)
    write_png(tmp_path, "SC-N-02", {20: 12})
    return tmp_path


def test_slices_and_phases_follow_from_the_instance_numbers(png_folder):
    archive = open_source("sunnybrook", png_folder)
    table = archive.patients()
    assert table["original_id"].tolist() == ["SC-HYP-03", "SC-N-02"]
    assert table["disease"].tolist() == ["hypertrophy", "healthy"]
    first, second, third = archive.read(table["patient_id"][0])
    assert first.phase_index.tolist() == [7, 19]
    assert first.images[:, 0, 0].tolist() == [28, 40]
    assert first.masks.sum(axis=(1, 2)).tolist() == [40, 90]
    assert first.is_ed.tolist() == [False, True]
    assert first.is_es.tolist() == [True, False]
    assert second.masks.sum(axis=(1, 2)).tolist() == [20, 50]
    assert third.is_ed.tolist() == [True]
    assert first.spacing_mm is None
    assert [one.slice_index for one in (first, second, third)] == [0, 1, 2]


def test_the_set_may_lie_in_a_folder_that_is_called_like_its_own(tmp_path):
    folder = tmp_path / "Images" / "Labels" / "Images"
    write_png(folder, "SC-HYP-03", AREAS)
    archive = open_source("sunnybrook", tmp_path)
    first, *_ = archive.read(archive.patients()["patient_id"][0])
    assert first.images[:, 0, 0].tolist() == [28, 40]
    assert first.masks.sum(axis=(1, 2)).tolist() == [40, 90]


def test_a_single_phase_is_called_neither_end_diastole_nor_end_systole(png_folder):
    archive = SunnybrookPng(png_folder)
    [only] = archive.read(archive.patients()["patient_id"][1])
    assert only.is_ed.tolist() == only.is_es.tolist() == [False]


def test_a_missing_mask_is_one_line_that_names_the_instance_not_the_patient(png_folder):
    next(png_folder.rglob("Labels/*/SC-N-02-*")).unlink()
    archive = SunnybrookPng(png_folder)
    with pytest.raises(ValueError, match="PNG of instance 20: file is missing") as caught:
        list(archive.read(archive.patients()["patient_id"][1]))
    assert "SC-N" not in str(caught.value)


def test_an_empty_folder_says_what_was_expected_and_where_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no such files.*Images/.*Radau et al"):
        open_source("sunnybrook", tmp_path)


@pytest.mark.parametrize(
    ("text", "code"),
    [("SC-HF-I-4", "SC-HF-I-04"), ("SC-HF-NI-04", "SC-HF-NI-04"), ("SC-N-40", "SC-N-40"),
     ("i-contours", None), ("SC-XX-04", None)],
)  # fmt: skip
def test_codes_of_both_layouts_are_written_alike(text, code):
    assert patient_code(text) == code


def test_a_contour_encloses_the_pixels_counted_by_hand():
    # a 3 x 2 rectangle from the corner (2, 1) holds the middles of columns 2-4 and rows 1-2
    inside = fill_contour(np.array([[2, 1], [5, 1], [5, 3], [2, 3]]), (5, 7))
    expected = np.zeros((5, 7), bool)
    expected[1:3, 2:5] = True
    assert np.array_equal(inside, expected)
    # right triangles with legs of 4, whose long side passes 0.1 beside the middles of a diagonal
    triangle = np.array([[0, 0], [0, 4], [4, 4]])
    assert fill_contour(triangle - [0.1, 0], (4, 4)).sum() == 1 + 2 + 3
    assert fill_contour(triangle - [-0.1, 0], (4, 4)).sum() == 1 + 2 + 3 + 4


def test_the_myocardium_lies_between_the_contours_and_only_where_both_were_drawn():
    inner = np.array([[2, 2], [4, 2], [4, 4], [2, 4]])
    outer = np.array([[1, 1], [5, 1], [5, 5], [1, 5]])
    mask, labels = ventricle_mask((6, 6), inner, outer)
    assert labels == (1, 2)
    assert [(mask == label).sum() for label in (1, 2)] == [4, 12]
    assert ventricle_mask((6, 6), inner)[1] == (1,)
    assert ventricle_mask((6, 6), None, outer)[1] == ()


@pytest.mark.parametrize(
    "text", ["", "1 2\n3 4\n", "1 2 3\n4 5 6\n7 8 9\n", "a b\n", "1 nan\n" * 4]
)
def test_a_file_that_is_no_contour_is_refused(tmp_path, text):
    path = tmp_path / "IM-0001-0001-icontour-manual.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match="contour"):
        read_contour(path)


def write_cine(folder, view="sax", slices=3, **tags):
    """A cine of 20 phases a slice as the set holds it: one series, instances counted from 1."""
    for number in range(slices):
        for phase in range(20):
            instance = 20 * number + phase + 1
            one = dicoms.image(view, number, phase, InstanceNumber=instance, **tags)
            dicoms.save(one, folder / f"IM-0001-{instance:04d}.dcm")


def write_contours(folder, instances, size=6):
    for kind, grow in (("i", 0), ("o", 2)):
        low, high = 8 - grow, 8 + size + grow
        text = f"{low} {low}\n{high} {low}\n{high} {high}\n{low} {high}\n"
        for instance in instances:
            path = folder / f"{kind}contours" / f"IM-0001-{instance:04d}-{kind}contour-manual.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


@pytest.fixture
def full_download(tmp_path):
    """Short axis, long axis and perfusion in a folder each, all with one Series UID."""
    patient = tmp_path / "SCD_IMAGES_01" / "SCD0000101"
    write_cine(patient / "CINESAX_300", SeriesInstanceUID="1.2.7")
    write_cine(patient / "CINELAX_301", "4ch", 4, SeriesInstanceUID="1.2.7")
    write_cine(patient / "PERF_303", "sax", 5, SeriesInstanceUID="1.2.7", SequenceVariant="SP")
    write_contours(tmp_path / "drawn" / "SC-HF-I-1", [1, 9, 21, 29, 41])
    (tmp_path / "scd_patientdata.csv").write_text("PatientID,OriginalID\nSCD0000101,SC-HF-I-1\n")
    return tmp_path


def read_dicom(folder):
    """Slices of the only patient, and sentences on what could not be used."""
    archive = pickle.loads(pickle.dumps(SunnybrookDicom(folder)))  # as other processes get it
    found = list(archive.read(archive.patients()["patient_id"][0]))
    problems = [one.problem for one in found if isinstance(one, Problem)]
    return [one for one in found if not isinstance(one, Problem)], problems


def check_short_axis(slices):
    for number, one in enumerate(slices):
        assert one.images.shape == (20, dicoms.SIDE, dicoms.SIDE)
        assert np.array_equal(one.images[7], dicoms.pixels(7, number))
        assert one.slice_spacing_mm == pytest.approx(8, abs=1e-4)
        assert one.labels_present[0] == (1, 2)
        assert (one.masks[0] == 1).sum() == 36


def test_of_the_full_download_only_the_short_axis_folder_is_read(full_download):
    slices, problems = read_dicom(full_download)
    assert problems == []
    assert len(slices) == 3
    check_short_axis(slices)
    assert [one.labels_present[8] for one in slices] == [(1, 2), (1, 2), ()]


def test_without_a_telling_folder_name_the_cine_that_was_drawn_on_is_read(full_download):
    patient = full_download / "SCD_IMAGES_01" / "SCD0000101"
    (patient / "CINESAX_300").rename(patient / "b")
    (patient / "CINELAX_301").rename(patient / "a")
    (patient / "PERF_303").rename(patient / "c")
    for path in (*sorted((patient / "a").iterdir())[20:], *(patient / "c").iterdir()):
        path.unlink()
    slices, problems = read_dicom(full_download)
    assert problems == []
    check_short_axis(slices)


def test_folders_named_after_patients_need_no_table(full_download):
    folder = full_download / "SCD_IMAGES_01" / "SCD0000101" / "CINESAX_300"
    (full_download / "challenge_training").mkdir()
    folder.rename(full_download / "challenge_training" / "SC-HF-I-1")
    (full_download / "scd_patientdata.csv").unlink()
    slices, problems = read_dicom(full_download)
    assert problems == []
    assert len(slices) == 3
    check_short_axis(slices)


def test_a_broken_file_costs_its_slice_or_itself_and_is_one_line(full_download):
    folder = full_download / "SCD_IMAGES_01" / "SCD0000101" / "CINESAX_300"
    cut = folder / "IM-0001-0025.dcm"  # pixels of the second slice
    cut.write_bytes(cut.read_bytes()[:-200])
    gone = folder / "IM-0001-0002.dcm"  # header of the first
    gone.write_bytes(gone.read_bytes()[:100])
    dicoms.change(folder / "IM-0001-0043.dcm", Modality="CT")
    (full_download / "drawn/SC-HF-I-1/icontours/IM-0001-0009-icontour-manual.txt").write_text("x y")
    write_contours(full_download / "drawn" / "SC-HF-I-1", [400])
    slices, problems = read_dicom(full_download)
    assert [(one.slice_index, len(one.images)) for one in slices] == [(0, 19), (2, 19)]
    assert slices[0].labels_present[0] == (1, 2)
    assert slices[0].labels_present[7] == ()  # its contour is the broken one
    assert slices[0].phase_index.tolist() == [0, *range(2, 20)]
    assert [problem.split(":")[0] for problem in problems] == [
        "1 file", "1 file", "1 of 6 contours", "i contour of instance 9", "DICOM pixels",
    ]  # fmt: skip
    assert not any("SC" in problem for problem in problems)


def test_a_copy_of_an_image_and_a_folder_without_a_cine_are_one_line(full_download):
    patient = full_download / "SCD_IMAGES_01" / "SCD0000101"
    copy = patient / "CINESAX_300" / "IM-0001-0007 copy.dcm"
    copy.write_bytes((patient / "CINESAX_300" / "IM-0001-0007.dcm").read_bytes())
    slices, problems = read_dicom(full_download)
    assert problems == ["1 file: an instance number that another image has"]
    check_short_axis(slices)
    for path in [path for path in patient.rglob("*.dcm") if path.name != "IM-0001-0001.dcm"]:
        path.unlink()
    (patient / "CINESAX_300").rename(patient / "x")
    with pytest.raises(ValueError, match="no cine in the patient's folder"):
        read_dicom(full_download)


def test_files_that_macos_lays_beside_others_are_no_patients(full_download):
    for place in (full_download, full_download / "__MACOSX"):
        path = place / "Images" / "._SC-N-02-IM-0001-0048.dcm.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    path.with_name("SC-N-02-IM-0001-0048.dcm.png").write_bytes(b"x")
    assert isinstance(open_source("sunnybrook", full_download), SunnybrookDicom)


def test_real_png_patients_have_two_phases_a_slice(real_data):
    archive = open_source("sunnybrook", real_data("sunnybrook_png"))
    assert isinstance(archive, SunnybrookPng)
    for patient in archive.patients()["patient_id"][:4]:
        slices = list(archive.read(patient))
        assert sum(len(one.images) == 2 for one in slices) >= 5
        for one in slices:
            assert one.images.shape[1:] == (256, 256)
            if len(one.images) == 2:
                areas = one.masks.sum(axis=(1, 2))
                assert areas[one.is_ed] > areas[one.is_es]


def test_real_png_and_dicom_are_the_same_patient_with_the_same_labels(real_data):
    png = open_source("sunnybrook", real_data("sunnybrook_png"))
    dicom = open_source("sunnybrook", real_data("sunnybrook_dicom"))
    assert isinstance(dicom, SunnybrookDicom)
    [patient] = dicom.patients()["patient_id"]
    assert patient in set(png.patients()["patient_id"])
    published = {
        (phase, int(mask.sum())): mask
        for one in png.read(patient)
        for phase, mask in zip(one.phase_index, one.masks, strict=True)
    }
    drawn = 0
    for one in dicom.read(patient):
        assert one.images.shape == (20, 256, 256)
        assert one.spacing_mm == pytest.approx((1.2891, 1.2891))
        assert one.phase_fraction[one.is_ed].tolist() == [0]
        assert one.labels_present[19] == (1, 2)
        for phase, labels in enumerate(one.labels_present):
            if labels:
                mask = one.masks[phase] == 1
                dice = max(
                    2 * (mask & (other > 0)).sum() / (mask.sum() + other.sum())
                    for (at, _), other in published.items()
                    if at == one.phase_index[phase]
                )
                assert dice > 0.975
                drawn += 1
    assert drawn == 8
