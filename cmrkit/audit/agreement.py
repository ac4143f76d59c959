"""How sure a share is, how far observers agree, and what they can tell apart."""

import math

import numpy as np
import pandas as pd
from scipy.stats import beta, binomtest, norm, t


def upper_bound(count, total, level=0.95):
    """Exact one-sided upper bound of a share; for count 0 about 3 / total (the rule of three).

    Source: Hanley and Lippman-Hand, JAMA 1983;249:1743.
    """
    test = binomtest(int(count), int(total), alternative="less")
    return test.proportion_ci(level, method="exact").high


def share_with_interval(calls, clusters=None, crossed=None, level=0.95):
    """Share of frames called, with an interval that knows which calls belong together.

    Frames of one patient resemble each other and count for less than as many patients. The interval
    is Clopper-Pearson on the effective number of calls, see `effective_number`. Its lower end is
    never above that of calls that are all right, nor its upper end below that of calls none of
    which is: else a reader who errs once could be judged better than one who never does.

    Args:
        calls: [n] bool.
        clusters: [n] patient (or frame) of each call; None where calls are independent.
        crossed: [n] second grouping across the first, e.g. the observer.
        level: coverage, 0 to 1.

    Returns:
        dict `count, frames, share, low, high`.

    Source: Korn and Graubard, Survey Methodology 1998;24:193.
    """
    n, count = len(calls), int(calls.sum())
    share = count / n
    effective = n if clusters is None else effective_number(calls, clusters, crossed)
    low, high = _interval_of_real_count(share * effective, effective, level)
    if clusters is not None:
        alike = effective_number(np.zeros(n), clusters, crossed)
        low = min(low, _interval_of_real_count(alike, alike, level)[0])
        high = max(high, _interval_of_real_count(0, alike, level)[1])
    return {"count": count, "frames": n, "share": share, "low": low, "high": high}


def effective_number(calls, clusters, crossed=None):
    """How many independent calls carry as much information: calls over the design effect.

    The design effect is the variance between clusters over the binomial variance. Choice: it is
    estimated as if one more cluster of mean size had been seen, all of it called the rarer way. A
    few rare calls, or none, do not tell whether whole patients may be called so. Where every call
    is alike and clusters are of one size, the result is the number of clusters; the more rare calls
    are seen, the less the one added counts. In simulations 97 % or more of the intervals held the
    truth, where clusters differed and where they did not.

    Args:
        calls: [n] bool.
        clusters: [n] e.g. patient, or frame where several observers call each.
        crossed: [n] second grouping across the first, e.g. the observer; the variances of both add
            up, less what they share. Two observers say little about how observers vary.

    Source: Kish, Survey Sampling, 1965; two ways: Cameron, Gelbach and Miller, J Bus Econ Stat
    2011;29:238.
    """
    calls, n = pd.Series(np.asarray(calls, dtype=float)), len(calls)
    count, size = _sums(calls, clusters)
    if len(size) == 1:
        return 1
    more = n / len(size)  # calls of the cluster added
    rare = more if calls.mean() < 0.5 else 0.0
    count, size = np.append(count, rare), np.append(size, more)
    share = count.sum() / size.sum()
    binomial = share * (1 - share)
    variance = _variance_between(count, size)
    if crossed is not None and len(np.unique(crossed)) > 1:
        count, size = _sums(calls, crossed)
        # each observer calls the cluster added, too
        across = _variance_between(count + rare / len(size), size + more / len(size))
        variance = max(variance, variance + across - binomial / (n + more))
    return min(n, binomial / variance) if variance > 0 else n


def _sums(calls, groups):
    """[groups] calls that say yes, and all calls, of each group."""
    by_group = calls.groupby(np.asarray(groups))
    return by_group.sum().to_numpy(), by_group.size().to_numpy()


def _variance_between(count, size):
    """Variance of the share of all calls, from the yeses and calls of each group."""
    total = size.sum()
    residuals = count - size * (count.sum() / total)
    return len(size) / (len(size) - 1) * (residuals**2).sum() / total**2


def _interval_of_real_count(count, total, level):
    """Clopper-Pearson for counts that are not whole, through the beta distribution."""
    tail = (1 - level) / 2
    low = beta.ppf(tail, count, total - count + 1) if count > 0 else 0.0
    high = beta.ppf(1 - tail, count + 1, total - count) if count < total else 1.0
    return float(low), float(high)


def percent(share, low, high):
    """A share and its interval in words, e.g. `5.1 % (4.0 to 6.3 %)`."""
    return f"{100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)"


