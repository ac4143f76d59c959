"""How many patients the next study needs."""

import zlib

import numpy as np
import pandas as pd
from scipy import stats

from cmrkit.stats.pairs import chambers, pair_scores, units
from cmrkit.stats.scores import METRICS
from cmrkit.stats.signed_rank import fewest_pairs, hodges_lehmann

CLAIMS = ("difference", "equivalence", "equivalence if there is no difference")
_PATIENTS = (10, 15, 20, 30, 40, 60, 80, 120, 160, 200)


def power_curves(
    scores,
    arm="synthetic",
    reference="patient",
    metric="dice",
    margin=0.01,
    alpha=0.05,
    patients=_PATIENTS,
    studies=1000,
    seed=1,
):
    """Chance that a next study of so many patients reaches each claim, chamber by chamber.

    Next studies are drawn, with replacement, from the differences of this study's patients, each
    the mean over as many frames and seeds as here. They are judged by the normal signed-rank tests.
    The trained networks are taken as given: what another training would change is not drawn.

    Args:
        scores: score table, from `stats.scores.read_scores`.
        arm: the arm that is judged.
        reference: the arm that it is compared with.
        metric: one of `METRICS`.
        margin: largest difference that does not matter in Dice and percent variation; of no use for
            area errors and scores in mm.
        alpha: significance level; a difference is tested at alpha / chambers, the hardest step of
            Holm's correction over the chambers that have curves, equivalence at alpha.
        patients: sizes of the next study, each at least 10.
        studies: simulated studies a size.
        seed: seed of the simulation.

    Returns:
        DataFrame `view, label, metric, pilot_patients, n_patients, claim, power, low, high`; `low`
        and `high` are the exact 95 % interval from the number of simulated studies, the simulation
        error alone. The first two of `CLAIMS` take the true shift to be the one seen here, the
        third takes it to be zero. Scores without a margin have no equivalence. Chambers with fewer
        patients than a test needs are left out.

    Choice: for planning only. A shift that was found because it was large tends to be smaller the
    next time, and the power of the present study adds nothing to its p. Shift and spread are those
    of the few patients seen, and nothing here says how far they lie from the truth: by trial with
    normal differences and 12 patients, where the true power of 20 was 0.09, eight in ten estimates
    lay between 0.01 and 0.64.

    Choice: differences are drawn as seen, not spread by sqrt(n / (n - 1)). By trial with 8 to 24
    patients that took 0.01 to 0.05 off the estimates, towards the truth for the difference and away
    from it for equivalence.
    """
    if min(patients) < 10:
        raise ValueError(f"patients: {min(patients)} is below 10, where normal p values fail")
    if not METRICS[metric].like_dice:
        margin = np.nan
    pilots = _pilots(scores, arm, reference, metric, alpha)
    rows = []
    for (view, label), pilot in pilots.items():
        rng = np.random.default_rng([seed, zlib.crc32(f"{view} {label} {metric}".encode())])
        common = {"view": view, "label": label, "metric": metric, "pilot_patients": len(pilot)}
        for count in patients:
            sample = rng.choice(pilot, (studies, count))
            for claim, reached in _claims(sample, pilot, margin, alpha, len(pilots)).items():
                low, high = stats.binomtest(reached, studies).proportion_ci()
                row = common | {"n_patients": count, "claim": claim, "power": reached / studies}
                rows.append(row | {"low": low, "high": high})
    return pd.DataFrame(rows)


def _pilots(scores, arm, reference, metric, alpha):
    """Differences of this study's patients, by view and label, where there are enough of them."""
    pairs = pair_scores(scores, arm, reference, metric)
    pilots = {}
    for view, label in chambers(scores, arm, reference):
        part = pairs[(pairs["view"] == view) & (pairs["label"] == label)]
        pilot = units(part, "patient")["difference"].to_numpy()
        if len(pilot) >= fewest_pairs(alpha):
            pilots[view, label] = pilot
    return pilots


def _claims(sample, pilot, margin, alpha, tests):
    """Studies [n, patients] in which each claim is reached; no equivalence without a margin."""
    reached = [_signed_rank_p(sample, "two-sided") < alpha / tests]
    if not np.isnan(margin):
        centred = sample - hodges_lehmann(pilot)
        reached += [_equivalent(drawn, margin, alpha) for drawn in (sample, centred)]
    return {claim: int(np.sum(hits)) for claim, hits in zip(CLAIMS, reached, strict=False)}


def _equivalent(sample, margin, alpha):
    above = _signed_rank_p(sample + margin, "greater")
    return (above < alpha) & (_signed_rank_p(sample - margin, "less") < alpha)


def _signed_rank_p(sample, alternative):
    """p of many studies at once, as `stats.signed_rank.signed_rank_p` in large samples."""
    return stats.wilcoxon(
        sample, zero_method="pratt", correction=True, alternative=alternative,
        method="asymptotic", axis=-1,
    ).pvalue  # fmt: skip


def patients_needed(curves, power=0.8):
    """Smallest tried study that reaches a claim with this power.

    Args:
        curves: from `power_curves`.
        power: wanted chance, 0 to 1.

    Returns:
        DataFrame `view, label, claim, n_patients`; NaN where no tried size is enough.
    """
    enough = curves["n_patients"].where(curves["power"] >= power)
    grouped = curves.assign(n_patients=enough).groupby(["view", "label", "claim"], sort=False)
    return grouped["n_patients"].min().reset_index()
