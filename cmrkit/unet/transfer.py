"""How real do simulated frames look to a network that has seen nothing else?

A U-Net is trained on simulated short-axis frames alone and scored on real patients. Run it with

    python -m cmrkit.unet.transfer --chla <folder> --sunnybrook <folder>

It appends its numbers, with date and commit, to `reports/simulation/transfer.csv`.
"""

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from cmrkit.cohort.build import build_cohort
from cmrkit.cohort.part import join, load_part
from cmrkit.paths import moved_into_place
from cmrkit.phantom.beside_real import SIMULATION, real_frames
from cmrkit.phantom.cohort import SimulatedCohort
from cmrkit.provenance import commit
from cmrkit.unet.evaluation import score_frames, segment
from cmrkit.unet.labels import common_labels
from cmrkit.unet.training import train_unet

TABLE = SIMULATION / "transfer.csv"
LABELS = 1, 2, 3  # the myocardium is learnt too, though no real set annotates it
PHASES = 3  # end-diastole, end-systole and filling; the real sets have the first two
SLICES = 7
FOV_MM = 170.0  # of the real frames
TRAINING_FOVS_MM = 135.0, 170.0, 215.0  # so that hearts of children and adults differ enough
SPREAD = 2.0  # hearts from small to failing, as in the real sets, not those of ToF alone
ASSUMED_SPACING_MM = 1.36  # Sunnybrook's PNGs state none; median of its DICOM headers
WIDTH = 16
BATCH = 16


def simulated_frames(folder, patients, resolution, seed, processes):
    """Short-axis frames of simulated hearts, base to apex, from every simulated site.

    Args:
        folder: where the cohort is written.
        patients: number of simulated patients, half of them imaged at the shifted sites.
        resolution: R, pixels a side.
        seed: of the cohort.
        processes: that render at the same time.

    Returns:
        `Part`.

    Choice: both groups of sites, since a network for unknown scanners should meet many; for the
    same reason three fields of view and a population twice as wide as that of ToF. Frames above the
    mitral valve are left out: nobody annotates them, and an atrium as background makes a network
    miss the thin-walled base of real left ventricles.
    """
    counts = {"gan": patients - patients // 2, "external": patients // 2}
    source = SimulatedCohort(
        seed, counts, ("sax",), phases=PHASES, sax_slices=SLICES, matrix=min(2 * resolution, 256),
        spread=SPREAD,
    )  # fmt: skip
    table = source.patients()
    parts = []
    for turn, fov_mm in enumerate(TRAINING_FOVS_MM):
        own = Path(folder) / f"{fov_mm:.0f}"
        build_cohort(
            [(source, table.iloc[turn :: len(TRAINING_FOVS_MM)])], own, resolution=resolution,
            fov_mm=fov_mm, views=("sax",), crop="motion", processes=processes,
        )  # fmt: skip
        parts.append(load_part(own, views=["sax"], annotated=True))
    frames = join(*parts)
    return frames.take((frames.masks == 1).any(axis=(1, 2)))


def score(model, data):
    """Dice on real frames, a row a chamber.

    Args:
        model: `network.TrainedUNet`.
        data: `Part`.

    Returns:
        DataFrame `chamber, patients, frames, dice` (mean over frames), `dice_patient` (mean over
        patients of the mean of their frames), `missed` (share of frames with nothing found).
        Frames where chamber and prediction are both empty do not count.
    """
    scores = score_frames(
        data.masks, segment(model, data.images), data.frames, common_labels(data)
    )  # fmt: skip
    scores = scores.dropna(subset="dice")
    rows = []
    for chamber, part in scores.groupby("label", sort=True):
        rows.append(
            {
                "chamber": chamber,
                "patients": part["patient_id"].nunique(),
                "frames": len(part),
                "dice": part["dice"].mean(),
                "dice_patient": part.groupby("patient_id")["dice"].mean().mean(),
                "missed": (part["empty"] == "prediction").mean(),
            }
        )
    return pd.DataFrame(rows)


def transfer(real, *, patients, resolution, steps, seed, processes=1, on_tick=None):
    """Train on simulated frames, score on real ones.

    Args:
        real: dict from name of a data set to its folder.
        patients, resolution, seed, processes: as in `simulated_frames`.
        steps: optimiser steps.
        on_tick: as in `train_unet`.

    Returns:
        DataFrame, a row a data set and chamber, see `score`.
    """
    tests = {
        name: real_frames(name, data, resolution, FOV_MM, ASSUMED_SPACING_MM)
        for name, data in real.items()
    }
    with TemporaryDirectory() as scratch:
        training = simulated_frames(Path(scratch), patients, resolution, seed, processes)
    model = train_unet(
        training.images, training.masks, training.frames["labels_present"], LABELS,
        steps=steps, batch=BATCH, seed=seed, width=WIDTH, on_tick=on_tick,
    )  # fmt: skip
    tables = [score(model, data).assign(data_set=name) for name, data in tests.items()]
    return pd.concat(tables, ignore_index=True).assign(simulated_frames=len(training.frames))


def main():
    """Train on simulated short-axis frames and score on the real data sets that are given."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("chla", "sunnybrook"):
        parser.add_argument(f"--{name}", help=f"folder of {name}")
    parser.add_argument("--patients", type=int, default=120, help="simulated patients")
    parser.add_argument("--resolution", type=int, default=64, help="pixels a side")
    parser.add_argument("--steps", type=int, default=800, help="optimiser steps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="that render at the same time")
    parser.add_argument("--note", default="", help="a word on what changed, kept in the table")
    given = vars(parser.parse_args())
    note = given.pop("note")
    real = {name: given.pop(name) for name in ("chla", "sunnybrook") if given[name]}
    given = {key: value for key, value in given.items() if key not in ("chla", "sunnybrook")}
    if not real:
        parser.error("no real frames; give --chla or --sunnybrook with the folder of the data set")
    started = time.perf_counter()
    table = transfer(real, **given, on_tick=print)
    minutes = (time.perf_counter() - started) / 60
    run = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": commit(), "note": note}
    run |= {"simulated_patients": given.pop("patients"), **given}
    print(table.to_string(float_format="%.3f"))
    append(table.assign(**run, minutes=minutes))


def append(table, path=TABLE):
    """Add rows to the table of all runs, moved into place when complete."""
    if path.exists():
        table = pd.concat([pd.read_csv(path), table], ignore_index=True)
    with moved_into_place(path) as draft:
        table.to_csv(draft, index=False, float_format="%.4g", lineterminator="\n")


if __name__ == "__main__":
    main()
