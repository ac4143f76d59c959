import numpy as np
import pandas as pd
import pytest

from cmrkit.stats.comparison import compare, compare_others
from cmrkit.stats.signed_rank import hodges_lehmann, shift_interval, signed_rank_p
from cmrkit.stats.simulate import example_scores
from cmrkit.stats.verdict import conclusion


def scores(differences, label="LV", view="sax"):
    """Dice of two arms from differences [patients, frames]; percent variation is 1 - Dice."""
    rows = []
    for (patient, frame), difference in np.ndenumerate(np.atleast_2d(differences)):
        for arm, dice in (("patient", 0.9), ("synthetic", 0.9 + difference)):
            rows.append(
                {
                    "frame_id": f"{view}-{patient}-{frame}",
                    "patient_id": f"p{patient}",
                    "view": view,
                    "arm": arm,
                    "seed": 1,
                    "label": label,
                    "dice": dice,
                    "percent_variation": 1 - dice,
                }
            )
    return pd.DataFrame(rows)


def spread(centre, width, patients=20):
    """Differences of patients, one frame each, symmetric around their centre."""
    return (centre + width * np.linspace(-1, 1, patients))[:, None]


def patient_row(table, metric="dice", label="LV"):
    rows = table[(table["level"] == "patient") & (table["metric"] == metric)]
    return rows.set_index("label").loc[label]


@pytest.fixture(scope="module")
def example():
    return compare(example_scores())


def test_a_row_holds_what_its_parts_give(example):
    table = example_scores()
    wide = table[(table["view"] == "4ch") & (table["label"] == "RV")].pivot_table(
        index=["patient_id", "frame_id"], columns="arm", values="dice"
    )
    means = wide.groupby("patient_id").mean()
    differences = (means["synthetic"] - means["patient"]).to_numpy()
    row = patient_row(example[example["view"] == "4ch"], label="RV")
    assert row["p"] == pytest.approx(signed_rank_p(differences))
    assert row["hl_shift"] == pytest.approx(hodges_lehmann(differences))
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(shift_interval(differences, 0.95))
    assert row["mean_shift"] == pytest.approx(differences.mean())
    assert row["mixed_shift"] == pytest.approx(differences.mean())
    assert row["arm_median"] == pytest.approx(means["synthetic"].median())
    assert row["reference_q75"] == pytest.approx(means["patient"].quantile(0.75))
    assert (row["n_patients"], row["n_frames"], row["n_seeds"]) == (20, 60, 2)


def test_the_example_shows_all_four_verdicts_and_both_levels(example):
    assert set(example["verdict"]) == {"better", "worse", "equivalent", "inconclusive"}
    assert len(example) == 2 * 2 * 6
    assert example["level"].tolist() == ["patient"] * 12 + ["frame"] * 12
    assert not example["sentence"].duplicated().any()


def test_the_same_scores_and_seed_give_the_same_table_in_any_row_order(example):
    shuffled = example_scores().sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(compare(shuffled), example)


def test_another_seed_moves_the_bootstrap_alone(example):
    other = compare(example_scores(), seed=2)
    assert (other["boot_low"] != example["boot_low"]).any()
    rest = [c for c in example if not c.startswith("boot") and c != "sentence"]
    pd.testing.assert_frame_equal(other[rest], example[rest])


@pytest.mark.parametrize(
    ("centre", "width", "verdict", "within"),
    [
        (-0.006, 0.005, "worse", True),  # the published case: real, and smaller than the margin
        (-0.030, 0.020, "worse", False),
        (0.006, 0.005, "better", True),
        (0.030, 0.020, "better", False),
        (0.0001, 0.008, "equivalent", True),
        (0.005, 0.040, "inconclusive", False),
    ],
)
def test_the_verdict_follows_shift_spread_and_margin(centre, width, verdict, within):
    table = compare(scores(spread(centre, width)))
    for metric in ("dice", "percent_variation"):  # the same finding, the other way round
        row = patient_row(table, metric)
        assert (row["verdict"], row["within_margin"]) == (verdict, within)
    assert patient_row(table)["hl_shift"] == pytest.approx(centre, abs=1e-9)
    assert patient_row(table, "percent_variation")["hl_shift"] == pytest.approx(-centre, abs=1e-9)


