"""Sliced Wasserstein distance and MS-SSIM on frames whose answer is known."""

import numpy as np
import pytest
import torch

from cmrkit.pggan import realism

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (64, 32, 32), dtype=np.uint8)


def smooth(frames):
    """Box blur of 5 x 5 pixels, contrast brought back."""
    out = sum(
        np.roll(frames.astype(float), (i, j), (1, 2)) for i in range(-2, 3) for j in range(-2, 3)
    )
    return (128 + (out / 25 - 128) * 5).clip(0, 255).astype(np.uint8)


def test_distance_between_two_mixes_of_black_and_white_frames_is_the_known_one():
    """Half white against a quarter white; normalised patches are flat, so all is one-dimensional.

    Half white: -1 and 1. A quarter white, mean 0.25, SD sqrt(3) / 4: -0.577 and 1.732. The sorted
    values differ by 0.423 over half of them, 1.577 and 0.732 over a quarter each: 0.789.
    """
    frames = np.zeros((2, 64, 8, 8), np.uint8)
    frames[0, :32], frames[1, :16] = 255, 255
    directions = np.random.default_rng(3).standard_normal((49, 64), np.float32)
    flat = np.abs((directions / np.linalg.norm(directions, axis=0)).sum(axis=0)).mean()
    found = realism.sliced_wasserstein(*frames, seed=3, patches=8, directions=64)
    assert list(found) == [8]
    assert found[8] == pytest.approx(1000 * 0.7887 * flat, rel=1e-3)


def test_distance_to_another_texture_is_above_that_to_other_frames_of_the_same():
    other = RNG.integers(0, 256, NOISE.shape, dtype=np.uint8)
    settings = {"patches": 64, "directions": 64}
    same = realism.sliced_wasserstein(NOISE, other, **settings)
    blurred = realism.sliced_wasserstein(NOISE, smooth(NOISE), **settings)
    assert list(same) == [32, 16]
    assert same[32] * 2 < blurred[32]


def test_pyramid_of_a_flat_image_has_no_bands():
    levels = realism._laplacian_pyramid(torch.full((1, 1, 64, 64), 7.0))
    assert [level.shape[-1] for level in levels] == [64, 32, 16]
    assert levels[0][..., 4:-4, 4:-4].abs().max() < 1e-4
    assert torch.allclose(levels[2], torch.tensor(7.0))


def test_pyramid_adds_up_to_the_image():
    image = torch.from_numpy(NOISE[:1]).float()[:, None]
    band, rest = realism._laplacian_pyramid(image)
    up = torch.zeros_like(image)
    up[..., ::2, ::2] = rest
    assert torch.allclose(band + 4 * realism._blur(up), image, atol=1e-3)


def test_sets_of_different_size_are_refused():
    with pytest.raises(ValueError, match="expected as many frames as a"):
        realism.sliced_wasserstein(NOISE, NOISE[:5])


def test_frames_below_8_pixels_have_no_patches():
    with pytest.raises(ValueError, match="4 x 4 pixels; patches need at least 8"):
        realism.sliced_wasserstein(NOISE[:, :4, :4], NOISE[:, :4, :4])


@pytest.mark.parametrize("resolution", [4, 8, 32])
def test_equal_frames_have_similarity_one(resolution):
    images = NOISE[:3, :resolution, :resolution]
    assert realism.ms_ssim(images, images).tolist() == pytest.approx([1.0] * 3, abs=1e-5)


def test_similarity_of_two_flat_frames_is_their_luminance_term():
    """Flat frames at the single scale of 4 x 4 pixels: (2ab + c1) / (a2 + b2 + c1)."""
    a, b = (np.full((1, 4, 4), v, np.uint8) for v in (50, 100))
    c1 = (0.01 * 255) ** 2
    expected = (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1)
    assert realism.ms_ssim(a, b).item() == pytest.approx(expected, rel=1e-4)  # float32


def test_similarity_falls_with_noise():
    base = smooth(NOISE[:8])
    little, much = (
        (base + RNG.normal(0, sd, base.shape)).clip(0, 255).astype(np.uint8) for sd in (5, 60)
    )
    assert realism.ms_ssim(base, little).mean() > realism.ms_ssim(base, much).mean() + 0.1


def test_repeated_frames_show_in_the_mean_over_pairs():
    varied = realism.pairwise_ms_ssim(smooth(NOISE), 100)
    repeated = realism.pairwise_ms_ssim(np.repeat(smooth(NOISE[:1]), 64, axis=0), 100)
    assert repeated == pytest.approx(1.0, abs=1e-5)
    assert varied < 0.6


def test_pairs_never_compare_a_frame_with_itself():
    two = np.stack([np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8)])
    assert realism.pairwise_ms_ssim(two, 50) < 0.01