def agreement_coefficients(counts, level=0.95):
    """Chance-corrected agreement of any number of observers, some of whom may skip frames.

    Fleiss' kappa and Krippendorff's alpha fall towards 0 when nearly all frames get one answer,
    however well observers agree; Gwet's AC1 does not.

    Args:
        counts: [frames, categories] observers who gave each answer to each frame; frames with
            fewer than two answers are left out.
        level: coverage of the intervals, from the jackknife over frames.

    Returns:
        dict from `fleiss`, `ac1`, `alpha` to (value, low, high). NaN where every answer is the
        same and chance agreement is complete. `low` and `high` are NaN where leaving out a frame
        changes nothing, as with observers who always agree, or leaves such answers: the jackknife
        then says nothing about the error.

    Source: Fleiss, Psychol Bull 1971;76:378; Gwet, Br J Math Stat Psychol 2008;61:29;
    Krippendorff, Content Analysis, 3rd ed. 2013, chapter 12.
    """
    counts = np.asarray(counts, dtype=float)
    counts = counts[counts.sum(axis=1) >= 2]
    answers = counts.sum(axis=1, keepdims=True)
    same = (counts * (counts - 1)).sum(axis=1, keepdims=True)
    # all three are functions of sums over frames, so that leaving one out is a subtraction
    parts = np.hstack(
        [np.ones_like(answers), same / (answers * (answers - 1)), same / (answers - 1),
         counts / answers, counts]
    )  # fmt: skip
    total = parts.sum(axis=0)
    whole, without = _coefficients(total), _coefficients(total - parts)
    n = len(parts)
    result = {}
    for name in whole:
        spread = np.sqrt((n - 1) / n * ((without[name] - without[name].mean()) ** 2).sum())
        reach = t.ppf(0.5 + level / 2, n - 1) * spread if spread > 1e-12 else np.nan
        value = float(whole[name])
        low, high = np.clip([value - reach, value + reach], -1, 1)
        result[name] = (value, float(low), float(high))
    return result


@np.errstate(invalid="ignore", divide="ignore")
def _coefficients(sums):
    """Coefficients from the sums over frames in the last axis; see `agreement_coefficients`."""
    frames, observed, same = sums[..., 0], sums[..., 1] / sums[..., 0], sums[..., 2]
    shares, values = np.split(sums[..., 3:], 2, axis=-1)
    shares = shares / frames[..., None]
    by_fleiss = (shares**2).sum(axis=-1)
    by_gwet = (shares * (1 - shares)).sum(axis=-1) / (shares.shape[-1] - 1)
    n = values.sum(axis=-1)
    unlike_by_chance = n**2 - (values**2).sum(axis=-1)
    return {
        "fleiss": (observed - by_fleiss) / (1 - by_fleiss),
        "ac1": (observed - by_gwet) / (1 - by_gwet),
        "alpha": 1 - (n - 1) * (n - same) / unlike_by_chance,
    }


def sensitivity_index(hits, signals, false_alarms, noises, level=0.95):
    """d-prime of telling signals from noise: 0 is chance, 1 is 69 % right when bias-free.

    Args:
        hits, signals: signals called signal, of how many.
        false_alarms, noises: noises called signal, of how many.
        level: coverage, 0 to 1.

    Returns:
        (d_prime, low, high).

    Source: Green and Swets 1966; interval Gourevitch and Galanter, Psychometrika 1967;32:25;
    half a frame added to each cell, so that 0 and 1 stay finite: Hautus, Behav Res Methods
    1995;27:46.
    """
    rates = np.array([(hits + 0.5) / (signals + 1), (false_alarms + 0.5) / (noises + 1)])
    z = norm.ppf(rates)
    d_prime = z[0] - z[1]
    variance = (rates * (1 - rates) / (np.array([signals, noises]) * norm.pdf(z) ** 2)).sum()
    reach = norm.ppf(0.5 + level / 2) * math.sqrt(variance)
    return float(d_prime), float(d_prime - reach), float(d_prime + reach)


def observers_needed(bound, frames, sensitivity, level=0.95):
    """Observers who must each find nothing in the same frames to reach an upper bound.

    An observer who finds an implausible frame with this sensitivity leaves the bound on the share
    of those found at `upper_bound(0, frames)`, and the bound on all at that over the sensitivity;
    k observers together find 1 - (1 - sensitivity)^k.

    Choice: observers miss independently of each other; if all miss the same frames, no number is
    enough.

    Args:
        bound: upper bound wanted on the implausible share.
        frames: frames that each observer reads.
        sensitivity: share of planted controls that one observer finds.

    Returns:
        number of observers, or None where even perfect ones would need more frames, or where they
        find nothing.
    """
    least = upper_bound(0, frames, level) / bound
    if least >= 1 or sensitivity <= 0:
        return None
    if sensitivity >= 1:
        return 1
    return max(1, math.ceil(math.log(1 - least) / math.log(1 - sensitivity)))
