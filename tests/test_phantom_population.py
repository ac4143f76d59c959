"""The simulated population against the published one."""

import numpy as np
import pandas as pd
import pytest

from cmrkit.phantom.population import (
    AGE_RANGE_YEARS,
    AGE_YEARS,
    CHOSEN,
    MALE_SHARE,
    draw_patient,
    margin_moments,
    patient_rng,
)

PATIENTS = 2500


@pytest.fixture(scope="module")
def cohort():
    return pd.DataFrame([draw_patient(7, number).truth() for number in range(1, PATIENTS + 1)])


def test_age_and_sex_are_those_of_the_german_cohort(cohort):
    assert cohort["age_years"].mean() == pytest.approx(AGE_YEARS[0], rel=0.1)
    assert cohort["age_years"].std() == pytest.approx(AGE_YEARS[1], rel=0.1)
    assert cohort["age_years"].between(*AGE_RANGE_YEARS).all()
    assert (cohort["sex"] == "m").mean() == pytest.approx(MALE_SHARE, abs=0.04)


@pytest.mark.parametrize("sex", ["m", "f"])
@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("rvedvi_ml_m2", "rvedvi"),
        ("rvef_percent", "rvef"),
        ("lvedvi_ml_m2", "lvedvi"),
        ("lvef_percent", "lvef"),
        ("rv_wall_mm", "rv_wall_mm"),
    ],
)
def test_means_and_sds_stay_within_ten_percent_of_the_source(cohort, column, name, sex):
    mean, sd = margin_moments(name, sex)
    drawn = cohort.loc[cohort["sex"] == sex, column]
    assert drawn.mean() == pytest.approx(mean, rel=0.1)
    assert drawn.std() == pytest.approx(sd, rel=0.1)


def test_published_quartiles_of_the_right_ventricle_come_out(cohort):
    men = cohort.loc[cohort["sex"] == "m", "rvedvi_ml_m2"]
    # Hagdorn et al. 2020: 123 [100-151] mL/m2
    assert np.percentile(men, [25, 50, 75]) == pytest.approx([100, 123, 151], rel=0.1)


def test_moments_follow_from_the_quartiles_by_hand():
    # normal: SD = (57 - 46) / 1.349 = 8.154; log-normal: sigma = ln(131 / 94) / 1.349 = 0.24605,
    # mean = 114 exp(sigma**2 / 2) = 117.50
    assert margin_moments("rvef", "f") == pytest.approx((52.0, 8.154), rel=1e-3)
    assert margin_moments("rvedvi", "f")[0] == pytest.approx(117.50, rel=1e-3)
    assert margin_moments("lvef", "m") == CHOSEN["lvef"]["m"]


def test_ejection_fractions_correlate_as_published(cohort):
    men = cohort[cohort["sex"] == "m"]
    r = men["rvef_percent"].corr(men["lvef_percent"])
    assert r == pytest.approx(0.39, abs=0.08)  # Spiewak et al. 2013


def test_men_have_larger_volumes_and_lower_ejection_fractions(cohort):
    mean = cohort.groupby("sex")[["rvedvi_ml_m2", "lvedvi_ml_m2", "rvef_percent"]].mean()
    assert mean.loc["m", "rvedvi_ml_m2"] > mean.loc["f", "rvedvi_ml_m2"]
    assert mean.loc["m", "lvedvi_ml_m2"] > mean.loc["f", "lvedvi_ml_m2"]
    assert mean.loc["m", "rvef_percent"] < mean.loc["f", "rvef_percent"]


def test_a_larger_right_ventricle_flattens_the_septum(cohort):
    ratio = cohort["rvedv_ml"] / cohort["lvedv_ml"]
    assert ratio.corr(cohort["septal_flattening"]) > 0.5


def test_every_patient_can_live(cohort):
    assert (cohort["lvesv_ml"] < cohort["lvedv_ml"]).all()
    assert (cohort["rvesv_ml"] < cohort["rvedv_ml"]).all()
    assert cohort["lvef_percent"].between(25, 85).all()
    assert cohort["bsa_m2"].between(0.7, 2.5).all()
    children = cohort[cohort["age_years"] < 10]
    assert children["bsa_m2"].mean() < 1.15


def test_a_patient_depends_on_seed_and_number_only():
    assert draw_patient(3, 17) == draw_patient(3, 17)
    assert draw_patient(3, 17) != draw_patient(3, 18)
    assert draw_patient(3, 17) != draw_patient(4, 17)


def test_streams_of_different_purposes_differ():
    first, second = (patient_rng(1, 1, purpose).random() for purpose in ("image sax", "image 4ch"))
    assert first != second
