"""The cardiac cycle: volume curves, motion of the valve planes, shape of the septum, valves."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

END_SYSTOLE = 0.36
"""End-systole, fraction of the cycle. Choice: about 300 ms at 70 beats a minute."""

RV_DELAY = 0.03
"""Choice: the right ventricle ends its contraction later; most patients have right bundle branch
block after repair."""


@dataclass(frozen=True)
class Cycle:
    """Targets of each phase, all [P] float64.

    Attributes:
        fraction: position in the cycle, 0 at end-diastole to below 1.
        lv, rv, la, ra: cavity volumes, mL.
        mitral, tricuspid: way of the valve planes towards the apex since end-diastole, mm.
        flattening: of the septum, as `Patient.septal_flattening`.
        contraction: 0 at end-diastole, 1 at end-systole.
        opening: of the mitral and tricuspid valve, 0 closed, 1 wide open.
    """

    fraction: np.ndarray
    lv: np.ndarray
    rv: np.ndarray
    la: np.ndarray
    ra: np.ndarray
    mitral: np.ndarray
    tricuspid: np.ndarray
    flattening: np.ndarray
    contraction: np.ndarray
    opening: np.ndarray


def emptying(fraction, end_systole=END_SYSTOLE):
    """Share of the stroke volume that has left the ventricle.

    Args:
        fraction: position in the cycle, 0 to 1.
        end_systole: fraction of the cycle.

    Returns:
        array of the same shape: 0 at end-diastole, 1 at end-systole.

    Choice: isovolumic pause, ejection, rapid filling, diastasis and atrial contraction as pieces of
    a monotone cubic, so that no phase overshoots the two volumes that are measured.
    """
    es = end_systole
    knots = [0, 0.04, 0.5 * es, es, es + 0.05, es + 0.17, 0.76, 0.86, 0.96, 1]
    values = [0, 0.02, 0.62, 1, 0.97, 0.36, 0.24, 0.21, 0.01, 0]
    return PchipInterpolator(knots, values)(fraction)


def valve_opening(fraction):
    """Opening of the atrioventricular valves: shut in systole, wide in early and late filling."""
    es = END_SYSTOLE
    knots = [0, 0.04, es, es + 0.08, es + 0.2, 0.74, 0.88, 1]
    return PchipInterpolator(knots, [0.1, 0, 0, 1, 0.85, 0.45, 0.9, 0.1])(fraction)


def cardiac_cycle(patient, phases, excursion_mm):
    """Targets of `phases` evenly spaced phases of one patient's cycle.

    Args:
        patient: `population.Patient`.
        phases: number of phases; phase 0 is end-diastole.
        excursion_mm: (mitral, tricuspid) way of the valve planes at end-systole.

    Returns:
        `Cycle`. The phase nearest to end-systole is put there exactly, so that the smallest volume
        is the patient's end-systolic volume whatever the number of phases.
    """
    fraction = np.arange(phases) / phases
    es_phase = max(1, round(END_SYSTOLE * phases))
    es = es_phase / phases
    left = emptying(_stretch(fraction, es))
    right = emptying(_stretch(fraction, es), END_SYSTOLE + RV_DELAY)
    right[es_phase] = 1.0  # both ventricles are read at one end-systolic phase
    return Cycle(
        fraction=fraction,
        lv=patient.lvedv_ml - (patient.lvedv_ml - patient.lvesv_ml) * left,
        rv=patient.rvedv_ml - (patient.rvedv_ml - patient.rvesv_ml) * right,
        la=patient.la_max_ml * (0.52 + 0.48 * left),
        ra=patient.ra_max_ml * (0.58 + 0.42 * right),
        mitral=excursion_mm[0] * left,
        tricuspid=excursion_mm[1] * right,
        # Choice: a volume-loaded septum is flat in diastole and rounds up in systole
        flattening=patient.septal_flattening * (1 - 0.55 * left),
        contraction=left,
        opening=valve_opening(_stretch(fraction, es)),
    )


def _stretch(fraction, es):
    """Time of the standard cycle at which the patient's phases lie, so that `es` is end-systole."""
    return np.interp(fraction, [0, es, 1], [0, END_SYSTOLE, 1])
