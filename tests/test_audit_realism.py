"""Realism: distances known by hand, anchors that stay apart, and findings that can be bad."""

import numpy as np
import pandas as pd
import pytest
from hearts import draw_patients, draw_synthetic
from scipy import linalg, ndimage
from scipy.stats import t

from cmrkit.audit import realism
from cmrkit.audit.anatomy import areas_and_places
from cmrkit.audit.distances import frechet_distance, kernel_distance, precision_recall
from cmrkit.audit.embedding import train_embedding
from cmrkit.audit.ratio import ratio_of_means
from cmrkit.audit.realism import ALIKE, audit_realism, compare_anatomy, spoil
from cmrkit.cohort.part import Part
from cmrkit.figures.realism_audit import realism_figure

GAN, HELD_OUT = draw_patients(24, seed=1), draw_patients(16, seed=2, name="h")
SYNTHETIC = draw_synthetic(120, seed=3)


@pytest.fixture(scope="module")
def embedding():
    return train_embedding(GAN, seed=1, steps=20)


@pytest.fixture(scope="module")
def found(embedding):
    return audit_realism(SYNTHETIC, GAN, HELD_OUT, embedding, seed=1)


def table(audit):
    return audit.measures.set_index("measure")


def test_frechet_distance_of_gaussians_known_by_hand():
    x = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])  # covariance 2 / 3 of the unit matrix
    # means 3 apart; SDs sqrt(2/3) and twice that: (sqrt(8/3) - sqrt(2/3))^2 in each of two features
    assert frechet_distance(x, 2 * x + [3, 0]) == pytest.approx(9 + 2 * 2 / 3)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-12)


