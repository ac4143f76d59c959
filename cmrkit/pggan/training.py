"""Training: one step of each network for every minibatch, growing as images are shown."""

import argparse
import copy
import json
import resource
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from cmrkit.pggan import checkpoint, growth, losses
from cmrkit.pggan.data import draw_tick, level_frames, load_training_data, to_signed
from cmrkit.pggan.networks import Discriminator, Generator, downsample, fade_in, upsample
from cmrkit.pggan.recipe import GROUP, Recipe
from cmrkit.pggan.sampling import TrainedGenerator, sample

GRID_FRAMES = 16  # fixed-latent frames a view, sampled at each level's end


class Trainer:
    """Both networks, the average and both optimisers, and one step of them.

    Args:
        recipe: Recipe.
        data: TrainingData.
        device: where to train.
    """

    def __init__(self, recipe, data, device):
        self.recipe, self.data, self.device = recipe, data, device
        rng = torch.Generator().manual_seed(recipe.seed)
        place = {"device": device, "memory_format": torch.channels_last}
        self.generator = Generator(recipe, rng).to(**place)
        self.discriminator = Discriminator(recipe, rng).to(**place)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.images_shown = 0
        self.level = None
        view = data.view.numpy()
        self.rows_of_view = [np.flatnonzero(view == v) for v in range(len(recipe.views))]

    def enter_level(self):
        """Frames of the level on the device, and Adam from a clean start.

        Source: Adam's state is reset when a level begins, as in the published code.
        """
        stage = growth.stage(self.recipe, self.images_shown)
        if stage.level == self.level:
            return
        self.level = stage.level
        self.frames = level_frames(self.data, stage.resolution).to(self.device)
        adam = partial(
            torch.optim.Adam, lr=self.recipe.learning_rate, betas=(0.0, 0.99), fused=True
        )
        self.adam_g = adam(self.generator.parameters())
        self.adam_d = adam(self.discriminator.parameters())

    def tick(self, end):
        """Train until `end` images are shown.

        Returns:
            dict of the tick's mean losses, scores and penalty.
        """
        self.enter_level()
        start, batch = self.images_shown, growth.stage(self.recipe, self.images_shown).batch
        steps = (end - start) // batch
        draws = draw_tick(self.recipe, self.rows_of_view, start, steps, batch, GROUP)
        sums = {}
        for s in range(steps):
            stage = growth.stage(self.recipe, self.images_shown)
            real = self.real_frames(draws.row[s], stage.alpha)
            view = draws.view[s].to(self.device)
            found = self.discriminator_step(
                real, view, draws.z_discriminator[s].to(self.device), draws.mix[s], stage
            )
            found |= self.generator_step(view, draws.z_generator[s].to(self.device), stage)
            self.average_step(stage.batch)
            self.images_shown += stage.batch
            for name, value in found.items():
                total, count = sums.get(name, (0, 0))
                sums[name] = (total + value.detach(), count + 1)
        return {name: float(total / count) for name, (total, count) in sums.items()}

    def real_frames(self, rows, alpha):
        """Patients' frames [N, C, R, R] float32, blended with the coarser level during a fade."""
        real = to_signed(self.frames[rows.to(self.device)])
        if alpha < 1:
            real = fade_in(upsample(downsample(real)), real, alpha)
        return real

    def discriminator_step(self, real, view, z, mix, stage):
        """Tell patients' from generated frames a little better."""
        recipe = self.recipe
        with torch.no_grad():
            fake = self.generator(z, view, stage.resolution, stage.alpha)
        score = self.discriminator(torch.cat([real, fake]), view.repeat(2), stage.alpha)
        real_score, fake_score = score.chunk(2)
        wgan = recipe.loss == "wgan-gp"
        judge = losses.wgan_discriminator if wgan else losses.ns_discriminator
        loss = judge(real_score, fake_score)
        found = {"loss_d": loss, "score_real": real_score.mean(), "score_fake": fake_score.mean()}
        if self.images_shown // stage.batch % recipe.penalty_every == 0:
            discriminate = partial(self.discriminator, view=view, alpha=stage.alpha)
            if wgan:
                penalty = losses.gradient_penalty(discriminate, real, fake, mix.to(self.device))
            else:
                penalty = losses.r1_penalty(discriminate, real)
            loss = loss + recipe.penalty_weight * recipe.penalty_every * penalty
            found["penalty"] = penalty
        self.adam_d.zero_grad()
        loss.backward()
        self.adam_d.step()
        return found

    def generator_step(self, view, z, stage):
        """Make frames that score a little higher; the discriminator's weights are not tracked."""
        self.discriminator.requires_grad_(False)
        fake = self.generator(z, view, stage.resolution, stage.alpha)
        score = self.discriminator(fake, view, stage.alpha)
        judge = losses.wgan_generator if self.recipe.loss == "wgan-gp" else losses.ns_generator
        loss = judge(score)
        self.adam_g.zero_grad()
        loss.backward()
        self.adam_g.step()
        self.discriminator.requires_grad_(True)
        return {"loss_g": loss}

    @torch.no_grad()
    def average_step(self, batch):
        """Move the average of the generator's weights."""
        beta = growth.ema_beta(self.recipe, self.images_shown, batch)
        new = list(self.generator.parameters())
        torch._foreach_lerp_(list(self.average.parameters()), new, 1 - beta)

    def sampler(self):
        """The average as `sampling.sample` takes it, at the current resolution and alpha."""
        stage = growth.stage(self.recipe, max(0, self.images_shown - 1))
        alpha = growth.stage(self.recipe, self.images_shown).alpha if stage.alpha < 1 else 1.0
        return TrainedGenerator(
            self.average,
            self.recipe,
            stage.resolution,
            alpha,
            self.data.labels_of_view().to(self.device),
        )


