"""Layers of PG-GAN; to be read beside Karras et al. 2018, sections 3 and 4.

Shapes: N frames, C channels, W feature maps, R pixels a side.
"""

import math
import warnings
from functools import cache

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from cmrkit.pggan.convolution import conv2d
from cmrkit.pggan.recipe import GROUP, LEAK

GAIN = math.sqrt(2)  # He et al. 2015, for layers followed by a leaky ReLU


def full(x):
    """At least float32: for what bfloat16 would spoil (norms, deviations, scores)."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def pixel_norm(x, eps=1e-8):
    """Normalise the feature vector of each pixel to unit mean square.

    Args:
        x: [N, W] or [N, W, R, R]; the mean square is taken in float32 whatever the type.

    Source: Karras et al. 2018, section 4.2.
    """
    mean_square = full(x).square().mean(dim=1, keepdim=True)  # [N, 1, R, R]
    return x * torch.rsqrt(mean_square + eps).to(x.dtype)


def minibatch_stddev(x):
    """Append one map that tells how much the samples of a group differ.

    Groups of four are neighbours in the batch: samples 0 to 3, 4 to 7, ... so that real and
    generated frames can share one batch without sharing a group.

    Args:
        x: [N, W, R, R]; N a multiple of four, or smaller.

    Returns:
        [N, W + 1, R, R]: the standard deviation over the group, averaged over features and pixels.

    Raises:
        ValueError: N is neither.

    Source: Karras et al. 2018, section 3; group of 4 and epsilon as in the published code.
    """
    n, w, r, _ = x.shape
    group = min(GROUP, n)
    if n % group:
        raise ValueError(f"batch: {n} is not a multiple of {group}; give {n - n % group}")
    y = full(x).reshape(n // group, group, w, r, r)  # [M, G, W, R, R]
    y = y - y.mean(dim=1, keepdim=True)
    y = (y.square().mean(dim=1) + 1e-8).sqrt()  # [M, W, R, R]
    y = y.mean(dim=(1, 2, 3))  # [M]
    y = y.repeat_interleave(group).to(x.dtype)  # [N]
    return torch.cat([x, y[:, None, None, None].expand(n, 1, r, r)], dim=1)


def upsample(x):
    """Repeat each pixel twice in both directions: [N, C, R, R] to [N, C, 2R, 2R]."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def downsample(x):
    """Average 2 x 2 pixels: [N, C, R, R] to [N, C, R/2, R/2]."""
    return F.avg_pool2d(x, 2)


def fade_in(old, new, alpha):
    """Blend the previous level, already brought to this level's shape, with the newest one.

    Args:
        old, new: of the same shape.
        alpha: weight of `new`, 0 to 1; a number or a tensor of one.

    Source: Karras et al. 2018, section 2, figure 2.
    """
    return torch.lerp(old, new, torch.as_tensor(alpha).to(old))


class EqualizedLayer(nn.Module):
    """Weights drawn from N(0, 1) and scaled at run time by gain / sqrt(fan in); bias from 0.

    So every weight moves by the same relative amount under Adam, however wide its layer. What
    weights and bias do to the input, each kind of layer says in `weigh`.

    Source: Karras et al. 2018, section 4.1.
    """

    def __init__(self, shape, fan_in, n_out, gain, rng):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape, generator=rng))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.fan_in, self.scale = fan_in, gain / math.sqrt(fan_in)

    def forward(self, x, activation=None):
        """Weights, bias, then `leaky` or `rising`, if any: the last two in one pass on a GPU."""
        weight = self.scaled(x.dtype)
        if activation in FUSED and x.ndim == 4 and _fuses(x.device):
            return FUSED[activation](self.weigh(x, weight, None), self.bias)
        x = self.weigh(x, weight, self.bias.to(x.dtype))
        return activation(x) if activation else x

    def scaled(self, dtype):
        """Weight at work, in the type of the input."""
        return (self.weight * self.scale).to(dtype)


class Dense(EqualizedLayer):
    """[N, n_in] to [N, n_out]."""

    def __init__(self, n_in, n_out, rng, gain=GAIN):
        super().__init__((n_out, n_in), n_in, n_out, gain, rng)

    def weigh(self, x, weight, bias):
        return F.linear(x, weight, bias)


class Conv(EqualizedLayer):
    """Convolution that keeps the size: [N, n_in, R, R] to [N, n_out, R, R]."""

    def __init__(self, n_in, n_out, rng, kernel=3, gain=GAIN):
        super().__init__((n_out, n_in, kernel, kernel), n_in * kernel**2, n_out, gain, rng)
        self.padding = kernel // 2

    def weigh(self, x, weight, bias):
        return conv2d(x, weight, bias, padding=self.padding)


