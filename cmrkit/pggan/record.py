"""What a training leaves after each tick: statistics, grid, realism, checkpoint; or a stop."""

import time

import torch

from cmrkit.pggan import growth, stability, watch
from cmrkit.pggan.lines import append_lines
from cmrkit.pggan.memory import peak_memory

REALISM_EVERY = 5  # ticks from one realism measurement to the next at the finished resolution


class Record:
    """Keeps the run folder; only rank 0 has one.

    Args:
        run: RunFolder.
        trainer: Trainer, filled from the newest checkpoint.
        on_tick: called with each line of statistics, a dict; or None.
    """

    def __init__(self, run, trainer, on_tick):
        self.run, self.recipe, self.on_tick = run, trainer.recipe, on_tick
        self.lines = run.tidy(trainer.images_shown)
        self.seen = None

    def tick(self, trainer, start, found, began, trained):
        """Check and write what a tick left.

        Args:
            trainer: Trainer after the tick.
            start: images shown before it.
            found: what `Trainer.tick` returned.
            began: clock time when it began.
            trained: seconds that its steps took.

        Raises:
            stability.TrainingStopped: the training cannot come to good; no checkpoint is written.
        """
        stage = growth.reached(self.recipe, trainer.images_shown)
        if self.seen is None or self.seen.resolution != stage.resolution:
            self.seen = watch.Watch(trainer.data, stage.resolution, self.recipe.seed)
        found |= self.seen.diversity(trainer.sampler())
        line = self._line(trainer, start, stage, found, trained, time.perf_counter() - began)
        self.lines.append(line)
        stability.check(self.recipe, self.lines, self.run.all())
        self._show(trainer, start, stage, line["tick"])
        append_lines(self.run.statistics, [line])
        self.run.save(trainer, self.lines)
        if self.on_tick:
            self.on_tick(line)

    def _show(self, trainer, start, stage, tick):
        """Grid and realism at a level's end, realism also now and then at the finished level."""
        end, generator = trainer.images_shown, trainer.sampler()
        ends = end == growth.total_images(self.recipe)
        ends = ends or growth.stage(self.recipe, end).level > stage.level
        finished = stage.resolution == self.recipe.resolution and stage.alpha == 1
        if ends or (finished and tick % REALISM_EVERY == 0):
            place = {"kimg": end / 1000, "resolution": stage.resolution}
            rows = [place | row for row in self.seen.realism(generator)]
            append_lines(self.run.realism, rows)
        if ends:
            path = self.run.grids / f"level_{stage.resolution:04d}.npz"
            self.seen.save_grid(generator, path)

    def _line(self, trainer, start, stage, found, trained, spent):
        """One line of statistics; kimg are thousand real images shown, memory is the peak."""
        device, end = trainer.job.device, trainer.images_shown
        before = self.lines[-1] if self.lines else {"tick": 0, "seconds": 0.0}
        left = growth.total_images(self.recipe) - end
        if device.type == "cuda":
            memory = torch.cuda.max_memory_allocated(device) / 2**30
        else:
            memory = peak_memory()
        return {
            "tick": before["tick"] + 1,
            "kimg": end / 1000,
            "resolution": stage.resolution,
            "alpha": stage.alpha,
            **found,
            "images_per_s": (end - start) / trained,
            "seconds": before["seconds"] + spent,
            "seconds_left": left * spent / (end - start),
            "memory_gib": memory,
        }


def print_line(line):
    """Print a line of statistics for a person."""
    print(
        f"{line['kimg']:9.1f} kimg  {line['resolution']:4d} px  alpha {line['alpha']:.2f}  "
        f"D {line['loss_d']:+.3f}  G {line['loss_g']:+.3f}  penalty {line['penalty']:.3f}  "
        f"{line['images_per_s']:7.1f} images/s  {line['seconds_left']:7.0f} s left  "
        f"{line['memory_gib']:.1f} GiB",
        flush=True,
    )
