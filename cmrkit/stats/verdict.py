"""From numbers to words: better, worse, equivalent or inconclusive."""

import numpy as np
from statsmodels.stats.multitest import multipletests

from cmrkit.stats.clusters import FEWEST_TO_RESAMPLE
from cmrkit.stats.scores import METRICS
from cmrkit.stats.signed_rank import fewest_pairs

VERDICTS = ("better", "worse", "equivalent", "inconclusive")


def decide(rows, alpha):
    """Judge every row of a comparison.

    The rule, in this order:

    1. Fewer patients than a two-sided test needs to reach alpha (6 for 0.05): inconclusive.
    2. Holm p below alpha and a shift that is not zero: better or worse, by the metric's direction.
    3. Equivalence p below alpha: equivalent.
    4. Otherwise inconclusive.

    `within_margin` says whether the equivalence test passed, whatever the verdict.

    Choice: a difference can be real and too small to matter, as in the published study. Such a row
    is worse (or better) and within the margin, and its sentence says both; to call it equivalent
    would hide the difference, to call it worse alone would hide its size.

    Choice: Holm's family is every view and chamber of one metric at one level that has patients
    enough for a verdict (rule 1). Metrics are not counted in, since they retell one segmentation
    (percent variation is 1 - Dice): the verdict on Dice must not depend on how many other scores
    are printed. Equivalence keeps alpha a row, and so does the claim that every row is equivalent,
    the paper's (intersection-union test, Berger, Technometrics 1982;24:295).

    Args:
        rows: DataFrame `metric, level, n_patients, hl_shift, p, tost_p`.
        alpha: significance level.

    Returns:
        the rows with `p_holm` (NaN outside the family), `holm_tests` (rows of the family),
        `within_margin, verdict`.
    """
    rows = rows.assign(p_holm=np.nan, holm_tests=0)
    enough = rows["n_patients"] >= fewest_pairs(alpha)
    for _, family in rows[enough].groupby(["level", "metric"]):
        rows.loc[family.index, "p_holm"] = multipletests(family["p"], method="holm")[1]
        rows.loc[family.index, "holm_tests"] = len(family)
    rows["within_margin"] = (rows["tost_p"] < alpha) & enough
    rows["verdict"] = [_verdict(row, alpha) for row in rows.itertuples()]
    return rows


def _verdict(row, alpha):
    if row.n_patients < fewest_pairs(alpha):
        return "inconclusive"
    if row.p_holm < alpha and row.hl_shift != 0:
        higher = row.hl_shift > 0
        return "better" if higher == METRICS[row.metric].higher_is_better else "worse"
    return "equivalent" if row.within_margin else "inconclusive"


def sentence(row, alpha):
    """Say one judged row in words.

    Args:
        row: row of `stats.comparison.compare`, as a named tuple or Series.
        alpha: significance level of the comparison.
    """
    where = f"{METRICS[row.metric].title}, {row.view} {row.label}"
    if not row.n_patients:
        return f"{where}: not scored in both arms; nothing to compare."
    where += f" ({_units(row)})"
    if row.n_patients < fewest_pairs(alpha):
        return (
            f"{where}: inconclusive, since no two-sided signed-rank test reaches p < {alpha:g} "
            f"with fewer than {fewest_pairs(alpha)} patients."
        )
    return f"{where}: {_finding(row, alpha)}{_outliers(row)}{_undefined(row)}"


def _units(row):
    units = f"{row.n_patients} patients"
    if row.level == "frame":
        units = f"{row.n_frames} frames of {units}, taken as independent"
    trainings = "one training" if row.n_seeds == 1 else f"{row.n_seeds} trainings"
    return f"{units}; arms of {trainings} each"


