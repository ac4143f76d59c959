"""Interval of a ratio of two means."""

import numpy as np


def ratio_of_means(one, other, wide):
    """Mean of `one` over mean of `other`, with the interval that allows for the error of both.

    The interval holds every x at which the mean of `one - x * other` cannot be told from 0. So it
    holds 0 just where the mean of `one` itself cannot.

    Args:
        one, other: [repeats] paired values; the SD of the repeats is the standard error.
        wide: standard errors that an interval reaches to either side of a mean.

    Returns:
        (ratio, low, high); low and high are NaN where the mean of `other` cannot be told from 0,
        and the ratio, too, where it is 0.

    Source: Fieller, J R Stat Soc B 1954;16:175.
    """
    means = np.array([one.mean(), other.mean()])
    # ends of the interval: a - 2 b x + c x^2 = 0
    (a, b), (_, c) = np.outer(means, means) - wide**2 * np.cov(one, other)
    ratio = means[0] / means[1] if means[1] else np.nan
    if not c > 0:
        return ratio, np.nan, np.nan
    reach = np.sqrt(max(0, b**2 - a * c))  # never below 0 but by rounding
    return ratio, (b - reach) / c, (b + reach) / c
