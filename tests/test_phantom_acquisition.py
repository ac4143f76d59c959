"""Coils, k-space, noise and the stored image."""

from dataclasses import replace

import numpy as np
import pytest

from cmrkit.phantom.acquisition import (
    SHIFTED_SITES,
    SITES,
    coil_sensitivity,
    encode,
    patient_scanner,
)
from cmrkit.phantom.rendering import Subject

QUIET = replace(SITES[0], noise=0.0, ghost=0.0, window=0.0)


def rng():
    return np.random.default_rng(0)


def test_an_even_object_keeps_its_signal():
    image = encode(np.full((1, 64, 64), 0.3, np.complex64), 200, 64, QUIET, rng())
    assert image == pytest.approx(0.3, abs=1e-5)


def test_interpolation_to_a_larger_matrix_keeps_the_signal():
    image = encode(np.full((1, 64, 64), 0.3, np.complex64), 200, 128, QUIET, rng())
    assert image.shape == (1, 128, 128)
    assert image == pytest.approx(0.3, abs=1e-5)


def test_noise_has_the_stated_sd_in_its_reference_voxel():
    scanner = replace(QUIET, noise=0.01, acquired_mm=2.0, thickness_mm=8)
    image = encode(np.ones((1, 128, 128), np.complex64), 256, 128, scanner, rng())
    # far above the noise the magnitude sees the real part alone
    assert image.std() == pytest.approx(0.01, rel=0.03)


def test_half_the_voxel_has_twice_the_noise():
    thin = replace(QUIET, noise=0.01, acquired_mm=2.0, thickness_mm=4)
    image = encode(np.ones((1, 128, 128), np.complex64), 256, 128, thin, rng())
    assert image.std() == pytest.approx(0.02, rel=0.03)


def test_noise_in_air_is_rayleigh_distributed():
    scanner = replace(QUIET, noise=0.01, acquired_mm=2.0, thickness_mm=8)
    image = encode(np.zeros((1, 128, 128), np.complex64), 256, 128, scanner, rng())
    assert image.mean() == pytest.approx(0.01 * np.sqrt(np.pi / 2), rel=0.02)


def test_truncation_spreads_a_point_over_the_acquired_pixel():
    point = np.zeros((1, 128, 128), np.complex64)
    point[0, 64, 64] = 1
    scanner = replace(QUIET, acquired_mm=4.0)  # 256 mm: 64 of 128 lines
    image = encode(point, 256, 128, scanner, rng())[0]
    # a quarter of k-space is kept: the peak falls to a quarter, and sinc zeros lie 2 pixels away
    assert image[64, 64] == pytest.approx(0.25, rel=1e-3)
    assert image[64, 66] == pytest.approx(0, abs=5e-3)


def test_a_ghost_lies_half_a_field_of_view_away():
    point = np.zeros((1, 64, 64), np.complex64)
    point[0, 20, 30] = 1
    image = encode(point, 64, 64, replace(QUIET, ghost=0.1, acquired_mm=1.0), rng())[0]
    assert image[20, 30] == pytest.approx(1, abs=1e-4)
    assert image[52, 30] == pytest.approx(0.1, abs=1e-4)


def test_the_k_space_filter_blurs():
    point = np.zeros((1, 64, 64), np.complex64)
    point[0, 32, 32] = 1
    sharp, soft = (
        encode(point, 64, 64, replace(QUIET, window=width, acquired_mm=1.0), rng())[0, 32, 32]
        for width in (0.0, 1.0)
    )
    assert soft < 0.5 * sharp


def test_the_coil_sees_the_chest_wall_better_than_its_middle():
    subject = Subject(1, 1, 2, SITES[0])
    thorax = subject.thorax
    y = np.array([thorax.middle - thorax.half[1], thorax.middle])
    points = np.stack([np.zeros(2), y, np.zeros(2)]).astype(np.float32)[:, None, :]
    front, middle = coil_sensitivity(points, thorax, rng())[0]
    assert front > 1.3 * middle


def test_small_patients_get_small_voxels():
    child, adult = (patient_scanner(SITES[0], build, rng()) for build in (0.75, 1.05))
    assert child.acquired_mm < adult.acquired_mm
    assert child.thickness_mm < adult.thickness_mm


def test_the_shifted_site_is_another_vendor_and_field():
    vendors = {site.vendor for site in SITES}
    assert all(site.vendor not in vendors and site.field_t == 3.0 for site in SHIFTED_SITES)


@pytest.mark.parametrize("site", SITES + SHIFTED_SITES)
def test_no_site_is_presented_as_a_real_one(site):
    assert site.site.startswith("simulated")
    assert site.vendor.startswith("simulated")
