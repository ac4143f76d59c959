"""Generator and discriminator; to be read beside Karras et al. 2018, section 2 and table 2.

Shapes: N frames, C channels (the image, then one a label), W feature maps, R pixels a side.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from cmrkit.pggan.layers import (
    GAIN,
    Conv,
    Dense,
    DownConv,
    UpConv,
    downsample,
    fade_in,
    full,
    leaky,
    minibatch_stddev,
    pixel_norm,
    rising,
    upsample,
)


def compute_dtype(precision, device):
    """Type in which convolutions are computed; weights, norms, scores and losses stay float32.

    Args:
        precision: "bf16", "fp32", or "auto": bfloat16 where the device has instructions for it,
            else float32, as bfloat16 would be emulated at a quarter of the speed. A GPU has them
            from compute capability 8.0 (Ampere) on.
        device: torch.device that computes.
    """
    if precision == "auto":
        if device.type == "cuda":
            fast = torch.cuda.get_device_capability(device) >= (8, 0)
        else:
            fast = torch.cpu._is_avx512_bf16_supported()
        precision = "bf16" if fast else "fp32"
    return {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]


class Network(nn.Module):
    """Base of both networks.

    Args:
        recipe: gives the precision.
    """

    def __init__(self, recipe):
        super().__init__()
        self.precision = recipe.precision

    def on(self, device):
        """Move to a device, kernels laid out as its convolutions read them, and return itself."""
        layout = torch.channels_last if device.type == "cuda" else torch.preserve_format
        return self.to(device, memory_format=layout)

    @property
    def dtype(self):
        """Type of the feature maps, where the weights are now."""
        return compute_dtype(self.precision, self.dense.weight.device)


class Generator(Network):
    """Latent to frame: 4 x 4 pixels, then one block a doubling, each with its own way out.

    Args:
        recipe: gives latent, widths, channels and views.
        rng: torch Generator that draws the weights.
    """

    def __init__(self, recipe, rng):
        super().__init__(recipe)
        w = recipe.widths
        self.n_views = len(recipe.views)
        n_in = recipe.latent + (self.n_views if self.n_views > 1 else 0)
        self.dense = Dense(n_in, w[0] * 16, rng, gain=GAIN / 4)
        self.conv = Conv(w[0], w[0], rng)
        self.up = nn.ModuleList(UpConv(a, b, rng) for a, b in pairwise(w))
        self.same = nn.ModuleList(Conv(b, b, rng) for b in w[1:])
        self.to_frame = nn.ModuleList(Conv(b, recipe.channels, rng, kernel=1, gain=1) for b in w)

    def forward(self, z, view, resolution, alpha=None):
        """Make frames.

        Args:
            z: [N, latent] float32 from N(0, 1).
            view: [N] int64, position of the view in the recipe.
            resolution: pixels a side, 4 up to the recipe's.
            alpha: weight of the newest block while it fades in, as for `fade_in`; None after.

        Returns:
            [N, C, resolution, resolution] float32, data in -1 to 1.

        Choice: the view as a one-hot beside the normalised latent. The published code puts its
        class labels there too, but normalises latent and labels together, so that the labels shrink
        with the length of the latent; here a view counts the same whatever the latent is. Nothing
        is added where there is one view.
        """
        return self.draw(self.start(z, view), resolution, alpha)

    def start(self, z, view, truncation=1.0):
        """Latents and views, as for `forward`, to feature maps [N, W, 4, 4].

        Args:
            z, view: as for `forward`.
            truncation: how much of the normalised latent's length is kept, above 0 up to 1: the
                less, the more typical and alike the frames.

        Choice: the latent is shortened after it was normalised. That is the truncation of Karras et
        al. 2019 (StyleGAN, appendix B), which draws towards a mean: the first layer is linear in
        the latent, whose mean is 0. To redraw large components (Brock et al. 2019) does nothing
        here, as the latent gets its length back when it is normalised.
        """
        z = truncation * pixel_norm(z)
        if self.n_views > 1:
            z = torch.cat([z, F.one_hot(view, self.n_views).to(z.dtype)], dim=1)
        x = self.dense(z).reshape(len(z), -1, 4, 4)
        x = rising(x.to(self.dtype, memory_format=torch.channels_last))
        return self.conv(x, rising)

    def grow(self, x, resolution):
        """Feature maps [N, W, r, r] to those of a finer resolution; a coarser one leaves them."""
        for k in range(_doublings(x.shape[-1]), _doublings(resolution)):
            x = self.up[k](x, rising)  # [N, W, 2r, 2r]
            x = self.same[k](x, rising)
        return x

    def draw(self, x, resolution, alpha=None):
        """Feature maps [N, W, r, r] to frames, as from `forward`."""
        depth = _doublings(resolution)
        before = self.grow(x, resolution // 2)
        new = full(self.to_frame[depth](self.grow(before, resolution)))  # [N, C, R, R]
        if alpha is None:
            return new
        old = upsample(full(self.to_frame[depth - 1](before)))
        return fade_in(old, new, alpha)


def _doublings(resolution):
    """How often 4 pixels a side are doubled."""
    return resolution.bit_length() - 3


class Discriminator(Network):
    """Frame to score: one block a halving, the mirror of the generator.

    Args:
        recipe: gives widths, channels and views.
        rng: torch Generator that draws the weights.
    """

    def __init__(self, recipe, rng):
        super().__init__(recipe)
        w = recipe.widths
        self.from_frame = nn.ModuleList(Conv(recipe.channels, b, rng, kernel=1) for b in w)
        self.same = nn.ModuleList(Conv(b, b, rng) for b in w[1:])
        self.down = nn.ModuleList(DownConv(b, a, rng) for a, b in pairwise(w))
        self.conv = Conv(w[0] + 1, w[0], rng)
        self.dense = Dense(w[0] * 16, w[0], rng)
        self.score = Dense(w[0], len(recipe.views), rng, gain=1)

    def forward(self, frames, view, alpha=None):
        """Score frames; higher is more like a patient's.

        Args:
            frames: [N, C, R, R] float32 in -1 to 1, R from 4 up to the recipe's resolution.
            view: [N] int64, position of the view in the recipe.
            alpha: weight of the newest block while it fades in, as for `fade_in`; None after.

        Returns:
            [N] float32.

        Choice: one score a view, of which the frame's own counts (Mescheder et al. 2018); with one
        view this is the published network.
        """
        depth = frames.shape[-1].bit_length() - 3  # halvings to 4 x 4
        x = frames.to(self.dtype, memory_format=torch.channels_last)
        if alpha is not None:
            old = self.from_frame[depth - 1](downsample(x), leaky)
        x = self.from_frame[depth](x, leaky)  # [N, W, R, R]
        for k in reversed(range(depth)):
            x = self.same[k](x, leaky)
            x = self.down[k](x, leaky)  # [N, W, R/2, R/2]
            if alpha is not None and k == depth - 1:
                x = fade_in(old, x, alpha)
        x = minibatch_stddev(x)  # [N, W + 1, 4, 4]
        x = self.conv(x, leaky)
        x = full(x).flatten(1)  # [N, 16 W]
        x = self.dense(x, leaky)
        return self.score(x).gather(1, view[:, None]).squeeze(1)
