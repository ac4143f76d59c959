"""The simulated cardiac cycle."""

import numpy as np
import pytest

from cmrkit.phantom.motion import END_SYSTOLE, cardiac_cycle, emptying, valve_opening
from cmrkit.phantom.population import draw_patient

PATIENT = draw_patient(1, 1)


@pytest.mark.parametrize("phases", [2, 3, 8, 10, 25, 40])
def test_both_measured_volumes_are_reached_whatever_the_number_of_phases(phases):
    cycle = cardiac_cycle(PATIENT, phases, (12, 16))
    assert cycle.lv[0] == PATIENT.lvedv_ml
    assert cycle.rv[0] == PATIENT.rvedv_ml
    assert cycle.lv.min() == pytest.approx(PATIENT.lvesv_ml)
    assert cycle.rv.min() == pytest.approx(PATIENT.rvesv_ml)
    assert (cycle.lv <= PATIENT.lvedv_ml).all()
    assert (cycle.rv <= PATIENT.rvedv_ml).all()


def test_end_systole_lies_where_it_is_stated():
    cycle = cardiac_cycle(PATIENT, 25, (12, 16))
    assert cycle.fraction[np.argmin(cycle.lv)] == pytest.approx(END_SYSTOLE, abs=0.02)


def test_emptying_rises_to_end_systole_and_falls_after_it():
    time = np.linspace(0, 1, 401)
    share = emptying(time)
    assert share[0] == pytest.approx(0)
    assert share[-1] == pytest.approx(0)
    assert emptying(END_SYSTOLE) == pytest.approx(1)
    rising = time <= END_SYSTOLE
    assert (np.diff(share[rising]) >= 0).all()
    assert (np.diff(share[~rising]) <= 1e-12).all()


def test_rapid_filling_is_faster_than_diastasis():
    rapid = emptying(END_SYSTOLE + 0.05) - emptying(END_SYSTOLE + 0.15)
    diastasis = emptying(0.65) - emptying(0.75)
    assert rapid > 5 * diastasis


def test_atria_fill_against_the_ventricles():
    cycle = cardiac_cycle(PATIENT, 20, (12, 16))
    assert np.corrcoef(cycle.lv, cycle.la)[0, 1] == pytest.approx(-1)
    assert cycle.la.max() == pytest.approx(PATIENT.la_max_ml)
    total = cycle.lv + cycle.rv + cycle.la + cycle.ra
    assert total.min() > 0.65 * total.max()  # the heart does not pump by shrinking as a whole


def test_valve_planes_move_to_the_apex_and_back():
    cycle = cardiac_cycle(PATIENT, 20, (12, 16))
    assert cycle.mitral[0] == 0
    assert cycle.mitral.max() == pytest.approx(12)
    assert cycle.tricuspid.max() == pytest.approx(16)


def test_the_septum_rounds_up_in_systole():
    cycle = cardiac_cycle(PATIENT, 20, (12, 16))
    assert cycle.flattening[0] == PATIENT.septal_flattening
    assert np.argmin(cycle.flattening) == np.argmin(cycle.lv)


def test_valves_are_shut_in_systole_and_open_in_early_filling():
    assert valve_opening(np.linspace(0.05, END_SYSTOLE, 20)) == pytest.approx(0, abs=1e-9)
    assert valve_opening(END_SYSTOLE + 0.08) == pytest.approx(1)
