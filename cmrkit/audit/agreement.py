"""How sure a share is: exact intervals and bounds."""

import pandas as pd
from scipy.stats import beta, binomtest


def share_interval(count, total, level=0.95):
    """Clopper-Pearson interval of a share.

    Args:
        count: how many, 0 to total.
        total: out of how many, at least 1.
        level: coverage, 0 to 1.

    Returns:
        (low, high), each 0 to 1.

    Source: Clopper and Pearson, Biometrika 1934;26:404.
    """
    interval = binomtest(int(count), int(total)).proportion_ci(level, method="exact")
    return interval.low, interval.high


def upper_bound(count, total, level=0.95):
    """Exact one-sided upper bound of a share; for count 0 about 3 / total (the rule of three).

    Source: Hanley and Lippman-Hand, JAMA 1983;249:1743.
    """
    test = binomtest(int(count), int(total), alternative="less")
    return test.proportion_ci(level, method="exact").high


def share_with_interval(calls, clusters=None, level=0.95):
    """Share of frames called, with an interval that knows which frames belong together.

    Frames of one patient resemble each other and count for less than as many patients. The interval
    is Clopper-Pearson on the effective number of frames: frames over the design effect, which is
    the variance between patients over the binomial variance. Where every frame is called alike, the
    variance says nothing, and the number of patients is used.

    Args:
        calls: [n] bool.
        clusters: [n] patient of each frame; None where frames are independent.
        level: coverage, 0 to 1.

    Returns:
        dict `count, frames, share, low, high`.

    Source: Korn and Graubard, Survey Methodology 1998;24:193.
    """
    n, count = len(calls), int(calls.sum())
    share = count / n
    effective = n if clusters is None else _effective_number(calls, clusters)
    low, high = _interval_of_real_count(share * effective, effective, level)
    return {"count": count, "frames": n, "share": share, "low": low, "high": high}


def _effective_number(calls, clusters):
    sums = pd.DataFrame({"call": calls.astype(float), "patient": clusters}).groupby("patient")
    table = sums["call"].agg(["sum", "size"])
    patients, n = len(table), len(calls)
    share = table["sum"].sum() / n
    if share in (0, 1) or patients == 1:
        return patients
    residuals = table["sum"] - share * table["size"]
    variance = patients / (patients - 1) * (residuals**2).sum() / n**2
    return min(n, share * (1 - share) / variance) if variance > 0 else n


def _interval_of_real_count(count, total, level):
    """Clopper-Pearson for counts that are not whole, through the beta distribution."""
    tail = (1 - level) / 2
    low = beta.ppf(tail, count, total - count + 1) if count > 0 else 0.0
    high = beta.ppf(1 - tail, count + 1, total - count) if count < total else 1.0
    return float(low), float(high)
