"""From one patient's anatomy to the frames of a slice."""

import numpy as np

from cmrkit.phantom.acquisition import coil_sensitivity, encode, patient_scanner
from cmrkit.phantom.anatomy import Heart
from cmrkit.phantom.motion import cardiac_cycle
from cmrkit.phantom.painting import paint_heart, paint_vessels, vessel_tubes
from cmrkit.phantom.planes import heart_pose, view_planes
from cmrkit.phantom.population import draw_patient, patient_rng
from cmrkit.phantom.signal import signal_table, table_level
from cmrkit.phantom.texture import smooth_noise
from cmrkit.phantom.thorax import Thorax
from cmrkit.phantom.tissue import BLOOD, LABEL_OF_TISSUE, Tissue

SCALE = 1000.0  # stored grey values are the signal times this
_SAMPLES = np.array(
    [
        [0.0, 0.0, 0.0], [-0.4, 0.1, -0.4], [-0.1, -0.35, -0.2], [0.2, 0.35, 0.2],
        [0.4, -0.15, 0.4], [0.05, 0.25, -0.3], [-0.25, -0.1, 0.3],
    ]
)  # fmt: skip
"""Where a voxel is sampled: row, column (pixels) and depth (slice thicknesses) from its middle.

Choice: seven points with all coordinates different; the first gives the label.
"""
_IS_BLOOD = np.isin(np.arange(len(Tissue)), BLOOD).astype(np.float32)


class Subject:
    """One patient in the scanner: anatomy, cycle, protocol and field of view.

    Args:
        seed, number: of the cohort and the patient.
        phases: frames a cardiac cycle.
        site: `acquisition.Scanner`.
        spread: of the population, as `population.draw_patient`.
    """

    def __init__(self, seed, number, phases, site, spread=1.0):
        self.patient = draw_patient(seed, number, spread)
        rng = patient_rng(seed, number, "anatomy")
        self.pose = heart_pose(rng)
        size = np.cbrt(self.patient.lvedv_ml / 130)
        # Choice: excursions of 12 and 16 mm in adults, smaller in small hearts
        excursion = (np.clip(rng.normal(12, 1.5), 8, 16) * size,
                     np.clip(rng.normal(16, 2.0), 10, 21) * size)  # fmt: skip
        self.cycle = cardiac_cycle(self.patient, phases, excursion)
        self.heart = Heart(self.patient, self.cycle, rng, directions=self.pose.axes.T)
        surface = self.pose.to_patient(self.heart.outer_points())
        self.thorax = Thorax(self.patient, surface, rng)
        # Choice: the field of view covers the chest from side to side
        self.fov_mm = float(np.clip(345 * self.thorax.build, 260, 380))
        scan = patient_rng(seed, number, "scan")
        self.scanner = patient_scanner(site, self.thorax.build, scan)
        # Choice: inflow differs from chamber to chamber; in CHLA frames the log ratio of right to
        # left ventricular blood has a mean of -0.11 and an SD of 0.22
        self.inflow_gain = np.exp(scan.normal(0, 0.13, (len(BLOOD), 1))).astype(np.float32)
        # Choice: archives beyond one registry hold images turned by up to a quarter
        self.turn_deg = self.scanner.turn_deg + (spread - 1) * max(0.0, scan.normal(0, 40))
        self.shim = rng.normal(0, 1 / 3, 9)
        margin = 14 * self.heart.scale
        self._reach = surface.min(axis=1) - margin, surface.max(axis=1) + margin
        ends = np.array([end for tube in vessel_tubes(self.heart) for end in tube[:2]]).T
        ends = self.pose.to_patient(ends)
        self._vessel_reach = (
            np.minimum(self._reach[0], ends.min(axis=1) - 2 * margin),
            np.maximum(self._reach[1], ends.max(axis=1) + 2 * margin),
        )

    def planes(self, view, sax_slices, rng):
        """Planes of a view, as `planes.view_planes`."""
        return view_planes(view, self.pose, self.heart, sax_slices, self.turn_deg, rng)

    def off_resonance(self, points):
        """Field left after shimming: a polynomial of second order around the heart, Hz."""
        x, y, z = (points - self.pose.origin.reshape(3, 1, 1)) / 90
        terms = np.stack([x, y, z, x * y, x * z, y * z, x * x, y * y, z * z])
        return self.scanner.shim_hz * np.tensordot(self.shim, terms, axes=1)

    def near_heart(self, points):
        """(rows, columns) of the smallest image box that the beating heart can reach."""
        return _box(points, *self._reach)

    def near_vessels(self, points):
        """(rows, columns) of the smallest image box that heart and great vessels can reach."""
        return _box(points, *self._vessel_reach)


