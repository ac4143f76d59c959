"""Simulated score tables: known effects for teaching and tests, never a measurement.

python -m cmrkit.stats.simulate reports/reference/example_scores.csv
"""

import sys
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from cmrkit.stats.scores import METRICS
from cmrkit.stats.signed_rank import EXACT_UP_TO

_PHASES = {"ed": (True, False), "es": (False, True), "mid": (False, False)}

# view, label, usual Dice, shift of the synthetic arm, its SD between patients
_EXAMPLE = [
    ("4ch", "LV", 0.955, -0.0060, 0.004),
    ("4ch", "RV", 0.940, -0.0200, 0.010),
    ("4ch", "RA", 0.945, 0.0005, 0.003),
    ("sax", "LV", 0.960, -0.0010, 0.004),
    ("sax", "LV myocardium", 0.870, 0.0120, 0.008),
    ("sax", "RV", 0.920, -0.0060, 0.025),
]


def clustered_differences(rng, patients, frames, icc, shift=0.0, deviation=0.01):
    """Draw paired differences of frames within patients, normal at both levels.

    Args:
        rng: numpy Generator.
        patients: number of patients; or a tuple that ends in it, for many studies at once.
        frames: frames a patient.
        icc: share of the variance that lies between patients, 0 to 1.
        shift: true shift between the arms.
        deviation: standard deviation of one frame's difference.

    Returns:
        [..., patients, frames] float.

    Raises:
        ValueError: icc is not in 0 to 1.
    """
    if not 0 <= icc <= 1:
        raise ValueError(f"icc: {icc:g} is outside 0 to 1; it is a share of the variance")
    shape = (*np.atleast_1d(patients), frames)
    between = rng.standard_normal((*shape[:-1], 1)) * np.sqrt(icc)
    within = rng.standard_normal(shape) * np.sqrt(1 - icc)
    return shift + deviation * (between + within)


def false_alarms(frames_a_patient, patients=24, icc=0.3, studies=2000, alpha=0.05, seed=1):
    """How often the signed-rank test sees a difference where there is none.

    Args:
        frames_a_patient: numbers of frames to try.
        patients: patients in each study.
        icc: see `clustered_differences`; of the user's own scores, from `stats.comparison`.
        studies: simulated studies a row.
        alpha: level of the test.
        seed: seed of the simulation.

    Returns:
        DataFrame `frames_a_patient, level, patients, icc, studies, rate, low, high, alpha`; `low`
        and `high` are the exact 95 % interval of the rate from the number of simulated studies.
    """
    rows = []
    for frames in frames_a_patient:
        rng = np.random.default_rng([seed, frames])
        differences = clustered_differences(rng, (studies, patients), frames, icc)
        samples = {"patient": differences.mean(-1), "frame": differences.reshape(studies, -1)}
        for level, sample in samples.items():
            # Of an ICC of 1, frames are ties, and scipy would try all their sign changes: minutes.
            method = "exact" if sample.shape[-1] <= EXACT_UP_TO else "asymptotic"
            p = stats.wilcoxon(sample, axis=-1, correction=True, method=method).pvalue
            hits = int(np.sum(p < alpha))
            interval = stats.binomtest(hits, studies).proportion_ci()
            row = {"frames_a_patient": frames, "level": level, "patients": patients, "icc": icc}
            row |= {"studies": studies, "rate": hits / studies, "low": interval.low}
            rows.append(row | {"high": interval.high, "alpha": alpha})
    return pd.DataFrame(rows)


def example_scores(patients=20, seeds=(1, 2), seed=1):
    """Simulate a score table in which each of the four verdicts occurs.

    Patients and their scores are simulated: no frame was segmented. Each chamber has a usual Dice,
    easier and harder patients and frames, and a shift of the synthetic arm whose size differs from
    patient to patient. Two frames have an empty mask, to show the rule: scored 0 where one mask is
    empty, NaN where both are.

    Args:
        patients: simulated patients.
        seeds: training seeds of the U-Nets.
        seed: seed of the simulation.

    Returns:
        DataFrame as `stats.scores.read_scores` asks for, three frames a patient and view.
    """
    tables = []
    for view, label, usual, shift, deviation in _EXAMPLE:
        rng = np.random.default_rng([seed, zlib.crc32(f"{view} {label}".encode())])
        shape = (patients, len(_PHASES), len(seeds))
        hardness = rng.normal(0, 0.30, (patients, 1, 1)) + rng.normal(0, 0.2, (*shape[:2], 1))
        loss = (1 - usual) * np.exp(hardness + rng.normal(0, 0.05, shape))
        effect = rng.normal(shift, deviation, (patients, 1, 1)) + rng.normal(0, 0.1, shape) * loss
        tables.append(_score_rows(view, label, "patient", seeds, 1 - loss, rng))
        tables.append(_score_rows(view, label, "synthetic", seeds, 1 - loss + effect, rng))
    return _empty_masks(pd.concat(tables, ignore_index=True))


def _score_rows(view, label, arm, seeds, dice, rng):
    """Rows of one view, label and arm from dice [patients, phases, seeds]; other scores follow."""
    dice = np.clip(dice, 0.3, 0.999)
    side = rng.uniform(-1, 1, dice.shape)
    surface = 18 * (1 - dice) * np.exp(rng.normal(0, 0.15, dice.shape))
    rows = []
    for (patient, phase, index), score in np.ndenumerate(dice):
        name, (is_ed, is_es) = list(_PHASES.items())[phase]
        place = (patient, phase, index)
        rows.append(
            {
                "frame_id": f"example-{patient + 1:02d}-{view}-{name}",
                "patient_id": f"example-{patient + 1:02d}",
                "view": view,
                "is_ed": is_ed,
                "is_es": is_es,
                "arm": arm,
                "seed": seeds[index],
                "label": label,
                "dice": round(float(score), 4),
                "percent_variation": round(1 - round(float(score), 4), 4),
                "relative_area_error": round(float(side[place] * 1.5 * (1 - score)), 4),
                "hd95_mm": round(float(3.2 * surface[place]), 2),
                "asd_mm": round(float(surface[place]), 2),
                "empty": "none",
            }
        )
    return pd.DataFrame(rows)


def _empty_masks(scores):
    """Empty the RA in two frames: missed by the synthetic arm in one, not in view in the other."""
    everything = list(METRICS)
    ra = scores["label"] == "RA"
    missed = ra & (scores["arm"] == "synthetic") & (scores["frame_id"] == "example-03-4ch-es")
    absent = ra & (scores["frame_id"] == "example-11-4ch-mid")
    scores.loc[missed, everything] = [0.0, 1.0, -1.0, np.nan, np.nan]
    scores.loc[missed, "empty"] = "prediction"
    scores.loc[absent, everything] = np.nan
    scores.loc[absent, "empty"] = "both"
    return scores


def main():
    """Write the kit's example scores to the CSV named on the command line."""
    path = Path(sys.argv[1])
    example_scores().to_csv(path, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
