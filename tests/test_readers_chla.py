"""CHLA reader: files in the published layout with known content, and the real set."""

import numpy as np
import pytest
from scipy.io import savemat

from cmrkit.cohort.readers import open_source
from cmrkit.cohort.readers.chla import list_offset

COLUMNS = "Subjects,Disease,Pixel Size (dx),Pixel Size (dy)"
RNG = np.random.default_rng(0)
BODY = RNG.uniform(0, 200, (9, 16, 16))  # nine slice positions, each unlike the others


def beat(images, seed):
    """The same positions at another phase of the cycle."""
    return images + np.random.default_rng(seed).uniform(0, 30, images.shape)


def square(count, size):
    """Masks whose area falls from slice to slice, from size x size."""
    masks = np.zeros((count, 16, 16))
    for number in range(count):
        masks[number, 2 : 2 + max(size - number, 1), 2 : 2 + size] = 1
    return masks


def write_subject(folder, number, lists):
    for (chamber, phase), (images, masks) in lists.items():
        target = folder / "nearest" / chamber
        target.mkdir(parents=True, exist_ok=True)
        stem = f"Sbj_{number}_{chamber}{phase}"
        savemat(target / f"{stem}_image.mat", {"image": images.astype(float)})
        savemat(target / f"{stem}_mask.mat", {"mask": masks.astype(float)})


def subject(reverse=False):
    """LV on positions 1-7, RV on 0-6 of the same end-diastolic images; end-systole apart."""
    lists = {
        ("LV", "ED"): (BODY[1:8], square(7, 8)),
        ("RV", "ED"): (BODY[0:7], square(7, 6)[:, :, ::-1]),
        ("LV", "ES"): (beat(BODY, 1)[2:7], square(5, 6)),
        ("RV", "ES"): (beat(BODY, 2)[1:6], square(5, 4)[:, :, ::-1]),
    }
    return {
        key: (images[::-1], masks[::-1]) if reverse else (images, masks)
        for key, (images, masks) in lists.items()
    }


@pytest.fixture
def folder(tmp_path):
    write_subject(tmp_path, 6, subject())
    (tmp_path / "Metadata.csv").write_text(f"{COLUMNS}\n6,Tetralogy of Fallot,2.5,1.5\n")
    return tmp_path


def read_all(folder):
    archive = open_source("chla", folder)
    table = archive.patients()
    return table, [list(archive.read(patient)) for patient in table["patient_id"]]


def test_the_patient_table_gives_disease_and_subject_number(folder):
    table, _ = read_all(folder)
    row = table.iloc[0]
    assert (row.original_id, row.disease, row.site, row.vendor) == (
        "6", "Tetralogy of Fallot", "CHLA", "Philips"
    )  # fmt: skip
    assert row.patient_id.startswith("chla-")
    assert row.patient_id != "chla-6"


def test_lists_are_laid_against_each_other_and_identical_images_joined(folder):
    _, [slices] = read_all(folder)
    phases = [one.phase_index.tolist() for one in slices]
    #        0    1          2             3             4             5             6          7
    assert phases == [[1], [0, 3], [0, 2, 3], [0, 2, 3], [0, 2, 3], [0, 2, 3], [0, 2], [0]]
    labels = [one.labels_present for one in slices]
    assert labels[0] == [(3,)]
    assert labels[2] == [(1, 3), (1,), (3,)]
    assert labels[7] == [(1,)]
    third = slices[3]
    assert np.array_equal(third.images[0], BODY[3].astype(np.float32))
    assert np.array_equal(third.images[1], beat(BODY, 1)[3].astype(np.float32))
    assert np.array_equal(third.images[2], beat(BODY, 2)[3].astype(np.float32))
    assert third.is_ed.tolist() == [True, False, False]
    assert third.is_es.tolist() == [False, True, True]
    assert third.spacing_mm == (1.5, 2.5)  # row (dy), column (dx)
    assert np.isnan(third.phase_fraction).all()


def test_slices_run_from_base_to_apex_whichever_way_the_lists_run(tmp_path, folder):
    _, [forwards] = read_all(folder)
    write_subject(tmp_path, 6, subject(reverse=True))
    _, [backwards] = read_all(folder)
    assert [one.slice_index for one in forwards] == list(range(8))
    for one, other in zip(forwards, backwards, strict=True):
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.masks, other.masks)