class BoxedConv(EqualizedLayer):
    """Base of the layers that change the size: 3 x 3 kernel and 2 x 2 box as one 4 x 4 kernel."""

    def __init__(self, shape, fan_in, n_out, gain, rng):
        super().__init__(shape, fan_in, n_out, gain, rng)
        shifts = torch.tensor([[1.0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])  # [3, 4]
        self.register_buffer("box", self.scale * torch.kron(shifts, shifts), persistent=False)

    def scaled(self, dtype):
        """Kernel [A, B, 4, 4] at work: the scaled 3 x 3 kernel summed over four shifts."""
        a, b = self.weight.shape[:2]
        if not self.weight.is_contiguous():  # channels last: [A, 16, B] in memory, so made as that
            maps = self.weight.permute(0, 2, 3, 1).reshape(a, 9, b)
            kernel = torch.bmm(self.box.T.expand(a, 16, 9), maps)
            kernel = kernel.reshape(a, 4, 4, b).permute(0, 3, 1, 2)
        else:
            kernel = (self.weight.reshape(a * b, 9) @ self.box).reshape(a, b, 4, 4)
        return kernel.to(dtype)


class UpConv(BoxedConv):
    """`upsample`, then a 3 x 3 convolution, as one: [N, n_in, R, R] to [N, n_out, 2R, 2R].

    Source: `upscale2d_conv2d` of the published code. The weight is [n_in, n_out, 3, 3] and, as for
    every transposed convolution, acts mirrored.
    """

    def __init__(self, n_in, n_out, rng):
        super().__init__((n_in, n_out, 3, 3), n_in * 9, n_out, GAIN, rng)

    def weigh(self, x, weight, bias):
        return F.conv_transpose2d(x, weight, bias, stride=2, padding=1)


class DownConv(BoxedConv):
    """A 3 x 3 convolution, then `downsample`, as one: [N, n_in, R, R] to [N, n_out, R/2, R/2].

    Source: `conv2d_downscale2d` of the published code.
    """

    def __init__(self, n_in, n_out, rng):
        super().__init__((n_out, n_in, 3, 3), n_in * 9, n_out, GAIN, rng)
        self.box /= 4  # the mean of four, not the sum

    def weigh(self, x, weight, bias):
        return conv2d(x, weight, bias, stride=2, padding=1)


class _Leaky(torch.autograd.Function):
    """Leaky ReLU in place, whose derivative is recorded as a constant of its output.

    It bends nowhere but at 0, so its second derivative is 0; recording it would send tensors of
    zeros through every layer when the gradient penalty is differentiated.
    """

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        F.leaky_relu_(x, LEAK)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return torch.ops.aten.leaky_relu_backward(grad, y.detach(), LEAK, True)


leaky = _Leaky.apply  # the discriminator's activation; overwrites its input


class _LeakyPixelNorm(torch.autograd.Function):
    """Leaky ReLU and pixel norm in place, with their derivative written out.

    The output keeps the sign of the input, so it is all that the derivative needs: a third of the
    memory traffic of the two recorded one by one. The generator is never differentiated twice.
    """

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        y = F.leaky_relu_(x, LEAK)
        # Summed in float32 and rounded to the type of y; to ask for a float32 norm copies all of y.
        norm = full(torch.linalg.vector_norm(y, dim=1, keepdim=True))  # [N, 1, R, R]
        inverse = torch.rsqrt(norm.square() / y.shape[1] + 1e-8).to(y.dtype)
        y.mul_(inverse)
        ctx.save_for_backward(y, inverse)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        y, inverse = ctx.saved_tensors
        along = (grad * y).mean(dim=1, keepdim=True)  # [N, 1, R, R], summed in float32
        grad = torch.addcmul(grad, y, along, value=-1).mul_(inverse)
        return torch.ops.aten.leaky_relu_backward(grad, y, LEAK, True)


rising = _LeakyPixelNorm.apply  # the generator's activation, [N, W, R, R]; overwrites its input


try:  # needs Triton, which comes with PyTorch for CUDA, though not on Windows
    from cmrkit.pggan import fused

    FUSED = {leaky: fused.BiasLeaky.apply, rising: fused.BiasLeakyPixelNorm.apply}
except ImportError:
    FUSED = {}


@cache
def _fuses(device):
    """Whether a device runs `fused`: GPUs that Triton supports, where it can compile.

    Triton compiles at the first use, also a little C; a machine without a compiler goes on in
    PyTorch's passes.
    """
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0):
        return False
    x, bias = torch.zeros(1, 8, 1, 1, device=device), torch.zeros(8, device=device)
    try:
        FUSED[leaky](x, bias)
    except Exception as error:  # of the compiler, the linker, the file system or the driver
        remedy = "for speed give it a C compiler, Python's headers and a writable TRITON_HOME"
        warnings.warn(f"Triton compiles no kernel here ({error}); {remedy}", stacklevel=2)
        return False
    return True
