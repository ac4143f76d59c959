"""Layers against hand calculations."""

import math
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F

from cmrkit.pggan import layers
from cmrkit.pggan.layers import Conv, Dense, DownConv, UpConv


def generator_of_seed(seed=0):
    return torch.Generator().manual_seed(seed)


def test_pixel_norm_divides_by_the_root_mean_square():
    x = torch.tensor([[3.0, 4.0]])  # mean square 12.5
    expected = torch.tensor([[3.0, 4.0]]) / math.sqrt(12.5)
    assert torch.allclose(layers.pixel_norm(x), expected)


def test_pixel_norm_leaves_a_zero_vector_at_zero():
    assert torch.equal(layers.pixel_norm(torch.zeros(1, 4, 2, 2)), torch.zeros(1, 4, 2, 2))


def test_pixel_norm_takes_the_mean_square_in_float32():
    x = torch.full((1, 256, 1, 1), 1.0, dtype=torch.bfloat16)
    x[:, :128] = 0.0625  # 256 summands of two sizes: bfloat16 sums would stall
    expected = (x.double().square().mean() + 1e-8).rsqrt()
    assert layers.pixel_norm(x)[0, 255, 0, 0].double() == pytest.approx(expected.item(), rel=4e-3)


def test_minibatch_stddev_is_the_mean_spread_of_a_group():
    x = torch.tensor([0.0, 2.0, 0.0, 2.0, 5.0, 5.0, 5.0, 5.0]).reshape(8, 1, 1, 1)
    out = layers.minibatch_stddev(x)
    assert out.shape == (8, 2, 1, 1)
    assert torch.equal(out[:, :1], x)
    assert out[:4, 1].flatten().tolist() == pytest.approx([1.0] * 4)  # 0, 2, 0, 2
    assert out[4:, 1].flatten().tolist() == pytest.approx([1e-4] * 4)  # root of the epsilon


def test_minibatch_stddev_averages_over_features_and_pixels():
    x = torch.zeros(2, 2, 1, 2)
    x[1, 0, 0, 0] = 8.0  # deviations 4, 0, 0, 0 over a group of two
    out = layers.minibatch_stddev(x.expand(2, 2, 2, 2).contiguous())
    assert out[0, 2, 0, 0].item() == pytest.approx(1.0, abs=1e-3)


def test_minibatch_stddev_refuses_a_ragged_batch():
    with pytest.raises(ValueError, match="batch: 6 is not a multiple of 4; give 4"):
        layers.minibatch_stddev(torch.zeros(6, 1, 4, 4))


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
    expected = F.conv2d(layers.upsample(x), mirrored, layer.bias, padding=1)
    assert torch.allclose(layer(x), expected)


def test_down_convolution_equals_a_convolution_then_averaging():
    layer = DownConv(3, 2, generator_of_seed()).double()
    x = torch.randn(2, 3, 8, 8, generator=generator_of_seed(1), dtype=torch.float64)
    expected = layers.downsample(F.conv2d(x, layer.weight * layer.scale, layer.bias, padding=1))
    assert torch.allclose(layer(x), expected)


@pytest.mark.parametrize("kind", [UpConv, DownConv])
def test_a_kernel_that_lies_channels_last_is_the_same(kind):
    layer = kind(8, 16, generator_of_seed()).double()
    x = torch.randn(2, 8, 8, 8, generator=generator_of_seed(1), dtype=torch.float64)
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        layer.to(memory_format=layout).zero_grad()
        out = layer(x)
        out.square().sum().backward()
        assert layer.weight.grad.stride() == layer.weight.stride()  # Adam reads them side by side
        found.append((out.detach(), layer.weight.grad.clone()))
    assert layer.scaled(x.dtype).is_contiguous(memory_format=torch.channels_last)
    for first, second in zip(*found, strict=True):
        assert torch.allclose(first, second)


def test_rising_activation_equals_leaky_relu_then_pixel_norm():
    x = torch.randn(2, 5, 3, 3, generator=generator_of_seed(), dtype=torch.float64)
    assert torch.allclose(layers.rising(x.clone()), layers.pixel_norm(F.leaky_relu(x, 0.2)))


def test_rising_activation_sums_in_float32():
    x = torch.full((1, 256, 1, 1), 1.0, dtype=torch.bfloat16)
    x[:, :128] = 0.0625  # 256 summands of two sizes: bfloat16 sums would stall
    expected = (x.double().square().mean() + 1e-8).rsqrt()
    assert layers.rising(x)[0, 255, 0, 0].double() == pytest.approx(expected.item(), rel=8e-3)


def test_rising_activation_has_the_right_derivative():
    x = torch.randn(2, 5, 2, 2, generator=generator_of_seed(), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: layers.rising(x.clone()), (x.requires_grad_(),))


@pytest.mark.parametrize("capability", [(9, 0), (7, 5)])
def test_a_gpu_whose_kernels_cannot_be_compiled_goes_the_plain_way(capability, monkeypatch):
    def without_compiler(x, bias):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch, "zeros", lambda *shape, device: None)  # there need be no GPU
    monkeypatch.setattr(layers, "FUSED", {layers.leaky: without_compiler})
    told = pytest.warns(UserWarning, match=r"find C compiler\).*give it a C compiler")
    with told if capability >= (8, 0) else nullcontext():
        assert not layers._fuses.__wrapped__(torch.device("cuda", 0))
