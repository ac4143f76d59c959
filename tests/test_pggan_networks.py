"""Generator and discriminator: shapes, conditioning on views, both ends of a fade."""

from dataclasses import replace

import pytest
import torch

from cmrkit.pggan import layers
from cmrkit.pggan.networks import Discriminator, Generator, compute_dtype
from cmrkit.pggan.recipe import paper, quick


def generator_of_seed(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(views=("4ch", "sax"), labels=(1, 3), **changes):
    recipe = quick(views, labels, resolution=16)
    return replace(recipe, widths=(8, 8, 4), latent=6, precision="fp32", **changes)


@pytest.mark.parametrize("resolution", [4, 8, 16])
def test_networks_make_and_score_every_resolution(resolution):
    recipe = tiny()
    g, d = Generator(recipe, generator_of_seed()), Discriminator(recipe, generator_of_seed())
    z = torch.randn(4, 6, generator=generator_of_seed())
    view = torch.tensor([0, 1, 0, 1])
    alpha = None if resolution == 4 else 0.3
    frames = g(z, view, resolution, alpha)
    assert frames.shape == (4, 3, resolution, resolution)
    assert d(frames, view, alpha).shape == (4,)


def test_paper_networks_have_the_published_number_of_weights():
    recipe = paper(("sax",), labels=())
    g, d = Generator(recipe, generator_of_seed()), Discriminator(recipe, generator_of_seed())
    count = [sum(p.numel() for p in net.parameters()) / 1e6 for net in (g, d)]
    assert count == pytest.approx([23.05, 23.05], abs=0.02)


def test_one_view_is_the_unconditioned_network_of_the_paper():
    recipe = tiny(views=("sax",))
    assert Generator(recipe, generator_of_seed()).dense.weight.shape == (8 * 16, 6)
    assert Discriminator(recipe, generator_of_seed()).score.weight.shape == (1, 8)


def test_view_changes_frame_and_score():
    recipe = tiny()
    g, d = Generator(recipe, generator_of_seed()), Discriminator(recipe, generator_of_seed())
    z = torch.randn(1, 6, generator=generator_of_seed())
    frames = [g(z, torch.tensor([v]), 16) for v in (0, 1)]
    assert not torch.allclose(*frames)
    scores = [d(frames[0], torch.tensor([v])) for v in (0, 1)]
    assert not torch.allclose(*scores)


def test_fade_starts_from_the_enlarged_previous_level_and_ends_at_the_new_one():
    g = Generator(tiny(), generator_of_seed())
    z, view = torch.randn(2, 6, generator=generator_of_seed()), torch.tensor([0, 1])
    assert torch.allclose(g(z, view, 16, 0.0), layers.upsample(g(z, view, 8)))
    end = g(z, view, 16, 1.0)
    assert torch.allclose(g(z, view, 16, torch.tensor(1.0)), end)
    middle = (g(z, view, 16, 0.0) + end) / 2
    assert torch.allclose(g(z, view, 16, 0.5), middle, atol=1e-6)


def test_discriminator_at_the_start_of_a_fade_sees_the_shrunken_frame():
    d = Discriminator(tiny(), generator_of_seed())
    frames = torch.randn(4, 3, 16, 16, generator=generator_of_seed())
    view = torch.tensor([0, 1, 0, 1])
    assert torch.allclose(d(frames, view, 0.0), d(layers.downsample(frames), view), atol=1e-6)
    assert torch.allclose(d(frames, view, torch.tensor(1.0)), d(frames, view), atol=1e-6)


def test_same_seed_gives_the_same_weights():
    a, b = (Generator(tiny(), generator_of_seed(5)) for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize(
    ("device", "capability", "avx512", "expected"),
    [
        ("cpu", (9, 0), False, torch.float32),  # a GPU in the same machine does not count
        ("cpu", (7, 5), True, torch.bfloat16),
        ("cuda", (7, 5), True, torch.float32),  # T4 and V100 would emulate it
        ("cuda", (8, 0), False, torch.bfloat16),
    ],
)
def test_auto_precision_is_what_the_device_has_instructions_for(
    device, capability, avx512, expected, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert compute_dtype("auto", torch.device(device)) == expected
