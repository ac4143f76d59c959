"""Small experiments for notebook 02: what a part of the recipe does, seen by taking it away."""

from dataclasses import replace

import numpy as np
import torch

from cmrkit.pggan import tensor_file
from cmrkit.pggan.data import level_frames, to_signed
from cmrkit.pggan.layers import EqualizedLayer, downsample, fade_in, upsample
from cmrkit.pggan.networks import Discriminator
from cmrkit.pggan.processes import join
from cmrkit.pggan.recipe import GROUP, Recipe
from cmrkit.pggan.training import Trainer
from cmrkit.pggan.weights import KIND, load_network


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


@torch.no_grad()
def copies_score(checkpoint, data, frames=64, seed=0):
    """How the trained discriminator scores patients' frames among others, and among copies.

    Without the minibatch standard deviation both scores of a frame would be equal: nothing would
    tell a generator that draws one frame again and again from one that draws many.

    Args:
        checkpoint: of a run, a file of `RunFolder.checkpoints`.
        data: TrainingData of the run.
        frames: patients' frames a view, a multiple of the group.
        seed: of the frames drawn.

    Returns:
        list of dicts: `view, group` ("different frames" or "copies of one"), `score` (mean).

    Source: Karras et al. 2018, section 3.
    """
    tensors, facts = tensor_file.read(checkpoint, KIND)
    recipe = Recipe.from_dict(facts["recipe"])
    discriminator = Discriminator(recipe, torch.Generator())
    load_network(discriminator, tensors, "discriminator")
    device = join().device
    discriminator.on(device)
    rng = np.random.default_rng(seed)
    rows = []
    for number, view in enumerate(recipe.views):
        chosen = rng.choice(np.flatnonzero(data.view == number), frames)
        shown = to_signed(level_frames(data.take(chosen), facts["resolution"]))
        for group, repeats in (("different frames", 1), ("copies of one", GROUP)):
            batch = shown.repeat_interleave(repeats, dim=0).to(device)
            of = torch.full((len(batch),), number, device=device)
            scores = [
                discriminator(x, v) for x, v in zip(batch.split(32), of.split(32), strict=True)
            ]
            rows.append({"view": view, "group": group, "score": torch.cat(scores).mean().item()})
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
