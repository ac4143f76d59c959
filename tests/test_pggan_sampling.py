"""A frame follows from seed, index and view alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pggan_runs import VIEWS, tiny_recipe

from cmrkit.pggan import sampling, tensor_file
from cmrkit.pggan.data import decode
from cmrkit.pggan.networks import Generator
from cmrkit.pggan.weights import KIND, network_state


def write_generator(path, alpha=1.0, resolution=16, **changes):
    recipe = tiny_recipe(**changes)
    network = Generator(recipe, torch.Generator().manual_seed(0))
    facts = {
        "recipe": recipe.to_dict(),
        "resolution": resolution,
        "alpha": alpha,
        "allowed": [[True, True], [True, False]],
    }
    tensor_file.write(path, KIND, network_state(network, "ema"), facts)
    return path


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return sampling.load_generator(write_generator(tmp_path_factory.mktemp("g") / "g.safetensors"))


def test_frames_are_bytes_and_labels_of_the_recipe(generator):
    images, masks = sampling.sample(generator, 1, range(6), VIEWS * 3)
    assert (images.shape, images.dtype) == ((6, 16, 16), np.uint8)
    assert (masks.shape, masks.dtype) == ((6, 16, 16), np.uint8)
    assert set(np.unique(masks)) <= {0, 1, 3}
    assert 3 not in masks[1::2]  # the second view's patients have no label 3


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_frame_does_not_depend_on_its_company(precision, tmp_path):
    path = write_generator(tmp_path / "g.safetensors", precision=precision)
    generator = sampling.load_generator(path)
    views = [VIEWS[k % 2] for k in range(70)]
    images, masks = sampling.sample(generator, 5, range(70), views)
    for index in (0, 31, 32, 69):
        alone = sampling.sample(generator, 5, [index], [views[index]])
        assert np.array_equal(alone[0][0], images[index])
        assert np.array_equal(alone[1][0], masks[index])
    backwards = sampling.sample(generator, 5, range(69, -1, -1), views[::-1])
    assert np.array_equal(backwards[0][::-1], images)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_frames_drawn_in_parts_are_those_of_the_whole_network(precision, alpha, tmp_path):
    sizes = {"levels": (64, 128), "widths": (8,) * 6, "fade_kimg": (0, 0.1),
             "stable_kimg": (0.1, 0.1), "precision": precision}  # fmt: skip
    path = write_generator(tmp_path / "g.safetensors", alpha, 128, **sizes)
    generator = sampling.load_generator(path)
    z = torch.from_numpy(sampling.latents(1, range(sampling.CHUNK), generator.recipe.latent))
    view = torch.arange(sampling.CHUNK) % 2
    assert sampling.CHUNK * 128**2 > sampling.PART_PIXELS, "there are several parts"
    frames = generator.network(z, view, 128, alpha if alpha < 1 else None)
    whole = decode(frames, generator.allowed[view])
    # a convolution of fewer frames may sum in another order, which can tip a rounding
    for drawn, expected in zip(sampling.draw_frames(generator, z, view), whole, strict=True):
        assert (drawn == expected).float().mean() > 0.999


def test_seed_index_and_view_each_change_the_frame(generator):
    def frame(seed, index, view):
        return sampling.sample(generator, seed, [index], [view])[0]

    first = frame(1, 0, "4ch")
    for other in (frame(2, 0, "4ch"), frame(1, 1, "4ch"), frame(1, 0, "sax")):
        assert not np.array_equal(first, other)


def test_latents_are_standard_normal():
    z = sampling.latents(3, range(500), 64)
    assert z.dtype == np.float32
    assert z.mean() == pytest.approx(0, abs=0.03)
    assert z.std() == pytest.approx(1, abs=0.02)


def test_truncation_draws_frames_towards_a_typical_one(tmp_path):
    generator = sampling.load_generator(write_generator(tmp_path / "g.safetensors"))
    generator.network.dense.bias.normal_()  # 0 before any training: there is no typical frame

    def spread(truncation):
        frames = sampling.sample(generator, 1, range(64), ["sax"] * 64, truncation)[0]
        return frames.astype(float).std(axis=0).mean()

    whole, half, least = spread(1.0), spread(0.5), spread(0.01)
    assert least < 0.1 * whole
    assert least < half < 0.8 * whole


@pytest.mark.parametrize("truncation", [0.0, -0.5, 1.5])
def test_truncation_out_of_range_is_refused(generator, truncation):
    with pytest.raises(ValueError, match=f"truncation: {truncation}; give a share above 0"):
        sampling.sample(generator, 1, [0], ["sax"], truncation)


def test_interpolation_starts_and_ends_at_the_two_frames(generator):
    images, masks = sampling.interpolate(generator, 1, 4, 9, "sax", steps=5)
    assert images.shape == masks.shape == (5, 16, 16)
    ends = sampling.sample(generator, 1, [4, 9], ["sax"] * 2)[0].astype(int)
    # The path runs over normalised latents, which round differently by at most one grey level.
    assert np.abs(images[[0, -1]].astype(int) - ends).max() <= 1
    assert not np.array_equal(images[2], images[0])


def test_interpolation_between_a_frame_and_itself_stays(generator):
    images, _ = sampling.interpolate(generator, 1, 4, 4, "sax", steps=3)
    assert np.array_equal(images[0], images[2])


def test_a_generator_in_a_fade_samples_as_it_was_left(tmp_path):
    half = sampling.load_generator(write_generator(tmp_path / "a.safetensors", alpha=0.5))
    done = replace(half, alpha=1.0)
    frames = [sampling.sample(g, 1, [0], ["sax"])[0] for g in (half, done)]
    assert half.alpha == 0.5
    assert not np.array_equal(*frames)


def test_a_generator_of_an_early_level_samples_at_its_resolution(tmp_path):
    path = write_generator(tmp_path / "a.safetensors", resolution=8)
    assert sampling.sample(sampling.load_generator(path), 1, [0], ["sax"])[0].shape == (1, 8, 8)


def test_half_precision_file_samples_nearly_the_same(generator, tmp_path):
    path = tmp_path / "half.safetensors"
    tensors, facts = tensor_file.read(write_generator(tmp_path / "g.safetensors"), KIND)
    tensor_file.write(path, KIND, {k: v.half() for k, v in tensors.items()}, facts)
    small = sampling.load_generator(path)
    a, b = (sampling.sample(g, 1, range(4), VIEWS * 2)[0].astype(int) for g in (generator, small))
    assert np.abs(a - b).max() <= 2


def test_unknown_view_and_wrong_counts_are_refused(generator):
    with pytest.raises(ValueError, match=r"views: '2ch' was not trained; .* 4ch, sax"):
        sampling.sample(generator, 1, [0], ["2ch"])
    with pytest.raises(ValueError, match="views: 1 given; give one for each of 2"):
        sampling.sample(generator, 1, [0, 1], ["sax"])
