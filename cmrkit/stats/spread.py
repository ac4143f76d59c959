"""The same comparison over several seeds: does its direction hold?"""

import pandas as pd

from cmrkit.stats.verdict import VERDICTS

_ROW = ["level", "metric", "view", "label"]


def verdict_spread(comparisons):
    """Count the verdicts of every row over seeds, with the spread of its shift.

    Args:
        comparisons: dict from seed to its table from `stats.comparison.compare`; seeds of whole
            studies, or of the U-Nets of one study (its scores split by `seed`).

    Returns:
        DataFrame, one row a level, metric, view and chamber: `seeds`, one column a verdict with its
        count, `positive`: seeds whose shift is above zero, `shift_min, shift_median, shift_max`.
    """
    table = pd.concat(comparisons.values(), ignore_index=True).dropna(subset="hl_shift")
    grouped = table.groupby(_ROW, sort=False)
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
