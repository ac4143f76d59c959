"""Implausible edits and planted copies do what they say, and only that."""

import numpy as np
import pytest
from hearts import draw_patients
from scipy import ndimage

from cmrkit.audit.controls import COPIES, EDITS, generator, make_controls, plant_copies

PATIENTS = draw_patients(12, seed=3)


def edited(name, row=0):
    image, mask = PATIENTS.images[row].astype(np.float32), PATIENTS.masks[row]
    return image, mask, *EDITS[name][0](image, mask, np.random.default_rng(0))


def test_rv_removed_leaves_tissue_where_the_rv_was():
    image, mask, new_image, new_mask = edited("RV removed")
    core = ndimage.binary_erosion(mask == 3, iterations=2)
    assert not (new_mask == 3).any()
    assert image[core].mean() > 150
    assert new_image[core].mean() < 110
    assert (new_mask == 1).sum() == (mask == 1).sum()


def test_septum_broken_joins_lv_and_rv():
    image, mask, new_image, new_mask = edited("septum broken")
    assert ndimage.label(np.isin(mask, (1, 3)))[1] == 2
    assert ndimage.label(np.isin(new_mask, (1, 3)))[1] == 1
    gap = np.isin(new_mask, (1, 3)) & ~np.isin(mask, (1, 3))
    assert new_image[gap].mean() > image[gap].mean() + 40


def test_chambers_swapped_turns_the_heart_and_not_the_body():
    image, mask, new_image, new_mask = edited("chambers swapped")
    column = [ndimage.center_of_mass(m == label)[1] for m in (mask, new_mask) for label in (1, 3)]
    assert column[0] > column[1]
    assert column[2] < column[3]
    assert np.array_equal(new_image[:4], image[:4])


def test_mirrored_turns_everything():
    image, mask, new_image, new_mask = edited("mirrored")
    assert np.array_equal(new_image, image[:, ::-1])
    assert np.array_equal(new_mask, mask[:, ::-1])


def test_lv_doubled_has_two_ventricles():
    _, mask, new_image, new_mask = edited("LV doubled")
    _, count = ndimage.label(new_mask == 1)
    assert count == 2
    second = (new_mask == 1) & (mask != 1)
    assert new_image[ndimage.binary_erosion(second)].mean() > 150


def test_stretched_heart_is_1_8_times_as_high():
    _, mask, _, new_mask = edited("stretched")
    heights = [np.ptp(np.argwhere(m == 1)[:, 0]) + 1 for m in (mask, new_mask)]
    assert heights[1] == pytest.approx(1.8 * heights[0], abs=1.5)


def test_controls_are_shared_evenly_and_come_from_different_frames():
    _, masks, table = make_controls(*PATIENTS, 18, seed=1)
    assert table["control"].value_counts().to_dict() == dict.fromkeys(EDITS, 3)
    assert not table.duplicated(["control", "made_from"]).any()
    assert table["frame_id"].is_unique
    assert masks.dtype == np.uint8


def test_same_seed_same_controls_and_copies():
    first, again = (make_controls(*PATIENTS, 12, seed=5) for _ in range(2))
    assert np.array_equal(first[0], again[0])
    assert first[2].equals(again[2])
    other = plant_copies(PATIENTS.images, PATIENTS.frames, 10, seed=6)
    assert not np.array_equal(plant_copies(PATIENTS.images, PATIENTS.frames, 10, 5)[0], other[0])


def test_without_rv_labels_only_lv_edits_are_made():
    part = draw_patients(8, seed=1, labels=(1,))
    _, _, table = make_controls(*part, 9, seed=1)
    assert set(table["control"]) == {"mirrored", "LV doubled", "stretched"}


def test_frames_without_heart_or_too_few_frames_are_refused():
    empty = PATIENTS._replace(masks=np.zeros_like(PATIENTS.masks))
    with pytest.raises(ValueError, match="no frame with an LV"):
        make_controls(*empty, 6, seed=1)
    with pytest.raises(ValueError, match="ask for fewer"):
        make_controls(*PATIENTS.take([0]), 12, seed=1)
    with pytest.raises(ValueError, match="5 copies asked of 4 frames"):
        plant_copies(PATIENTS.images[:4], PATIENTS.frames[:4], 5, seed=1)


@pytest.mark.parametrize("name", COPIES)
def test_copies_differ_from_their_frame_as_named(name):
    image = PATIENTS.images[0].astype(np.float32)
    copy = COPIES[name](image, generator(1, "test"))
    same = np.array_equal(copy, image)
    assert same == (name == "exact")
    if name == "flipped":
        assert np.array_equal(copy[:, ::-1], image)
    if name == "noisy":
        assert np.std(copy - image) == pytest.approx(20.4, rel=0.05)
    if name == "contrast-changed":
        order = np.argsort(image.ravel())
        assert (np.diff(copy.ravel()[order]) >= -1e-3).all()
    if name == "shifted":
        matches = [
            (down, right)
            for down in range(-6, 7)
            for right in range(-6, 7)
            if np.array_equal(copy[8:-8, 8:-8], np.roll(image, (down, right), (0, 1))[8:-8, 8:-8])
        ]
        assert len(matches) == 1
        assert 0 not in matches[0]
