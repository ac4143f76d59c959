"""The recipe of a training run: everything that decides what comes out, in one flat record."""

import difflib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

from cmrkit.pggan.files import written_whole

LOSSES = ("wgan-gp", "ns-r1")
PRECISIONS = ("auto", "bf16", "fp32")
GROUP = 4  # samples a minibatch standard deviation
LEAK = 0.2  # slope of the leaky ReLU below 0


@dataclass(frozen=True)
class Recipe:
    """What is trained, on what, and for how long.

    Lists written "a level" have one entry for each resolution trained: `levels[0]`, then doubled up
    to `levels[-1]`, the resolution of the frames.

    Raises:
        ValueError: a field of the wrong type, out of range or not fitting another one.
    """

    views: tuple[str, ...]  # views the generator is conditioned on; one view: no conditioning
    labels: tuple[int, ...]  # foreground labels, one channel each; (): image alone
    levels: tuple[int, ...]  # resolutions trained, pixels
    widths: tuple[int, ...]  # feature maps at 4 x 4, 8 x 8, ... up to the last level
    latent: int  # size of the latent
    batch: tuple[int, ...]  # real images a step, a level
    fade_kimg: tuple[float, ...]  # thousand images while the level fades in, a level; the first 0
    stable_kimg: tuple[float, ...]  # thousand images at full strength, a level
    loss: str  # "wgan-gp" (Gulrajani 2017) or "ns-r1" (Mescheder 2018, penalty every few steps)
    penalty_weight: float  # lambda of the gradient penalty, or gamma of R1
    penalty_every: int  # steps from one penalty to the next; 1 for WGAN-GP
    learning_rate: float  # Adam, both networks; betas 0 and 0.99, epsilon 1e-8
    ema_half_life_kimg: float  # half-life of the generator's moving average, thousand images
    ema_ramp: float  # half-life at most this share of the images shown so far; 0: no ramp
    tick_kimg: float  # thousand images from one line of statistics and checkpoint to the next
    precision: (
        str  # of convolutions: "bf16", "fp32", or "auto": bf16 where the machine computes in it
    )
    seed: int

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
        _check(self)

    @property
    def resolution(self):
        """Pixels a side of the finished frames."""
        return self.levels[-1]

    @property
    def channels(self):
        """Channels of a frame: the image, then one a label."""
        return 1 + len(self.labels)

    @property
    def total_kimg(self):
        """Length of the whole training in thousand images."""
        return sum(self.fade_kimg) + sum(self.stable_kimg)

    def to_dict(self):
        """Flat dict of plain values, as written to JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values):
        """Build a recipe from a flat dict.

        Raises:
            ValueError: unknown or missing field, or a value that does not fit.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
                raise ValueError(f"recipe: unknown field {name!r}; {hint}")
        missing = [name for name in names if name not in values]
        if missing:
            raise ValueError(f"recipe: {missing[0]} is missing; write it or start from a preset")
        return cls(**values)

    def save(self, path):
        """Write as JSON."""
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=1) + "\n")

    @classmethod
    def load(cls, path):
        """Read from JSON.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not JSON, or not a recipe; names the file.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"{path}: no recipe; write one with Recipe.save")
        try:
            return cls.from_dict(json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: {error}") from None


def paper(views, labels=(), resolution=256, phase_kimg=800, total_kimg=20_000, seed=1, **changes):
    """The recipe of Karras et al. 2018, from 4 x 4 pixels, WGAN-GP.

    Args:
        views: views to train on; more than one conditions both networks on the view.
        labels: foreground labels generated with the image.
        resolution: pixels of the finished frames, a power of two.
        phase_kimg: length of each fade and each stable phase (paper 800, published code 600).
        total_kimg: all of training; what the phases leave over is spent at the last level.
        seed: of everything drawn at random.
        changes: any field of `Recipe`.

    Raises:
        ValueError: `total_kimg` is shorter than the phases together, or a field does not fit.

    Source: Karras et al. 2018, appendix A; widths, EMA and 20 M images as in the published code.
    The batch is 16 at every level, as in its configuration for LSUN at 256 x 256 pixels; the 14 of
    the paper at that size, which no group of 4 divides, spared the memory of its GPUs.
    """
    levels = _doubling(4, resolution)
    phases_kimg = phase_kimg * (2 * len(levels) - 1)
    if total_kimg < phases_kimg:
        raise ValueError(
            f"total_kimg: {total_kimg} ends before the phases do ({phases_kimg}); "
            "make it longer or phase_kimg shorter"
        )
    stable = [phase_kimg] * len(levels)
    stable[-1] += total_kimg - phases_kimg
    recipe = Recipe(
        views=tuple(views),
        labels=tuple(labels),
        levels=levels,
        widths=tuple(min(8192 // (r // 2), 512) for r in levels),
        latent=512,
        batch=(16,) * len(levels),
        fade_kimg=(0,) + (phase_kimg,) * (len(levels) - 1),
        stable_kimg=tuple(stable),
        loss="wgan-gp",
        penalty_weight=10.0,
        penalty_every=1,
        learning_rate=1e-3,
        ema_half_life_kimg=11.08,  # 0.999 a step of 16 images
        ema_ramp=0.0,
        tick_kimg=20.0,
        precision="auto",
        seed=seed,
    )
    return replace(recipe, **changes)


def quick(views, labels=(), resolution=64, total_kimg=50.0, seed=1, **changes):
    """A recipe for minutes on a CPU, from 8 x 8 pixels, non-saturating loss with lazy R1.

    Args:
        views: views to train on; more than one conditions both networks on the view.
        labels: foreground labels generated with the image.
        resolution: pixels of the finished frames, a power of two from 8.
        total_kimg: all of training: a thirtieth at 8 x 8 pixels, the rest in equal shares for the
            levels above, each of which fades in during its first third.
        seed: of everything drawn at random.
        changes: any field of `Recipe`.

    Choice: found by trial on simulated patients, in 5 to 11 minutes each. Non-saturating
    loss gave better frames than WGAN-GP after the same minutes. With batches of 16 generated frames
    first grew alike and needed about 15 thousand images at 16 x 16 to grow varied again; levels
    above inherit what is lost there, so the coarse levels get as many images as the finest, which
    costs them little time.
    32 feature maps at 64 x 64 instead of 16 took a fifth longer and raised the Dice of a U-Net
    trained on the frames by 0.04 to 0.15. In so short a training the average must forget soon: with
    half-lives of 10, 6 and 3 thousand images that Dice (4-chamber, RV) was 0.84, 0.90 and 0.92; 1.5
    did not raise it, and roughened the outlines.

    A penalty of 0.1 collapsed. After the same minutes batches of 8 with a penalty of 4 gave cleaner
    borders and more varied frames than batches of 16 with 1: the automated reader called 27 to 55 %
    of four-chamber frames implausible in three seeds each, and 15 to 77 % of short-axis frames,
    where it had been 46 to 98 % and 28 to 93 %. Dice was the same; the finest detail of short-axis
    frames lay a little farther from patients'. A learning rate that falls to 0 over the last
    quarter let the discriminator win: 98 and 90 % implausible, and a lower Dice. With soft borders
    of the label maps (`data.level_frames`) three seeds had 7 to 25 % and 14 to 26 %.
    """
    levels = _doubling(8, resolution)
    first = total_kimg / (30 if len(levels) > 1 else 1)
    above = (total_kimg - first) / max(1, len(levels) - 1)
    kimg = [first] + [above] * (len(levels) - 1)
    fade = [0.0] + [above / 3] * (len(levels) - 1)
    recipe = Recipe(
        views=tuple(views),
        labels=tuple(labels),
        levels=levels,
        widths=tuple(max(32, min(64, 1024 // r)) for r in _doubling(4, resolution)),
        latent=64,
        batch=(8,) * len(levels),
        fade_kimg=tuple(fade),
        stable_kimg=tuple(k - f for k, f in zip(kimg, fade, strict=True)),
        loss="ns-r1",
        penalty_weight=4.0,
        penalty_every=16,
        learning_rate=2e-3,
        ema_half_life_kimg=3.0,
        ema_ramp=0.1,
        tick_kimg=2.0,
        precision="auto",
        seed=seed,
    )
    return replace(recipe, **changes)


PRESETS = {"paper": paper, "quick": quick}


def _doubling(first, last):
    levels = [first]
    while levels[-1] < last:
        levels.append(2 * levels[-1])
    if levels[-1] != last:
        raise ValueError(f"resolution: {last} is not {first} doubled; try {levels[-1]}")
    return tuple(levels)


_KINDS = {int: "a whole number", float: "a finite number", str: "a text"}


def _check(r):
    """Refuse a recipe that cannot be trained, naming the field, its value and the remedy."""
    for name, hint in get_type_hints(Recipe).items():
        _check_type(name, getattr(r, name), hint)
    for name, value, allowed in (("loss", r.loss, LOSSES), ("precision", r.precision, PRECISIONS)):
        if value not in allowed:
            raise ValueError(f"{name}: {value!r} is unknown; use one of {', '.join(allowed)}")
    if not r.views or len(set(r.views)) < len(r.views):
        raise ValueError(f"views: {r.views}; list at least one, each once")
    if len(set(r.labels)) < len(r.labels) or any(not 0 < k < 256 for k in r.labels):
        raise ValueError(f"labels: {r.labels}; list numbers from 1 to 255, each once")
    _check_levels(r)
    for name in ("latent", "penalty_every", "learning_rate", "tick_kimg"):
        if getattr(r, name) <= 0:
            raise ValueError(f"{name}: {getattr(r, name)} is not above 0")
    if r.total_kimg * 1000 < r.batch[-1]:
        raise ValueError(f"total_kimg: {r.total_kimg} is less than a batch of {r.batch[-1]} images")
    for name in ("penalty_weight", "ema_half_life_kimg", "ema_ramp", "seed"):
        if getattr(r, name) < 0:
            raise ValueError(f"{name}: {getattr(r, name)} is below 0")


def _check_type(name, value, hint):
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            raise ValueError(f"{name}: {value!r} is not a list; write e.g. [{value!r}]")
        for entry in value:
            _check_type(name, entry, get_args(hint)[0])
        return
    fits = isinstance(value, (int, float) if hint is float else hint)
    fits = fits and (hint is not float or math.isfinite(value))
    if not fits or isinstance(value, bool):
        raise ValueError(f"{name}: {value!r} is not {_KINDS[hint]}")


def _check_levels(r):
    n = len(r.levels)
    if not n or r.levels[0] < 4 or r.levels[0] & (r.levels[0] - 1):
        raise ValueError(f"levels: {r.levels} do not start from a power of two; use 4 or 8")
    if any(b != 2 * a for a, b in pairwise(r.levels)):
        raise ValueError(f"levels: {r.levels} do not double; write e.g. (8, 16, 32)")
    n_widths = r.resolution.bit_length() - 2
    if len(r.widths) != n_widths:
        raise ValueError(f"widths: {len(r.widths)} given; give {n_widths}, from 4 x 4 to the end")
    for name in ("batch", "fade_kimg", "stable_kimg"):
        if len(getattr(r, name)) != n:
            raise ValueError(f"{name}: {len(getattr(r, name))} given; give {n}, one a level")
    if r.fade_kimg[0]:
        raise ValueError(f"fade_kimg: {r.fade_kimg[0]} at the first level; no level before, so 0")
    for name, least in (("widths", 1), ("batch", GROUP), ("fade_kimg", 0), ("stable_kimg", 0)):
        if min(getattr(r, name)) < least:
            raise ValueError(f"{name}: {min(getattr(r, name))} is below {least}")
    for batch in r.batch:
        if batch % GROUP:
            raise ValueError(
                f"batch: {batch} is not a multiple of {GROUP}, the group of the minibatch standard "
                f"deviation; use {batch - batch % GROUP}"
            )