def test_a_real_difference_within_the_margin_says_both():
    sentence = patient_row(compare(scores(spread(-0.006, 0.005))))["sentence"]
    assert "synthetic is worse than patient" in sentence
    assert "the difference is smaller than the margin of 0.01" in sentence


def test_the_interval_of_a_sentence_names_its_confidence_to_the_decimal():
    table = compare(scores(spread(-0.006, 0.005)), alpha=0.025)
    assert "97.5 % interval" in patient_row(table)["sentence"]


def test_a_sentence_says_how_many_trainings_stand_for_an_arm():
    one = scores(spread(-0.006, 0.005))
    assert "(20 patients; arms of one training each)" in patient_row(compare(one))["sentence"]
    found = compare(pd.concat([one, one.assign(seed=2), one.assign(seed=3)]))
    assert "(20 patients; arms of 3 trainings each)" in patient_row(found)["sentence"]
    frames = found.loc[found["level"] == "frame", "sentence"]
    says = "(20 frames of 20 patients, taken as independent; arms of 3 trainings each)"
    assert frames.str.contains(says, regex=False).all()


def test_swapping_the_arms_mirrors_every_verdict(example):
    mirrored = compare(example_scores(), arm="patient", reference="synthetic")
    opposite = {"better": "worse", "worse": "better"}
    assert mirrored["verdict"].tolist() == [opposite.get(v, v) for v in example["verdict"]]
    assert mirrored["hl_shift"].tolist() == pytest.approx((-example["hl_shift"]).tolist())


def test_frames_of_one_patient_persuade_the_frame_level_only():
    patients = np.repeat(spread(0.004, 0.012, 8), 30, axis=1)  # 30 frames repeat their patient
    table = compare(scores(patients)).query("metric == 'dice'").set_index("level")
    assert table.loc["patient", "verdict"] == "inconclusive"
    assert table.loc["frame", "verdict"] == "better"
    assert table.loc["frame", "design_effect"] == pytest.approx(30)
    assert table.loc["frame", "boot_low"] == pytest.approx(
        table.loc["patient", "boot_low"], abs=1e-3
    )


def test_identical_arms_are_equivalent():
    row = patient_row(compare(scores(np.zeros((10, 2)))))
    assert (row["verdict"], row["p"], row["hl_shift"]) == ("equivalent", 1, 0)


def test_a_shift_of_zero_is_no_difference_however_small_its_p():
    # 25 equal scores and six losses: the ranks reject, the shift is zero
    row = patient_row(compare(scores(np.array([0.0] * 25 + [-0.002] * 6)[:, None])))
    assert row["p_holm"] < 0.05
    assert row["hl_shift"] == 0
    assert row["verdict"] == "equivalent"


@pytest.mark.parametrize("patients", [1, 2, 5])
def test_below_six_patients_nothing_is_concluded_and_the_sentence_says_why(patients):
    table = compare(scores(np.repeat(spread(0.05, 0.001, patients), 40, axis=1)))
    assert set(table["verdict"]) == {"inconclusive"}
    assert not table["within_margin"].any()
    row = patient_row(table)
    assert row["ci_low"] == -np.inf
    assert "fewer than 6 patients" in row["sentence"]


def test_too_few_patients_to_resample_are_said_and_not_printed_as_nan():
    row = patient_row(compare(scores(spread(0.0005, 0.001, 5)), alpha=0.1))
    assert row["verdict"] == "equivalent"
    assert "The mean shift, +0.0005, has no interval: resampling needs 6" in row["sentence"]
    assert "nan" not in row["sentence"]


def test_six_patients_can_be_enough():
    assert patient_row(compare(scores(spread(0.05, 0.001, 6))))["verdict"] == "better"


def test_one_score_a_volume_repeated_on_its_frames_or_seeds_is_compared_by_patients():
    volumes = scores(spread(-0.006, 0.005, 10))
    frames = scores(np.repeat(spread(-0.006, 0.005, 10), 4, axis=1))
    seeds = pd.concat([volumes, volumes.assign(seed=2)])
    columns = ["hl_shift", "p", "mixed_shift", "mixed_low", "mixed_high", "verdict"]
    expected = patient_row(compare(volumes))[columns]
    for table in (frames, seeds):
        row = patient_row(compare(table))[columns]
        assert row["verdict"] == expected["verdict"]
        assert row[:-1].tolist() == pytest.approx(expected[:-1].tolist())


