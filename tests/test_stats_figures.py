import matplotlib.pyplot as plt
import numpy as np
import pytest

from cmrkit.figures.significance import (
    VERDICT_MARKS,
    false_alarm_rates,
    forest,
    power_panels,
    shifts_over_seeds,
)
from cmrkit.figures.style import save_figure
from cmrkit.stats.comparison import compare
from cmrkit.stats.power import power_curves
from cmrkit.stats.simulate import example_scores, false_alarms
from cmrkit.stats.spread import stack_seeds
from cmrkit.stats.verdict import VERDICTS


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def comparison():
    return compare(example_scores())


def test_every_verdict_has_a_mark_of_its_own():
    assert tuple(VERDICT_MARKS) == VERDICTS
    assert len({marker for _, marker in VERDICT_MARKS.values()}) == 4


def test_the_forest_draws_every_shift_at_its_value_patients_beside_frames(comparison):
    axes = np.array(forest(comparison).axes).reshape(2, 2)
    for line, metric in zip(axes, ("dice", "percent_variation"), strict=True):
        for axis, level in zip(line, ("patient", "frame"), strict=True):
            rows = comparison[(comparison["metric"] == metric) & (comparison["level"] == level)]
            drawn = [m.get_xdata()[0] for m in axis.lines if len(m.get_xdata()) == 1]
            assert drawn == pytest.approx(rows["hl_shift"].tolist())
    assert axes[0, 0].get_yticklabels()[0].get_text() == "4ch LV"
    assert axes[0, 0].get_ylim() == (5.6, -0.6)


def test_a_chamber_without_scores_and_one_without_interval_are_drawn_as_such():
    scores = example_scores(patients=12)
    lacking = (scores["label"] == "RA") & (scores["arm"] == "synthetic")
    few = (scores["view"] == "sax") & (scores["patient_id"] > "example-04")
    axis = forest(compare(scores[~lacking & ~few], metrics=["dice"])).axes[0]
    assert " not scored in both arms" in [t.get_text() for t in axis.texts]
    assert len(axis.collections) >= 4
    assert np.isfinite(axis.get_xlim()).all()


def test_the_same_comparison_gives_the_same_picture(comparison, tmp_path):
    first, second = (
        save_figure(forest(comparison), tmp_path / name, "figure7", "comparison.csv")
        for name in ("one", "two")
    )
    assert first.read_bytes() == second.read_bytes()


def test_every_seed_has_its_mark_in_the_line_of_its_chamber():
    scores = example_scores()
    by_seed = {seed: compare(rows, metrics=["dice"]) for seed, rows in scores.groupby("seed")}
    axis = shifts_over_seeds(stack_seeds(by_seed)).axes[0]
    marks = sorted(
        (round(m.get_ydata()[0]), m.get_xdata()[0]) for m in axis.lines if len(m.get_xdata()) == 1
    )
    expected = sorted(
        (place, shift)
        for table in by_seed.values()
        for place, shift in enumerate(table.loc[table["level"] == "patient", "hl_shift"])
    )
    np.testing.assert_allclose(marks, expected)
    assert axis.get_title(loc="left") == "2 seeds, patients as units"


def test_false_alarm_rates_show_both_levels_and_the_nominal_level():
    rates = false_alarms((1, 4), patients=10, studies=100)
    axis = false_alarm_rates(rates).axes[0]
    names = axis.get_legend_handles_labels()[1]
    assert sorted(names) == ["frames as units", "nominal 5 %", "patients as units"]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["1", "4"]


def test_power_has_a_panel_a_chamber_and_hides_the_empty_ones():
    scores = example_scores(seeds=(1,))
    curves = power_curves(scores[scores["label"] != "RA"], patients=(10, 40), studies=50)
    figure = power_panels(curves)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["4ch LV", "4ch RV", "sax LV", "sax LV myocardium", "sax RV", ""]
    assert [axis.axison for axis in figure.axes] == [True] * 5 + [False]


def test_the_bands_of_power_are_named_for_what_they_are():
    curves = power_curves(example_scores(seeds=(1,)), patients=(10,), studies=50)
    assert power_panels(curves).get_supxlabel().endswith("(bands: simulation error alone)")


def test_power_without_a_margin_draws_the_difference_alone():
    curves = power_curves(example_scores(seeds=(1,)), metric="hd95_mm", patients=(10,), studies=50)
    names = power_panels(curves).axes[0].get_legend_handles_labels()[1]
    assert names == ["difference", "patients of this study"]
