"""The comparison itself: train every arm alike, score each on the external patients."""

from pathlib import Path

import numpy as np
import pandas as pd

from cmrkit.unet.arms import draw_frames, draw_patients, hold_out
from cmrkit.unet.evaluation import score_frames, segment
from cmrkit.unet.network import TrainedUNet, save_unet
from cmrkit.unet.training import train_unet

DRAW = {"frames": draw_frames, "patients": draw_patients}


def compare_arms(
    sets,
    external,
    labels,
    *,
    seeds,
    steps,
    batch,
    width,
    folder,
    validation_share=0.0,
    on_tick=None,
):
    """Train one U-Net an arm and seed, and score it on the external patients of the view.

    Args:
        sets: dict from arm to `Part`, all of one view.
        external: `Part` of the role `external`, same view.
        labels: label numbers to segment, annotated in every arm.
        seeds: one training run an arm each; runs with one seed start from the same weights.
        steps, batch, width: as in `train_unet`, the same for every arm.
        folder: where weights go, as `<view>_<arm>_<seed>.safetensors`.
        validation_share: share of each arm's own patients (or synthetic frames) set aside to choose
            weights on; 0 keeps the last weights.
        on_tick: None, or a function that receives the ticks of `train_unet` with `view`, `arm` and
            `unet_seed`.

    Returns:
        scores: table of `score_frames` with `arm` and `seed`, one row a frame, arm, seed and label.
        masks: dict from (arm, seed) to [n, R, R] uint8, drawn into the external frames.
    """
    view = external.frames["view"].iloc[0]
    tables, masks = [], {}
    for arm, data in sets.items():
        for seed in seeds:
            key = {"view": view, "arm": arm, "unet_seed": seed}
            model = _train(data, labels, seed, steps, batch, width, validation_share, on_tick, key)
            save_unet(model, Path(folder) / f"{view}_{arm}_{seed}.safetensors")
            masks[arm, seed], table = _score(model, external)
            tables.append(table.assign(arm=arm, seed=seed))
    return pd.concat(tables, ignore_index=True), masks


def _train(data, labels, seed, steps, batch, width, validation_share, on_tick, key):
    validation = None
    if validation_share:
        data, aside = hold_out(data, validation_share, seed)
        validation = aside.images, aside.masks, aside.frames["labels_present"]
    model = train_unet(
        data.images,
        data.masks,
        data.frames["labels_present"],
        labels,
        steps=steps,
        batch=batch,
        seed=seed,
        width=width,
        validation=validation,
        on_tick=on_tick and (lambda tick: on_tick(key | tick)),
    )
    about = key | {"frames": len(data.frames), "steps": steps, "batch": batch}
    return TrainedUNet(model.network, model.labels, model.width, model.resolution, about)


def _score(model, external):
    masks = segment(model, external.images)
    return masks, score_frames(external.masks, masks, external.frames, model.labels)


def dose_response(
    arm, data, external, labels, *, doses, unit, seeds, steps, batch, width, on_tick=None
):
    """Scores on the external patients against the amount of training material.

    A smaller dose is part of a larger one of the same seed, and every dose trains for the same
    number of steps, so that only the variety of the frames differs.

    Args:
        arm: name of the arm.
        data: `Part` of the arm, from which doses are drawn.
        external, labels, seeds, steps, batch, width, on_tick: as in `compare_arms`.
        doses: numbers of frames or patients.
        unit: `frames` or `patients`.

    Returns:
        score table with `arm`, `seed`, `dose`, `unit` and `frames` (training frames of the dose).

    Raises:
        ValueError: unknown unit, or a dose larger than the data.
    """
    if unit not in DRAW:
        raise ValueError(f"unit: {unit!r}; use {' or '.join(DRAW)}")
    view = external.frames["view"].iloc[0]
    tables = []
    for dose in doses:
        for seed in seeds:
            part = DRAW[unit](data, dose, seed)
            key = {"view": view, "arm": arm, "unet_seed": seed, "dose": dose}
            model = _train(part, labels, seed, steps, batch, width, 0.0, on_tick, key)
            _, table = _score(model, external)
            columns = {
                "arm": arm,
                "seed": seed,
                "dose": dose,
                "unit": unit,
                "frames": len(part.frames),
            }
            tables.append(table.assign(**columns))
    return pd.concat(tables, ignore_index=True)


def dose_summary(scores, metric="dice"):
    """Median score over patients of each dose, with quartiles.

    Args:
        scores: table of `dose_response`, of one or more arms.
        metric: column to summarise.

    Returns:
        DataFrame `view, arm, unit, dose, frames, score, low, high`. A patient's score is the mean
        over labels of the median over frames and seeds; `frames` is the mean number of training
        frames.
    """
    keys = ["view", "arm", "unit", "dose"]
    chambers = scores.groupby([*keys, "patient_id", "label"], sort=True)[metric].median()
    patients = chambers.groupby([*keys, "patient_id"], sort=True).mean()
    summary = patients.groupby(keys, sort=True).agg(
        score="median", low=lambda x: x.quantile(0.25), high=lambda x: x.quantile(0.75)
    )
    frames = scores.groupby(keys, sort=True)["frames"].mean()
    return summary.assign(frames=frames).reset_index()[[*keys, "frames", "score", "low", "high"]]


def worth_in_frames(summary):
    """How many synthetic frames train as well as a given number of patients.

    Args:
        summary: table of `dose_summary` with the arm `patient` in patients and the arm `synthetic`
            in frames.

    Returns:
        DataFrame `view, patients, score, synthetic_frames`: interpolated on the logarithm of the
        number of frames; NaN where the largest dose does not reach the score. A score reached by
        the smallest dose already gives that dose.

    Choice: a larger dose never counts for less than a smaller one (running maximum), because a
    curve of few runs is not monotone by chance.
    """
    rows = []
    for view, table in summary.groupby("view", sort=True):
        synthetic = table[(table["arm"] == "synthetic") & (table["unit"] == "frames")]
        patients = table[(table["arm"] == "patient") & (table["unit"] == "patients")]
        synthetic = synthetic.sort_values("dose")
        reached, first = np.unique(np.maximum.accumulate(synthetic["score"]), return_index=True)
        exponents = np.log10(synthetic["dose"].to_numpy(float)[first])
        for dose, score in zip(patients["dose"], patients["score"], strict=True):
            frames = 10 ** np.interp(score, reached, exponents, right=np.nan)
            rows.append((view, dose, score, frames))
    return pd.DataFrame(rows, columns=["view", "patients", "score", "synthetic_frames"])
