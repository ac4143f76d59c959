"""The simulated cohort as a data source: contract, truth in the masks, determinism."""

import hashlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes, distance_transform_edt, label

from cmrkit.cohort.frames import ROLES
from cmrkit.phantom.cohort import LABELS_OF_VIEW, SimulatedCohort
from cmrkit.phantom.planes import sax_heights
from cmrkit.phantom.rendering import Subject

PATIENTS = {"gan": 3, "unet": 2, "external": 3}


def cohort(**changes):
    settings = {"views": ("4ch", "2ch", "sax"), "phases": 4, "sax_slices": 3, "matrix": 64}
    return SimulatedCohort(5, PATIENTS, **{**settings, **changes})


@pytest.fixture(scope="module")
def slices():
    """All slices of four patients at the matrix of a real scan."""
    source = cohort(matrix=160, phases=3)
    return [
        cine for number in (1, 2, 4, 7) for cine in source.read(f"sim-{number:04d}")
    ]  # fmt: skip


def digest(job):
    source, patient_id = job
    pixels = hashlib.sha256()
    for cine in source.read(patient_id):
        pixels.update(cine.images.tobytes())
        pixels.update(cine.masks.tobytes())
    return pixels.hexdigest()


def test_every_patient_has_one_row_and_the_columns_of_a_source():
    table = cohort().patients()
    assert table["patient_id"].tolist() == [f"sim-{n:04d}" for n in range(1, 9)]
    assert table["role"].tolist() == ["gan"] * 3 + ["unet"] * 2 + ["external"] * 3
    assert {"original_id", "site", "vendor", "disease", "lvedv_ml", "rvef_percent"} <= set(table)


def test_nothing_simulated_is_labelled_as_a_patient():
    table = cohort().patients()
    for column in ("site", "vendor", "disease"):
        assert table[column].str.startswith("simulated").all()
    assert table["patient_id"].str.startswith("sim-").all()


def test_the_external_patients_come_from_another_scanner_unless_told_otherwise():
    shifted, plain = cohort().patients(), cohort(domain_shift=False).patients()
    external = shifted["role"] == "external"
    assert set(shifted.loc[external, "vendor"]).isdisjoint(shifted.loc[~external, "vendor"])
    assert set(plain.loc[external, "vendor"]) <= set(plain.loc[~external, "vendor"]) | {
        "simulated vendor B"
    }
    assert not np.array_equal(
        next(cohort().read("sim-0006")).images,
        next(cohort(domain_shift=False).read("sim-0006")).images,
    )


def test_the_domain_shift_changes_the_images_and_not_the_anatomy():
    shifted, plain = (
        next(cohort(domain_shift=shift).read("sim-0006")) for shift in (True, False)
    )  # fmt: skip
    assert np.array_equal(shifted.masks, plain.masks)


def test_slices_follow_the_contract(slices):
    for cine in slices:
        phases = len(cine.phase_index)
        assert cine.images.shape == cine.masks.shape == (phases, 160, 160)
        assert cine.images.dtype == np.float32
        assert cine.masks.dtype == np.uint8
        assert np.isfinite(cine.images).all()
        assert cine.labels_present == [LABELS_OF_VIEW[cine.view]] * phases
        assert cine.is_ed.tolist() == [True] + [False] * (phases - 1)
        assert cine.is_es.sum() == 1
        assert 1.0 < cine.spacing_mm[0] < 2.6
        assert (np.diff(cine.phase_fraction) > 0).all()


def test_each_view_shows_its_chambers_and_no_other_label(slices):
    for cine in slices:
        middle = cine.view != "sax" or cine.slice_index == 1
        found = set(np.unique(cine.masks[0])) - {0}
        assert found <= set(LABELS_OF_VIEW[cine.view])
        if middle:
            assert found == set(LABELS_OF_VIEW[cine.view])


def test_chambers_cut_once_are_one_piece(slices):
    for cine in slices:
        if cine.view == "sax" and cine.slice_index != 1:
            continue
        for mask in cine.masks:
            for chamber in (1, 4, 5) if cine.view != "sax" else (1, 3):
                sizes = np.bincount(label(mask == chamber)[0].ravel())[1:]
                if len(sizes):
                    assert sizes.max() > 0.97 * sizes.sum(), (cine.patient_id, cine.view, chamber)


def test_the_myocardium_encloses_the_cavity_in_mid_slices(slices):
    for cine in slices:
        if cine.view != "sax" or cine.slice_index != 1:
            continue
        for mask in cine.masks:
            filled = binary_fill_holes(mask == 2)
            assert (filled & (mask == 1)).sum() == (mask == 1).sum()


def test_the_left_ventricle_empties_in_every_view(slices):
    for cine in slices:
        if cine.view == "sax" and cine.slice_index == 0:
            continue
        areas = (cine.masks == 1).sum(axis=(1, 2))
        assert areas[cine.is_es][0] < 0.8 * areas[cine.is_ed][0]


