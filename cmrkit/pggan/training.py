"""Training, to be read beside Karras et al. 2018, section 2 and appendix A.

For every minibatch one step of the discriminator, one of the generator and one of the generator's
moving average; resolution and fade follow from the images shown (`growth.stage`).
"""

import argparse
import copy
import os
import sys
import time
from contextlib import nullcontext
from functools import partial

import numpy as np
import torch

from cmrkit.pggan import growth, losses, origin, processes
from cmrkit.pggan.checkpoint import RunFolder
from cmrkit.pggan.data import draw_tick, level_frames, load_training_data, to_signed
from cmrkit.pggan.graphs import RecordedStep
from cmrkit.pggan.layers import downsample, fade_in, upsample
from cmrkit.pggan.lock import die_with, sole_writer
from cmrkit.pggan.memory import keep_freed_memory
from cmrkit.pggan.networks import Discriminator, Generator
from cmrkit.pggan.recipe import GROUP, Recipe
from cmrkit.pggan.record import Record, print_line
from cmrkit.pggan.sampling import TrainedGenerator

STATISTICS = ("loss_d", "loss_g", "score_real", "score_fake", "penalty")


class Trainer:
    """Both networks, the generator's average and both optimisers.

    Args:
        recipe: Recipe.
        data: TrainingData with the recipe's views and labels.
        job: Processes that train together.
    """

    def __init__(self, recipe, data, job):
        self.recipe, self.data, self.job = recipe, data, job
        rng = torch.Generator().manual_seed(recipe.seed)
        self.generator = Generator(recipe, rng).on(job.device)
        self.discriminator = Discriminator(recipe, rng).on(job.device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.computed_in = str(self.generator.dtype).removeprefix("torch.")
        self.images_shown = 0
        self.level = None
        self.rows_of_view = [np.flatnonzero(data.view == v) for v in range(len(recipe.views))]
        self.allowed = data.labels_of_view().to(job.device)
        torch.backends.cudnn.benchmark = True

    def enter_level(self):
        """Get the level's frames, and a fresh Adam for each network, once a level.

        Choice: once a level. The published code resets Adam's state twice, when the fade of a level
        begins and when it ends; at its end neither the layers nor their gradients change abruptly,
        so there is nothing to forget.
        """
        stage = growth.stage(self.recipe, self.images_shown)
        if stage.level == self.level:
            return
        self.level = stage.level
        self.frames = self.run = None  # the level before makes room
        frames = level_frames(self.data, stage.resolution)
        self.frames = frames.permute(0, 2, 3, 1).contiguous().to(self.job.device)  # [N, R, R, C]
        # Choice: several processes are not recorded; their averages would be recorded with them.
        recorded = self.job.device.type == "cuda" and self.job.world == 1
        settings = {"lr": self.recipe.learning_rate, "betas": (0.0, 0.99), "eps": 1e-8}
        settings |= {"fused": True, "capturable": recorded}
        self.adam_g = torch.optim.Adam(self.generator.parameters(), **settings)
        self.adam_d = torch.optim.Adam(self.discriminator.parameters(), **settings)
        self.run = RecordedStep(self.step) if recorded else self.step

    def tick(self):
        """Train until the next tick ends; nothing in a step waits for the device.

        Returns:
            dict: means of `STATISTICS` over the tick, and the norm of all weights.
        """
        self.enter_level()
        start, end = self.images_shown, growth.next_tick(self.recipe, self.images_shown)
        batch = growth.stage(self.recipe, start).batch
        steps = (end - start) // batch
        draws = draw_tick(self.recipe, self.rows_of_view, start, steps, batch, GROUP)
        draws = draws.share(self.job.share(batch, GROUP), self.job.device)
        alphas = [growth.stage(self.recipe, start + s * batch).alpha for s in range(steps)]
        blends = torch.tensor(alphas, dtype=torch.float32).to(self.job.device)
        sums = torch.zeros(len(STATISTICS), device=self.job.device)
        penalties = 0
        for s in range(steps):
            penalise = self.images_shown // batch % self.recipe.penalty_every == 0
            penalties += penalise
            sums += self.run(draws.step(s), blends[s] if alphas[s] < 1 else None, penalise)
            self.images_shown += batch
            self.average_step(batch)
        means = self.job.mean(sums / steps).tolist()
        found = dict(zip(STATISTICS, means, strict=True))
        found["penalty"] *= steps / max(1, penalties)
        weights = [*self.generator.parameters(), *self.discriminator.parameters()]
        found["weight_norm"] = torch.stack(torch._foreach_norm(weights)).norm().item()
        return found

    def step(self, draws, alpha, penalise):
        """One minibatch for both networks.

        Args:
            draws: Draws of the step: row, view, mix [B], latents [B, latent].
            alpha: weight of the newest layers while they fade in, a tensor of one; None after.
            penalise: whether the discriminator's gradient is penalised in this step.

        Returns:
            tensor of `STATISTICS`.
        """
        real = self.real_frames(draws.row, alpha)
        found = self.discriminator_step(real, draws, alpha, penalise)
        found["loss_g"] = self.generator_step(draws, alpha)
        return torch.stack([found[name].detach() for name in STATISTICS])

    def real_frames(self, rows, alpha):
        """Patients' frames [B, C, R, R] float32, blended like the generated ones during a fade."""
        real = to_signed(self.frames.index_select(0, rows)).permute(0, 3, 1, 2)
        if alpha is None:
            return real
        return fade_in(upsample(downsample(real)), real, alpha)

    def discriminator_step(self, real, draws, alpha, penalise):
        """Tell patients' frames from generated ones a little better."""
        recipe, view = self.recipe, draws.view
        with torch.no_grad():
            fake = self.generator(draws.z_discriminator, view, real.shape[-1], alpha)
        # One pass for both; groups of the minibatch standard deviation do not mix them.
        score = self.discriminator(torch.cat([real, fake]), view.repeat(2), alpha)
        real_score, fake_score = score.chunk(2)
        wgan = recipe.loss == "wgan-gp"
        judge = losses.wgan_discriminator if wgan else losses.ns_discriminator
        loss = judge(real_score, fake_score)
        found = {"loss_d": loss, "score_real": real_score.mean(), "score_fake": fake_score.mean()}
        found["penalty"] = torch.zeros_like(loss)
        if penalise:
            discriminate = partial(self.discriminator, view=view, alpha=alpha)
            if wgan:
                penalty = losses.gradient_penalty(discriminate, real, fake, draws.mix)
            else:
                penalty = losses.r1_penalty(discriminate, real)
            found["penalty"] = penalty
            loss = loss + recipe.penalty_weight * recipe.penalty_every * penalty
        self.adam_d.zero_grad()
        loss.backward()
        self.job.average_gradients(self.discriminator)
        self.adam_d.step()
        return found

    def generator_step(self, draws, alpha):
        """Make frames that score a little higher; the discriminator's weights are not tracked."""
        resolution = self.frames.shape[1]
        judge = losses.wgan_generator if self.recipe.loss == "wgan-gp" else losses.ns_generator
        self.discriminator.requires_grad_(False)
        try:
            fake = self.generator(draws.z_generator, draws.view, resolution, alpha)
            loss = judge(self.discriminator(fake, draws.view, alpha))
            self.adam_g.zero_grad()
            loss.backward()
        finally:  # a recording that fails in here is followed by plain steps
            self.discriminator.requires_grad_(True)
        self.job.average_gradients(self.generator)
        self.adam_g.step()
        return loss

    @torch.no_grad()
    def average_step(self, batch):
        """Move the average of the generator's weights."""
        beta = growth.ema_beta(self.recipe, self.images_shown, batch)
        new = list(self.generator.parameters())
        torch._foreach_lerp_(list(self.average.parameters()), new, 1 - beta)

    def sampler(self):
        """The average as sampling takes it, at the resolution and fade reached."""
        stage = growth.reached(self.recipe, self.images_shown)
        place = (stage.resolution, stage.alpha, self.allowed)
        return TrainedGenerator(self.average, self.recipe, *place)


def train(recipe, data_path, folder, on_tick=None):
    """Train a PG-GAN, or go on where an earlier run in the folder stopped.

    Args:
        recipe: Recipe.
        data_path: file written by `save_training_data`.
        folder: run folder; gets `recipe.json`, `stats.jsonl` (a line a tick), `realism.jsonl`,
            `checkpoints/`, `grids/level_RRRR.npz` and at last `generator.safetensors`.
        on_tick: called with each line of statistics, a dict.

    Returns:
        path of `generator.safetensors`, the averaged weights.

    Raises:
        ValueError: data or checkpoints in the folder do not fit the recipe, another training
            writes the folder, or the processes do not start from the same place.
        stability.TrainingStopped: not finite, collapsed or saturated; names the last good
            checkpoint.
        processes.ProcessLost: another process of the job stopped.
    """
    keep_freed_memory()
    job = processes.join()
    data = load_training_data(data_path)
    _check_data(recipe, data, data_path)
    for batch in recipe.batch:
        job.share(batch, GROUP)
    trainer = Trainer(recipe, data, job)
    run = RunFolder(folder, recipe, data_path)
    with sole_writer(folder) if job.rank == 0 else nullcontext():
        run.resume(trainer)
        job.agree("recipe", recipe.to_dict(), "give all the same")
        job.agree("data", run.data_digest, "give all the same file")
        job.agree("computed_in", trainer.computed_in, "use machines of one kind")
        job.agree("images_shown", trainer.images_shown, f"let all see the same {folder}")
        _train_to_the_end(trainer, run, on_tick)
        job.leave()
    return run.generator


def _train_to_the_end(trainer, run, on_tick):
    total = growth.total_images(trainer.recipe)
    finished = trainer.images_shown >= total
    record = Record(run, trainer, on_tick) if trainer.job.rank == 0 else None
    if record and trainer.images_shown:
        remark = origin.remark(run.path, run.trained_by, finished)
        if remark:
            print(remark, flush=True)
    while trainer.images_shown < total:
        start, began = trainer.images_shown, time.perf_counter()
        found = trainer.tick()
        if record:
            record.tick(trainer, start, found, began, time.perf_counter() - began)
    if record and not (finished and run.generator.exists()):
        run.save_generator(trainer)


def _check_data(recipe, data, path):
    for name, ours, theirs in (
        ("levels", recipe.resolution, data.image.shape[-1]),
        ("views", recipe.views, data.view_names),
        ("labels", recipe.labels, data.labels),
    ):
        if ours != theirs:
            raise ValueError(f"{name}: recipe has {ours}, {path} has {theirs}; make them agree")
    for view, count in zip(data.view_names, torch.bincount(data.view).tolist(), strict=True):
        if count < 4:  # two halves of two frames, which `watch` compares
            raise ValueError(f"views: {count} frames of {view!r} in {path}; give at least 4")


def main():
    """Train from files, in one process or in several started by torch.distributed.run."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--recipe", required=True, help="JSON written by Recipe.save")
    parser.add_argument("--data", required=True, help="file written by save_training_data")
    parser.add_argument("--folder", required=True, help="run folder; gone on with if not empty")
    arguments = parser.parse_args()
    if "TORCHELASTIC_RUN_ID" in os.environ:
        die_with(os.getppid())  # torch.distributed.run, whose kill -9 would leave us training
    try:
        train(Recipe.load(arguments.recipe), arguments.data, arguments.folder, print_line)
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
