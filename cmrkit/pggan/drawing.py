"""A trained generator's forward pass prepared for sampling: no derivatives, so much less memory."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from cmrkit.pggan.data import decode
from cmrkit.pggan.layers import LEAK, fade_in, full, pixel_norm, upsample

WHOLE = 64  # up to this many pixels a side, frames pass together; above it in smaller parts
PART_PIXELS = 2**16  # of a part on a CPU: its activations then stay in the processor's caches


@dataclass(frozen=True)
class Drawing:
    """Weights at work, scaled and in the type of the convolutions, as (weight, bias) pairs.

    Attributes:
        dense, conv: of the 4 x 4 block.
        levels: [(UpConv, Conv)], one pair a doubling up to the resolution drawn.
        to_frame: of the newest level, and of the one before.
        n_views: 1 for no conditioning.
        dtype: of the convolutions.
        alpha: weight of the newest level; None after its fade.
    """

    dense: tuple
    conv: tuple
    levels: list
    to_frame: tuple
    n_views: int
    dtype: torch.dtype
    alpha: float | None


@torch.no_grad()
def prepare(network, resolution, alpha):
    """Take from a Generator what it needs to draw frames of one resolution.

    Args:
        network: `networks.Generator`.
        resolution: pixels a side.
        alpha: weight of the newest level, 0 to 1.
    """
    depth = resolution.bit_length() - 3  # doublings from 4 x 4
    dtype = network.dtype
    return Drawing(
        dense=network.dense.scaled(torch.float32),
        conv=network.conv.scaled(dtype),
        levels=[
            (up.scaled(dtype), same.scaled(dtype))
            for up, same in zip(network.up[:depth], network.same[:depth], strict=True)
        ],
        to_frame=tuple(network.to_frame[k].scaled(dtype) for k in (depth, max(0, depth - 1))),
        n_views=network.n_views,
        dtype=dtype,
        alpha=alpha if alpha < 1 else None,
    )


@torch.no_grad()
def draw(drawing, z, view, allowed):
    """Draw labelled frames: `Generator.forward`, then `decode`.

    Args:
        drawing: Drawing.
        z: [N, latent] float32, on the device of the weights.
        view: [N] int64, position of the view in the recipe.
        allowed: [N, labels] bool, labels of each frame's view.

    Returns:
        image, label: [N, R, R] uint8 each, as from `decode`.
    """
    z = pixel_norm(z)
    if drawing.n_views > 1:
        z = torch.cat([z, F.one_hot(view, drawing.n_views).to(z.dtype)], dim=1)
    x = F.linear(z, *drawing.dense).reshape(len(z), -1, 4, 4)
    x = _rise(x.to(drawing.dtype, memory_format=torch.channels_last))
    x = _rise(F.conv2d(x, *drawing.conv, padding=1))
    return _grow(drawing, x, 0, allowed)


def _grow(drawing, x, first, allowed):
    """The levels from `first` on, in parts where whole tensors would leave the caches."""
    before = x
    for k, (up, same) in enumerate(drawing.levels[first:], start=first):
        side = 2 * x.shape[-1]
        part = max(1, PART_PIXELS // side**2)
        if side > WHOLE and len(x) > part and x.device.type == "cpu":
            pairs = zip(x.split(part), allowed.split(part), strict=True)
            done = [_grow(drawing, piece, k, own) for piece, own in pairs]
            return tuple(torch.cat(pieces) for pieces in zip(*done, strict=True))
        before = x
        x = _rise(F.conv_transpose2d(x, *up, stride=2, padding=1))
        x = _rise(F.conv2d(x, *same, padding=1))
    frames = full(F.conv2d(x, *drawing.to_frame[0]))
    if drawing.alpha is not None:
        old = upsample(full(F.conv2d(before, *drawing.to_frame[1])))
        frames = fade_in(old, frames, drawing.alpha)
    return decode(frames, allowed)


def _rise(x):
    """`layers.rising` in place.

    The root mean square is summed in float32 and rounded to the type of x, as its inverse is.
    """
    F.leaky_relu_(x, LEAK)
    norm = full(torch.linalg.vector_norm(x, dim=1, keepdim=True))  # [N, 1, R, R]
    return x.mul_(torch.rsqrt(norm.square_().div_(x.shape[1]).add_(1e-8)).to(x.dtype))
