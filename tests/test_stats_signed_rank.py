import numpy as np
import pytest
from scipy import stats

from cmrkit.stats.signed_rank import (
    equivalence_p,
    fewest_pairs,
    hodges_lehmann,
    shift_interval,
    signed_rank_p,
    smallest_margin,
)

# Hamilton depression scale before and after a tranquiliser: Hollander, Wolfe and Chicken, table 3.1
BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])


def test_the_depression_example_of_hollander_and_wolfe_comes_out_as_printed():
    differences = AFTER - BEFORE
    assert signed_rank_p(differences, "less") == pytest.approx(0.0195, abs=5e-5)
    assert signed_rank_p(differences) == pytest.approx(0.0391, abs=5e-5)
    assert hodges_lehmann(differences) == pytest.approx(-0.46)
    assert shift_interval(differences, 0.96) == pytest.approx((-0.786, -0.010))


# Two-sided 5 % critical values of the smaller rank sum, as tabled in textbooks.
@pytest.mark.parametrize(
    ("pairs", "critical"),
    [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (12, 13), (15, 25), (20, 52), (25, 89)],
)
def test_the_interval_ends_at_the_walsh_average_that_the_tabled_critical_value_names(
    pairs, critical
):
    values = np.random.default_rng(pairs).normal(size=pairs)
    walsh = np.sort([(a + b) / 2 for i, a in enumerate(values) for b in values[: i + 1]])
    low, high = shift_interval(values, 0.95)
    assert (low, high) == (walsh[critical], walsh[-critical - 1])


@pytest.mark.parametrize("pairs", [6, 13, 24, 50, 51, 120])
def test_p_is_scipys(pairs):
    values = np.random.default_rng(pairs).normal(0.3, 1, pairs)
    assert signed_rank_p(values) == stats.wilcoxon(values, correction=True).pvalue


@pytest.mark.parametrize("pairs", [12, 50, 51, 300])
def test_the_interval_excludes_zero_exactly_where_the_test_rejects(pairs):
    for seed in range(60):
        values = np.random.default_rng([pairs, seed]).normal(2 / np.sqrt(pairs), 1, pairs)
        low, high = shift_interval(values, 0.95)
        assert (low > 0 or high < 0) == (signed_rank_p(values) < 0.05)


@pytest.mark.parametrize("pairs", [12, 50, 51])
def test_equivalence_passes_exactly_above_the_smallest_margin(pairs):
    for seed in range(20):
        values = np.random.default_rng([pairs, seed]).normal(0.001, 0.01, pairs)
        margin = smallest_margin(values, 0.05)
        low, high = shift_interval(values, 0.90)
        assert margin == max(-low, high)
        assert equivalence_p(values, margin * 1.0001) < 0.05 < equivalence_p(values, margin * 0.9)


def test_equivalence_of_five_pairs_inside_the_margin_is_one_in_thirty_two():
    assert equivalence_p([0.001, -0.002, 0.003, -0.004, 0.005], 0.01) == 1 / 32
    assert equivalence_p([0.001, -0.002, 0.003, -0.004, 0.005], 0.0001) > 0.4


def test_ties_take_mean_ranks_and_every_sign_change_counts():
    # ranks 2, 2, 2, 4: a sum of 8 or more in 4 of 16 sign changes
    assert signed_rank_p([1, 1, -1, 2], "greater") == pytest.approx(4 / 16)


def test_zeros_are_ranked_and_then_left_out():
    # ranks of 1, 2, 3 are 2, 3, 4 either way; all three positive in 1 of 8 sign changes
    assert signed_rank_p([0, 1, 2, 3], "greater") == pytest.approx(1 / 8)
    # With the zeros dropped before ranking, p would be 0.030; kept, the two ranks weigh alike.
    many_zeros = [0] * 18 + [-1, 2, 3, 4, 5, 6, 7]
    assert signed_rank_p(many_zeros) > stats.wilcoxon(many_zeros, correction=True).pvalue


def test_all_zero_differences_are_no_evidence_and_within_any_margin():
    zeros = np.zeros(10)
    assert signed_rank_p(zeros) == 1
    assert hodges_lehmann(zeros) == 0
    assert shift_interval(zeros, 0.95) == (0, 0)
    assert equivalence_p(zeros, 0.01) == pytest.approx(2**-10)
    assert smallest_margin(zeros, 0.05) == 0


def test_without_any_pair_there_is_no_p():
    assert np.isnan(signed_rank_p([]))


def test_the_smallest_samples_have_an_estimate_but_no_interval():
    assert hodges_lehmann([0.3]) == 0.3
    assert hodges_lehmann([0.1, 0.4]) == 0.25
    assert shift_interval([1, 2, 3, 4, 5], 0.95) == (-np.inf, np.inf)
    assert shift_interval([1, 2, 3, 4, 5, 6], 0.95) == (1, 6)
    assert smallest_margin([1, 2, 3, 4], 0.05) == np.inf
    assert smallest_margin([1, 2, 3, 4, 5], 0.05) == 5


@pytest.mark.parametrize(("alpha", "pairs"), [(0.05, 6), (0.01, 8), (0.1, 5), (0.0625, 6)])
def test_the_fewest_pairs_are_the_first_that_can_reach_alpha(alpha, pairs):
    assert fewest_pairs(alpha) == pairs
    assert signed_rank_p(np.arange(1, pairs + 1)) < alpha
    assert signed_rank_p(np.arange(1, pairs)) >= alpha


@pytest.mark.parametrize("step", [None, 0.01])
def test_thousands_of_frames_give_the_same_walsh_averages_as_listing_them(step):
    values = np.random.default_rng(5).normal(0.02, 0.1, 401)
    values = values if step is None else np.round(values / step) * step
    walsh = np.sort(((values[:, None] + values) / 2)[np.triu_indices(401)])
    assert hodges_lehmann(values) == pytest.approx(np.median(walsh), abs=1e-12)
    low, high = shift_interval(values, 0.95)
    deviation = np.sqrt(401 * 402 * 803 / 24)
    rank = int(len(walsh) / 2 - stats.norm.ppf(0.975) * deviation + 0.5)
    assert (low, high) == pytest.approx((walsh[rank - 1], walsh[-rank]), abs=1e-12)


def test_the_shift_of_many_mirrored_differences_is_exactly_zero():
    half = np.round(np.random.default_rng(2).normal(size=300), 6)
    assert hodges_lehmann(np.concatenate([half, -half])) == 0
