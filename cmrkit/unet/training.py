"""Training of the comparison U-Net: the same steps, network and augmentation in every arm."""

import time
import zlib

import numpy as np
import torch
from torch.optim.lr_scheduler import OneCycleLR

from cmrkit.unet.augmentation import augment
from cmrkit.unet.evaluation import mean_dice
from cmrkit.unet.labels import annotated_labels, channel_of
from cmrkit.unet.loss import partial_dice_ce
from cmrkit.unet.network import (
    MULTIPLE,
    TrainedUNet,
    best_device,
    build_unet,
    mixed_precision,
    standardise,
)

PEAK_LEARNING_RATE = 5e-3
WEIGHT_DECAY = 1e-2
TICKS = 20  # reports a training run


def train_unet(
    images,
    masks,
    labels_present,
    labels,
    *,
    steps,
    batch,
    seed,
    width,
    validation=None,
    on_tick=None,
):
    """Train a U-Net to segment the chambers of one view.

    Args:
        images: [n, R, R] uint8.
        masks: [n, R, R] uint8, labels as `frames.LABELS`; labels not asked for are background.
        labels_present: length n, the label numbers annotated in each frame.
        labels: label numbers to segment, without background.
        steps: optimiser steps; the same number for every arm makes arms comparable.
        batch: frames a step; every frame is shown once before one is shown again.
        seed: of initial weights, order and augmentation; arms with one seed start alike.
        width: channels of the first level.
        validation: None, or (images, masks, labels_present) of held-out patients of the same role;
            then the weights of the tick with the best mean Dice on them are returned, out of the
            second half of the steps: before, the learning rate is too high for good weights.
        on_tick: None, or a function that receives about 20 times a dict with `step`, `loss` (mean
            since the tick before), `learning_rate`, `frames_per_s` and, with validation,
            `validation_dice`.

    Returns:
        TrainedUNet. On one machine and number of threads the same call returns the same bytes.

    Raises:
        ValueError: no frames, shapes or labels that do not fit, steps or batch below 1, or a loss
            that is not finite.

    Choice: AdamW with one cycle of the learning rate up to 5e-3, which converges in the few hundred
    steps that the quick study can spend.
    """
    _check(images, masks, steps, batch)
    device = best_device()
    annotated = annotated_labels(masks, labels_present, labels)
    _check_every_label_is_taught(labels, annotated)
    annotated = torch.from_numpy(annotated).to(device)
    target = torch.from_numpy(channel_of(labels)[masks])
    frames = torch.from_numpy(images)
    network = _initial_network(labels, width, seed).to(device)
    model = TrainedUNet(network, tuple(labels), width, images.shape[-1])
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY, fused=True)
    schedule = OneCycleLR(optimiser, PEAK_LEARNING_RATE, total_steps=steps + 1)
    randomness = torch.Generator(device).manual_seed(seed)
    progress = _Progress(model, steps, batch, validation, on_tick)
    for step, rows in enumerate(_batches(len(images), steps, batch, seed), start=1):
        grey = frames[rows, None].to(device).float() / 255
        classes = target[rows, None].to(device).long()
        grey, classes = augment(grey, classes, 1 + len(labels), randomness)
        with mixed_precision(device):
            logits = network(standardise(grey))
        loss = partial_dice_ce(logits.float(), classes, annotated[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        progress.add(step, loss, schedule.get_last_lr()[0])
    progress.restore_best()
    return model


def _check(images, masks, steps, batch):
    for name, pixels in (("images", images), ("masks", masks)):
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[1] != pixels.shape[2]:
            raise ValueError(f"{name}: {pixels.dtype} {pixels.shape}, expected uint8 [n, R, R]")
    if len(images) == 0 or images.shape != masks.shape:
        raise ValueError(f"images {images.shape} and masks {masks.shape}: give n > 0 pairs")
    if images.shape[1] % MULTIPLE:
        raise ValueError(f"images: side {images.shape[1]}, must divide by {MULTIPLE}")
    for name, value in (("steps", steps), ("batch", batch)):
        if value < 1:
            raise ValueError(f"{name}: {value}, must be at least 1")


def _check_every_label_is_taught(labels, annotated):
    missing = [k for k, taught in zip(labels, annotated.any(axis=0), strict=True) if not taught]
    if missing:
        raise ValueError(f"labels: {missing} annotated in no frame; leave them out")


def _initial_network(labels, width, seed):
    """Network with weights drawn by seed; the caller's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_unet(labels, width).train()


def _batches(count, steps, batch, seed):
    """Rows of each step: the frames in random order, again and again."""
    order = np.random.default_rng([seed, zlib.crc32(b"unet batches")])
    waiting = np.empty(0, np.int64)
    for _ in range(steps):
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, order.permutation(count)])
        yield torch.from_numpy(waiting[:batch])
        waiting = waiting[batch:]


class _Progress:
    """Reports ticks and remembers the best weights on validation frames."""

    def __init__(self, model, steps, batch, validation, on_tick):
        self.model, self.steps, self.batch = model, steps, batch
        self.validation, self.on_tick = validation, on_tick
        self.every = max(1, steps // TICKS)
        self.losses = []
        self.best_dice, self.best_weights = -1.0, None
        self.started = time.perf_counter()

    def add(self, step, loss, learning_rate):
        self.losses.append(loss.detach())
        if step % self.every and step < self.steps:
            return
        seconds = time.perf_counter() - self.started
        tick = {
            "step": step,
            "loss": float(torch.stack(self.losses).mean()),
            "learning_rate": learning_rate,
            "frames_per_s": len(self.losses) * self.batch / seconds,
        }
        if not np.isfinite(tick["loss"]):
            raise ValueError(f"loss: {tick['loss']} at step {step}; lower batch or check images")
        if self.validation is not None and 2 * step > self.steps:
            tick["validation_dice"] = self._validate()
        if self.on_tick is not None:
            self.on_tick(tick)
        self.losses = []
        self.started = time.perf_counter()

    def _validate(self):
        dice = mean_dice(self.model, *self.validation)
        if dice > self.best_dice:
            weights = self.model.network.state_dict()
            self.best_dice = dice
            self.best_weights = {name: value.clone() for name, value in weights.items()}
        return dice

    def restore_best(self):
        if self.best_weights is not None:
            self.model.network.load_state_dict(self.best_weights)
