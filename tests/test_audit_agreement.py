"""Exact intervals against published numbers."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.inter_rater import fleiss_kappa

from cmrkit.audit.agreement import (
    agreement_coefficients,
    observers_needed,
    sensitivity_index,
    share_with_interval,
    upper_bound,
)


def interval_of(count, total):
    row = share_with_interval(np.arange(total) < count)
    return row["low"], row["high"]


def test_independent_frames_have_the_clopper_pearson_interval():
    assert interval_of(0, 10) == pytest.approx((0, 1 - 0.025 ** (1 / 10)))
    assert interval_of(10, 10) == pytest.approx((0.025 ** (1 / 10), 1))
    assert interval_of(4, 20) == pytest.approx((0.0573, 0.4366), abs=1e-4)
    row = share_with_interval(np.arange(20) < 4)
    assert (row["count"], row["frames"], row["share"]) == (4, 20, 0.2)


def test_upper_bound_of_none_is_about_three_over_n():
    assert upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert upper_bound(0, 100) == pytest.approx(0.03, abs=0.001)
    assert upper_bound(5, 5) == 1


def test_frames_alike_within_patients_count_as_patients():
    calls = np.repeat([True, False, False, False, True], 20)
    row = share_with_interval(calls, np.repeat(np.arange(5), 20))
    # variance 5/4 * (2 * 12^2 + 3 * 8^2) / 100^2 = 0.06; 0.24 / 0.06 = 4 frames that count
    assert row["share"] == 0.4
    from_four = share_with_interval(np.array([True, True, False, False, False]))
    assert row["high"] - row["low"] >= from_four["high"] - from_four["low"] - 0.05
    assert row["low"] < 0.08
    assert row["high"] > 0.83


def test_unlike_frames_of_a_patient_count_almost_as_frames():
    rng = np.random.default_rng(0)
    calls = rng.random(400) < 0.3
    clustered = share_with_interval(calls, np.repeat(np.arange(100), 4))
    plain = share_with_interval(calls)
    width = clustered["high"] - clustered["low"]
    assert width == pytest.approx(plain["high"] - plain["low"], rel=0.25)


def test_frames_all_called_alike_count_as_patients():
    row = share_with_interval(np.zeros(80, dtype=bool), np.repeat(np.arange(8), 10))
    assert row["high"] == pytest.approx(interval_of(0, 8)[1])


def share_of(wrong, frames):
    """Interval of the share right: `wrong` calls of `frames` of each patient."""
    calls = np.tile(np.arange(frames), len(wrong)) >= np.repeat(wrong, frames)
    row = share_with_interval(calls, np.repeat(np.arange(len(wrong)), frames))
    return np.array([row["low"], row["high"]])


def test_an_error_more_never_makes_a_perfect_reader_look_worse():
    perfect, once = share_of([0] * 6, 6), share_of([1] + [0] * 5, 6)
    assert perfect[0] == pytest.approx(interval_of(36 // 6, 6)[0])
    assert perfect[0] >= once[0] > perfect[0] - 0.02  # and one error costs no cliff
    none, found = 1 - perfect[::-1], 1 - once[::-1]
    assert none[1] <= found[1] < none[1] + 0.02


def test_the_interval_falls_with_every_error_wherever_it_is_made():
    perfect = share_of([0] * 4, 3)
    for wrong in itertools.combinations_with_replacement(range(4), 4):
        before = share_of(wrong, 3)
        assert before[0] <= perfect[0] + 1e-9
        for patient in np.flatnonzero(np.array(wrong) < 3):
            after = share_of(np.array(wrong) + np.eye(4, dtype=int)[patient], 3)
            # an error in another patient makes patients more alike, so the fall is not exact
            assert (after <= before + 0.001).all(), (wrong, patient)


@pytest.mark.parametrize(
    ("patients", "frames", "share", "alike"),
    [(6, 6, 0.85, 0.5), (12, 8, 0.95, 0.2), (24, 5, 0.95, 1e-4), (24, 8, 0.5, 0.3)],
)
def test_the_interval_covers_shares_that_differ_between_patients(patients, frames, share, alike):
    """`alike`: correlation of the calls of one patient, whose share is drawn from a beta law."""
    rng, covered = np.random.default_rng(1), 0
    strength = (1 - alike) / alike
    for _ in range(200):
        own = rng.beta(share * strength, (1 - share) * strength, patients)
        low, high = share_of(rng.binomial(frames, 1 - own), frames)
        covered += low <= share <= high
    assert covered / 200 >= 0.93


def counts_of(ratings):
    """[units, categories] from [observers, units] ratings with 0 for none."""
    ratings = np.array(ratings)
    return np.stack([(ratings == value).sum(axis=0) for value in range(1, ratings.max() + 1)], 1)


KRIPPENDORFF = [  # four observers, twelve units: Krippendorff 2011, example C
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]


def test_krippendorffs_alpha_of_his_own_example():
    value, low, high = agreement_coefficients(counts_of(KRIPPENDORFF))["alpha"]
    assert value == pytest.approx(0.743, abs=5e-4)
    assert low < value < high


def test_fleiss_kappa_equals_statsmodels():
    table = np.random.default_rng(0).multinomial(5, [0.5, 0.3, 0.2], size=30)
    assert agreement_coefficients(table)["fleiss"][0] == pytest.approx(fleiss_kappa(table))


def test_two_observers_and_two_answers_by_hand():
    # both yes 40, both no 1, unlike 9: seldom no, so kappa is low though 82 % agree
    counts = np.array([[2, 0]] * 40 + [[0, 2]] + [[1, 1]] * 9)
    result = agreement_coefficients(counts)
    yes = 89 / 100
    chance = 2 * yes * (1 - yes)
    assert result["ac1"][0] == pytest.approx((0.82 - chance) / (1 - chance))
    assert result["fleiss"][0] == pytest.approx((0.82 - 1 + chance) / chance)
    assert result["alpha"][0] == pytest.approx(1 - 99 * 18 / (100**2 - 89**2 - 11**2))
    assert result["ac1"][0] > 0.7 > 0.2 > result["fleiss"][0]


def test_jackknife_interval_covers_the_truth():
    rng = np.random.default_rng(1)
    # each of 3 observers agrees with a fair coin's side 90 % of the time: kappa = 0.8^2
    covered = 0
    for _ in range(200):
        side = rng.random(60) < 0.5
        yes = (side[:, None] ^ (rng.random((60, 3)) < 0.1)).sum(axis=1)
        _, low, high = agreement_coefficients(np.stack([yes, 3 - yes], 1))["fleiss"]
        covered += low <= 0.64 <= high
    assert covered / 200 > 0.9


def test_agreement_on_one_answer_alone_leaves_kappa_undefined_and_ac1_at_one():
    result = agreement_coefficients([[2, 0]] * 10)
    assert np.isnan(result["fleiss"][0])
    assert np.isnan(result["alpha"][0])
    assert result["ac1"][0] == 1


def test_observers_who_always_agree_leave_no_interval():
    for value, *interval in agreement_coefficients([[2, 0]] * 4 + [[0, 2]] * 3).values():
        assert value == 1
        assert np.isnan(interval).all()


def test_an_interval_that_hangs_on_one_frame_is_unknown_and_not_minus_1_to_1():
    result = agreement_coefficients([[3, 0]] * 30 + [[2, 1]])
    for name in ("fleiss", "alpha"):  # without the last frame, every answer is the same
        assert np.isnan(result[name][1:]).all()
    value, low, high = result["ac1"]
    assert 0.9 < low < value <= high == 1


def test_d_prime_by_hand_and_at_the_ends():
    hits, false_alarms = norm.cdf([0.5, -0.5]) * 1001 - 0.5
    d_prime, low, high = sensitivity_index(hits, 1000, false_alarms, 1000)
    assert d_prime == pytest.approx(1)
    rate = norm.cdf(0.5)
    error = np.sqrt(2 * rate * (1 - rate) / (1000 * norm.pdf(0.5) ** 2))
    assert (low, high) == pytest.approx((1 - 1.96 * error, 1 + 1.96 * error), abs=1e-3)
    assert sensitivity_index(20, 20, 0, 20)[0] == pytest.approx(2 * norm.ppf(20.5 / 21))
    assert sensitivity_index(10, 20, 10, 20)[0] == 0


def test_observers_needed():
    assert upper_bound(0, 99) <= 0.03 < upper_bound(0, 98)
    assert observers_needed(0.03, 98, 0.9) is None
    # 200 frames bound what is found at 1.49 %; two who find 70 % each find 91 %: 1.63 %
    assert observers_needed(0.02, 200, 0.7) == 2
    assert observers_needed(0.0163, 200, 0.7) == 3
    assert observers_needed(0.02, 200, 1.0) == 1
