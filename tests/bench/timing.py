"""The work that the PG-GAN benches time: a recipe that stays at one resolution, and noise."""

import statistics
import time
from unittest import mock

import numpy as np
import torch

from cmrkit.pggan import recipe, sampling
from cmrkit.pggan.data import TrainingData
from cmrkit.pggan.memory import keep_freed_memory
from cmrkit.pggan.processes import join
from cmrkit.pggan.sampling import CHUNK
from cmrkit.pggan.training import Trainer

TICK = 64 if torch.cuda.is_available() else 4  # steps: a GPU stands still between ticks


def stationary_recipe(resolution, widths, batch, loss, precision):
    """Everything at one resolution, after its fade; one view, the image alone.

    Args:
        resolution: pixels a side.
        widths: feature maps at every resolution, or 0 for those of the paper.
        batch: images a step.
        loss: "wgan-gp" or "ns-r1".
        precision: "bf16" or "fp32".
    """
    paper = recipe.paper(("sax",), resolution=resolution)
    return recipe.paper(
        ("sax",),
        resolution=resolution,
        levels=(resolution,),
        widths=(widths,) * len(paper.widths) if widths else paper.widths,
        batch=(batch,),
        fade_kimg=(0,),
        stable_kimg=(1e6,),
        tick_kimg=TICK * batch / 1000,
        loss=loss,
        penalty_weight=10.0 if loss == "wgan-gp" else 1.0,
        penalty_every=1 if loss == "wgan-gp" else 16,
        precision=precision,
    )


def trainer_on_noise(made):
    """A Trainer of a recipe on 64 frames of noise."""
    keep_freed_memory()
    r = made.resolution
    pixels = np.random.default_rng(0).integers(0, 256, (64, r, r), dtype=np.uint8)
    image = torch.from_numpy(pixels)
    view = torch.zeros(64, dtype=torch.int64)
    data = TrainingData(image, torch.zeros_like(image), view, made.views, ())
    return Trainer(made, data, join())


def images_per_second(call, images, seconds):
    """Median rate of a call that handles `images` images, over `seconds` after a warm-up.

    The call must wait for the device itself.
    """
    for _ in range(3):
        call()
    rates, end = [], time.perf_counter() + seconds
    while len(rates) < 3 or time.perf_counter() < end:
        began = time.perf_counter()
        call()
        rates.append(images / (time.perf_counter() - began))
    return statistics.median(rates)


def training_rate(made, seconds):
    """Real images a second, whole ticks: drawing, both networks, average."""
    trainer = trainer_on_noise(made)
    return images_per_second(trainer.tick, TICK * made.batch[0], seconds)


def sampling_rates(made, seconds):
    """Frames a second: the network alone, and to finished bytes."""
    generator = trainer_on_noise(made).sampler()
    count = 4 * CHUNK

    def whole():
        sampling.sample(generator, 1, range(count), ["sax"] * count)

    calls = (lambda: network_alone(generator, count)), whole
    return [images_per_second(call, count, seconds) for call in calls]


def network_alone(generator, count):
    """Draw `count` frames as sampling does, from one latent and into nothing."""
    z = torch.randn(CHUNK, generator.recipe.latent, device=generator.device)
    view = torch.zeros(CHUNK, dtype=torch.int64, device=generator.device)
    nothing = torch.zeros(CHUNK, dtype=torch.uint8, device=generator.device)

    def draw(_):
        sampling.draw_frames(generator, z, view)

    with mock.patch.object(
        sampling, "decode", lambda frames, allowed: (nothing[: len(frames)],) * 2
    ):
        if generator.device.type == "cpu":
            sampling.one_core_each(draw, range(count // CHUNK))
        else:
            for k in range(count // CHUNK):
                draw(k)
            torch.cuda.synchronize()
