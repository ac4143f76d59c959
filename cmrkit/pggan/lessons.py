"""Small experiments for notebook 02: what a part of the recipe does, seen by taking it away."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from cmrkit.pggan.data import to_signed
from cmrkit.pggan.layers import EqualizedLayer, downsample, fade_in, upsample
from cmrkit.pggan.processes import join
from cmrkit.pggan.training import Trainer
from cmrkit.pggan.watch import Watch


def faded_frame(image, alphas):
    """A patient's frame as the discriminator sees it while a level fades in.

    Args:
        image: [R, R] uint8.
        alphas: n weights of the newest level, 0 to 1.

    Returns:
        [n, R, R] uint8: at 0 the frame of the level before, enlarged; at 1 the frame itself.
    """
    frame = to_signed(torch.as_tensor(image))[None, None]
    old = upsample(downsample(frame))
    steps = torch.cat([fade_in(old, frame, alpha) for alpha in alphas])[:, 0]
    return ((steps + 1) * 127.5).round().to(torch.uint8).numpy()


def step_sizes(recipe, data):
    """How far Adam's first step moves the generator's layers, with equalised rates and without.

    Without them each weight is stored as it acts, and Adam, whose steps are all of the learning
    rate, moves it by as much, however small it is.

    Args:
        recipe: Recipe.
        data: TrainingData.

    Returns:
        list of dicts, one a layer that acts: `layer, fan_in, equalised, plain`; the last two are
        the norm of the step over the norm of the weights.

    Source: Karras et al. 2018, section 4.1.
    """
    rows = {}
    for name in ("equalised", "plain"):
        trainer = Trainer(_level_alone(recipe, len(recipe.levels) - 1, kimg=1.0), data, join())
        layers = dict(trainer.generator.named_modules())
        layers = {k: layer for k, layer in layers.items() if isinstance(layer, EqualizedLayer)}
        if name == "plain":
            for layer in layers.values():
                _store_as_it_acts(layer)
        before = {key: layer.weight.detach().clone() for key, layer in layers.items()}
        trainer.tick()
        for key, layer in layers.items():
            moved = ((layer.weight - before[key]).norm() / before[key].norm()).item()
            if moved:  # the ways out of other levels have no part in a step
                row = rows.setdefault(key, {"layer": key, "fan_in": layer.fan_in})
                row[name] = moved
    return list(rows.values())


def without_comparison(recipe, data, kimg):
    """Train the first level twice: with the minibatch standard deviation, and blind for it.

    Args:
        recipe: Recipe.
        data: TrainingData.
        kimg: thousand images shown in each of the two trainings.

    Returns:
        list of dicts: `kimg, discriminator` ("compares frames" or "sees one frame at a time"),
        `ms_ssim, ms_ssim_patients` of pairs of frames.

    Source: Karras et al. 2018, section 3.
    """
    rows = []
    first = _level_alone(recipe, 0, kimg)
    watch = Watch(data, first.resolution, recipe.seed)
    for name in ("compares frames", "sees one frame at a time"):
        trainer = Trainer(replace(first, tick_kimg=kimg / 8), data, join())
        if name != "compares frames":
            trainer.discriminator.compare = lambda x: F.pad(x, (0, 0, 0, 0, 0, 1))  # a map of 0
        while trainer.images_shown < 1000 * kimg:
            trainer.tick()
            found = watch.diversity(trainer.sampler())
            rows.append({"kimg": trainer.images_shown / 1000, "discriminator": name, **found})
    return rows


def _store_as_it_acts(layer):
    """Move the scale of an equalised layer into its weights; what it computes stays the same."""
    with torch.no_grad():
        layer.weight.mul_(layer.scale)
    if hasattr(layer, "box"):
        layer.box /= layer.scale
    layer.scale = 1.0


def _level_alone(recipe, level, kimg):
    """The recipe of one level from the first image on; a tick is one step."""
    r, batch = recipe.levels[level], recipe.batch[level]
    return replace(
        recipe, levels=(r,), widths=recipe.widths[: r.bit_length() - 2], batch=(batch,),
        fade_kimg=(0.0,), stable_kimg=(kimg,), tick_kimg=batch / 1000,
    )  # fmt: skip
