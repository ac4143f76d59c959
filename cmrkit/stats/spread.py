"""The same comparison over several seeds: does its direction hold?"""

import pandas as pd

from cmrkit.stats.comparison import compare
from cmrkit.stats.scores import METRICS
from cmrkit.stats.verdict import VERDICTS

_ROW = ["level", "metric", "view", "label"]


def stack_seeds(comparisons):
    """Comparisons of several seeds as one table.

    Args:
        comparisons: dict from seed to its table from `stats.comparison.compare`; seeds of whole
            studies, or of the U-Nets of one study (its scores split by `seed`).

    Returns:
        DataFrame, the columns of a comparison after `study_seed`, lowest seed first.
    """
    ordered = dict(sorted(comparisons.items()))
    return pd.concat(ordered, names=["study_seed"]).reset_index("study_seed").reset_index(drop=True)


def compare_seeds(scores, arm, reference, metrics, **rules):
    """Compare two arms once a training seed.

    Args:
        scores, arm, reference, metrics: see `stats.comparison.compare`.
        rules: margin, alpha and seed of `compare`.

    Returns:
        dict from training seed to its table of `compare`; empty where the arms have one seed.
    """
    scores = scores[scores["arm"].isin((arm, reference))]
    if scores["seed"].nunique() < 2:
        return {}
    return {
        seed: compare(rows, arm, reference, metrics, **rules)
        for seed, rows in scores.groupby("seed")
    }


def verdict_spread(stacked):
    """Count the verdicts of every row over seeds, with the spread of its shift.

    Args:
        stacked: from `stack_seeds`.

    Returns:
        DataFrame, one row a level, metric, view and chamber: `seeds`, one column a verdict with its
        count, `positive`: seeds whose shift is above zero, `shift_min, shift_median, shift_max`.
    """
    grouped = stacked.dropna(subset="hl_shift").groupby(_ROW, sort=False)
    spread = grouped["hl_shift"].agg(
        seeds="count",
        positive=lambda shift: int((shift > 0).sum()),
        shift_min="min",
        shift_median="median",
        shift_max="max",
    )
    for verdict in VERDICTS:
        spread[verdict] = grouped["verdict"].agg(lambda v, name=verdict: int((v == name).sum()))
    columns = ["seeds", *VERDICTS, "positive", "shift_min", "shift_median", "shift_max"]
    return spread[columns].reset_index()


def spread_sentence(row):
    """Say in words what became of one row over the seeds.

    Args:
        row: row of `verdict_spread`, as a named tuple or Series.
    """
    verdicts = [f"{v} in {getattr(row, v)}" for v in VERDICTS if getattr(row, v)]
    above = f"{row.positive} of {row.seeds} shifts above zero"
    return (
        f"{METRICS[row.metric].title}, {row.view} {row.label}: of {row.seeds} seeds "
        f"{', '.join(verdicts)}; {above}, median {row.shift_median:+.4f} "
        f"({row.shift_min:+.4f} to {row.shift_max:+.4f})."
    )