def _box(points, low, high):
    low, high = low.reshape(3, 1, 1), high.reshape(3, 1, 1)
    near = np.all((points > low) & (points < high), axis=0)
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    if not len(rows):
        return np.s_[0:0], np.s_[0:0]
    return np.s_[rows[0] : rows[-1] + 1], np.s_[columns[0] : columns[-1] + 1]


def render(subject, plane, matrix, rng):
    """Frames of one slice through the cycle.

    Args:
        subject: `Subject`.
        plane: `planes.Plane`.
        matrix: side of the stored images, pixels.
        rng: Generator of coil, flow and noise.

    Returns:
        images: [P, matrix, matrix] float32, arbitrary units.
        masks: [P, matrix, matrix] uint8, all five labels.
    """
    scanner, phases = subject.scanner, len(subject.heart.shapes)
    pixel = subject.fov_mm / matrix
    offsets = (np.arange(matrix) - (matrix - 1) / 2) * pixel
    table = signal_table(scanner.field_t, scanner.flip_deg, scanner.tr_ms, scanner.inflow)
    table[list(BLOOD)] *= subject.inflow_gain
    centre = plane.points((offsets, offsets))
    level = table_level(subject.off_resonance(centre), scanner.tr_ms)
    box = subject.near_heart(centre)
    box_level = level[box]
    unevenness = 1 + 0.06 * smooth_noise(centre, 16, subject.heart.texture, 2)
    flow = _flow(subject, centre[(slice(None), *box)], rng)
    signal = np.zeros((phases, matrix, matrix), np.complex64)
    masks = np.zeros((phases, matrix, matrix), np.uint8)
    still_sum = np.zeros((matrix, matrix), np.complex64)
    for row, column, depth in _SAMPLES:
        points = plane.points(
            (offsets + row * pixel, offsets + column * pixel), depth * scanner.thickness_mm
        )
        tissue, fields, textures = _sample(subject, points, box)
        still_sum += table[tissue, level]
        still = tissue[box]
        still_signal = table[still, box_level]
        for phase in range(phases):
            moving = still.copy()
            paint_heart(moving, subject.heart, fields, textures, phase)
            shown = table[moving, box_level]
            shown *= 1 - _IS_BLOOD[moving] * flow[phase]
            signal[phase][box] += shown - still_signal
            if not depth:
                masks[phase][box] = LABEL_OF_TISSUE[moving]
    coil = coil_sensitivity(centre, subject.thorax, rng)
    signal += still_sum
    signal *= coil * unevenness / len(_SAMPLES)
    images = encode(signal, subject.fov_mm, matrix, scanner, rng)
    return images * (SCALE / np.maximum(coil, 0.03) ** scanner.normalise), masks


def _sample(subject, points, box):
    """Still tissue, and what the heart needs in the image box."""
    heart = subject.heart
    tissue = subject.thorax.paint(points)
    wide = subject.near_vessels(points)
    paint_vessels(tissue[wide], heart, subject.pose.to_heart(points[(slice(None), *wide)]))
    inside = points[(slice(None), *box)]
    in_heart = subject.pose.to_heart(inside)
    along = in_heart * np.array([0.4, 1, 1], np.float32).reshape(3, 1, 1)  # trabeculae run so
    textures = (
        smooth_noise(along, 8 * heart.scale, heart.texture, 1),
        smooth_noise(inside, 36 * heart.scale, heart.texture, 0),
    )
    return tissue, heart.fields(in_heart), textures


def _flow(subject, points, rng):
    """Share of the blood signal that unsteady flow takes away, [P, rows, columns].

    Choice: up to two fifths in patches of 24 mm, most while the volumes change fastest, and a gain
    where fresh blood enters; so uneven are real cavities too.
    """
    volume = np.concatenate([subject.cycle.lv, subject.cycle.lv[:1]])
    speed = np.abs(np.diff(volume))
    speed = speed / max(speed.max(), 1e-6)
    strength = rng.uniform(0.06, 0.20)
    share = []
    for phase, fast in enumerate(speed):
        place = (subject.heart.texture + 0.37 * phase) % 1
        patches = np.clip(smooth_noise(points, 24, place, 0), -1.5, 2.5)
        share.append(np.clip(strength * (0.45 + 0.55 * fast) * patches, -0.25, 0.4))
    return np.stack(share).astype(np.float32)
