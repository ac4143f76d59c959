import numpy as np
import pandas as pd
import pytest

from cmrkit.stats.pairs import chambers, pair_scores, units


def row(arm, frame, dice, patient_id="1", seed=1, label="LV", view="sax"):
    return {
        "frame_id": frame,
        "patient_id": patient_id,
        "view": view,
        "arm": arm,
        "seed": seed,
        "label": label,
        "dice": dice,
    }


def both(frame, synthetic, patient, **rest):
    return [row("synthetic", frame, synthetic, **rest), row("patient", frame, patient, **rest)]


def pairs(rows):
    return pair_scores(pd.DataFrame(rows), "synthetic", "patient", "dice")


def test_scores_are_paired_by_frame_and_seed_whatever_their_order():
    rows = [*both("a", 0.8, 0.9), *both("b", 0.5, 0.7), *both("a", 0.6, 0.9, seed=2)]
    rows += both("b", 0.4, 0.8, seed=2)
    table = pairs(reversed(rows))
    assert table[["frame_id", "seed", "arm", "reference"]].to_numpy().tolist() == [
        ["a", 1, 0.8, 0.9],
        ["a", 2, 0.6, 0.9],
        ["b", 1, 0.5, 0.7],
        ["b", 2, 0.4, 0.8],
    ]


def test_units_average_seeds_then_frames_so_every_frame_of_a_patient_weighs_the_same():
    rows = [*both("a", 0.8, 0.9), *both("a", 0.6, 0.9, seed=2)]
    rows += [*both("b", 0.5, 0.9), *both("b", np.nan, 0.9, seed=2)]
    frames = units(pairs(rows), "frame")
    assert frames["difference"].tolist() == pytest.approx([-0.2, -0.4])
    patients = units(pairs(rows), "patient")
    assert patients["difference"].tolist() == pytest.approx([-0.3])
    assert patients["frames"].tolist() == [2]


def test_a_difference_that_is_only_rounding_counts_as_zero():
    rows = [*both("a", 0.1 + 0.2, 0.3), *both("b", 0.3, 0.1 + 0.2, patient_id="2")]
    assert units(pairs(rows), "patient")["difference"].tolist() == [0, 0]


def test_a_pair_with_one_undefined_score_is_left_out_on_both_sides():
    table = units(pairs([*both("a", np.nan, 0.9), *both("b", 0.8, 0.9)]), "frame")
    assert len(table) == 1
    assert table["reference"].tolist() == [0.9]


@pytest.mark.parametrize(("metric", "invented", "perfect"), [
    ("dice", 0, 1), ("percent_variation", 1, 0),
])  # fmt: skip
def test_an_arm_that_rightly_leaves_a_chamber_out_is_perfect_where_the_other_invents_it(
    metric, invented, perfect
):
    rows = [*both("a", invented, np.nan), *both("b", np.nan, invented), *both("c", 0.8, 0.9)]
    rows += [*both("d", invented, invented), *both("e", np.nan, np.nan)]
    table = pd.DataFrame(rows).rename(columns={"dice": metric})
    found = pair_scores(table, "synthetic", "patient", metric).set_index("frame_id")
    assert found.loc[list("abcd"), ["arm", "reference"]].to_numpy().tolist() == [
        [invented, perfect],
        [perfect, invented],
        [0.8, 0.9],
        [invented, invented],
    ]
    assert found.loc["e", ["arm", "reference"]].isna().all()


def test_a_chamber_invented_under_one_seed_makes_the_other_seeds_of_that_frame_count():
    rows = [*both("a", 0, np.nan), *both("a", np.nan, np.nan, seed=2)]
    assert units(pairs(rows), "frame")["difference"].tolist() == [-0.5]


def test_what_a_third_arm_invents_does_not_count():
    rows = [*both("a", np.nan, np.nan), row("teacher", "a", 0)]
    assert pairs(rows)[["arm", "reference"]].isna().all(axis=None)


@pytest.mark.parametrize("metric", ["relative_area_error", "hd95_mm", "asd_mm"])
def test_area_errors_and_distances_stay_undefined_where_there_is_no_chamber(metric):
    table = pd.DataFrame(both("a", 0, np.nan)).rename(columns={"dice": metric})
    assert np.isnan(pair_scores(table, "synthetic", "patient", metric)["reference"].item())


def test_unequal_frame_sets_are_refused_with_the_arm_and_a_frame():
    rows = [*both("a", 0.8, 0.9), row("patient", "b", 0.9)]
    with pytest.raises(ValueError, match=r"'synthetic' lacks 1 scores .* LV of frame 'b', seed 1"):
        pairs(rows)
    rows = [*both("a", 0.8, 0.9), row("synthetic", "b", 0.9)]
    with pytest.raises(ValueError, match=r"'patient' lacks 1 scores"):
        pairs(rows)


def test_a_label_that_one_arm_never_scored_has_no_pairs_but_keeps_its_place():
    rows = [*both("a", 0.8, 0.9), row("patient", "a", 0.9, label="RV")]
    assert set(pairs(rows)["label"]) == {"LV"}
    assert chambers(pd.DataFrame(rows), "synthetic", "patient") == [("sax", "LV"), ("sax", "RV")]


def test_arms_that_share_no_label_give_no_pairs():
    assert len(pairs([row("patient", "a", 0.9), row("synthetic", "a", 0.9, label="RV")])) == 0


def test_views_and_chambers_stand_in_the_order_of_the_frame_table():
    rows = [row("patient", f"{v}{n}", 0.9, view=v, label=n) for v in ("sax", "4ch") for n in "LR"]
    rows = [r | {"label": {"L": "LV", "R": "RV"}[r["label"]]} for r in reversed(rows)]
    order = [("4ch", "LV"), ("4ch", "RV"), ("sax", "LV"), ("sax", "RV")]
    assert chambers(pd.DataFrame(rows), "synthetic", "patient") == order


@pytest.mark.parametrize(
    ("arms", "metric", "says"),
    [
        (("teacher", "patient"), "dice", "arm: 'teacher' has no scores; the table has patient"),
        (("patient", "patient"), "dice", "arm: 'patient' is also the reference"),
        (("synthetic", "patient"), "hd95_mm", "metric: 'hd95_mm' is not a column"),
    ],
)
def test_an_arm_or_metric_that_is_not_there_is_named(arms, metric, says):
    with pytest.raises(ValueError, match=says):
        pair_scores(pd.DataFrame(both("a", 0.8, 0.9)), *arms, metric)


def test_arms_with_different_seeds_are_refused():
    rows = [*both("a", 0.8, 0.9), row("patient", "a", 0.9, seed=2)]
    with pytest.raises(ValueError, match=r"seed: arm 'synthetic' has \[1\].* has \[1, 2\]"):
        pairs(rows)
