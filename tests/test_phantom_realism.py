"""Measures that put simulated frames beside real ones, on images with known answers."""

import numpy as np
import pytest

from cmrkit.phantom.realism import (
    background_noise,
    compare,
    grey_histogram,
    radial_power,
    tissue_contrast,
)


def disc(side=64, radius=14, blood=200, wall=60, noise=0.0):
    """A bright cavity in a grey ring on dark ground."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    r = np.hypot(x, y)
    image = np.where(r < radius, blood, np.where(r < radius + 8, wall, 20)).astype(float)
    image += np.random.default_rng(0).normal(0, noise, image.shape) if noise else 0
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), (r < radius).astype(np.uint8)


def stack(count=4, **kind):
    images, masks = zip(*(disc(**kind) for _ in range(count)), strict=True)
    return np.stack(images), np.stack(masks)


def test_a_wave_has_its_power_at_its_frequency():
    wave = 128 + 100 * np.sin(2 * np.pi * 0.2 * np.arange(80))
    frequency, power = radial_power(np.tile(wave, (1, 80, 1)))
    assert frequency[np.argmax(power[0])] == pytest.approx(0.2, abs=0.02)
    assert power[0].sum() == pytest.approx(1)


def test_brightness_and_contrast_do_not_change_the_spectrum():
    image = np.random.default_rng(1).normal(100, 10, (1, 32, 32))
    assert radial_power(image)[1] == pytest.approx(radial_power(3 * image + 7)[1])


def test_blurring_moves_power_to_low_frequencies():
    sharp = np.random.default_rng(1).normal(100, 10, (1, 64, 64))
    soft = (sharp + np.roll(sharp, 1, 1) + np.roll(sharp, 1, 2)) / 3
    frequency, power = radial_power(np.concatenate([sharp, soft]))
    fine = frequency > 0.3
    assert power[1, fine].sum() < 0.8 * power[0, fine].sum()


def test_histogram_counts_shares():
    image = np.zeros((1, 4, 4), np.uint8)
    image[0, 0] = 255
    shares = grey_histogram(image, bins=4)[0]
    assert shares.tolist() == [0.75, 0, 0, 0.25]


def test_contrast_of_a_known_disc():
    table = tissue_contrast(*stack(2))
    assert table["blood"].tolist() == [200, 200]
    assert table["ratio"].tolist() == pytest.approx([0.3, 0.3])
    assert table["unevenness"].tolist() == [0, 0]


def test_noise_of_a_known_image():
    noisy = np.random.default_rng(2).normal(60, 5, (128, 128))
    assert background_noise(np.rint(noisy).astype(np.uint8)) == pytest.approx(5, rel=0.15)


def test_structure_is_not_taken_for_noise():
    ramp = np.add.outer(np.arange(128), np.arange(128)).astype(np.uint8)
    assert background_noise(ramp) == 0


def test_a_frame_without_a_cavity_has_no_row():
    images, masks = stack(3)
    masks[1] = 0
    assert tissue_contrast(images, masks)["frame"].tolist() == [0, 2]


def test_equal_sets_are_inside_and_a_pale_one_is_not():
    real = [disc(blood=blood, wall=60, noise=3) for blood in (170, 185, 200, 215, 230)]
    real = tuple(np.stack(part) for part in zip(*real, strict=True))
    same = compare(stack(3, noise=3), {"real": real}).set_index("measure")
    pale = compare(stack(3, wall=150, noise=3), {"real": real}).set_index("measure")
    assert same.loc["myocardium_over_blood", "inside"]
    assert not pale.loc["myocardium_over_blood", "inside"]
    assert pale.loc["myocardium_over_blood", "simulated"] == pytest.approx(0.75, rel=0.05)
    assert same.loc["blood_grey_value", "real"] == 200
