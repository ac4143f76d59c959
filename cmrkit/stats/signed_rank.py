"""Paired differences by their signed ranks: test, shift with interval, equivalence.

All of it assumes that the differences of independent units are symmetric around their centre. Where
they are skewed, the centre is the pseudomedian (the median of all means of two differences) and not
the mean: test, interval and equivalence then speak of the pseudomedian, and a mean of zero can be
found different from zero. The units are patients; frames of one patient are not independent (see
`stats.clusters`).

Source: Wilcoxon, Biometrics Bulletin 1945;1:80; Hodges and Lehmann, Ann Math Stat 1963;34:598;
Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed., sections 3.1 to 3.3.
"""

from functools import cache

import numpy as np
from scipy import stats

EXACT_UP_TO = 50  # pairs; scipy's own limit, so that test and interval agree
_DIRECT_UP_TO = 60  # pairs; above, listing all Walsh averages is slower than bisection
_RESOLUTION = 1e-13  # of the bisection; scores carry 12 decimals at most


def signed_rank_p(differences, alternative="two-sided"):
    """p of the Wilcoxon signed-rank test that differences are centred on zero.

    Args:
        differences: [n] float, one a unit.
        alternative: `two-sided`, `greater` or `less`.

    Returns:
        p, NaN without any unit; 1 where every difference is zero.

    Choice: zeros are ranked and then left out (Pratt 1959), so that many equal scores do not make
    the few unequal ones look strong. Ties take mean ranks. Up to 50 pairs without ties or zeros p
    is exact; with them it is exact up to 13 pairs (all sign changes); otherwise normal with tie and
    continuity corrections.
    """
    differences = np.asarray(differences, float)
    if not len(differences):
        return np.nan
    if not differences.any():
        return 1.0
    test = stats.wilcoxon(
        differences, zero_method="pratt", correction=True, alternative=alternative
    )
    return float(test.pvalue)


def hodges_lehmann(differences):
    """Shift between the arms: the median of all means of two differences (Walsh averages).

    Args:
        differences: [n] float, n >= 1.
    """
    averages = len(differences) * (len(differences) + 1) // 2
    middle = ((averages + 1) // 2, averages // 2 + 1)
    return float(np.mean(_walsh_averages(differences, middle)))


def shift_interval(differences, confidence):
    """Confidence interval of the shift, the inverse of the signed-rank test.

    Args:
        differences: [n] float.
        confidence: e.g. 0.95.

    Returns:
        (low, high). With too few pairs for this confidence (below 6 for 0.95) the interval is the
        whole line: (-inf, inf).
    """
    count = len(differences)
    rank = _critical_rank(count, (1 - confidence) / 2)
    if rank < 1:
        return -np.inf, np.inf
    return tuple(_walsh_averages(differences, (rank, count * (count + 1) // 2 + 1 - rank)))


def equivalence_p(differences, margin):
    """p of two one-sided signed-rank tests that the shift lies within +- margin.

    Args:
        differences: [n] float.
        margin: largest difference that does not matter, > 0.

    Returns:
        the larger p of the two tests.

    Choice: signed ranks rather than t, so that the equivalence test, the test of a difference and
    the Hodges-Lehmann interval rest on the same assumption. Without zeros and ties p is below alpha
    exactly where the 1 - 2 alpha interval lies inside the margin; with them the tests allow for
    them and the interval does not, so that the two may disagree close to the margin.
    Source: Schuirmann 1987; Wellek, Testing Statistical Hypotheses of Equivalence, section 5.4.
    """
    differences = np.asarray(differences, float)
    above = signed_rank_p(np.round(differences + margin, 12), "greater")
    below = signed_rank_p(np.round(differences - margin, 12), "less")
    return max(above, below)


def smallest_margin(differences, alpha):
    """Margin above which `equivalence_p` falls below alpha; inf with too few pairs."""
    low, high = shift_interval(differences, 1 - 2 * alpha)
    return float(max(-low, high))


def fewest_pairs(alpha):
    """Number of pairs below which no two-sided signed-rank test can reach alpha: 6 for 0.05."""
    return int(np.floor(1 - np.log2(alpha))) + 1


def _walsh_averages(differences, ranks):
    """The Walsh averages at these ranks (1 is the smallest)."""
    ordered = np.sort(np.asarray(differences, float))
    count = len(ordered)
    if count <= _DIRECT_UP_TO:
        averages = ((ordered[:, None] + ordered) / 2)[np.triu_indices(count)]
        indices = [rank - 1 for rank in ranks]
        return [float(v) for v in np.partition(averages, indices)[indices]]
    return [_bisect_walsh(ordered, rank) for rank in ranks]


def _bisect_walsh(ordered, rank):
    """One Walsh average of many, without listing them all, to 12 decimals."""
    low, high = ordered[0], ordered[-1]
    while high - low > _RESOLUTION * max(1, abs(low), abs(high)):
        middle = (low + high) / 2
        both_orders = np.searchsorted(ordered, 2 * middle - ordered, side="right").sum()
        itself = np.searchsorted(ordered, middle, side="right")
        if (both_orders + itself) // 2 >= rank:
            high = middle
        else:
            low = middle
    return float(np.round(high, 12))


@cache
def _critical_rank(count, tail):
    """Largest k with P(T < k) <= tail under the null; 0 where there is none."""
    if count <= EXACT_UP_TO:
        return int(np.searchsorted(np.cumsum(_null_distribution(count)), tail, side="right"))
    mean = count * (count + 1) / 4
    deviation = np.sqrt(mean * (2 * count + 1) / 6)
    return int(np.floor(mean + stats.norm.ppf(tail) * deviation + 0.5))


def _null_distribution(count):
    """[count (count + 1) / 2 + 1] probabilities of the signed-rank sum without ties."""
    chances = np.ones(1)
    for rank in range(1, count + 1):
        step = np.zeros(rank + 1)
        step[[0, rank]] = 0.5
        chances = np.convolve(chances, step)
    return chances
