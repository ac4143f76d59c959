"""Exact intervals against published numbers."""

import numpy as np
import pytest

from cmrkit.audit.agreement import share_interval, share_with_interval, upper_bound


def test_clopper_pearson_of_no_and_all_events():
    assert share_interval(0, 10) == pytest.approx((0, 1 - 0.025 ** (1 / 10)))
    assert share_interval(10, 10) == pytest.approx((0.025 ** (1 / 10), 1))
    assert share_interval(4, 20) == pytest.approx((0.0573, 0.4366), abs=1e-4)


def test_upper_bound_of_none_is_about_three_over_n():
    assert upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert upper_bound(0, 100) == pytest.approx(0.03, abs=0.001)
    assert upper_bound(5, 5) == 1


def test_independent_frames_have_the_clopper_pearson_interval():
    calls = np.array([True] * 4 + [False] * 16)
    row = share_with_interval(calls)
    assert (row["count"], row["frames"], row["share"]) == (4, 20, 0.2)
    assert (row["low"], row["high"]) == pytest.approx(share_interval(4, 20))


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
    assert row["high"] == pytest.approx(share_interval(0, 8)[1])
