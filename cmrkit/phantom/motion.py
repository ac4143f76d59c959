"""The cardiac cycle: volume curves, motion of the valve plane, septal shape."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

END_SYSTOLE = 0.36  # fraction of the cycle


@dataclass(frozen=True)
class Cycle:
    """Targets of each phase, [P] arrays: volumes in mL, lengths in mm.

    Attributes:
        fraction: position in the cycle, 0 at end-diastole.
        lv, rv, la, ra: cavity volumes.
        mitral, tricuspid: distance of the valve plane from its end-diastolic place, to the apex.
        flattening: septal flattening, 0 round.
        contraction: 0 at end-diastole, 1 at end-systole.
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


def emptying(fraction, delay=0.0):
    """Share of the stroke volume that has left the ventricle.

    Args:
        fraction: position in the cycle, 0 to 1.
        delay: shift of end-systole, fraction of the cycle.

    Returns:
        array of the same shape: 0 at end-diastole, 1 at end-systole.
    """
    es = END_SYSTOLE + delay
    knots = [0, 0.04, 0.5 * es, es, es + 0.05, es + 0.17, 0.76, 0.86, 0.96, 1]
    values = [0, 0.02, 0.62, 1, 0.97, 0.36, 0.24, 0.21, 0.01, 0]
    return PchipInterpolator(knots, values)(fraction)


def cardiac_cycle(patient, phases, excursion_mm):
    """Targets of `phases` evenly spaced phases of one patient's cycle.

    Args:
        patient: `population.Patient`.
        phases: number of phases.
        excursion_mm: (mitral, tricuspid) systolic excursion.
    """
    fraction = np.arange(phases) / phases
    left = emptying(fraction)
    right = emptying(fraction, delay=0.03)  # right bundle branch block after repair
    flat = patient.septal_flattening * (1 - 0.55 * left)
    return Cycle(
        fraction=fraction,
        lv=patient.lvedv_ml - (patient.lvedv_ml - patient.lvesv_ml) * left,
        rv=patient.rvedv_ml - (patient.rvedv_ml - patient.rvesv_ml) * right,
        la=patient.la_max_ml * (0.52 + 0.48 * left),
        ra=patient.ra_max_ml * (0.58 + 0.42 * right),
        mitral=excursion_mm[0] * left,
        tricuspid=excursion_mm[1] * right,
        flattening=flat,
        contraction=left,
    )