def test_holm_runs_over_the_chambers_of_a_metric_and_not_over_metrics():
    table = pd.concat(
        [
            scores(spread(0.004, 0.012, 20), "LV"),
            scores(spread(0.003, 0.012, 20), "RV"),
            scores(spread(0.001, 0.012, 20), "LV myocardium"),
        ]
    )
    found = compare(table, metrics=["dice"])
    p = {label: patient_row(found, label=label)["p"] for label in ("LV", "RV", "LV myocardium")}
    holm = {label: patient_row(found, label=label)["p_holm"] for label in p}
    assert p["LV"] < p["RV"] < p["LV myocardium"]
    assert holm["LV"] == pytest.approx(3 * p["LV"])
    assert holm["RV"] == pytest.approx(max(3 * p["LV"], 2 * p["RV"]))
    assert holm["LV myocardium"] == pytest.approx(max(2 * p["RV"], p["LV myocardium"]))
    both = compare(table)
    assert patient_row(both)["p_holm"] == pytest.approx(holm["LV"])


def test_a_chamber_with_too_few_patients_is_no_part_of_the_family():
    table = pd.concat([scores(spread(-0.006, 0.005), "LV"), scores(spread(0.05, 0.001, 5), "RV")])
    found = compare(table)
    assert patient_row(found)["p_holm"] == patient_row(found)["p"]
    assert patient_row(found)["holm_tests"] == 1
    row = patient_row(found, label="RV")
    assert np.isnan(row["p_holm"])
    assert row["p"] == 2 / 2**5


def test_too_few_patients_for_so_many_chambers_are_named_in_the_sentence():
    labels = ("LV", "LV myocardium", "RV", "LA", "RA")
    tables = [scores(spread(0.05, 0.001, 7), label) for label in labels]
    found = compare(pd.concat(tables))
    assert set(found.loc[found["level"] == "patient", "verdict"]) == {"inconclusive"}
    says = "With 5 chambers tested together, Holm's first step needs 8 patients"
    assert says in patient_row(found)["sentence"]
    assert "Holm's first step" not in patient_row(compare(tables[0]))["sentence"]
    more = [scores(spread(0.05, 0.001, 8), label) for label in labels]
    assert patient_row(compare(pd.concat(more)))["verdict"] == "better"


def test_a_chamber_that_one_arm_lacks_keeps_an_empty_row_and_is_no_part_of_the_family():
    table = pd.concat([scores(spread(-0.006, 0.005), "LV"), scores(spread(0, 0.1), "RV")])
    table = table[(table["label"] != "RV") | (table["arm"] == "patient")]
    found = compare(table)
    row = patient_row(found, label="RV")
    assert (row["n_patients"], row["verdict"]) == (0, "inconclusive")
    assert np.isnan(row["p_holm"])
    assert "not scored in both arms" in row["sentence"]
    assert patient_row(found)["p_holm"] == patient_row(found)["p"]


def test_a_score_that_is_nowhere_defined_leaves_an_empty_row():
    table = scores(spread(0, 0.1)).assign(dice=np.nan)
    row = patient_row(compare(table, metrics=["dice"]))
    assert (row["n_patients"], row["undefined"]) == (0, 20)


def test_undefined_pairs_are_left_out_and_counted():
    table = scores(spread(-0.006, 0.005))
    table.loc[[0, 5], "dice"] = np.nan  # one score of each arm, in two patients
    row = patient_row(compare(table))
    assert (row["n_patients"], row["undefined"], row["undefined_one_arm"]) == (18, 2, 2)
    assert "Left out: 2 pairs without a defined score, 2 of them in one arm only" in row["sentence"]
    table.loc[[0, 1, 4, 5], "dice"] = np.nan  # both arms
    row = patient_row(compare(table))
    assert (row["n_patients"], row["undefined"], row["undefined_one_arm"]) == (18, 2, 0)


@pytest.mark.parametrize("metric", ["dice", "percent_variation"])
def test_an_arm_that_invents_chambers_is_not_called_better(metric):
    table = scores(np.repeat(spread(0.003, 0.001), 6, axis=1), "RV")
    without = table["frame_id"].str.endswith(("-4", "-5"))  # frames beyond the right ventricle
    invents = without & (table["arm"] == "synthetic")
    table.loc[without, ["dice", "percent_variation"]] = np.nan
    table.loc[invents, ["dice", "percent_variation"]] = [0, 1]
    row = patient_row(compare(table), metric, "RV")
    assert (row["verdict"], row["undefined"]) == ("worse", 0)
    assert abs(row["hl_shift"]) == pytest.approx(2 / 6 - 4 / 6 * 0.003, abs=1e-9)


