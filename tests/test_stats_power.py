import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestPower

from cmrkit.stats.power import patients_needed, power_curves


def scores(differences, labels=("LV",)):
    rows = []
    for label in labels:
        for patient, difference in enumerate(differences):
            base = {"frame_id": f"{patient}", "patient_id": f"p{patient}", "view": "sax", "seed": 1}
            for arm, dice in (("patient", 0.9), ("synthetic", 0.9 + difference)):
                rows.append(base | {"arm": arm, "label": label, "dice": dice})
    return pd.DataFrame(rows)


NORMAL = np.random.default_rng(1).normal(0, 1, 400)
NORMAL = (NORMAL - NORMAL.mean()) / NORMAL.std()


def power_at(curves, claim, patients):
    row = curves[(curves["claim"] == claim) & (curves["n_patients"] == patients)].iloc[0]
    return row["power"], row["low"], row["high"]


def test_power_of_the_difference_is_near_the_t_tests_for_normal_differences():
    curves = power_curves(scores(0.005 + 0.01 * NORMAL), patients=(20, 40), studies=2000)
    for patients in (20, 40):
        # Pitman efficiency of signed ranks against t for normal data: 3 / pi
        expected = TTestPower().power(0.5, patients * 3 / np.pi, 0.05)
        assert power_at(curves, "difference", patients)[0] == pytest.approx(expected, abs=0.04)


def test_at_the_margin_equivalence_is_reached_as_rarely_as_alpha_says():
    curves = power_curves(scores(0.01 + 0.005 * NORMAL), patients=(60,), studies=2000)
    _, low, high = power_at(curves, "equivalence", 60)
    assert low < 0.05 < high
    assert power_at(curves, "equivalence if there is no difference", 60)[0] == 1


def test_power_grows_with_patients_and_falls_with_the_number_of_chambers():
    pilot = 0.004 + 0.01 * NORMAL[:30]
    one = power_curves(scores(pilot), patients=(15, 40, 120), studies=500)
    grown = one[one["claim"] == "difference"]["power"].tolist()
    assert grown == sorted(grown)
    assert grown[0] < grown[-1]
    three = power_curves(scores(pilot, ("LV", "RV", "LV myocardium")), patients=(40,), studies=500)
    assert power_at(three, "difference", 40)[0] < power_at(one, "difference", 40)[0]


def test_a_chamber_that_one_arm_lacks_does_not_count_into_the_correction():
    pilot = 0.004 + 0.01 * NORMAL[:30]
    table = scores(pilot, ("LV", "RV", "LV myocardium"))
    lacking = table[(table["label"] == "LV") | (table["arm"] == "patient")]
    options = {"patients": (40,), "studies": 500}
    pd.testing.assert_frame_equal(
        power_curves(lacking, **options), power_curves(scores(pilot), **options)
    )


def test_scores_in_mm_have_no_curve_of_equivalence():
    table = scores(0.01 * NORMAL[:30]).rename(columns={"dice": "hd95_mm"})
    curves = power_curves(table, metric="hd95_mm", patients=(20,), studies=50)
    assert curves["claim"].tolist() == ["difference"]


def test_relative_area_error_is_planned_by_its_size_and_without_a_margin():
    table = scores(0.01 * NORMAL)
    error = np.where(table["arm"] == "patient", -0.10, 0.10 + table["dice"] - 0.9)
    curves = power_curves(
        table.assign(relative_area_error=error), metric="relative_area_error",
        patients=(20,), studies=50,
    )  # fmt: skip
    assert curves["claim"].tolist() == ["difference"]
    assert power_at(curves, "difference", 20)[0] < 0.3  # with their signs apart it would be 1


def test_too_small_a_pilot_is_left_out_and_too_small_a_study_refused():
    assert len(power_curves(scores(0.01 * NORMAL[:5]), patients=(20,))) == 0
    with pytest.raises(ValueError, match="patients: 8 is below 10"):
        power_curves(scores(0.01 * NORMAL), patients=(8, 20))


def test_the_patients_needed_are_the_smallest_tried_number_that_suffices():
    curves = pd.DataFrame(
        {
            "view": "sax",
            "label": "LV",
            "claim": ["difference"] * 3 + ["equivalence"] * 3,
            "n_patients": [10, 20, 40] * 2,
            "power": [0.3, 0.8, 0.9, 0.0, 0.1, 0.2],
        }
    )
    needed = patients_needed(curves).set_index("claim")["n_patients"]
    assert needed["difference"] == 20
    assert np.isnan(needed["equivalence"])
