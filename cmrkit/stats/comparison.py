"""Two arms compared: every view, chamber and metric, with patients and with frames as units."""

import zlib

import numpy as np
import pandas as pd

from cmrkit.stats.clusters import cluster_bootstrap, clustering, mixed_model_shift
from cmrkit.stats.pairs import LEVELS, chambers, pair_scores, units
from cmrkit.stats.scores import METRICS
from cmrkit.stats.signed_rank import (
    equivalence_p,
    hodges_lehmann,
    shift_interval,
    signed_rank_p,
    smallest_margin,
)
from cmrkit.stats.verdict import decide, sentence

PUBLISHED_METRICS = ("dice", "percent_variation")


def compare(
    scores,
    arm="synthetic",
    reference="patient",
    metrics=None,
    margin=0.01,
    alpha=0.05,
    seed=1,
):
    """Judge one arm against another, chamber by chamber.

    Args:
        scores: score table, from `stats.scores.read_scores`.
        arm: the arm that is judged.
        reference: the arm that it is compared with.
        metrics: names from `METRICS`; None for those of the published table or, in a table without
            them, for all it has.
        margin: largest difference that does not matter in Dice and percent variation, > 0. Area
            errors and scores in mm have no margin here, and are never called equivalent.
        alpha: significance level, 0 to 0.5.
        seed: seed of the bootstrap.

    Returns:
        DataFrame, one row a level (`patient`, `frame`), metric, view and chamber:

        - `n_patients, n_frames, n_seeds`; `undefined`: pairs (frame and seed) left out because the
          score is not defined in at least one arm, `undefined_one_arm`: those where the other arm
          has one (a distance of a missed chamber);
        - `arm_median, arm_q25, arm_q75, reference_median, ...` over the units of the level;
        - `hl_shift, ci_low, ci_high`: arm less reference, Hodges-Lehmann, 1 - alpha interval;
        - `p, p_holm, holm_tests`: Wilcoxon signed-rank, Holm over the metric's rows of the level,
          and how many rows those are (see `stats.verdict.decide`);
        - `tost_p, smallest_margin, within_margin`, `equivalence_low, equivalence_high` (1 - 2 alpha
          interval): two one-sided tests;
        - `mean_shift, boot_low, boot_high`: mean over the level's units, patients resampled;
        - `mixed_shift, mixed_low, mixed_high`: mixed model over frames, patients and seeds, the
          same at both levels;
        - `icc, design_effect`: of the frames' differences within patients;
        - `verdict` (see `stats.verdict.decide`) and `sentence`.

        A chamber that one arm lacks has a row without numbers.

    Raises:
        ValueError: see `stats.pairs.pair_scores`; margin, alpha or a metric is not possible.
    """
    if metrics is None:
        known = [metric for metric in METRICS if metric in scores]
        metrics = [metric for metric in known if metric in PUBLISHED_METRICS] or known
    _check(metrics, margin, alpha)
    rows = []
    for metric in metrics:
        pairs = pair_scores(scores, arm, reference, metric)
        for view, label in chambers(scores, arm, reference):
            part = pairs[(pairs["view"] == view) & (pairs["label"] == label)]
            key = zlib.crc32(f"{arm} {reference} {metric} {view} {label}".encode())
            names = {"metric": metric, "view": view, "label": label}
            row_margin = margin if METRICS[metric].like_dice else np.nan
            rows += _rows(part, names, row_margin, alpha, np.random.default_rng([seed, key]))
    table = pd.DataFrame(rows).assign(arm=arm, reference=reference)
    table = table.sort_values("level", key=lambda c: c.map(LEVELS.index), kind="stable")
    table = decide(table.reset_index(drop=True), alpha)
    table["sentence"] = [sentence(row, alpha) for row in table.itertuples()]
    return table


def compare_others(scores, arm, reference, metrics, **rules):
    """Judge every arm of a table but `arm` against the reference, as far as that can be done.

    Args:
        scores, reference, metrics: see `compare`.
        arm: the arm that has been judged already.
        rules: margin, alpha and seed of `compare`.

    Returns:
        found: dict from arm to its table of `compare`.
        refused: dict from arm to a sentence that says why its scores are not to be compared, e.g.
            for other frames or other training seeds than the reference's.
    """
    found, refused = {}, {}
    for other in dict.fromkeys(scores["arm"]):
        if other in (arm, reference):
            continue
        try:
            found[other] = compare(scores, other, reference, metrics, **rules)
        except ValueError as error:
            refused[other] = f"{other} is not compared with {reference}. {error}."
    return found, refused


def _check(metrics, margin, alpha):
    for metric in metrics:
        if metric not in METRICS:
            raise ValueError(f"metrics: {metric!r} is not known; use {', '.join(METRICS)}")
    if not margin > 0:
        raise ValueError(f"margin: {margin:g} is not above 0; give the largest harmless difference")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha: {alpha:g} is outside 0 to 0.5; the usual one is 0.05")


def _rows(pairs, names, margin, alpha, rng):
    """The rows of one metric, view and chamber: patients as units, then frames."""
    by_patient, by_frame = (units(pairs, level) for level in LEVELS)
    undefined = pairs[["arm", "reference"]].isna().sum(axis=1)
    within = clustering(by_frame["difference"], by_frame["patient_id"])
    mixed = mixed_model_shift(pairs, 1 - alpha)
    common = {
        **names,
        "n_patients": len(by_patient),
        "n_frames": len(by_frame),
        "n_seeds": pairs["seed"].nunique(),
        "undefined": int((undefined > 0).sum()),
        "undefined_one_arm": int((undefined == 1).sum()),
        "margin": margin,
        "mixed_shift": mixed[0],
        "mixed_low": mixed[1],
        "mixed_high": mixed[2],
        "icc": within.icc,
        "design_effect": within.design_effect,
    }
    rows = []
    for level, table in zip(LEVELS, (by_patient, by_frame), strict=True):
        weights = np.ones(len(by_patient)) if level == "patient" else by_patient["frames"]
        bootstrap = cluster_bootstrap(by_patient["difference"], weights, 1 - alpha, rng)
        row = common | {"level": level} | _quartiles(table)
        row |= rank_statistics(table["difference"].to_numpy(), margin, alpha)
        row |= dict(zip(("mean_shift", "boot_low", "boot_high"), bootstrap, strict=True))
        rows.append(row)
    return rows


def _quartiles(table):
    names = {"q25": 0.25, "median": 0.5, "q75": 0.75}
    return {
        f"{side}_{name}": float(table[side].quantile(share))
        for side in ("arm", "reference")
        for name, share in names.items()
    }


def rank_statistics(differences, margin, alpha):
    """Everything that the signed ranks of one set of differences tell.

    Args:
        differences: [n] float, one a unit; may be empty.
        margin: largest difference that does not matter; NaN for no equivalence test.
        alpha: significance level.

    Returns:
        dict `hl_shift, ci_low, ci_high, p, equivalence_low, equivalence_high, tost_p,
        smallest_margin`.
    """
    names = ["hl_shift", "ci_low", "ci_high", "p"]
    names += ["equivalence_low", "equivalence_high", "tost_p", "smallest_margin"]
    if not len(differences):
        return dict.fromkeys(names, np.nan)
    shift, p = hodges_lehmann(differences), signed_rank_p(differences)
    wide, narrow = (shift_interval(differences, 1 - tail) for tail in (alpha, 2 * alpha))
    tost = np.nan if np.isnan(margin) else equivalence_p(differences, margin)
    values = [shift, *wide, p, *narrow, tost, smallest_margin(differences, alpha)]
    return dict(zip(names, values, strict=True))