def test_a_few_failed_frames_are_pointed_out_where_the_ranks_see_equivalence():
    differences = spread(0, 0.004, 30)
    differences[:2] = -0.85
    row = patient_row(compare(scores(differences)))
    assert row["verdict"] == "equivalent"
    assert "The mean shift" in row["sentence"]
    assert "see the worst cases" in row["sentence"]


def test_scores_in_mm_have_no_margin_and_are_never_equivalent():
    table = scores(np.zeros((10, 1))).assign(hd95_mm=3.0)
    row = patient_row(compare(table, metrics=["hd95_mm"]), "hd95_mm")
    assert row["verdict"] == "inconclusive"
    assert np.isnan(row["tost_p"])
    assert "no margin for the 95 % Hausdorff distance is set" in row["sentence"]


def test_area_errors_have_no_margin_since_one_in_dice_means_less_there():
    table = scores(np.zeros((10, 1))).assign(relative_area_error=0.1)
    found = compare(table, metrics=["dice", "relative_area_error"])
    row = patient_row(found, "relative_area_error")
    assert row["verdict"] == "inconclusive"
    assert np.isnan([row["margin"], row["tost_p"]]).all()
    assert "no margin for the relative area error is set" in row["sentence"]
    assert "margin" not in conclusion(found, "relative_area_error")
    assert patient_row(found)["verdict"] == "equivalent"


def test_a_table_of_other_models_is_compared_by_the_scores_it_has():
    table = scores(spread(-0.006, 0.005)).assign(hd95_mm=3.0)
    assert set(compare(table)["metric"]) == {"dice", "percent_variation"}
    assert set(compare(table.drop(columns="percent_variation"))["metric"]) == {"dice"}
    without = table.drop(columns=["dice", "percent_variation"])
    assert set(compare(without)["metric"]) == {"hd95_mm"}


def test_further_arms_are_judged_as_far_as_frames_and_seeds_allow_and_else_named():
    table = scores(spread(-0.006, 0.005))
    further = {name: table[table["arm"] == "synthetic"].assign(arm=name) for name in "abc"}
    further["b"] = further["b"].assign(seed=7)
    further["c"] = further["c"].iloc[1:]
    table = pd.concat([table, *further.values()])
    found, refused = compare_others(table, "synthetic", "patient", ["dice"], margin=0.02)
    assert list(found) == ["a"]
    assert patient_row(found["a"])["arm"] == "a"
    assert patient_row(found["a"])["margin"] == 0.02
    assert refused["b"].startswith("b is not compared with patient. seed: arm 'b' has [7]")
    assert refused["c"].startswith("c is not compared with patient. arm: 'c' lacks 1 scores")


def test_relative_area_error_is_compared_by_its_size():
    table = scores(spread(0, 0.01))
    error = np.where(table["arm"] == "patient", -0.10, 0.02)
    row = patient_row(
        compare(table.assign(relative_area_error=error), metrics=["relative_area_error"]),
        "relative_area_error",
    )
    assert (row["verdict"], row["hl_shift"]) == ("better", pytest.approx(-0.08))


def test_the_conclusion_counts_verdicts_and_says_whether_all_lie_within_the_margin(example):
    text = conclusion(example, "dice")
    assert "over 6 chambers, better in 1, worse in 3, equivalent in 1, inconclusive in 1" in text
    assert "in 4 of 6, so not for all of them" in text
    alike = compare(scores(spread(-0.006, 0.005)))
    assert "Every difference is smaller than the margin of 0.01" in conclusion(alike, "dice")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"metrics": ["jaccard"]}, "metrics: 'jaccard' is not known"),
        ({"margin": 0}, "margin: 0 is not above 0"),
        ({"margin": np.nan}, "margin: nan is not above 0"),
        ({"alpha": 5}, "alpha: 5 is outside 0 to 0.5"),
        ({"arm": "manual"}, "arm: 'manual' has no scores"),
    ],
)
def test_an_impossible_choice_is_named(options, says):
    with pytest.raises(ValueError, match=says):
        compare(scores(spread(0, 0.1)), **options)
