"""Instance normalisation that keeps frames in channels-last order, for fast training on a CPU."""

import torch
from monai.networks.layers import Norm
from torch.autograd.function import once_differentiable

INSTANCE_NORM = "channels_last_instance"  # MONAI's name for the layer below
_RUN = 16  # pixels normalised by one vector operation
_LARGE = 1024  # pixels; PyTorch's group norm takes a slow path below


@Norm.factory_function(INSTANCE_NORM)
def _layer(dim):
    return ChannelsLastInstanceNorm


class ChannelsLastInstanceNorm(torch.nn.InstanceNorm2d):
    """`torch.nn.InstanceNorm2d` with the same weights and result, in channels-last order.

    Choice: PyTorch normalises frames one by one in channels-first order only, or needs 30 ms to
    differentiate a group norm of one channel a group in channels-last order; convolutions are two
    to three times as fast in channels-last order. Frames whose pixels do not divide by 16, and
    those on a GPU, take PyTorch's way.
    """

    def forward(self, images):
        pixels = images.shape[2] * images.shape[3]
        if images.device.type != "cpu" or pixels < _LARGE or pixels % _RUN:
            return super().forward(images)
        images = images.contiguous(memory_format=torch.channels_last)
        return _Normalise.apply(images, self.weight, self.bias, self.eps)


class _Normalise(torch.autograd.Function):
    """Forward by PyTorch's group norm; backward by hand.

    Per frame and channel, with mean m and 1 / deviation r over K pixels: y = w (x - m) r + b, and
    so dx = r w (dy - mean(dy) - (x - m) r mean(dy (x - m) r)), written as a dy + c x + d.
    """

    @staticmethod
    def forward(ctx, images, weight, bias, eps):
        n, channels, rows, columns = images.shape
        result, mean, scale = torch.native_group_norm(
            images, weight, bias, n, channels, rows * columns, channels, eps
        )
        ctx.save_for_backward(images, weight, mean, scale)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        images, weight, mean, scale = ctx.saved_tensors
        n, channels, rows, columns = images.shape
        count = rows * columns
        flat, slope = _flat(images), _flat(gradient)
        total = _sums_as(mean, slope)
        along = scale * (_sums_as(mean, slope * flat) - mean * total)
        a = scale * weight
        c = -a * scale * along / count
        d = -a * total / count - c * mean
        a, c, d = (_spread(value, images.dtype) for value in (a, c, d))
        back = torch.addcmul(torch.addcmul(d, flat, c), slope, a)
        back = back.view(n, rows, columns, channels).permute(0, 3, 1, 2)
        return back, along.sum(0), total.sum(0), None


def _flat(images):
    """[n, C, R, R] as [n, R R / 16, 16 C], without a copy where it is channels-last already."""
    images = images.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    return images.reshape(len(images), -1, _RUN * images.shape[3])


def _sums_as(mean, flat):
    """Sums over the pixels, in shape [n, C] and type of `mean`; summing in it would copy `flat`."""
    return flat.sum(1).to(mean.dtype).view(len(flat), _RUN, -1).sum(1)


def _spread(value, dtype):
    """[n, C] repeated for the pixels of a run: [n, 1, 16 C]."""
    return value.to(dtype).repeat(1, _RUN)[:, None]
