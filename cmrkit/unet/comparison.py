"""The comparison as a whole: train every arm in every view, and score it on external patients."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cmrkit.unet.arms import common_labels, load_frames, training_sets
from cmrkit.unet.evaluation import score_frames, segment
from cmrkit.unet.network import save_unet
from cmrkit.unet.training import train_unet


@dataclass(frozen=True)
class Protocol:
    """What is the same for every arm.

    Attributes:
        arms: names out of `arms.ARMS`.
        seeds: one U-Net an arm and view is trained from each.
        steps: optimiser steps.
        batch: frames a step.
        width: channels of the first level.
    """

    arms: list[str]
    seeds: list[int]
    steps: int
    batch: int
    width: int


def compare_arms(cohort, synthetic, folder, views, protocol, on_trained=None):
    """Train each arm's U-Nets and score them on the external patients.

    Args:
        cohort: folder of the patients; role `unet` trains, role `external` is scored.
        synthetic: folder of the synthetic cohort.
        folder: where the weights go, as `<view>_<arm>_<seed>.safetensors`.
        views: views to compare, a U-Net each.
        protocol: Protocol.
        on_trained: None, or called with a dict `view, arm, seed, frames, loss` after each training.

    Returns:
        score table, one row a frame, arm, seed and label: the columns of
        `evaluation.score_frames` with `arm` and `seed`.

    Raises:
        ValueError: a role has no annotated frame of a view, or no label is common to all arms.
    """
    tables = []
    for view in views:
        patients = load_frames(cohort, view, "unet")
        external = load_frames(cohort, view, "external")
        made = load_frames(synthetic, view)
        labels = common_labels(patients, made)
        if not labels:
            raise ValueError(f"{synthetic}: no label of view {view!r} is annotated in every arm")
        sets = training_sets(protocol.arms, patients, made, seed=protocol.seeds[0])
        for arm, data in sets.items():
            for seed in protocol.seeds:
                model, loss = _train(data, labels, protocol, seed)
                save_unet(model, Path(folder) / f"{view}_{arm}_{seed}.safetensors")
                if on_trained:
                    on_trained(
                        {"view": view, "arm": arm, "seed": seed, "frames": len(data), "loss": loss}
                    )
                predicted = segment(model, external.images)
                scores = score_frames(external.masks, predicted, external.frames, labels)
                tables.append(scores.assign(arm=arm, seed=seed))
    return pd.concat(tables, ignore_index=True)


def _train(data, labels, protocol, seed):
    """One U-Net, and the loss at its end."""
    ticks = []
    model = train_unet(
        data.images, data.masks, data.frames["labels_present"], labels,
        steps=protocol.steps, batch=protocol.batch, seed=seed, width=protocol.width,
        on_tick=ticks.append,
    )  # fmt: skip
    return model, ticks[-1]["loss"]