def train(recipe, data_path, folder, on_tick=None):
    """Train a PG-GAN, or go on where an earlier run in the folder stopped.

    Args:
        recipe: Recipe.
        data_path: file written by `save_training_data`.
        folder: run folder; gets `recipe.json`, `stats.jsonl`, `checkpoints/`, `grids/` and at last
            `generator.safetensors`.
        on_tick: called with each line of statistics, a dict.

    Returns:
        path of `generator.safetensors`, the averaged weights.

    Raises:
        ValueError: data or checkpoints in the folder do not fit the recipe.
    """
    folder = Path(folder)
    data = load_training_data(data_path)
    _check_data(recipe, data, data_path)
    for part in ("checkpoints", "grids"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    recipe.save(folder / "recipe.json")
    trainer = Trainer(recipe, data, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    data_digest = checkpoint.digest(data_path)
    seconds = _resume(trainer, folder, data_digest)
    total = growth.total_images(recipe)
    while trainer.images_shown < total:
        start, began = trainer.images_shown, time.perf_counter()
        end = growth.next_tick(recipe, start)
        found = trainer.tick(end)
        _save_checkpoint(trainer, folder, data_digest)
        if growth.stage(recipe, start).level != growth.stage(recipe, end).level or end == total:
            _save_grid(trainer, folder)
        spent = time.perf_counter() - began
        seconds += spent
        line = _statistics(trainer, start, found, spent, seconds)
        with open(folder / "stats.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        if on_tick:
            on_tick(line)
    return _save_generator(trainer, folder)


def _check_data(recipe, data, path):
    r = data.image.shape[-1]
    for name, ours, theirs in (
        ("levels", recipe.resolution, r),
        ("views", recipe.views, data.view_names),
        ("labels", recipe.labels, data.labels),
    ):
        if ours != theirs:
            raise ValueError(f"{name}: recipe has {ours}, {path} has {theirs}; make them agree")


def _statistics(trainer, start, found, spent, seconds):
    recipe, end = trainer.recipe, trainer.images_shown
    stage = growth.stage(recipe, end - 1)
    left = growth.total_images(recipe) - end
    return {
        "kimg": end / 1000,
        "resolution": stage.resolution,
        "alpha": stage.alpha,
        **found,
        "images_per_s": (end - start) / spent,
        "seconds": seconds,
        "seconds_left": left * spent / (end - start),
        "memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def _metadata(trainer, **more):
    sampler = trainer.sampler()
    return {
        "recipe": json.dumps(trainer.recipe.to_dict()),
        "images_shown": str(trainer.images_shown),
        "resolution": str(sampler.resolution),
        "alpha": repr(sampler.alpha),
        "allowed": json.dumps(sampler.allowed.tolist()),
        **more,
    }


def _save_checkpoint(trainer, folder, data_digest):
    tensors = (
        checkpoint.network_state(trainer.generator, "generator")
        | checkpoint.network_state(trainer.discriminator, "discriminator")
        | checkpoint.network_state(trainer.average, "ema")
        | checkpoint.adam_state(trainer.adam_g, trainer.generator, "adam_g")
        | checkpoint.adam_state(trainer.adam_d, trainer.discriminator, "adam_d")
    )
    path = checkpoint.checkpoint_path(folder, trainer.images_shown)
    checkpoint.write_tensors(path, tensors, _metadata(trainer, data=data_digest))


def _resume(trainer, folder, data_digest):
    """Fill the trainer from the last checkpoint, and cut the statistics to it; seconds so far."""
    path = checkpoint.last_checkpoint(folder)
    log = folder / "stats.jsonl"
    if path is None:
        log.unlink(missing_ok=True)
        return 0.0
    tensors, metadata = checkpoint.read_tensors(path, trainer.device)
    checkpoint.check_same_run(path, metadata, trainer.recipe, data_digest)
    trainer.images_shown = int(metadata["images_shown"])
    checkpoint.load_network(trainer.generator, tensors, "generator")
    checkpoint.load_network(trainer.discriminator, tensors, "discriminator")
    checkpoint.load_network(trainer.average, tensors, "ema")
    before = growth.stage(trainer.recipe, trainer.images_shown - 1)
    if before.level == growth.stage(trainer.recipe, trainer.images_shown).level:
        trainer.enter_level()
        checkpoint.load_adam(trainer.adam_g, trainer.generator, tensors, "adam_g")
        checkpoint.load_adam(trainer.adam_d, trainer.discriminator, tensors, "adam_d")
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    lines = [line for line in lines if line["kimg"] * 1000 <= trainer.images_shown + 0.5]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return lines[-1]["seconds"] if lines else 0.0


def _save_grid(trainer, folder):
    sampler, views = trainer.sampler(), trainer.recipe.views
    names = [name for name in views for _ in range(GRID_FRAMES)]
    indices = list(range(GRID_FRAMES)) * len(views)
    images, masks = sample(sampler, trainer.recipe.seed, indices, names)
    r = sampler.resolution
    shape = (len(views), GRID_FRAMES, r, r)
    path = folder / "grids" / f"level_{r:04d}.npz"
    np.savez_compressed(path, images=images.reshape(shape), masks=masks.reshape(shape))


def _save_generator(trainer, folder):
    path = folder / "generator.safetensors"
    tensors = checkpoint.network_state(trainer.average, "ema")
    checkpoint.write_tensors(path, tensors, _metadata(trainer))
    return path


def main():
    """Train from files, in one process or in several started by torch.distributed.run."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--recipe", required=True, help="JSON written by Recipe.save")
    parser.add_argument("--data", required=True, help="file written by save_training_data")
    parser.add_argument("--folder", required=True, help="run folder; resumed where it has one")
    arguments = parser.parse_args()
    train(Recipe.load(arguments.recipe), arguments.data, arguments.folder, on_tick=print_line)


def print_line(line):
    print(
        f"{line['kimg']:9.1f} kimg  {line['resolution']:4d} px  alpha {line['alpha']:.2f}  "
        f"D {line['loss_d']:+.3f}  G {line['loss_g']:+.3f}  {line['images_per_s']:7.1f} images/s  "
        f"{line['seconds_left']:7.0f} s left  {line['memory_gb']:.1f} GB",
        flush=True,
    )


if __name__ == "__main__":
    main()