def test_an_empty_mask_counts_as_not_drawn(folder):
    lists = subject()
    lists["RV", "ED"][1][3] = 0
    lists["RV", "ED"][1][0] = 0
    write_subject(folder, 6, lists)
    _, [slices] = read_all(folder)
    assert slices[3].labels_present[0] == (1,)  # its image is in the LV list as well
    assert slices[0].labels_present == [()]


def test_a_pixel_in_both_cavities_belongs_to_the_left_ventricle(folder):
    lists = subject()
    lists["RV", "ED"] = (BODY[0:7], square(7, 16))
    write_subject(folder, 6, lists)
    _, [slices] = read_all(folder)
    lv = square(7, 8)[2] > 0  # LV list, position 3
    assert (slices[3].masks[0][lv] == 1).all()
    assert (slices[3].masks[0] == 3).any()


def test_the_folder_of_the_pixels_may_be_named_as_well(folder):
    assert len(open_source("chla", folder / "nearest").patients()) == 1


def test_the_offset_of_a_list_is_found_in_both_directions():
    assert list_offset(BODY, beat(BODY, 3)[2:7]) == 2
    assert list_offset(BODY[3:], beat(BODY, 3)[:7]) == -3
    assert list_offset(BODY[:1], beat(BODY, 3)[:1]) == 0


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_without_the_set_says_what_was_expected_and_where_to_get_it(tmp_path, make):
    wrong = tmp_path / "data"
    if make:
        wrong.mkdir()
    with pytest.raises(FileNotFoundError, match=r"data: .*Metadata\.csv.*doi 10\.1186"):
        open_source("chla", wrong)


def break_file(path):
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "RVES image: file is missing"),
        (break_file, "RVES image: cannot be read"),
        (lambda path: savemat(path, {"other": 1}), "RVES image: cannot be read"),
        (lambda path: savemat(path, {"image": np.zeros((3, 16, 16))}), "RVES: images"),
    ],
)
def test_a_broken_file_is_named_without_the_patient(folder, damage, message):
    damage(folder / "nearest" / "RV" / "Sbj_6_RVES_image.mat")
    archive = open_source("chla", folder)
    with pytest.raises(ValueError, match=message) as caught:
        list(archive.read(archive.patients()["patient_id"][0]))
    assert "Sbj" not in str(caught.value)


def test_a_patient_without_a_line_in_the_table_is_refused(folder):
    (folder / "Metadata.csv").write_text(f"{COLUMNS}\n7,Cardiomyopathy,2,2\n")
    archive = open_source("chla", folder)
    assert archive.patients()["disease"][0] == "unknown"
    with pytest.raises(ValueError, match="no pixel size"):
        list(archive.read(archive.patients()["patient_id"][0]))


def test_two_rows_of_one_subject_are_one_error_that_names_the_table(folder):
    rows = "6,Tetralogy of Fallot,2.5,1.5\n7,Cardiomyopathy,2,2\n6,Cardiomyopathy,2,2\n"
    (folder / "Metadata.csv").write_text(f"{COLUMNS}\n{rows}")
    with pytest.raises(ValueError, match=r"Metadata\.csv: row 3 names a subject.*keep one row"):
        open_source("chla", folder)


def test_real_lists_agree_with_the_images_that_occur_in_two_of_them(real_data):
    archive = open_source("chla", real_data("chla_chd"))
    patients = archive.patients()
    assert (patients["disease"] == "Tetralogy of Fallot").sum() >= 10
    both = 0
    for patient in patients["patient_id"][:8]:
        slices = list(archive.read(patient))
        assert 8 <= len(slices) <= 22
        both_chambers = [np.mean([(mask > 0).sum() for mask in one.masks]) for one in slices]
        assert np.corrcoef(np.arange(len(slices)), both_chambers)[0, 1] < 0  # apex last
        joined = [labels for one in slices for labels in one.labels_present if labels == (1, 3)]
        both += len(joined)
        for one in slices:
            assert 5 <= one.slice_spacing_mm <= 10
            assert len(set(one.phase_index)) == len(one.phase_index)
            for mask, labels in zip(one.masks, one.labels_present, strict=True):
                assert set(np.unique(mask)) - {0} == set(labels)
    assert both > 50


def test_real_empty_masks_of_subjects_10_29_and_31_are_not_labels(real_data):
    archive = open_source("chla", real_data("chla_chd"))
    table = archive.patients().set_index("original_id")["patient_id"]
    for subject_number, unlabelled in (("10", 1), ("29", 0), ("31", 1)):
        slices = list(archive.read(table[subject_number]))
        labels = [present for one in slices for present in one.labels_present]
        assert labels.count(()) == unlabelled
