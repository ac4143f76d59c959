"""Scores of two arms on the same frames, paired by frame and training seed."""

import numpy as np
import pandas as pd

from cmrkit.cohort.frames import VIEWS
from cmrkit.stats.scores import CHAMBERS, METRICS

LEVELS = ("patient", "frame")
_EMPTY_TRUTH = {  # score of a chamber drawn where there is none, and of one rightly left out
    "dice": (0, 1),
    "percent_variation": (1, 0),
}


def chambers(scores, arm, reference):
    """Views and labels that either arm was scored on, in the order of the frame table."""
    scored = scores[scores["arm"].isin((arm, reference))]
    found = set(zip(scored["view"], scored["label"], strict=True))
    return [(view, label) for view in VIEWS for label in CHAMBERS if (view, label) in found]


def count_rightly_empty(scores, metric):
    """Give masks that are rightly empty a perfect score where another invents the chamber.

    Args:
        scores: rows of the arms that are compared, see `stats.scores`.
        metric: one of `METRICS`.

    Returns:
        the scores; Dice 1 and percent variation 0 instead of NaN in every frame without the
        chamber in which an arm draws it, under any seed. Such a frame is one whose defined scores
        are all those of an invented chamber (Dice 0, percent variation 1), since a score is NaN
        where both masks are empty.

    Choice: left undefined, the pair would be dropped, and an arm could invent chambers everywhere
    unpunished. A frame in which no arm draws the chamber stays undefined: there no overlap exists,
    and counting it as perfect would flatter both. Area errors and distances stay undefined.
    """
    if metric not in _EMPTY_TRUTH:
        return scores
    invented, perfect = _EMPTY_TRUTH[metric]
    frames = scores.groupby(["view", "label", "frame_id"])[metric]
    without = (frames.transform("min") == invented) & (frames.transform("max") == invented)
    rightly = without & scores[metric].isna()
    return scores.assign(**{metric: scores[metric].mask(rightly, perfect)})


def pair_scores(scores, arm, reference, metric):
    """Put two arms' scores of one metric side by side.

    Args:
        scores: score table, see `stats.scores`.
        arm: the arm that is judged, e.g. `synthetic`.
        reference: the arm it is compared with, e.g. `patient`.
        metric: one of `METRICS`.

    Returns:
        DataFrame `view, label, patient_id, frame_id, seed, arm, reference`, one row a frame, seed
        and label that both arms were scored on; `arm` and `reference` hold the scores, NaN where
        not defined, and of a score that can be negative (relative area error) the size. A chamber
        that is rightly left out counts as `count_rightly_empty` says. A label that one arm never
        scored has no rows.

    Raises:
        ValueError: an arm or metric is not in the table, the arms have different seeds, or one arm
            lacks frames of a label.

    Choice: an arm that lacks frames is refused rather than cut to the common ones, since the
    missing frames are seldom a random part. A frame on which a score is not defined stays, as NaN.
    """
    if metric not in scores:
        raise ValueError(f"metric: {metric!r} is not a column of the score table; leave it out")
    arms = sorted(set(scores["arm"]))
    for name in (arm, reference):
        if name not in arms:
            raise ValueError(f"arm: {name!r} has no scores; the table has {', '.join(arms)}")
    if arm == reference:
        raise ValueError(f"arm: {arm!r} is also the reference; name two different arms")
    scores = count_rightly_empty(scores[scores["arm"].isin((arm, reference))], metric)
    if METRICS[metric].lowest < 0:
        scores = scores.assign(**{metric: scores[metric].abs()})
    keys = ["view", "label", "patient_id", "frame_id", "seed"]
    sides = {
        side: scores.loc[scores["arm"] == name, [*keys, metric]].rename(columns={metric: side})
        for side, name in (("arm", arm), ("reference", reference))
    }
    labels = {side: pd.MultiIndex.from_frame(t[["view", "label"]]) for side, t in sides.items()}
    shared = labels["arm"].intersection(labels["reference"])
    sides = {side: table[labels[side].isin(shared)] for side, table in sides.items()}
    pairs = sides["arm"].merge(sides["reference"], how="outer", on=keys, indicator="side")
    _check_same_frames(pairs, sides, arm, reference)
    return pairs.drop(columns="side").sort_values(keys, ignore_index=True)


def _check_same_frames(pairs, sides, arm, reference):
    seeds = [sorted(sides[side]["seed"].unique().tolist()) for side in ("arm", "reference")]
    if seeds[0] != seeds[1]:
        raise ValueError(
            f"seed: arm {arm!r} has {seeds[0]}, arm {reference!r} has {seeds[1]}; "
            "number the training seeds alike in both arms"
        )
    alone = pairs[pairs["side"] != "both"]
    if len(alone):
        row = alone.iloc[0]
        lacking = reference if row.side == "left_only" else arm
        raise ValueError(
            f"arm: {lacking!r} lacks {len(alone)} scores that the other arm has, e.g. {row.label} "
            f"of frame {row.frame_id!r}, seed {row.seed}; score the same frames in both arms and "
            "write NaN where a score is not defined"
        )


def units(pairs, level):
    """Average pairs over seeds, and over a patient's frames, to the units of analysis.

    Args:
        pairs: rows of one view and label, see `pair_scores`.
        level: `patient` or `frame`.

    Returns:
        DataFrame `patient_id, arm, reference, difference, frames`, one row a unit; pairs with an
        undefined score on either side are left out.

    Choice: means, not medians, so that the mean of differences is the difference of means.
    """
    defined = pairs.dropna(subset=["arm", "reference"])
    frames = defined.groupby(["patient_id", "frame_id"], as_index=False)[["arm", "reference"]]
    table = frames.mean().assign(frames=1)
    if level == "patient":
        grouped = table.groupby("patient_id", as_index=False)
        table = grouped.agg(
            arm=("arm", "mean"), reference=("reference", "mean"), frames=("frames", "sum")
        )
    # Sums of the same numbers in another order differ in the last bits, which is no difference.
    difference = np.round(table["arm"] - table["reference"], 12)
    table = pd.DataFrame(table).assign(difference=difference)
    return table[["patient_id", "arm", "reference", "difference", "frames"]]
