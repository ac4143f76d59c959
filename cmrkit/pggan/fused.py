"""Bias and activation in one pass over the maps, on a GPU: Triton kernels and their derivatives.

There a step is as much traffic through the card's memory as arithmetic. PyTorch adds a
convolution's bias in a pass of its own, and takes pixel norm and its derivative in several.

Maps are channels last, so that they are a matrix of P pixels by W maps. A program takes tiles of
whole pixels; everything is computed in float32 and rounded once. Bias gradients are summed a
program at a time, then over programs, so that a sum does not depend on which program comes first.

Shapes: N frames, W feature maps, R pixels a side, P = N R R pixels.
"""

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

TILE = 4096  # values that a program holds at a time
PROGRAMS = 1024  # of a backward pass: several for each multiprocessor of any card so far


class _BiasLeaky(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, bias, leak):
        x, y, pixels, tile = _prepare(x)
        programs = triton.cdiv(pixels, tile["PIXELS"])
        _launch(_leaky_forward, programs, x, bias, y, pixels, LEAK=leak, **tile)
        ctx.save_for_backward(y)
        ctx.leak = leak
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # by frames alone: `convolution.gradient_of_frames_alone`
            return torch.ops.aten.leaky_relu_backward(grad, y.detach(), ctx.leak, True), None, None
        return _gradients(_leaky_backward, grad, (y,), ctx)


class _BiasLeakyPixelNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, bias, leak):
        x, y, pixels, tile = _prepare(x)
        inverse = torch.empty(pixels, device=x.device)  # what a pixel is multiplied by
        programs = triton.cdiv(pixels, tile["PIXELS"])
        _launch(_rising_forward, programs, x, bias, y, inverse, pixels, LEAK=leak, **tile)
        ctx.save_for_backward(y, inverse)
        ctx.leak = leak
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return _gradients(_rising_backward, grad, ctx.saved_tensors, ctx)


def leaky(x, bias, leak):
    """As `layers.leaky` of x + bias; its derivative, too, is a constant of its output.

    Args:
        x: [N, W, R, R], bfloat16 or float32.
        bias: [W] float32.
        leak: slope below 0.

    Returns:
        [N, W, R, R] of the type of x, channels last.
    """
    return _BiasLeaky.apply(x, bias, leak)


def rising(x, bias, leak):
    """As `layers.rising` of x + bias; arguments and result as for `leaky`."""
    return _BiasLeakyPixelNorm.apply(x, bias, leak)


