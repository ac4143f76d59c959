"""What a running training shows of itself, and when it is stopped."""

import math

import numpy as np
import torch

from cmrkit.pggan import realism
from cmrkit.pggan.data import level_frames
from cmrkit.pggan.sampling import sample

GRID_FRAMES = 16  # fixed-latent frames a view
DIVERSITY_PAIRS = 64  # pairs a view for the MS-SSIM of each tick
REALISM_FRAMES = 256  # frames a view and set for the sliced Wasserstein distance
COLLAPSE_MARGIN = 0.45  # of MS-SSIM above the patients' own; Choice: half-trained frames reach 0.37
SATURATED_LOSS = 0.01  # of the logistic discriminator: it is never wrong any more
DIVERGED_SCORE = 1e4  # of the Wasserstein critic, which the drift term keeps near 0
PATIENCE_TICKS = 3  # in a row, before training is stopped


class TrainingStopped(RuntimeError):
    """Training was stopped because it cannot come to good."""


def check(recipe, lines, checkpoints):
    """Stop a training that cannot come to good.

    Args:
        recipe: Recipe.
        lines: statistics so far, dicts in the order of training.
        checkpoints: paths in the order of training, written after every earlier tick.

    Raises:
        TrainingStopped: naming the tick, the likely cause and the last good checkpoint.
    """
    now = lines[-1]
    if not all(math.isfinite(v) for v in now.values()):
        _stop(now, checkpoints[-1:], "a loss or weight is not finite", "a lower learning_rate")
    recent = lines[-PATIENCE_TICKS:]
    before = checkpoints[-PATIENCE_TICKS:][:1]  # the bad ticks but the last have theirs already
    if len(recent) < PATIENCE_TICKS:
        return
    if recipe.loss == "ns-r1" and all(line["loss_d"] < SATURATED_LOSS for line in recent):
        cause = "the discriminator is never wrong, so the generator learns nothing"
        _stop(now, before, cause, "a higher penalty_weight or a lower learning_rate")
    if recipe.loss == "wgan-gp" and all(abs(ln["score_real"]) > DIVERGED_SCORE for ln in recent):
        _stop(now, before, "the critic's scores run away", "a lower learning_rate")
    # The first frames of an untrained generator are all alike, and so is a level that fades in.
    if recent[0]["kimg"] < 0.1 * recipe.total_kimg or recent[0]["alpha"] < 1:
        return
    if all(ln["ms_ssim"] > ln["ms_ssim_patients"] + COLLAPSE_MARGIN for ln in recent):
        cause = f"the frames repeat themselves (MS-SSIM {now['ms_ssim']:.2f}"
        cause += f", patients {now['ms_ssim_patients']:.2f})"
        _stop(now, before, cause, "a lower learning_rate, a larger batch or more patients")


def _stop(line, good, cause, remedy):
    where = f"tick {line['tick']} ({line['kimg']:.1f} kimg, {line['resolution']} pixels)"
    # A changed recipe is another run: it cannot go on from weights and moments of this one.
    back = f"last good checkpoint: {good[0]}" if good else "there is no good checkpoint yet"
    back = f"frames can be sampled from the {back}" if good else back
    raise TrainingStopped(f"{where}: {cause}; train anew with {remedy}; {back}")


class Watch:
    """Looks at the averaged generator beside the patients' frames, at one level.

    Args:
        data: TrainingData.
        resolution: pixels a side of the level.
        seed: of latents, patches and pairs.
    """

    def __init__(self, data, resolution, seed):
        self.resolution, self.seed, self.views = resolution, seed, data.view_names
        self.patients = {}  # view: [n, R, R] uint8 numpy, first half of the file then second half
        for number, name in enumerate(data.view_names):
            rows = torch.nonzero(data.view == number).flatten()
            # Evenly over the file, so that with frames stored patient by patient the halves that
            # are compared with each other come from different patients.
            count = min(len(rows), 2 * REALISM_FRAMES) // 2 * 2
            rows = rows[torch.linspace(0, len(rows) - 1, count).long()]
            self.patients[name] = level_frames(data.take(rows), resolution)[:, 0].numpy()
        self.floor = self._mean(lambda view: self._diversity(self.patients[view]))

    def _mean(self, measure):
        return float(np.mean([measure(view) for view in self.views]))

    def _diversity(self, images):
        return realism.pairwise_ms_ssim(images, DIVERSITY_PAIRS, self.seed)

    def diversity(self, generator):
        """Mean MS-SSIM of pairs of frames of one view: the generator's, and the patients' own."""
        frames = self._frames(generator, 2 * GRID_FRAMES)
        found = self._mean(lambda view: self._diversity(frames[view][0]))
        return {"ms_ssim": found, "ms_ssim_patients": self.floor}

    def realism(self, generator):
        """Sliced Wasserstein distance and MS-SSIM of a view, beside what patients' frames reach.

        Returns:
            list of dicts, one a view and scale: `view, scale, swd, swd_patients, ms_ssim,
            ms_ssim_patients`; none at 4 pixels, below a patch. `swd` compares generated frames with
            the first half of the patients' frames, `swd_patients` their second half, in equal
            numbers.
        """
        rows = []
        if self.resolution <= realism.PATCH:
            return rows
        for view in self.views:
            first, second = np.split(self.patients[view], 2)
            made = self._frames_of(view, generator, len(first))[0]
            settings = {"seed": self.seed, "patches": 64, "directions": 128}
            swd = realism.sliced_wasserstein(made, first, **settings)
            swd_patients = realism.sliced_wasserstein(second, first, **settings)
            similar = {
                "ms_ssim": self._diversity(made),
                "ms_ssim_patients": self._diversity(self.patients[view]),
            }
            for scale in swd:
                row = {"view": view, "scale": scale, "swd": swd[scale]}
                rows.append(row | {"swd_patients": swd_patients[scale]} | similar)
        return rows

    def _frames(self, generator, count):
        return {view: self._frames_of(view, generator, count) for view in self.views}

    def _frames_of(self, view, generator, count):
        return sample(generator, self.seed, range(count), [view] * count)

    def save_grid(self, generator, path):
        """Write the fixed-latent frames: `images` and `masks`, [V, GRID_FRAMES, R, R] uint8."""
        frames = self._frames(generator, GRID_FRAMES)
        images, masks = (np.stack([frames[view][part] for view in self.views]) for part in (0, 1))
        np.savez_compressed(path, images=images, masks=masks)
