"""Sunnybrook readers: both published layouts, contours against hand-counted pixels, real files."""

import numpy as np
import pytest
from PIL import Image

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
