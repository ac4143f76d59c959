"""The comparison itself: train every arm alike, score each on the external patients."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cmrkit.unet.draws import draw_frames, draw_patients, hold_out
from cmrkit.unet.evaluation import score_frames, segment
from cmrkit.unet.network import save_unet
from cmrkit.unet.training import train_unet

VALIDATION_FRAMES = 64
_DRAW = {"frames": draw_frames, "patients": draw_patients}


@dataclass(frozen=True)
class Terms:
    """What every U-Net of a comparison shares.

    Attributes:
        steps, batch, width: as in `train_unet`.
        validation_share: share of an arm's own patients (or synthetic frames) set aside to choose
            weights on, at least one; 0 keeps the last weights.
    """

    steps: int
    batch: int
    width: int
    validation_share: float = 0.0


def train_arm(data, labels, terms, seed, about, on_tick=None):
    """Train the U-Net of one arm.

    Args:
        data: `Part` of one view that the arm learns from, the frames set aside among them.
        labels: label numbers to segment.
        terms: `Terms`, the same for every arm.
        seed: runs with one seed start from the same weights.
        about: dict, kept with the weights and added to every tick, e.g. view and arm.
        on_tick: None, or a function that receives the ticks of `train_unet`.

    Returns:
        TrainedUNet.

    Choice: weights are chosen on at most 64 of the frames set aside, drawn by seed, since synthetic
    frames are many and to look at all of them would take as long as the training.
    """
    validation = None
    if terms.validation_share:
        data, aside = hold_out(data, terms.validation_share, seed)
        aside = draw_frames(aside, min(VALIDATION_FRAMES, len(aside.frames)), seed).load()
        validation = aside.images, aside.masks, aside.frames["labels_present"]
    data = data.load()
    model = train_unet(
        data.images,
        data.masks,
        data.frames["labels_present"],
        labels,
        steps=terms.steps,
        batch=terms.batch,
        width=terms.width,
        seed=seed,
        validation=validation,
        on_tick=on_tick and (lambda tick: on_tick(about | {"unet_seed": seed} | tick)),
    )
    about = about | {"unet_seed": seed, "frames": len(data.frames)} | asdict(terms)
    return replace(model, about=about)


def train_teacher(data, labels, terms, *, seed, folder, on_tick=None):
    """Train the U-Net that labels synthetic frames, on the annotated frames of the GAN role.

    Args:
        data: `Part` of the role `gan`, one view.
        labels, terms, seed, on_tick: as in `train_arm`.
        folder: where its weights go, as `<view>_teacher_<seed>.safetensors`.

    Returns:
        TrainedUNet.
    """
    view = data.frames["view"].iloc[0]
    teacher = train_arm(data, labels, terms, seed, {"view": view, "arm": "teacher"}, on_tick)
    save_unet(teacher, Path(folder) / f"{view}_teacher_{seed}.safetensors")
    return teacher


def compare_arms(sets, external, labels, terms, *, seeds, folder, on_tick=None):
    """Train one U-Net an arm and seed, and score it on the external patients of the view.

    Args:
        sets: dict from arm to `Part`, all of one view.
        external: `Part` of the role `external`, same view.
        labels: label numbers to segment, annotated in every arm.
        terms, on_tick: as in `train_arm`.
        seeds: one training run an arm each.
        folder: where weights go, as `<view>_<arm>_<seed>.safetensors`.

    Returns:
        scores: table of `score_frames` with `arm` and `seed`, one row a frame, arm, seed and label.
        masks: dict from (arm, seed) to [n, R, R] uint8, drawn into the external frames.
    """
    view = external.frames["view"].iloc[0]
    tables, masks = [], {}
    for arm, data in sets.items():
        for seed in seeds:
            model = train_arm(data, labels, terms, seed, {"view": view, "arm": arm}, on_tick)
            save_unet(model, Path(folder) / f"{view}_{arm}_{seed}.safetensors")
            masks[arm, seed], table = _score(model, external)
            tables.append(table.assign(arm=arm, seed=seed))
    return pd.concat(tables, ignore_index=True), masks


def _score(model, external):
    masks = segment(model, external.images)
    return masks, score_frames(external.masks, masks, external.frames, model.labels)


def dose_steps(least, most, factor):
    """Doses from least to most, each about `factor` times the one before.

    >>> dose_steps(5, 42, 2)
    [5, 10, 21, 42]
    """
    if most <= least:
        return [most]
    count = max(1, round(np.log(most / least) / np.log(factor)))
    return [round(dose) for dose in np.geomspace(least, most, count + 1)]


def dose_response(arm, data, external, labels, terms, *, doses, unit, seeds, on_tick=None):
    """Scores on the external patients against the amount of training material.

    A smaller dose is part of a larger one of the same seed, and every dose trains for the same
    number of steps, so that only the variety of the frames differs. What is set aside to choose
    weights on belongs to the dose.

    Args:
        arm: name of the arm.
        data: `Part` of the arm, from which doses are drawn.
        external, labels, terms, seeds, on_tick: as in `compare_arms`.
        doses: numbers of frames or patients.
        unit: `frames` or `patients`.

    Returns:
        score table with `arm`, `seed`, `dose`, `unit` and `frames` (labelled frames of the dose).

    Raises:
        ValueError: unknown unit, or a dose larger than the data.
    """
    if unit not in _DRAW:
        raise ValueError(f"unit: {unit!r}; use {' or '.join(_DRAW)}")
    about = {"view": external.frames["view"].iloc[0], "arm": arm}
    tables = []
    for dose in doses:
        for seed in seeds:
            part = _DRAW[unit](data, dose, seed)
            model = train_arm(part, labels, terms, seed, about | {"dose": dose}, on_tick)
            _, table = _score(model, external)
            table = table.assign(arm=arm, seed=seed, dose=dose, unit=unit)
            tables.append(table.assign(frames=len(part.frames)))
    return pd.concat(tables, ignore_index=True)


def dose_curves(patients, synthetic, external, labels, terms, *, seeds, on_tick=None):
    """Both dose curves of a view: synthetic frames from 100 up, and patients from 5 up.

    Args:
        patients, synthetic, external: `Part` of one view.
        labels, terms, seeds, on_tick: as in `compare_arms`.

    Returns:
        tables of `dose_response` as one.
    """
    most = patients.frames["patient_id"].nunique(), len(synthetic.frames)
    curves = (
        ("patient", patients, "patients", dose_steps(5, most[0], 2)),
        ("synthetic", synthetic, "frames", dose_steps(100, most[1], 10**0.5)),
    )
    tables = [
        dose_response(
            arm, data, external, labels, terms, doses=doses, unit=unit, seeds=seeds,
            on_tick=on_tick,
        )
        for arm, data, unit, doses in curves
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def dose_summary(scores, metric="dice"):
    """Median score over patients of each dose, with quartiles.

    Args:
        scores: table of `dose_response`, of one or more arms.
        metric: column to summarise.

    Returns:
        DataFrame `view, arm, unit, dose, frames, score, low, high`. A patient's score is the mean
        over labels of the mean over frames and seeds, as in Figure 6 and Table 1; `frames` is the
        mean number of training frames.
    """
    keys = ["view", "arm", "unit", "dose"]
    chambers = scores.groupby([*keys, "patient_id", "label"], sort=True)[metric].mean()
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