def test_blood_is_bright_myocardium_grey_and_lung_dark(slices):
    for cine in slices:
        image, mask = cine.images[0], cine.masks[0]
        if cine.view == "sax" and cine.slice_index != 1:
            continue
        blood, wall = np.median(image[mask == 1]), np.median(image[mask == 2])
        assert 0.1 < wall / blood < 0.55
        assert np.percentile(image, 5) < 0.15 * blood


@pytest.mark.parametrize("number", [1, 2, 3])
def test_volumes_of_a_full_short_axis_stack_are_the_true_ones(number):
    source = SimulatedCohort(6, {"gan": 3}, ("sax",), phases=3, sax_slices=14, matrix=160)
    subject = Subject(6, number, 3, source._site(number))
    gap_mm = np.diff(sax_heights(subject.heart, 14)).mean()
    volumes = np.zeros((3, 4))
    for cine in source.read(f"sim-{number:04d}"):
        assert cine.slice_spacing_mm == pytest.approx(gap_mm)
        pixel = cine.spacing_mm[0] ** 2 * gap_mm / 1000
        for number_of_label in (1, 2, 3):
            volumes[:, number_of_label] += (cine.masks == number_of_label).sum((1, 2)) * pixel
    assert volumes[:, 1] == pytest.approx(subject.cycle.lv, rel=0.05)
    assert volumes[:, 2] == pytest.approx([subject.patient.lv_wall_ml] * 3, rel=0.05)
    assert volumes[:, 3] == pytest.approx(subject.cycle.rv, rel=0.05)


def test_frames_are_the_same_whatever_the_order_of_reading():
    source = cohort()
    last = digest((source, "sim-0002"))
    for patient_id in ("sim-0003", "sim-0001"):
        digest((source, patient_id))
    assert digest((source, "sim-0002")) == last


def test_frames_are_the_same_whatever_the_number_of_processes():
    source = cohort(views=("sax",), phases=2)
    jobs = [(source, f"sim-{number:04d}") for number in range(1, 5)]
    alone = [digest(job) for job in jobs]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:  # a fork beside threads may hang
        together = list(pool.map(digest, jobs))
    assert alone == together
    assert len(set(alone)) == len(alone)


def test_another_seed_gives_other_patients():
    first, second = (
        SimulatedCohort(seed, {"gan": 1}, ("sax",), phases=2, matrix=64) for seed in (1, 2)
    )
    assert digest((first, "sim-0001")) != digest((second, "sim-0001"))


def test_a_view_does_not_depend_on_the_others():
    alone = next(cohort(views=("sax",)).read("sim-0001"))
    among = next(cine for cine in cohort().read("sim-0001") if cine.view == "sax")
    assert np.array_equal(alone.images, among.images)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"views": ("3ch",)}, "3ch"),
        ({"phases": 1}, "phases: 1"),
        ({"sax_slices": 0}, "sax_slices: 0"),
        ({"matrix": 16}, "matrix: 16"),
    ],
)
def test_impossible_arguments_are_named(changes, named):
    with pytest.raises(ValueError, match=named):
        cohort(**changes)


def test_an_unknown_role_is_named():
    with pytest.raises(ValueError, match="train"):
        SimulatedCohort(1, {"train": 3})


@pytest.mark.parametrize("patient_id", ["sim-0009", "sim-0000", "p17", "sim-x"])
def test_an_unknown_patient_is_named(patient_id):
    with pytest.raises(ValueError, match=patient_id):
        next(cohort().read(patient_id))


def test_roles_are_those_of_the_frame_table():
    assert set(cohort().patients()["role"]) == set(ROLES)


@pytest.fixture(scope="module")
def four_chamber():
    """End-diastole of twelve patients: their table, masks [12, 96, 96] and mm a pixel [12]."""
    source = SimulatedCohort(1, {"gan": 12}, ("4ch",), phases=2, matrix=96)
    slices = [next(iter(source.read(name))) for name in source.patients()["patient_id"]]
    masks = np.stack([cine.masks[0] for cine in slices])
    return source.patients(), masks, np.array([cine.spacing_mm[0] for cine in slices])


def test_an_enlarged_right_ventricle_is_as_large_as_the_left_one_in_the_four_chamber_view(
    four_chamber,
):
    patients, masks, _ = four_chamber
    areas = (masks == 3).sum((1, 2)) / (masks == 1).sum((1, 2))
    volumes = patients["rvedv_ml"] / patients["lvedv_ml"]
    assert np.corrcoef(areas, volumes)[0, 1] > 0.8
    assert np.median(areas[volumes > 1.4]) > 0.9


def test_both_atria_lie_against_the_septum(four_chamber):
    _, masks, mm = four_chamber
    apart = [
        distance_transform_edt(mask != 4)[mask == 5].min() * pixel
        for mask, pixel in zip(masks, mm, strict=True)
    ]
    assert np.median(apart) < 6  # two pixels of 3 mm; the septum itself is 2 to 3 mm
    assert max(apart) < 12
