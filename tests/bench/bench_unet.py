"""Print how well the comparison U-Net segments real patients whom it has not seen.

Run alone on the machine: `python tests/bench/bench_unet.py > reports/bench/unet.md`. The network
learns from children of Children's Hospital Los Angeles, all but one fold of them, is scored on that
fold, and on adults of Sunnybrook, another centre and vendor; so with every fold in turn. Its
weights are those of the last step: nobody whom it is scored on chooses them.
"""

import argparse
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from bench_pggan import machine

from cmrkit.cohort.frames import LABELS
from cmrkit.paths import REPOSITORY
from cmrkit.phantom.beside_real import real_frames
from cmrkit.provenance import commit
from cmrkit.unet.comparison import Terms, train_arm
from cmrkit.unet.evaluation import overlap, segment
from cmrkit.unet.labels import annotated_labels
from cmrkit.unet.transfer import ASSUMED_SPACING_MM, BATCH

DATA = REPOSITORY.parent / "shared" / "data"
CHAMBERS = (1, 3)  # LV and RV cavity; these sets annotate no myocardium


def folds(data, count, seed):
    """[n] the fold of every frame: patients are drawn, never frames."""
    patients = np.sort(data.frames["patient_id"].unique())
    drawn = np.random.default_rng(seed).permutation(len(patients)) % count
    return data.frames["patient_id"].map(dict(zip(patients, drawn, strict=True))).to_numpy()


def patient_dice(model, data):
    """Dice of every patient and chamber: `all_pixels` as one volume, `median_frame`, `mean_frame`.

    Frames where chamber and prediction are both empty do not count; a missed chamber counts 0.
    """
    predicted = segment(model, data.images)
    both, truth, drawn = overlap(data.masks, predicted, CHAMBERS)
    annotated = annotated_labels(data.masks, data.frames["labels_present"], CHAMBERS)
    rows, k = np.nonzero(annotated & (truth + drawn > 0))
    table = pd.DataFrame(
        {
            "patient_id": data.frames["patient_id"].to_numpy()[rows],
            "chamber": [LABELS[CHAMBERS[i]] for i in k],
            "both": both[rows, k],
            "area": (truth + drawn)[rows, k],
        }
    ).assign(dice=lambda t: 2 * t["both"] / t["area"])
    scores = table.groupby(["patient_id", "chamber"]).agg(
        both=("both", "sum"), area=("area", "sum"),
        median_frame=("dice", "median"), mean_frame=("dice", "mean"),
    )  # fmt: skip
    return scores.assign(all_pixels=2 * scores["both"] / scores["area"]).reset_index()


def cross_validate(data, external, terms, count, seed):
    """Train on all folds but one, in turn.

    Returns:
        table of `patient_dice` with `data_set`, and minutes a training.
    """
    of = folds(data, count, seed)
    tables, minutes = [], []
    for fold in range(count):
        began = time.perf_counter()
        model = train_arm(data.take(np.flatnonzero(of != fold)), CHAMBERS, terms, seed, {})
        minutes.append((time.perf_counter() - began) / 60)
        held_out = data.take(np.flatnonzero(of == fold)).load()
        for name, part in (("CHLA", held_out), ("Sunnybrook", external)):
            tables.append(patient_dice(model, part).assign(data_set=name))
    return pd.concat(tables, ignore_index=True), minutes


def show(scores):
    """Print the medians over patients; a patient whom several networks saw counts with the mean."""
    print("| data set | chamber | patients | all pixels | median frame | mean frame |")
    print("|---|---|---|---|---|---|")
    measures = ["all_pixels", "median_frame", "mean_frame"]
    patients = scores.groupby(["data_set", "chamber", "patient_id"])[measures].mean()
    for (data_set, chamber), table in patients.groupby(["data_set", "chamber"]):
        shown = " | ".join(
            f"{q[0.5]:.3f} ({q[0.25]:.3f} to {q[0.75]:.3f})"
            for q in (table[measure].quantile([0.25, 0.5, 0.75]) for measure in measures)
        )
        print(f"| {data_set} | {chamber} | {len(table)} | {shown} |")


def main():
    """Read the options, train, score, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chla", type=Path, default=DATA / "chla_chd")
    parser.add_argument("--sunnybrook", type=Path, default=DATA / "sunnybrook_png")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--fov-mm", type=float, default=220.0)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for folder in (given.chla, given.sunnybrook):
        if not folder.is_dir():
            print(f"{folder}: no such folder; name the data with --chla and --sunnybrook")
            return
    children, adults = (
        real_frames(name, folder, given.resolution, given.fov_mm, ASSUMED_SPACING_MM)
        for name, folder in (("chla", given.chla), ("sunnybrook", given.sunnybrook))
    )
    terms = Terms(given.steps, batch=BATCH, width=given.width)
    scores, minutes = cross_validate(children, adults, terms, given.folds, given.seed)
    print("# The comparison U-Net on real patients\n")
    print(f"{date.today()}, commit {commit()}; {machine()}\n")
    print(
        f"{given.resolution} x {given.resolution} pixels of {given.fov_mm:g} mm, width "
        f"{given.width}, {given.steps} steps of {BATCH} frames, {given.folds} folds; "
        f"{np.median(minutes):.1f} minutes a training (median). Dice: median over patients "
        "(quartiles).\n"
    )
    show(scores)


if __name__ == "__main__":
    main()
