"""Layers against hand calculations, networks against shapes."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cmrkit.pggan import networks
from cmrkit.pggan.networks import Conv, Dense, Discriminator, DownConv, Generator, UpConv
from cmrkit.pggan.recipe import paper, quick


def generator_of_seed(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(views=("4ch", "sax"), labels=(1, 3), **changes):
    recipe = quick(views, labels, resolution=16)
    return replace(recipe, widths=(8, 8, 4), latent=6, precision="fp32", **changes)


def test_pixel_norm_divides_by_the_root_mean_square():
    x = torch.tensor([[3.0, 4.0]])  # mean square 12.5
    expected = torch.tensor([[3.0, 4.0]]) / math.sqrt(12.5)
    assert torch.allclose(networks.pixel_norm(x), expected)


def test_pixel_norm_leaves_a_zero_vector_at_zero():
    assert torch.equal(networks.pixel_norm(torch.zeros(1, 4, 2, 2)), torch.zeros(1, 4, 2, 2))


def test_pixel_norm_takes_the_mean_square_in_float32():
    x = torch.full((1, 256, 1, 1), 1.0, dtype=torch.bfloat16)
    x[:, :128] = 0.0625  # 256 summands of two sizes: bfloat16 sums would stall
    expected = (x.double().square().mean() + 1e-8).rsqrt()
    assert networks.pixel_norm(x)[0, 255, 0, 0].double() == pytest.approx(expected.item(), rel=4e-3)


def test_minibatch_stddev_is_the_mean_spread_of_a_group():
    x = torch.tensor([0.0, 2.0, 0.0, 2.0, 5.0, 5.0, 5.0, 5.0]).reshape(8, 1, 1, 1)
    out = networks.minibatch_stddev(x)
    assert out.shape == (8, 2, 1, 1)
    assert torch.equal(out[:, :1], x)
    assert out[:4, 1].flatten().tolist() == pytest.approx([1.0] * 4)  # 0, 2, 0, 2
    assert out[4:, 1].flatten().tolist() == pytest.approx([1e-4] * 4)  # root of the epsilon


def test_minibatch_stddev_averages_over_features_and_pixels():
    x = torch.zeros(2, 2, 1, 2)
    x[1, 0, 0, 0] = 8.0  # deviations 4, 0, 0, 0 over a group of two
    out = networks.minibatch_stddev(x.expand(2, 2, 2, 2).contiguous())
    assert out[0, 2, 0, 0].item() == pytest.approx(1.0, abs=1e-3)


def test_minibatch_stddev_refuses_a_ragged_batch():
    with pytest.raises(ValueError, match=r"batch: 6 .*group of 4"):
        networks.minibatch_stddev(torch.zeros(6, 1, 4, 4))


@pytest.mark.parametrize(
    ("layer", "scale"),
    [
        (Conv(16, 4, generator_of_seed()), math.sqrt(2 / (16 * 9))),
        (Conv(16, 4, generator_of_seed(), kernel=1, gain=1), 1 / 4),
        (UpConv(16, 4, generator_of_seed()), math.sqrt(2 / (16 * 9))),
        (DownConv(16, 4, generator_of_seed()), math.sqrt(2 / (16 * 9))),
        (Dense(50, 4, generator_of_seed()), math.sqrt(2 / 50)),
        (Dense(50, 4, generator_of_seed(), gain=1), math.sqrt(1 / 50)),
    ],
)
def test_equalised_weights_have_unit_variance_and_are_scaled_at_run_time(layer, scale):
    assert layer.scale == pytest.approx(scale)
    assert layer.weight.std().item() == pytest.approx(1, abs=0.15)
    assert torch.equal(layer.bias, torch.zeros(4))


def test_dense_layer_computes_its_scaled_product():
    layer = Dense(2, 1, generator_of_seed(), gain=1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 5.0]]))
        layer.bias.fill_(0.5)
    out = layer(torch.tensor([[1.0, 2.0]]))
    assert out.item() == pytest.approx((3 + 10) / math.sqrt(2) + 0.5)


def test_up_convolution_equals_repeating_pixels_then_a_mirrored_convolution():
    layer = UpConv(3, 2, generator_of_seed()).double()
    x = torch.randn(2, 3, 4, 4, generator=generator_of_seed(1), dtype=torch.float64)
    mirrored = layer.weight.transpose(0, 1).flip(2, 3) * layer.scale
    expected = F.conv2d(networks.upsample(x), mirrored, layer.bias, padding=1)
    assert torch.allclose(layer(x), expected)


def test_down_convolution_equals_a_convolution_then_averaging():
    layer = DownConv(3, 2, generator_of_seed()).double()
    x = torch.randn(2, 3, 8, 8, generator=generator_of_seed(1), dtype=torch.float64)
    expected = networks.downsample(F.conv2d(x, layer.weight * layer.scale, layer.bias, padding=1))
    assert torch.allclose(layer(x), expected)


def test_rising_activation_equals_leaky_relu_then_pixel_norm():
    x = torch.randn(2, 5, 3, 3, generator=generator_of_seed(), dtype=torch.float64)
    assert torch.allclose(networks.rising(x), networks.pixel_norm(F.leaky_relu(x, 0.2)))


def test_rising_activation_has_the_right_derivative():
    x = torch.randn(2, 5, 2, 2, generator=generator_of_seed(), dtype=torch.float64)
    assert torch.autograd.gradcheck(networks.rising, (x.requires_grad_(),))


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
    assert torch.allclose(g(z, view, 16, 0.0), networks.upsample(g(z, view, 8)))
    end = g(z, view, 16, 1.0)
    assert torch.allclose(g(z, view, 16, torch.tensor(1.0)), end)
    middle = (g(z, view, 16, 0.0) + end) / 2
    assert torch.allclose(g(z, view, 16, 0.5), middle, atol=1e-6)


def test_discriminator_at_the_start_of_a_fade_sees_the_shrunken_frame():
    d = Discriminator(tiny(), generator_of_seed())
    frames = torch.randn(4, 3, 16, 16, generator=generator_of_seed())
    view = torch.tensor([0, 1, 0, 1])
    assert torch.allclose(d(frames, view, 0.0), d(networks.downsample(frames), view), atol=1e-6)
    assert torch.allclose(d(frames, view, torch.tensor(1.0)), d(frames, view), atol=1e-6)


def test_same_seed_gives_the_same_weights():
    a, b = (Generator(tiny(), generator_of_seed(5)) for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