def _finding(row, alpha):
    unit = METRICS[row.metric].unit
    unit = f" {unit}" if unit else ""
    interval = f"{percent(1 - alpha)} interval {row.ci_low:.4f} to {row.ci_high:.4f}"
    shift = f"shift {row.hl_shift:+.4f}{unit}, {interval}, Holm p {p_text(row.p_holm)}"
    if row.verdict in ("better", "worse"):
        return f"{row.arm} is {row.verdict} than {row.reference} ({shift}); {_size(row)}."
    if row.verdict == "equivalent":
        arms = f"{row.arm} and {row.reference} differ by less than {row.margin:g}"
        return f"equivalent, {arms} ({shift}, equivalence p {p_text(row.tost_p)})."
    reason = f"no difference shown ({shift})"
    if np.isnan(row.margin):
        return f"inconclusive, {reason}, and {_no_margin(row)}.{_family(row, alpha)}"
    return f"inconclusive, {reason}, nor equivalence: {_smallest(row)}.{_family(row, alpha)}"


def _family(row, alpha):
    """Patients enough for one test can be too few for a family of tests."""
    needed = fewest_pairs(alpha / row.holm_tests)
    if row.level != "patient" or row.n_patients >= needed:
        return ""
    return (
        f" With {row.holm_tests} chambers tested together, Holm's first step needs {needed} "
        "patients to find any difference."
    )


def _no_margin(row):
    return f"no margin for the {METRICS[row.metric].title} is set"


def _size(row):
    if np.isnan(row.margin):
        return _no_margin(row)
    if row.within_margin:
        return f"the difference is smaller than the margin of {row.margin:g}"
    return f"it may exceed the margin of {row.margin:g} ({_smallest(row)})"


def _smallest(row):
    return f"the smallest margin that passes is {row.smallest_margin:.4f}"


def _outliers(row):
    """A few failed frames hardly move a median of means; the mean shows them."""
    if not row.within_margin or max(-row.boot_low, row.boot_high) < row.margin:
        return ""
    if np.isnan(row.boot_low):
        return (
            f" The mean shift, {row.mean_shift:+.4f}, has no interval: resampling needs "
            f"{FEWEST_TO_RESAMPLE} patients."
        )
    interval = f"{row.boot_low:.4f} to {row.boot_high:.4f}"
    return (
        f" The mean shift, {row.mean_shift:+.4f} ({interval}), may be larger: see the worst cases."
    )


def _undefined(row):
    if not row.undefined:
        return ""
    one = f", {row.undefined_one_arm} of them in one arm only" if row.undefined_one_arm else ""
    return f" Left out: {row.undefined} pairs without a defined score{one}."


def conclusion(comparison, metric, level="patient"):
    """Say in two sentences what one metric's rows come to, all chambers together.

    Args:
        comparison: from `stats.comparison.compare`.
        metric: one of its metrics.
        level: `patient` or `frame`.
    """
    rows = comparison[(comparison["metric"] == metric) & (comparison["level"] == level)]
    rows = rows[rows["n_patients"] > 0]
    counts = rows["verdict"].value_counts()
    found = ", ".join(
        f"{verdict} in {counts[verdict]}" for verdict in VERDICTS if verdict in counts
    )
    text = (
        f"{METRICS[metric].title}, {level}s as units: over {len(rows)} chambers, {found or 'none'}."
    )
    margin, inside = rows["margin"].max(), int(rows["within_margin"].sum())
    if np.isnan(margin):
        return text
    if inside == len(rows):
        return f"{text} Every difference is smaller than the margin of {margin:g}."
    return (
        f"{text} A difference smaller than the margin of {margin:g} is shown in {inside} of "
        f"{len(rows)}, so not for all of them."
    )


def percent(share):
    """0.975 as `97.5 %`."""
    return f"{100 * share:.6g} %"


def p_text(p):
    """p as journals print it: two digits, `<0.0001` below."""
    if np.isnan(p):
        return ""
    return "<0.0001" if p < 0.0001 else f"{p:.2g}" if p < 0.995 else "1.0"
