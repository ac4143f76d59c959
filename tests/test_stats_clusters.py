import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm

from cmrkit.stats.clusters import cluster_bootstrap, clustering, mixed_model_shift


def pairs(differences):
    """A table of pairs from differences [patients, frames, seeds]; the reference scores 0.5."""
    rows = [
        {"patient_id": p, "frame_id": f"{p}-{f}", "seed": s, "arm": 0.5 + d, "reference": 0.5}
        for (p, f, s), d in np.ndenumerate(differences)
    ]
    return pd.DataFrame(rows)


def crossed(rng, patients, frames, seeds, patient_sd=1.0, seed_sd=1.0, residual_sd=1.0, frame_sd=0):
    """Differences [patients, frames, seeds]; what is hard in a frame is hard under every seed."""
    return (
        rng.normal(0, patient_sd, (patients, 1, 1))
        + rng.normal(0, frame_sd, (patients, frames, 1))
        + rng.normal(0, seed_sd, (1, 1, seeds))
        + rng.normal(0, residual_sd, (patients, frames, seeds))
    )


def test_the_icc_is_that_of_the_example_of_shrout_and_fleiss():
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9],
                        [6, 2, 4, 7]])  # fmt: skip
    found = clustering(ratings.ravel(), np.repeat(np.arange(6), 4))
    assert found.icc == pytest.approx(0.166, abs=5e-4)
    assert found.design_effect == pytest.approx(1 + 3 * found.icc)
    assert found.effective_frames == pytest.approx(24 / found.design_effect)


def test_frames_that_repeat_their_patient_count_once():
    found = clustering([1, 1, 2, 2, 2, 5, 5], ["a", "a", "b", "b", "b", "c", "c"])
    assert found.icc == 1
    assert found.design_effect == pytest.approx((4 + 9 + 4) / 7)


def test_a_negative_icc_is_reported_but_costs_nothing():
    found = clustering([1, -1, 1, -1], ["a", "a", "b", "b"])
    assert found.icc == -1
    assert found.effective_frames == 4


@pytest.mark.parametrize(
    ("values", "patients"),
    [([1, 2, 3], "aaa"), ([1, 2, 3], "abc"), ([2, 2, 2, 2], "aabb"), ([], "")],
)
def test_without_repeated_frames_patients_or_spread_there_is_no_icc(values, patients):
    assert np.isnan(clustering(values, list(patients)).icc)


def test_the_mixed_model_of_a_balanced_table_is_the_paired_t_interval_of_patients():
    differences = crossed(np.random.default_rng(3), 12, 4, 1, 0.02, 0, 0.01)
    means = differences.mean((1, 2))
    expected = stats.t.interval(0.95, 11, means.mean(), stats.sem(means))
    shift, *interval = mixed_model_shift(pairs(differences), 0.95)
    assert shift == pytest.approx(means.mean())
    assert interval == pytest.approx(expected, rel=1e-3)


def test_one_observation_a_patient_gives_the_paired_t_interval():
    differences = np.random.default_rng(4).normal(0.01, 0.02, (9, 1, 1))
    shift, *interval = mixed_model_shift(pairs(differences), 0.90)
    expected = stats.ttest_1samp(differences.ravel(), 0).confidence_interval(0.90)
    assert shift == pytest.approx(differences.mean())
    assert interval == pytest.approx(list(expected))


def test_the_crossed_mixed_model_agrees_with_the_analysis_of_variance():
    differences = crossed(np.random.default_rng(6), 10, 3, 4, 0.5, 0.6, 0.3, frame_sd=2)
    cells = pairs(differences.mean(1, keepdims=True)).assign(y=lambda t: t["arm"] - t["reference"])
    anova = anova_lm(smf.ols("y ~ C(patient_id) + C(seed)", cells).fit())
    patient, seed, residual = anova["mean_sq"]
    # Variance of the mean from the mean squares, and Satterthwaite's degrees of freedom.
    parts = (patient / 40, (seed - residual) / 40)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 9 + parts[1] ** 2 / 3)
    half = np.sqrt(sum(parts)) * stats.t.ppf(0.975, freedom)
    shift, low, high = mixed_model_shift(pairs(differences), 0.95)
    assert shift == pytest.approx(differences.mean())
    assert (high - low) / 2 == pytest.approx(half, rel=2e-3)


def test_the_mixed_model_covers_the_truth_with_few_patients_and_seeds():
    rng = np.random.default_rng(11)
    intervals = [
        mixed_model_shift(pairs(0.3 + crossed(rng, 12, 4, 3, 0.5, 0.6, 0.3, frame_sd=2)), 0.95)
        for _ in range(120)
    ]
    hits = sum(low <= 0.3 <= high for _, low, high in intervals)
    assert stats.binomtest(hits, len(intervals), 0.95).pvalue > 0.01, hits


def pooled_half_width(differences):
    """95 % half width [patients, 1, seeds] where neither patients nor seeds have a variance."""
    count = differences.size
    error = np.sqrt(np.sum((differences - differences.mean()) ** 2) / (count - 1) / count)
    return error * stats.t.ppf(0.975, len(differences) - 1)


def test_variances_of_zero_leave_the_spread_of_all_values():
    # Patients' and seeds' means scatter less than the residual makes them: both estimates are 0.
    differences = crossed(np.random.default_rng(1), 8, 1, 3, 0, 0, 1)
    _, low, high = mixed_model_shift(pairs(differences), 0.95)
    assert (high - low) / 2 == pytest.approx(pooled_half_width(differences), rel=1e-3)


