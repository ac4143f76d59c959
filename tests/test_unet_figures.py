import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cmrkit.figures.comparison import (
    bland_altman_plot,
    case_contours,
    dose_curve,
    pick_cases,
    score_distributions,
)
from cmrkit.stats.pairs import pair_scores, units

mpl.use("Agg")


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    rows = [
        {
            "frame_id": f"{view}_p{patient}_{frame}", "patient_id": f"p{patient}", "view": view,
            "arm": arm, "seed": 1, "label": label, "dice": rng.uniform(0.8, 1), "hd95_mm": 2.0,
        }
        for view, labels in {"4ch": ["LV", "RA"], "sax": ["LV", "RV", "LV myocardium"]}.items()
        for patient in range(5) for frame in range(2) for arm in ("synthetic", "patient")
        for label in labels
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _points(axis):
    return sum(len(c.get_offsets()) for c in axis.collections)


def test_each_patient_is_one_point_an_arm_and_chamber(scores):
    axes = score_distributions(scores).axes
    assert [axis.get_title() for axis in axes] == ["4ch", "sax"]
    assert [_points(axis) for axis in axes] == [5 * 2 * 2, 5 * 2 * 3]
    ticks = [tick.get_text() for tick in axes[1].get_xticklabels()]
    assert ticks == ["LV", "LV myocardium", "RV"]


def test_a_point_is_the_mean_over_a_patients_frames_that_table_1_rests_on(scores):
    scores = pd.concat([scores, scores.assign(seed=2, dice=scores["dice"] ** 2)])
    axis = score_distributions(scores).axes[0]
    drawn = axis.collections[0].get_offsets()[:, 1]  # LV, patient arm
    chosen = scores[(scores["view"] == "4ch") & (scores["label"] == "LV")]
    expected = units(pair_scores(chosen, "synthetic", "patient", "dice"), "patient")["reference"]
    np.testing.assert_allclose(np.sort(drawn), np.sort(expected))


def test_a_patient_without_the_chamber_has_a_point_in_every_arm_where_one_invents_it(scores):
    without = (scores["patient_id"] == "p0") & (scores["view"] == "4ch")
    invents = without & (scores["arm"] == "synthetic")
    scores.loc[without, "dice"] = np.where(invents[without], 0, np.nan)
    axis = score_distributions(scores).axes[0]
    patient, synthetic = (axis.collections[i].get_offsets()[:, 1] for i in (0, 1))
    assert (patient.max(), synthetic.min()) == (1, 0)


def test_an_undefined_score_draws_no_point(scores):
    undefined = (scores["patient_id"] == "p0") & (scores["arm"] == "patient")
    scores.loc[undefined, "hd95_mm"] = np.nan
    axes = score_distributions(scores, "hd95_mm").axes
    assert _points(axes[0]) == 5 * 2 * 2 - 2
    assert "mm" in axes[0].get_ylabel()


def test_an_unknown_metric_is_refused(scores):
    with pytest.raises(ValueError, match="metric: 'jaccard'"):
        score_distributions(scores, "jaccard")


def test_cases_are_ranked_by_mean_dice_over_chambers_and_arms(scores):
    cases = pick_cases(scores, "sax")
    means = scores[scores["view"] == "sax"].groupby("frame_id")["dice"].mean()
    assert cases["worst"] == means.idxmin()
    assert cases["best"] == means.idxmax()
    assert (means < means[cases["median"]]).sum() == 4  # the fifth of ten
    with pytest.raises(ValueError, match="view: '2ch'"):
        pick_cases(scores, "2ch")


def test_cases_show_the_reference_and_every_arm_with_its_dice():
    masks = np.zeros((2, 16, 16), np.uint8)
    masks[:, 4:10, 4:10] = 1
    masks[0, 10:14, 4:10] = 3
    predicted = {"patient": masks, "synthetic": np.zeros_like(masks)}
    dice = {"patient": [1.0, 0.98], "synthetic": [0.0, 0.125]}
    figure = case_contours(["worst", "best"], masks, masks, predicted, dice)
    assert len(figure.axes) == 2 * 3
    assert [axis.get_xlabel() for axis in figure.axes] == [
        "", "Dice 1.000", "Dice 0.000", "", "Dice 0.980", "Dice 0.125",
    ]  # fmt: skip
    # reference: two chambers; patient: two under two dashed; synthetic: the dashed ones alone
    assert [len(axis.collections) for axis in figure.axes[:3]] == [2, 4, 2]


def test_dose_curves_have_a_panel_a_view_and_unit():
    summary = pd.DataFrame(
        [
            (view, arm, unit, dose, 0.9, 0.85, 0.95)
            for view in ("4ch", "sax")
            for arm, unit, doses in (
                ("synthetic", "frames", (100, 1000)), ("patient", "frames", (96, 192)),
                ("patient", "patients", (12, 24)),
            )
            for dose in doses
        ],
        columns=["view", "arm", "unit", "dose", "score", "low", "high"],
    )  # fmt: skip
    axes = dose_curve(summary).axes
    assert [axis.get_xlabel() for axis in axes] == ["training frames", "training patients"] * 2
    assert [len(axis.lines) for axis in axes] == [2, 1, 2, 1]


@pytest.fixture
def agreement():
    rows = [
        {"patient_id": f"p{i}", "view": "4ch", "label": "LV", "arm": arm,
         "quantity": "fractional_area_change", "mean": 0.3 + i / 100, "difference": (i - 2) / 100}
        for i in range(5) for arm in ("patient", "synthetic")
    ]  # fmt: skip
    limits = pd.DataFrame(
        {"view": "4ch", "label": "LV", "arm": ["patient", "synthetic"], "bias": 0.0,
         "quantity": "fractional_area_change", "loa_low": -0.031, "loa_high": 0.031}
    )  # fmt: skip
    return pd.DataFrame(rows), limits


def test_agreement_is_drawn_in_percent_with_its_limits(agreement):
    figure = bland_altman_plot(*agreement, "fractional_area_change")
    assert len(figure.axes) == 2
    assert sorted(figure.axes[0].collections[0].get_offsets()[:, 1]) == pytest.approx(
        [-2, -1, 0, 1, 2]
    )
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.0", "-3.1", "3.1"]


def test_a_quantity_that_the_tables_do_not_hold_is_refused(agreement):
    with pytest.raises(ValueError, match="edv_ml"):
        bland_altman_plot(*agreement, "edv_ml")