def test_frechet_distance_equals_its_definition():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(50, 6)), rng.normal(0.4, 1.5, size=(70, 6))
    a, b = np.cov(one.T), np.cov(other.T)
    between = np.square(one.mean(axis=0) - other.mean(axis=0)).sum()
    expected = between + np.trace(a + b - 2 * linalg.sqrtm(a @ b))
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_equals_its_definition_and_is_0_in_the_mean():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(5, 3)), rng.normal(1, 1, size=(4, 3))
    each = np.arange(5), np.arange(4)

    def kernel(x, y):
        return (x @ y / 3 + 1) ** 3

    within = [
        np.mean([kernel(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j])
        for x in (one, other)
    ]
    between = np.mean([kernel(x, y) for x in one for y in other])
    assert kernel_distance(one, other, each) == pytest.approx(sum(within) - 2 * between)
    each = (np.arange(30),) * 2
    draws = [kernel_distance(*rng.normal(size=(2, 30, 3)), each) for _ in range(200)]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(200)


def test_kernel_distance_is_0_in_the_mean_too_where_frames_come_several_to_a_patient():
    rng, owners = np.random.default_rng(0), (np.repeat(np.arange(6), 5), np.arange(30))
    draws = []
    for _ in range(200):
        patients = np.repeat(rng.normal(size=(6, 3)), 5, axis=0)
        frames = np.sqrt(0.7) * patients + np.sqrt(0.3) * rng.normal(size=(30, 3))
        draws.append(kernel_distance(frames, rng.normal(size=(30, 3)), owners))
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(200)
    assert np.isnan(kernel_distance(frames, frames, (np.zeros(30), owners[1])))


def test_precision_recall_density_and_coverage_of_points_on_a_line():
    patients, synthetic = (
        np.array(x, dtype=float)[:, None] for x in ([0, 1, 2, 10], [1.5, 50, 98.5])
    )
    owners = np.arange(3), np.arange(4)
    # balls of patients reach 1, 1, 1 and 8; 1.5 lies in those of 1 and 2, and not in that of 10
    # (8.5 away); balls of all synthetic frames reach 48.5
    assert precision_recall(synthetic, patients, owners, neighbours=1) == pytest.approx(
        {"precision": 1 / 3, "recall": 1.0, "density": 2 / 3, "coverage": 0.5}
    )


@pytest.mark.parametrize(
    ("owners", "unknown"),
    [((range(20), [0] * 20), {"precision", "density", "coverage"}),
     (([0] * 20, range(20)), {"recall"}),
     ((range(20), [0] * 15 + [1, 2, 3, 4, 5]), {"precision", "density", "coverage"}),
     ((range(20), [0] * 14 + [1, 2, 3, 4, 5, 6]), set())],
)  # fmt: skip
def test_balls_without_enough_frames_of_other_patients_say_nothing(owners, unknown):
    rng = np.random.default_rng(0)
    sets = rng.normal(5, 1, (20, 8)), rng.normal(0, 1, (20, 8))
    measures = precision_recall(*sets, tuple(np.array(x) for x in owners), neighbours=5)
    assert {name for name, x in measures.items() if np.isnan(x)} == unknown


def test_a_ball_reaches_past_frames_of_the_same_patient():
    patients = np.array([0, 0.1, 5, 5.1])[:, None]
    synthetic = np.array([2.5, 2.6, 2.7])[:, None]
    alone = precision_recall(synthetic, patients, (np.arange(3), np.arange(4)), 1)
    grouped = precision_recall(synthetic, patients, (np.arange(3), np.array(list("aabb"))), 1)
    assert (alone["precision"], grouped["precision"]) == (0, 1)


def test_new_hearts_are_like_other_patients(found):
    measures = table(found)
    assert (measures["finding"] != "not informative").sum() >= 8
    worse = measures.index[measures["finding"] == "worse than other patients"]
    assert len(worse) <= 3, list(worse)
    assert measures.loc["chamber areas", "place"] < 0.5
    assert found.summary["verdict"].iloc[0].startswith("sax: synthetic frames are")


def test_spoilt_synthetic_frames_fail(embedding):
    spoilt = spoil(SYNTHETIC, np.random.default_rng(5))
    measures = table(audit_realism(spoilt, GAN, HELD_OUT, embedding, seed=1))
    failed = measures["finding"] == "worse than other patients"
    for name in ("sliced Wasserstein, 64 px", "Frechet distance", "chamber areas", "area change"):
        assert failed[name], name
        assert measures.loc[name, "low"] > measures.loc[name, "floor_high"]


def test_blurred_frames_and_a_collapsed_generator_are_told(embedding):
    """Every frame one of three hearts, and smooth: good anatomy, poor set."""
    rows = np.arange(120) % 3
    images = ndimage.gaussian_filter(SYNTHETIC.images[rows], (0, 1.5, 1.5))
    collapsed = Part(images, SYNTHETIC.masks[rows], SYNTHETIC.frames)
    audit = audit_realism(collapsed, GAN, HELD_OUT, embedding, seed=1)
    finding = table(audit)["finding"]
    assert finding[ALIKE] == "more alike than patients"
    assert finding["sliced Wasserstein, 64 px"] == "worse than other patients"
    assert finding["recall"] == "worse than other patients"
    assert "more alike than patients by MS-SSIM of pairs" in audit.summary["verdict"].iloc[0]


def test_a_measure_that_cannot_tell_noise_is_not_informative(monkeypatch, embedding):
    monkeypatch.setattr(realism, "frechet_distance", lambda a, b: float(a[0, 0]))
    measures = table(audit_realism(SYNTHETIC, GAN, HELD_OUT, embedding, seed=1))
    assert measures.loc["Frechet distance", "finding"] == "not informative"


def findings_of(synthetic, floor, failure):
    """Row of the table for repeats of the Frechet distance about these means."""
    rng = np.random.default_rng(0)
    noise = standard(rng.normal(size=(3, realism.REPEATS)))
    values = np.array([synthetic, floor, failure])[:, None] + noise
    index = pd.MultiIndex.from_product(
        [range(realism.REPEATS), ["Frechet distance"]], names=["repeat", "measure"]
    )
    return realism._table("sax", pd.DataFrame(values.T, index, realism.SETS)).iloc[0]


def test_only_frames_surely_nearer_to_other_than_to_spoilt_patients_are_like_them():
    row = findings_of(50, 50, 100)
    assert row["finding"] == "like other patients"
    assert row["place_low"] < 0 < row["place_high"] < realism.CLEAR
    row = findings_of(50, 50, 54)  # told apart from spoilt patients, but the error is as large
    assert row["finding"] == "not shown"
    assert row["place_high"] > realism.CLEAR
    assert "not shown to be like other patients by Frechet" in realism._verdict(
        "sax", row.to_frame().T
    )
    row = findings_of(50, 50, 50.5)
    assert row["finding"] == "not informative"
    assert np.isnan([row["place_low"], row["place_high"]]).all()


@pytest.mark.parametrize("shift", np.linspace(-8, 8, 33))
def test_the_interval_of_the_place_holds_0_just_where_no_difference_is_found(shift):
    row = findings_of(50 + shift, 50, 70)
    clear = row["finding"] in ("nearer than other patients", "worse than other patients")
    assert clear != (row["place_low"] <= 0 <= row["place_high"])


def test_the_interval_of_a_ratio_covers_it_19_times_out_of_20():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(1000):  # means 3 and 10, each with standard error 1, as the SD of repeats says
        one, other = rng.normal([[3], [10]], 1, (2, 1)) + standard(rng.normal(size=(2, 400)))
        _, low, high = ratio_of_means(one, other, 1.96)
        covered += low <= 0.3 <= high
    assert 0.93 < covered / 1000 < 0.97


def standard(values):
    values = values - values.mean(axis=1, keepdims=True)
    return values / values.std(axis=1, ddof=1, keepdims=True)


def test_intervals_of_random_halves_are_those_of_the_mean():
    """Against the t interval of the mean of 40 patients: 200 times the audit's own interval."""
    rng = np.random.default_rng(0)
    reach = []
    for _ in range(200):
        x = rng.normal(size=40)
        halves = np.array([rng.permutation(x)[:20].mean() for _ in range(realism.REPEATS)])
        interval = realism._interval("x", halves)
        reach.append((interval["x_high"] - interval["x_low"]) / 2 / t.ppf(0.975, len(halves) - 1))
    assert np.mean(reach) == pytest.approx(1 / np.sqrt(40), rel=0.08)


def test_anatomy_is_compared_in_the_patients_own_spread():
    reference = pd.DataFrame(areas_and_places(GAN))
    moved = reference.assign(**{"LV area": reference["LV area"] + 0.5})
    found = compare_anatomy(moved, reference)
    expected = 0.5 / reference["LV area"].std(ddof=0) / 3  # one of three chambers
    assert found["chamber areas"] == pytest.approx(expected)
    assert [found["chamber places"], found["area change"]] == pytest.approx([0, 0], abs=1e-12)


def test_few_patients_are_refused(embedding):
    with pytest.raises(ValueError, match="held_out: 1 patients of view 'sax'"):
        audit_realism(SYNTHETIC, GAN, draw_patients(1, seed=4), embedding, seed=1)
    with pytest.raises(ValueError, match="4 frames are left in half of the smallest set"):
        audit_realism(SYNTHETIC, GAN, draw_patients(2, seed=4), embedding, seed=1)


def test_the_figure_shows_every_measure_and_both_anchors(found):
    figure = realism_figure(found.measures)
    (axis,) = figure.axes
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == list(found.measures["measure"])
    assert "synthetic (other; spoilt)" in [text.get_text() for text in axis.texts]


def test_a_value_beyond_the_scale_is_drawn_as_an_arrow_on_either_side(found):
    places = [-3.0, 0.5, 4.0]
    measures = found.measures.iloc[:3].assign(
        finding="like other patients", place=places, place_low=places, place_high=places
    )
    (axis,) = realism_figure(measures).axes
    assert [m.get_marker() for m in axis.lines if len(m.get_xdata()) == 1] == ["<", "o", ">"]


def test_no_words_of_the_figure_are_cut_at_its_edge(found):
    figure = realism_figure(found.measures)
    figure.draw_without_rendering()
    figure.set_dpi(300)
    figure.set_layout_engine("none")
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1, text.get_text()