def test_patients_and_seeds_that_are_all_alike_leave_the_spread_of_all_values():
    differences = np.array([[[1.0, -1.0]], [[-1.0, 1.0]]] * 4)  # every mean is 0
    shift, low, high = mixed_model_shift(pairs(differences), 0.95)
    assert shift == 0
    assert (high - low) / 2 == pytest.approx(pooled_half_width(differences))


@pytest.mark.parametrize(("frames", "seeds"), [(4, 1), (1, 2), (4, 3)])
def test_one_score_a_patient_repeated_on_each_frame_and_seed_gives_the_paired_t_interval(
    frames, seeds
):
    own = np.random.default_rng(4).normal(0.01, 0.02, (10, 1, 1))
    differences = np.broadcast_to(own, (10, frames, seeds))
    shift, *interval = mixed_model_shift(pairs(differences), 0.95)
    assert shift == pytest.approx(own.mean())
    assert interval == pytest.approx(list(stats.ttest_1samp(own.ravel(), 0).confidence_interval()))


def test_patients_and_seeds_without_residual_both_widen_the_interval():
    rng = np.random.default_rng(7)
    own, trained = rng.normal(0, 1, (10, 1, 1)), rng.normal(0, 1, 3)
    shift, low, high = mixed_model_shift(pairs(own + trained), 0.95)
    parts = own.var(ddof=1) / 10, trained.var(ddof=1) / 3
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 9 + parts[1] ** 2 / 2)
    assert shift == pytest.approx((own + trained).mean())
    assert (high - low) / 2 == pytest.approx(np.sqrt(sum(parts)) * stats.t.ppf(0.975, freedom))
    almost = pairs(own + trained + rng.normal(0, 1e-7, (10, 1, 3)))
    assert mixed_model_shift(almost, 0.95) == pytest.approx((shift, low, high), abs=1e-5)


def test_a_fit_that_fails_after_all_falls_back_to_the_means(monkeypatch):
    def fail(*_, **__):
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(smf, "mixedlm", fail)
    differences = crossed(np.random.default_rng(3), 12, 4, 1)
    means = differences.mean((1, 2))
    _, *interval = mixed_model_shift(pairs(differences), 0.95)
    assert interval == pytest.approx(list(stats.ttest_1samp(means, 0).confidence_interval()))


def test_frames_without_a_defined_score_are_left_out_of_the_model():
    differences = crossed(np.random.default_rng(9), 8, 3, 1)
    table = pairs(differences)
    table.loc[5, "arm"] = np.nan
    assert mixed_model_shift(table, 0.95) == mixed_model_shift(table.drop(index=5), 0.95)


def test_one_patient_has_no_mixed_model_and_equal_differences_no_spread():
    assert np.isnan(mixed_model_shift(pairs(np.ones((1, 4, 2))), 0.95)).all()
    assert mixed_model_shift(pairs(np.full((5, 4, 2), 0.25)), 0.95) == (0.25, 0.25, 0.25)


def test_the_cluster_bootstrap_of_even_weights_is_scipys_of_the_mean_at_the_expanded_level():
    values = np.random.default_rng(1).exponential(1, 30)
    mean, low, high = cluster_bootstrap(values, np.ones(30), 0.95, np.random.default_rng(2))
    level = 2 * stats.norm.cdf(stats.t.ppf(0.975, 29) * np.sqrt(30 / 29)) - 1
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=5000, confidence_level=level, rng=np.random.default_rng(2)
    ).confidence_interval
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(tuple(expected))


def test_the_cluster_bootstrap_weighs_patients_by_their_frames():
    rng = np.random.default_rng(1)
    mean, low, high = cluster_bootstrap([0.0] * 6 + [1.0] * 6, [3, 1] * 6, 0.95, rng)
    assert mean == 0.5
    mean, low, high = cluster_bootstrap([0.0, 1.0] * 6, [3, 1] * 6, 0.95, rng)
    assert mean == 0.25
    assert 0 < low < mean < high < 1


@pytest.mark.parametrize(("patients", "most_frames"), [(12, 1), (40, 8)])
def test_the_cluster_bootstrap_covers_the_truth(patients, most_frames):
    hits, studies = 0, 300
    for study in range(studies):
        rng = np.random.default_rng([7, study])
        frames = rng.integers(1, most_frames + 1, patients)
        own = rng.normal(0, 1, patients)
        differences = 0.5 + own + rng.normal(0, 1, patients) / np.sqrt(frames)
        _, low, high = cluster_bootstrap(differences, frames, 0.95, rng)
        hits += low <= 0.5 <= high
    assert stats.binomtest(hits, studies, 0.95).pvalue > 0.01, hits


def test_the_cluster_bootstrap_of_few_patients_has_no_interval_and_of_equal_ones_no_width():
    rng = np.random.default_rng(1)
    mean, *interval = cluster_bootstrap([0.25, 0.5, 0, 0.25, 0.25], [2] * 5, 0.95, rng)
    assert mean == 0.25
    assert np.isnan(interval).all()
    assert cluster_bootstrap([0.25] * 6, [2] * 6, 0.95, rng) == (0.25, 0.25, 0.25)
    assert np.isnan(cluster_bootstrap([], [], 0.95, rng)).all()
