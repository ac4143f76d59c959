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

from cmrkit.pggan.recipe import LEAK

TILE = 4096  # values that a program holds at a time
PROGRAMS = 1024  # of a backward pass: several for each multiprocessor of any card so far


class BiasLeaky(torch.autograd.Function):
    """As `layers.leaky` of x + bias; its derivative, too, is a constant of its output.

    Takes x [N, W, R, R], bfloat16 or float32, and bias [W] float32; returns the type of x, channels
    last.
    """

    @staticmethod
    def forward(ctx, x, bias):
        y = _activated(x, bias)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # by frames alone: `convolution.gradient_of_frames_alone`
            return torch.ops.aten.leaky_relu_backward(grad, y.detach(), LEAK, True), None
        return _gradients(ctx, grad, y)


class BiasLeakyPixelNorm(torch.autograd.Function):
    """As `layers.rising` of x + bias; takes and returns what `BiasLeaky` does."""

    @staticmethod
    def forward(ctx, x, bias):
        n, _, height, width = x.shape
        inverse = torch.empty(n * height * width, device=x.device)  # what a pixel is multiplied by
        y = _activated(x, bias, inverse)
        ctx.save_for_backward(y, inverse)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return _gradients(ctx, grad, *ctx.saved_tensors)


def _activated(x, bias, inverse=None):
    """Leaky ReLU of x + bias; with room for `inverse`, [P] float32, pixel norm too."""
    x, y, pixels, tile = _prepare(x)
    _launch(_forward, triton.cdiv(pixels, tile["PIXELS"]), tile, x, bias, inverse, y, pixels)
    return y


def _gradients(ctx, grad, y, inverse=None):
    """By x and, where it is needed, by the bias."""
    grad, by_x, pixels, tile = _prepare(grad)
    programs = min(PROGRAMS, triton.cdiv(pixels, tile["PIXELS"]))
    sums = None
    if ctx.needs_input_grad[1]:
        sums = torch.empty(programs, tile["MAPS"], device=grad.device)
    _launch(_backward, programs, tile, grad, y, inverse, by_x, sums, pixels)
    return by_x, None if sums is None else sums.sum(0)


def _prepare(x):
    """The input channels last, room for an output, P, and the shape of a tile."""
    x = x.contiguous(memory_format=torch.channels_last)
    n, w, height, width = x.shape
    padded = triton.next_power_of_2(w)
    tile = {"MAPS": w, "WIDTH": padded, "PIXELS": max(1, TILE // padded)}
    return x, torch.empty_like(x), n * height * width, tile


def _launch(kernel, programs, tile, x, *others):
    """Run a kernel where x lies; Triton itself would take the current device."""
    with torch.cuda.device_of(x):
        kernel[(programs,)](x, *others, SLOPE=LEAK, **tile)


@triton.jit
def _tile(number, pixels, MAPS: tl.constexpr, WIDTH: tl.constexpr, PIXELS: tl.constexpr):
    """Numbers of a tile's pixels, place of its values, and which of both there are."""
    pixel = number * PIXELS + tl.arange(0, PIXELS)
    column = tl.arange(0, WIDTH)
    place = pixel.to(tl.int64)[:, None] * MAPS + column[None, :]
    within = pixel < pixels
    return pixel, place, within, within[:, None] & (column < MAPS)[None, :]


@triton.jit
def _bent(x, bias, place, inside, MAPS: tl.constexpr, WIDTH: tl.constexpr, SLOPE: tl.constexpr):
    column = tl.arange(0, WIDTH)
    y = tl.load(x + place, inside, 0.0).to(tl.float32)
    y += tl.load(bias + column, column < MAPS, 0.0)[None, :]
    return tl.where(y > 0, y, y * SLOPE)


@triton.jit
def _forward(
    x, bias, inverse, y, pixels,
    MAPS: tl.constexpr, WIDTH: tl.constexpr, PIXELS: tl.constexpr, SLOPE: tl.constexpr,
):  # fmt: skip
    pixel, place, within, inside = _tile(tl.program_id(0), pixels, MAPS, WIDTH, PIXELS)
    out = _bent(x, bias, place, inside, MAPS, WIDTH, SLOPE)
    if inverse is not None:
        out = tl.where(inside, out, 0.0)
        factor = 1 / tl.sqrt(tl.sum(out * out, 1) / MAPS + 1e-8)
        out *= factor[:, None]
        tl.store(inverse + pixel, factor, within)
    tl.store(y + place, out, inside)


@triton.jit
def _backward(
    grad, y, inverse, by_x, sums, pixels,
    MAPS: tl.constexpr, WIDTH: tl.constexpr, PIXELS: tl.constexpr, SLOPE: tl.constexpr,
):  # fmt: skip
    total = tl.zeros([PIXELS, WIDTH], tl.float32)
    for number in range(tl.program_id(0), tl.cdiv(pixels, PIXELS), tl.num_programs(0)):
        pixel, place, within, inside = _tile(number, pixels, MAPS, WIDTH, PIXELS)
        g = tl.load(grad + place, inside, 0.0).to(tl.float32)
        out = tl.load(y + place, inside, 0.0).to(tl.float32)
        if inverse is not None:
            along = tl.sum(g * out, 1) / MAPS
            g = (g - out * along[:, None]) * tl.load(inverse + pixel, within, 0.0)[:, None]
        g = tl.where(out > 0, g, g * SLOPE)
        tl.store(by_x + place, g, inside)
        total += g
    if sums is not None:
        column = tl.arange(0, WIDTH)
        tl.store(sums + tl.program_id(0) * MAPS + column, tl.sum(total, 0), column < MAPS)
