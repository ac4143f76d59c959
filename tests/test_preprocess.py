"""Preprocessing: geometry against known positions, labels against known areas, grey values."""

import numpy as np
import pytest
from scipy.ndimage import label

from cmrkit.cohort.preprocess import frame_grid, preprocess
from cmrkit.cohort.series import CineSlice


def cine(images, masks=None, spacing=(1.0, 1.0)):
    images = np.asarray(images, dtype=np.float32)
    phases = len(images)
    masks = np.zeros(images.shape, np.uint8) if masks is None else np.asarray(masks, np.uint8)
    return CineSlice(
        patient_id="test-1", view="sax", slice_index=0, images=images, masks=masks,
        labels_present=[(1,)] * phases, spacing_mm=spacing, phase_index=np.arange(phases),
        phase_fraction=np.arange(phases) / phases, is_ed=np.arange(phases) == 0,
        is_es=np.arange(phases) == 1,
    )  # fmt: skip


def disc(shape, centre, radius_mm, spacing=(1.0, 1.0)):
    rows, columns = np.indices(shape)
    distance = np.hypot((rows - centre[0]) * spacing[0], (columns - centre[1]) * spacing[1])
    return (distance <= radius_mm).astype(np.uint8)


def ramp(shape, phases=1):
    return np.stack([np.add.outer(3.0 * np.arange(shape[0]), np.arange(shape[1]))] * phases)


def test_the_same_pixel_size_and_side_leaves_every_pixel_where_it_is():
    images = np.random.default_rng(0).uniform(0, 100, (2, 16, 16))
    masks = np.random.default_rng(1).integers(0, 4, (2, 16, 16))
    out, labels, grid = preprocess(cine(images, masks), 16, 16.0)
    low, high = np.percentile(images, (1, 99))
    assert np.array_equal(out, np.rint(np.clip((images - low) / (high - low), 0, 1) * 255))
    assert np.array_equal(labels, masks)
    assert grid.spacing_mm == 1.0


def test_a_frame_pixel_shows_the_source_at_the_place_its_grid_names():
    one = cine(ramp((90, 70)), spacing=(1.5, 2.0))
    out, _, _ = preprocess(one, 32, 64.0)
    grid = frame_grid(one, 32, 64.0)
    at = grid.to_source(np.stack(np.indices((32, 32)), axis=-1).reshape(-1, 2))
    truth = (3.0 * at[:, 0] + at[:, 1]).reshape(32, 32)
    low, high = np.percentile(truth, (1, 99))
    shown = np.clip((truth - low) / (high - low), 0, 1) * 255
    assert np.abs(out[0] - shown).max() <= 1.5


def test_source_and_frame_pixels_map_onto_each_other_and_back():
    grid = frame_grid(cine(ramp((100, 60)), spacing=(2.0, 1.0)), 64, 128.0)
    assert np.allclose(grid.to_source([[31.5, 31.5]]), [[49.5, 29.5]])  # middle to middle
    assert np.allclose(grid.to_source([[32.5, 32.5]]), [[50.5, 31.5]])  # 2 mm further
    points = np.random.default_rng(0).uniform(0, 63, (20, 2))
    assert np.allclose(grid.to_frame(grid.to_source(points)), points)


@pytest.mark.parametrize("spacing", [(0.8, 0.8), (1.36, 1.36), (2.6, 2.6), (2.0, 1.0)])
@pytest.mark.parametrize("resolution", [64, 128])
def test_discs_keep_their_area_in_mm2_whatever_the_pixels(spacing, resolution):
    shape = tuple(int(220 / size) for size in spacing)
    places = np.random.default_rng(0).uniform(-3, 3, (8, 2)) + np.array(shape) / 2
    masks = [disc(shape, place, 25, spacing) for place in places]
    _, labels, grid = preprocess(cine(ramp(shape, 8), masks, spacing), resolution, 200.0)
    assert grid.spacing_mm == pytest.approx(200 / resolution)
    assert labels.sum() / 8 * grid.spacing_mm**2 == pytest.approx(np.pi * 25**2, rel=0.02)