def _prepare(x):
    """The input channels last, room for an output, P, and the shape of a tile."""
    x = x.contiguous(memory_format=torch.channels_last)
    n, w, height, width = x.shape
    padded = triton.next_power_of_2(w)
    tile = {"MAPS": w, "WIDTH": padded, "PIXELS": max(1, TILE // padded)}
    return x, torch.empty_like(x), n * height * width, tile


def _gradients(kernel, grad, saved, ctx):
    """By x and, where it is needed, by the bias; none by the slope."""
    grad, by_x, pixels, tile = _prepare(grad)
    programs = min(PROGRAMS, triton.cdiv(pixels, tile["PIXELS"]))
    sums = torch.empty(programs, tile["MAPS"], device=grad.device)
    with_bias = ctx.needs_input_grad[1]
    tile |= {"LEAK": ctx.leak, "WITH_BIAS": with_bias}
    _launch(kernel, programs, grad, *saved, by_x, sums, pixels, **tile)
    return by_x, sums.sum(0) if with_bias else None, None


def _launch(kernel, programs, x, *others, **constants):
    """Run a kernel where x lies; Triton itself would take the current device."""
    with torch.cuda.device_of(x):
        kernel[(programs,)](x, *others, **constants)


@triton.jit
def _tile(number, pixels, MAPS: tl.constexpr, WIDTH: tl.constexpr, PIXELS: tl.constexpr):
    """Numbers of a tile's pixels, place of its values, and which of both there are."""
    pixel = number * PIXELS + tl.arange(0, PIXELS)
    column = tl.arange(0, WIDTH)
    place = pixel.to(tl.int64)[:, None] * MAPS + column[None, :]
    within = pixel < pixels
    return pixel, place, within, within[:, None] & (column < MAPS)[None, :]


@triton.jit
def _bent(x, bias, place, inside, MAPS: tl.constexpr, WIDTH: tl.constexpr, LEAK: tl.constexpr):
    column = tl.arange(0, WIDTH)
    y = tl.load(x + place, inside, 0.0).to(tl.float32)
    y += tl.load(bias + column, column < MAPS, 0.0)[None, :]
    return tl.where(y > 0, y, y * LEAK)


@triton.jit
def _leaky_forward(
    x, bias, y, pixels,
    MAPS: tl.constexpr, WIDTH: tl.constexpr, PIXELS: tl.constexpr, LEAK: tl.constexpr,
):  # fmt: skip
    _, place, _, inside = _tile(tl.program_id(0), pixels, MAPS, WIDTH, PIXELS)
    tl.store(y + place, _bent(x, bias, place, inside, MAPS, WIDTH, LEAK), inside)


@triton.jit
def _rising_forward(
    x, bias, y, inverse, pixels,
    MAPS: tl.constexpr, WIDTH: tl.constexpr, PIXELS: tl.constexpr, LEAK: tl.constexpr,
):  # fmt: skip
    pixel, place, within, inside = _tile(tl.program_id(0), pixels, MAPS, WIDTH, PIXELS)
    bent = tl.where(inside, _bent(x, bias, place, inside, MAPS, WIDTH, LEAK), 0.0)
    factor = 1 / tl.sqrt(tl.sum(bent * bent, 1) / MAPS + 1e-8)
    tl.store(y + place, bent * factor[:, None], inside)
    tl.store(inverse + pixel, factor, within)


@triton.jit
def _leaky_backward(
    grad, y, by_x, sums, pixels,
    MAPS: tl.constexpr, WIDTH: tl.constexpr, PIXELS: tl.constexpr, LEAK: tl.constexpr,
    WITH_BIAS: tl.constexpr,
):  # fmt: skip
    total = tl.zeros([PIXELS, WIDTH], tl.float32)
    for number in range(tl.program_id(0), tl.cdiv(pixels, PIXELS), tl.num_programs(0)):
        _, place, _, inside = _tile(number, pixels, MAPS, WIDTH, PIXELS)
        g = tl.load(grad + place, inside, 0.0).to(tl.float32)
        out = tl.load(y + place, inside, 0.0).to(tl.float32)
        g = tl.where(out > 0, g, g * LEAK)
        tl.store(by_x + place, g, inside)
        total += g
    if WITH_BIAS:
        column = tl.arange(0, WIDTH)
        tl.store(sums + tl.program_id(0) * MAPS + column, tl.sum(total, 0), column < MAPS)


@triton.jit
def _rising_backward(
    grad, y, inverse, by_x, sums, pixels,
    MAPS: tl.constexpr, WIDTH: tl.constexpr, PIXELS: tl.constexpr, LEAK: tl.constexpr,
    WITH_BIAS: tl.constexpr,
):  # fmt: skip
    total = tl.zeros([PIXELS, WIDTH], tl.float32)
    for number in range(tl.program_id(0), tl.cdiv(pixels, PIXELS), tl.num_programs(0)):
        pixel, place, within, inside = _tile(number, pixels, MAPS, WIDTH, PIXELS)
        g = tl.load(grad + place, inside, 0.0).to(tl.float32)
        out = tl.load(y + place, inside, 0.0).to(tl.float32)
        along = tl.sum(g * out, 1) / MAPS
        g = (g - out * along[:, None]) * tl.load(inverse + pixel, within, 0.0)[:, None]
        g = tl.where(out > 0, g, g * LEAK)
        tl.store(by_x + place, g, inside)
        total += g
    if WITH_BIAS:
        column = tl.arange(0, WIDTH)
        tl.store(sums + tl.program_id(0) * MAPS + column, tl.sum(total, 0), column < MAPS)
