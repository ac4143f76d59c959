"""The whole verdict under known truths: each rate against its Monte Carlo interval."""

import gc

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cmrkit.stats.clusters import cluster_bootstrap
from cmrkit.stats.comparison import rank_statistics
from cmrkit.stats.signed_rank import equivalence_p, shift_interval, signed_rank_p
from cmrkit.stats.simulate import clustered_differences, false_alarms
from cmrkit.stats.verdict import decide

CHAMBERS = 5
MARGIN = 0.01


def attained(patients, alpha):
    """Size of the exact two-sided signed-rank test: what alpha becomes with so few patients."""
    chances = np.array([1.0])
    for rank in range(1, patients + 1):
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    sums = np.cumsum(chances)
    return 2 * sums[sums <= alpha / 2].max()


def verdicts(rng, studies, level, patients=20, frames=10, icc=0.4, shift=0.0):
    """Verdicts [studies, chambers] of simulated studies with clustered frames."""
    rows = []
    for study in range(studies):
        for _ in range(CHAMBERS):
            differences = clustered_differences(rng, patients, frames, icc, shift)
            units = differences.mean(1) if level == "patient" else differences.ravel()
            row = rank_statistics(units, MARGIN, 0.05) | {"study": study}
            rows.append(row | {"metric": "dice", "level": study, "n_patients": patients})
    with pytest.MonkeyPatch.context() as patch:
        # statsmodels collects garbage after each family: 40 s of waiting over 400 studies
        patch.setattr(gc, "collect", lambda: 0)
        table = decide(pd.DataFrame(rows), 0.05)  # each study is a family of its own
    return table["verdict"].to_numpy().reshape(studies, CHAMBERS)


def agrees(hits, trials, rate):
    """Whether a simulated rate lies in the 99 % Monte Carlo interval of the expected one."""
    return stats.binomtest(int(hits), trials, rate).pvalue > 0.01


@pytest.fixture(scope="module")
def null_verdicts():
    return verdicts(np.random.default_rng(1), 400, "patient")


def test_a_false_difference_anywhere_in_the_table_is_as_rare_as_alpha_says(null_verdicts):
    wrong = np.isin(null_verdicts, ("better", "worse")).any(1).sum()
    # Holm's first step decides; independent chambers, each at the attained level of alpha / 5.
    expected = 1 - (1 - attained(20, 0.05 / CHAMBERS)) ** CHAMBERS
    assert expected == pytest.approx(0.05, abs=0.006)
    assert agrees(wrong, len(null_verdicts), expected), wrong


def test_without_a_difference_most_chambers_are_equivalent_and_errors_go_either_way(null_verdicts):
    # 10 frames, ICC 0.4: a patient's mean scatters by 0.007, so 0.01 is within reach of 20 patients
    assert (null_verdicts == "equivalent").mean() > 0.9
    better, worse = (null_verdicts == "better").sum(), (null_verdicts == "worse").sum()
    assert agrees(better, better + worse, 0.5)


def test_frames_taken_as_independent_break_the_same_verdict():
    studies = 40
    found = verdicts(np.random.default_rng(3), studies, "frame")
    wrong = np.isin(found, ("better", "worse")).any(1).sum()
    assert stats.binomtest(int(wrong), studies, 0.3, alternative="greater").pvalue < 0.01, wrong


def test_at_the_margin_equivalence_is_declared_as_rarely_as_alpha_says():
    rng, studies, patients = np.random.default_rng(4), 1500, 20
    draws = clustered_differences(rng, (studies, patients), 5, 0.4, MARGIN, 0.01).mean(-1)
    hits = sum(equivalence_p(d, MARGIN) < 0.05 for d in draws)
    assert agrees(hits, studies, attained(patients, 0.10) / 2), hits / studies


