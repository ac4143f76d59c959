"""What each tissue sends back: the steady state of balanced SSFP."""

import numpy as np

from cmrkit.phantom.tissue import Tissue

# T1 ms, T2 ms at 1.5 T and 3 T, proton density relative to water
RELAXATION = {
    Tissue.LUNG: ((1200, 40), (1300, 30), 0.10),
    Tissue.FAT: ((300, 85), (380, 70), 0.95),
    Tissue.MUSCLE: ((1010, 35), (1410, 32), 0.80),
    Tissue.BONE: ((550, 50), (590, 49), 0.32),
    Tissue.LIVER: ((580, 46), (810, 34), 0.72),
    Tissue.STOMACH: ((1300, 110), (1500, 100), 0.75),
    Tissue.SPLEEN: ((1060, 79), (1330, 61), 0.80),
    Tissue.FLUID: ((3500, 1500), (3800, 1300), 1.0),
    Tissue.MYOCARDIUM: ((1000, 50), (1200, 45), 0.80),
    Tissue.RV_WALL: ((1000, 50), (1200, 45), 0.80),
    Tissue.LV_BLOOD: ((1480, 254), (1800, 200), 0.92),
    Tissue.PAPILLARY: ((1000, 50), (1200, 45), 0.80),
    Tissue.RV_BLOOD: ((1480, 200), (1800, 150), 0.92),
    Tissue.TRABECULA: ((1050, 62), (1250, 56), 0.82),
    Tissue.LA_BLOOD: ((1480, 254), (1800, 200), 0.92),
    Tissue.RA_BLOOD: ((1480, 200), (1800, 150), 0.92),
    Tissue.VESSEL: ((1480, 230), (1800, 180), 0.92),
    Tissue.ATRIAL_WALL: ((1000, 50), (1200, 45), 0.70),
    Tissue.CARTILAGE: ((1000, 42), (1100, 40), 0.60),
}
FAT_SHIFT_PPM = -3.4
GYROMAGNETIC_MHZ_T = 42.577


def steady_state(t1_ms, t2_ms, flip_deg, tr_ms, cycles=0.0):
    """Transverse magnetisation of balanced SSFP at the echo (TE = TR / 2), proton density 1.

    Args:
        t1_ms, t2_ms: relaxation times.
        flip_deg: flip angle.
        tr_ms: repetition time.
        cycles: off-resonance, turns of phase in one TR; 0.5 is the middle of a dark band.

    Returns:
        complex, the sign of fat between two bands included.

    Source: Bernstein, King, Zhou, Handbook of MRI Pulse Sequences 2004, section 14.1; with phase
    alternation of the pulses, so that the pass band is centred at zero.
    """
    e1, e2 = np.exp(-tr_ms / t1_ms), np.exp(-tr_ms / t2_ms)
    alpha, beta = np.deg2rad(flip_deg), 2 * np.pi * np.asarray(cycles, float) + np.pi
    denominator = (1 - e1 * np.cos(alpha)) * (1 - e2 * np.cos(beta)) - (
        e2 * (e1 - np.cos(alpha)) * (e2 - np.cos(beta))
    )
    after_pulse = np.sin(alpha) * (1 - e1) * (1 - e2 * np.exp(-1j * beta)) / denominator
    return after_pulse * np.sqrt(e2) * np.exp(1j * np.pi * np.asarray(cycles, float))


def signal_table(field_t, flip_deg, tr_ms, inflow, levels=64):
    """Signal of each tissue over off-resonance.

    Args:
        field_t: 1.5 or 3.0.
        flip_deg, tr_ms: of the sequence.
        inflow: gain of moving blood over the steady state, 1 or more.
        levels: number of steps over one period of the band pattern.

    Returns:
        [tissues, levels] complex64; column k stands for k / levels turns in one TR.
    """
    cycles = np.arange(levels) / levels
    table = np.zeros((len(Tissue), levels), np.complex64)
    fat_cycles = FAT_SHIFT_PPM * GYROMAGNETIC_MHZ_T * field_t * tr_ms / 1000
    for tissue, (low, high, density) in RELAXATION.items():
        t1, t2 = low if field_t < 2 else high
        shift = fat_cycles if tissue == Tissue.FAT else 0.0
        gain = inflow if tissue in _MOVING else 1.0
        turns = np.mod(cycles + shift + 0.5, 1) - 0.5
        sign = -1 if tissue == Tissue.FAT and abs(fat_cycles) % 2 > 0.5 else 1
        table[tissue] = sign * gain * density * steady_state(t1, t2, flip_deg, tr_ms, turns)
    return table


_MOVING = {Tissue.LV_BLOOD, Tissue.RV_BLOOD, Tissue.LA_BLOOD, Tissue.RA_BLOOD, Tissue.VESSEL}
