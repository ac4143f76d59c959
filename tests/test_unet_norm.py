import pytest
import torch

from cmrkit.unet.norm import ChannelsLastInstanceNorm

LAST = torch.channels_last


def _both(channels):
    """The layer and PyTorch's, with the same weights."""
    ours, theirs = (
        layer(channels, affine=True)
        for layer in (ChannelsLastInstanceNorm, torch.nn.InstanceNorm2d)
    )
    ours.weight.data = torch.linspace(-1, 2, channels)
    ours.bias.data = torch.linspace(3, 5, channels)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def _frames(*shape):
    generator = torch.Generator().manual_seed(0)
    frames = 4 + 3 * torch.randn(shape, generator=generator)
    return frames, torch.randn(shape, generator=generator)


def _derivatives(layer, frames, slope):
    frames = frames.clone(memory_format=torch.preserve_format).requires_grad_()
    result = layer(frames)
    return result, *torch.autograd.grad(result, [frames, layer.weight, layer.bias], slope)


@pytest.mark.parametrize("shape", [(3, 8, 32, 32), (2, 4, 64, 48), (3, 8, 8, 8), (2, 4, 33, 33)])
def test_result_and_derivatives_are_those_of_pytorch(shape):
    frames, slope = _frames(*shape)
    ours, theirs = _both(shape[1])
    found = _derivatives(ours, frames.contiguous(memory_format=LAST), slope)
    for value, expected in zip(found, _derivatives(theirs, frames, slope), strict=True):
        torch.testing.assert_close(
            value, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item()
        )


def test_half_precision_stays_close_and_channels_last():
    frames, slope = _frames(4, 8, 32, 32)
    ours, theirs = _both(8)
    half = frames.bfloat16().contiguous(memory_format=LAST)
    result, *found = _derivatives(ours, half, slope.bfloat16())
    assert result.dtype == torch.bfloat16
    assert result.is_contiguous(memory_format=LAST)
    _, *expected = _derivatives(theirs, frames, slope)
    for value, exact in zip(found, expected, strict=True):
        assert (value - exact).norm() < 0.01 * exact.norm()