@pytest.mark.parametrize(
    ("patients", "confidence"), [(8, 0.95), (20, 0.95), (20, 0.90), (60, 0.95)]
)
def test_the_interval_of_the_shift_covers_the_truth_as_often_as_it_says(patients, confidence):
    rng, studies, shift = np.random.default_rng(6), 2000, 0.004
    draws = clustered_differences(rng, (studies, patients), 3, 0.3, shift).mean(-1)
    intervals = np.array([shift_interval(d, confidence) for d in draws])
    hits = ((intervals[:, 0] <= shift) & (shift <= intervals[:, 1])).sum()
    alpha = 1 - confidence
    exact = 1 - attained(patients, alpha) if patients <= 50 else confidence
    assert agrees(hits, studies, exact), hits / studies


def test_of_skewed_differences_the_ranks_test_the_pseudomedian_and_not_the_mean():
    studies = 1500
    draws = np.random.default_rng(8).exponential(1, (studies, 50))
    pseudomedian = stats.gamma(2).median() / 2  # of the mean of two exponential differences
    hits = sum(signed_rank_p(d - pseudomedian) < 0.05 for d in draws)
    # A little above 5 %, since ranks of skewed differences scatter more than the test believes.
    assert stats.binomtest(hits, studies, 0.065, alternative="greater").pvalue > 0.01, hits
    assert sum(signed_rank_p(d - 1) < 0.05 for d in draws) > 0.15 * studies  # the mean is 0


def test_the_bootstrap_interval_covers_the_mean_of_skewed_differences():
    hits, studies = 0, 400
    for study in range(studies):
        rng = np.random.default_rng([9, study])
        _, low, high = cluster_bootstrap(rng.exponential(1, 20), np.ones(20), 0.95, rng)
        hits += low <= 1 <= high
    assert agrees(hits, studies, 0.95), hits


def test_the_teaching_table_shows_frames_failing_and_patients_holding():
    studies = 3000
    table = false_alarms((1, 8), patients=16, icc=0.3, studies=studies)
    table = table.set_index(["frames_a_patient", "level"])
    assert table.loc[(1, "frame"), "rate"] == table.loc[(1, "patient"), "rate"]
    hits = round(table.loc[(8, "patient"), "rate"] * studies)
    assert agrees(hits, studies, attained(16, 0.05)), hits
    # The variance of the mean is 1 + 7 * 0.3 times what the frame-level test believes.
    expected = 2 * stats.norm.sf(1.96 / np.sqrt(3.1))
    assert table.loc[(8, "frame"), "rate"] == pytest.approx(expected, abs=0.03)


@pytest.mark.timeout(30)
def test_frames_that_repeat_their_patient_are_simulated_as_fast_as_others():
    table = false_alarms((2,), patients=6, icc=1.0).set_index("level")["rate"]
    assert table["patient"] < 0.05 < table["frame"]


def test_independent_frames_do_no_harm():
    table = false_alarms((8,), patients=16, icc=0.0, studies=3000).set_index("level")
    assert agrees(round(table.loc["frame", "rate"] * 3000), 3000, 0.05)


def test_the_teaching_table_states_its_own_monte_carlo_interval():
    row = false_alarms((2,), patients=8, studies=200).iloc[0]
    expected = stats.binomtest(round(row["rate"] * 200), 200).proportion_ci()
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected))


def test_simulated_differences_have_the_asked_shift_spread_and_icc():
    draws = clustered_differences(np.random.default_rng(1), (200, 50), 4, 0.3, 0.002, 0.01)
    assert draws.shape == (200, 50, 4)
    assert draws.mean() == pytest.approx(0.002, abs=2e-4)
    assert draws.std() == pytest.approx(0.01, rel=0.02)
    first, second = draws[..., 0].ravel(), draws[..., 1].ravel()
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("icc", [-0.1, 1.2, np.nan])
def test_an_icc_that_is_no_share_is_refused(icc):
    with pytest.raises(ValueError, match=r"icc: .* is outside 0 to 1"):
        false_alarms((2,), icc=icc, studies=10)
