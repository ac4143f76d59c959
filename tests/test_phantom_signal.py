"""The steady state of balanced SSFP against hand calculations."""

import numpy as np
import pytest

from cmrkit.phantom.signal import (
    LEVELS_PER_TURN,
    TURNS,
    signal_table,
    steady_state,
    table_level,
)
from cmrkit.phantom.tissue import Tissue

ON_RESONANCE = int(TURNS * LEVELS_PER_TURN)


def test_on_resonance_signal_by_hand():
    # T1 1000 ms, T2 50 ms, TR 3 ms, 60 degrees: E1 = 0.9970045, E2 = 0.9417645
    # M = sin(60) (1 - E1) sqrt(E2) / (1 - (E1 - E2) cos(60) - E1 E2) = 0.0757
    e1, e2 = 0.9970045, 0.9417645
    expected = 0.8660254 * (1 - e1) * np.sqrt(e2) / (1 - (e1 - e2) * 0.5 - e1 * e2)
    assert expected == pytest.approx(0.0757, rel=0.01)
    signal = steady_state(1000, 50, 60, 3)
    assert signal.real == pytest.approx(expected, rel=1e-5)
    assert abs(signal.imag) < 1e-12


def test_short_tr_limit_depends_on_t2_over_t1_only():
    # TR << T2: M = sin(a) / (1 + cos(a) + (1 - cos(a)) T1 / T2); at 60 degrees and T1 / T2 = 5:
    # 0.8660 / (1.5 + 2.5) = 0.2165
    assert abs(steady_state(1500, 300, 60, 1e-3)) == pytest.approx(0.2165, rel=1e-3)


def test_best_flip_angle_gives_half_the_root_of_t2_over_t1():
    t1, t2 = 1441.0, 290.0
    best = np.rad2deg(np.arccos((t1 / t2 - 1) / (t1 / t2 + 1)))
    assert abs(steady_state(t1, t2, best, 1e-3)) == pytest.approx(0.5 * np.sqrt(t2 / t1), rel=1e-3)


def test_a_dark_band_lies_half_a_turn_from_resonance():
    turns = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    magnitude = np.abs(steady_state(1000, 50, 60, 3, turns))
    assert magnitude[2] < 0.1 * magnitude[0]
    assert magnitude[4] == pytest.approx(magnitude[0])


def test_the_sign_flips_from_band_to_band():
    inside, next_band = steady_state(1000, 50, 60, 3, np.array([0.0, 1.0]))
    assert inside.real > 0
    assert next_band.real == pytest.approx(-inside.real)


def test_fat_is_out_of_phase_with_water_at_1_5_tesla():
    # 3.4 ppm at 1.5 T are 217 Hz; 0.65 turns in a TR of 3 ms
    table = signal_table(1.5, 60, 3.0, inflow=1.2)
    fat, blood = table[Tissue.FAT, ON_RESONANCE], table[Tissue.LV_BLOOD, ON_RESONANCE]
    assert np.cos(np.angle(fat) - np.angle(blood)) < 0


@pytest.mark.parametrize("field", [1.5, 3.0])
def test_blood_is_brighter_than_myocardium_and_lung_is_dark(field):
    table = np.abs(signal_table(field, 55, 3.1, inflow=1.2))[:, ON_RESONANCE]
    assert 2.5 < table[Tissue.LV_BLOOD] / table[Tissue.MYOCARDIUM] < 8
    assert table[Tissue.LUNG] < 0.2 * table[Tissue.MYOCARDIUM]
    assert table[Tissue.AIR] == 0


def test_inflow_brightens_moving_blood_alone():
    still, moving = (np.abs(signal_table(1.5, 60, 3, gain)) for gain in (1.0, 1.5))
    assert moving[Tissue.RV_BLOOD] == pytest.approx(1.5 * still[Tissue.RV_BLOOD])
    assert moving[Tissue.LIVER] == pytest.approx(still[Tissue.LIVER])


def test_field_map_picks_the_column_of_the_table():
    # 100 Hz in a TR of 3 ms are 0.3 turns: 0.3 * 64 = 19.2 columns from the middle
    level = table_level(np.array([0.0, 100.0, -100.0, 1e6]), 3.0)
    assert level.tolist() == [96, 115, 77, 192]
    table = signal_table(1.5, 60, 3.0, 1.0)
    assert level.max() < table.shape[1]
    assert table[Tissue.LIVER, 115] == pytest.approx(
        0.48 * steady_state(576, 46, 60, 3.0, 19 / 64), rel=1e-5
    )