def test_a_thin_myocardium_stays_a_closed_ring():
    shape = (160, 160)
    inner, outer = disc(shape, (80, 82), 20, (1.4, 1.4)), disc(shape, (80, 82), 25, (1.4, 1.4))
    _, labels, _ = preprocess(cine(ramp(shape), [2 * outer - inner], (1.4, 1.4)), 64, 200.0)
    pieces, _ = label(labels[0] != 2)
    assert pieces[32, 32] != pieces[0, 0]
    assert set(np.unique(labels)) == {0, 1, 2}


def test_outside_the_source_a_frame_is_black_and_unlabelled():
    images = np.full((1, 20, 20), 500.0)
    images[0, ::2] = 100
    out, labels, _ = preprocess(cine(images, np.ones((1, 20, 20))), 32, 32.0)
    inside = np.zeros((32, 32), bool)
    inside[6:26, 6:26] = True
    assert np.array_equal(labels[0] == 1, inside)
    assert out[0][inside].max() == 255
    assert out[0][~inside].max() == 0


def test_grey_values_of_a_cine_are_mapped_together_so_that_it_does_not_flicker():
    images = ramp((32, 32), phases=3)
    images[1, 10:12, 10:12] = 5000  # a flash of inflow in one phase
    out, _, _ = preprocess(cine(images), 32, 32.0)
    away = np.ones((32, 32), bool)
    away[8:14, 8:14] = False
    assert np.array_equal(out[0][away], out[1][away])
    assert np.array_equal(out[0], out[2])


def test_the_motion_crop_follows_a_beating_disc_away_from_the_middle():
    shape = (128, 128)
    images = np.stack([disc(shape, (78, 45), radius) * 200.0 for radius in (20, 16, 12, 16)])
    grid = frame_grid(cine(images), 64, 100.0, crop="motion")
    assert np.hypot(grid.centre[0] - 78, grid.centre[1] - 45) < 5


@pytest.mark.parametrize("images", [ramp((40, 60)), ramp((40, 60), phases=4)])
def test_without_motion_the_motion_crop_is_the_middle(images):
    assert frame_grid(cine(images), 32, 30.0, crop="motion").centre == (19.5, 29.5)


def test_the_mask_crop_is_the_middle_of_all_labels_of_the_cycle():
    masks = np.zeros((2, 40, 40), np.uint8)
    masks[0, 4:9, 10] = 1
    masks[1, 8, 10:15] = 2
    assert frame_grid(cine(ramp((40, 40), 2), masks), 16, 20, crop="mask").centre == (6.0, 12.0)
    empty = cine(ramp((40, 40), 2))
    assert frame_grid(empty, 16, 20, crop="mask").centre == (19.5, 19.5)


def test_an_assumed_pixel_size_shapes_the_frame():
    one = cine(ramp((64, 64)), [disc((64, 64), (32, 32), 10)], spacing=None)
    _, labels, grid = preprocess(one, 32, 64.0, assumed_spacing_mm=2.0)
    assert grid.source_spacing_mm == (2.0, 2.0)
    assert labels.sum() == pytest.approx(np.pi * 10**2, rel=0.05)  # 2 mm pixels, kept as they are


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((1, 8, 8))}, "no contrast"),
        ({"images": np.full((1, 8, 8), np.nan)}, "not a number"),
        ({"images": np.zeros((0, 8, 8))}, "expected \\[phases, rows, columns\\]"),
        ({"masks": np.zeros((1, 9, 8), np.uint8)}, "masks: shape"),
        ({"masks": np.full((1, 8, 8), 9, np.uint8)}, "unknown label 9"),
        ({"labels_present": []}, "labels_present: 0 values for 1 phases"),
        ({"spacing_mm": None}, "give assumed_spacing_mm"),
        ({"spacing_mm": (0.0, 1.0)}, "0 x 1; pixels are 0.02 to 20 mm"),
        ({"spacing_mm": (0.00125, 0.00125)}, "correct the header"),
        ({"spacing_mm": (1.25, 1250.0)}, "1.25 x 1250; pixels are"),
        ({"spacing_mm": (np.nan, 1.0)}, "nan x 1"),
    ],
)
def test_a_slice_that_cannot_be_used_is_refused_with_a_reason(change, message):
    values = cine(ramp((8, 8))).__dict__ | change
    with pytest.raises(ValueError, match=message):
        preprocess(CineSlice(**values), 16, 16.0)


def test_an_unknown_crop_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="crop: 'heart'; use one of centre, motion, mask"):
        preprocess(cine(ramp((8, 8))), 16, 16.0, crop="heart")
