"""What each tissue sends back: the steady state of balanced SSFP."""

import numpy as np

from cmrkit.phantom.tissue import BLOOD, Tissue

RELAXATION_MS = {
    Tissue.LUNG: ((1200, 40), (1300, 30)),
    Tissue.FAT: ((343, 58), (382, 68)),
    Tissue.MUSCLE: ((1008, 44), (1412, 50)),
    Tissue.BONE: ((549, 49), (586, 49)),
    Tissue.LIVER: ((576, 46), (812, 42)),
    Tissue.STOMACH: ((1300, 110), (1500, 100)),
    Tissue.SPLEEN: ((1057, 79), (1328, 61)),
    Tissue.FLUID: ((3500, 1500), (3800, 1300)),
    Tissue.MYOCARDIUM: ((1000, 50), (1157, 45)),
    Tissue.RV_WALL: ((1000, 50), (1157, 45)),
    Tissue.LV_BLOOD: ((1441, 290), (1932, 275)),
    Tissue.PAPILLARY: ((1000, 50), (1157, 45)),
    Tissue.RV_BLOOD: ((1441, 200), (1932, 150)),
    Tissue.TRABECULA: ((1150, 90), (1400, 75)),
    Tissue.LA_BLOOD: ((1441, 290), (1932, 275)),
    Tissue.RA_BLOOD: ((1441, 200), (1932, 150)),
    Tissue.VESSEL: ((1441, 240), (1932, 200)),
    Tissue.VESSEL_WALL: ((1000, 50), (1157, 45)),
    Tissue.CARTILAGE: ((1000, 42), (1100, 40)),
}
"""(T1, T2) in ms at 1.5 T and at 3 T.

Source: Stanisz et al. 2005, Magn Reson Med 54:507 (blood, liver, skeletal muscle); de Bazelaire et
al. 2004, Radiology 230:652 (fat, marrow, spleen); von Knobelsdorff-Brenkenhoff et al. 2013, J
Cardiovasc Magn Reson 15:53 (myocardium at 3 T). Choice: venous blood has a shorter T2 than
arterial; trabeculae hold blood between them; the rest is taken between its neighbours.
"""

PROTON_DENSITY = {
    Tissue.LUNG: 0.07,
    Tissue.FAT: 0.90,
    Tissue.BONE: 0.32,
    Tissue.FLUID: 1.0,
    Tissue.CARTILAGE: 0.55,
    Tissue.LIVER: 0.48,
    Tissue.MUSCLE: 0.60,
    Tissue.SPLEEN: 0.62,
    **dict.fromkeys(BLOOD, 0.92),
}
"""Relative to water. Choice: 0.75 for every other tissue, which includes what the off-resonant
pulses take from its protons by magnetisation transfer; liver and skeletal muscle so dark that the
share of dark pixels lies in the range of real frames."""
SOLID_DENSITY = 0.75

FAT_SHIFT_PPM = -3.4
GYROMAGNETIC_MHZ_T = 42.577
LEVELS_PER_TURN = 64
TURNS = 1.5  # the table reaches from -TURNS to TURNS


def steady_state(t1_ms, t2_ms, flip_deg, tr_ms, turns=0.0):
    """Transverse magnetisation of balanced SSFP at the echo (TE = TR / 2), proton density 1.

    Args:
        t1_ms, t2_ms: relaxation times, ms.
        flip_deg: flip angle, degrees.
        tr_ms: repetition time, ms.
        turns: off-resonance, turns of phase in one TR; 0.5 is the middle of a dark band.

    Returns:
        complex, shaped as `turns`: real and positive on resonance, negative one band further.

    Source: Freeman and Hill 1971, J Magn Reson 4:366; Scheffler and Lehnhardt 2003, Eur Radiol
    13:2409, for the echo at TR / 2. The pulses alternate, so the pass band is centred at 0.
    """
    e1, e2 = np.exp(-tr_ms / t1_ms), np.exp(-tr_ms / t2_ms)
    alpha = np.deg2rad(flip_deg)
    beta = 2 * np.pi * (np.asarray(turns, float) + 0.5)
    denominator = (1 - e1 * np.cos(alpha)) * (1 - e2 * np.cos(beta)) - (
        e2 * (e1 - np.cos(alpha)) * (e2 - np.cos(beta))
    )
    after_pulse = np.sin(alpha) * (1 - e1) * (1 - e2 * np.exp(-1j * beta)) / denominator
    return after_pulse * np.sqrt(e2) * np.exp(1j * np.pi * np.asarray(turns, float))


def signal_table(field_t, flip_deg, tr_ms, inflow):
    """Signal of each tissue over off-resonance.

    Args:
        field_t: 1.5 or 3.0, T.
        flip_deg, tr_ms: of the sequence.
        inflow: gain of moving blood over its steady state; fresh spins enter the slice.

    Returns:
        [tissues, levels] complex64; see `table_level` for the columns.
    """
    levels = int(2 * TURNS * LEVELS_PER_TURN) + 1
    turns = np.linspace(-TURNS, TURNS, levels)
    fat = FAT_SHIFT_PPM * GYROMAGNETIC_MHZ_T * field_t * tr_ms / 1000
    table = np.zeros((len(Tissue), levels), np.complex64)
    for tissue, times in RELAXATION_MS.items():
        t1, t2 = times[0] if field_t < 2 else times[1]
        gain = PROTON_DENSITY.get(tissue, SOLID_DENSITY) * (inflow if tissue in BLOOD else 1.0)
        shifted = turns + (fat if tissue == Tissue.FAT else 0.0)
        table[tissue] = gain * steady_state(t1, t2, flip_deg, tr_ms, shifted)
    return table


def table_level(off_resonance_hz, tr_ms):
    """Column of `signal_table` for a field map.

    Args:
        off_resonance_hz: array, Hz.
        tr_ms: repetition time, ms.

    Returns:
        int32 array of the same shape.
    """
    turns = np.clip(off_resonance_hz * (tr_ms / 1000), -TURNS, TURNS)
    return np.round((turns + TURNS) * LEVELS_PER_TURN).astype(np.int32)
