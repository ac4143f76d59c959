"""The simulated cohort as a data source: patients drawn by seed, their slices rendered on demand."""

import numpy as np
import pandas as pd

from cmrkit.cohort.frames import ROLES
from cmrkit.cohort.series import CineSlice
from cmrkit.phantom.acquisition import SCANNERS, SHIFTED, coil_sensitivity, encode
from cmrkit.phantom.anatomy import Heart
from cmrkit.phantom.motion import END_SYSTOLE, cardiac_cycle
from cmrkit.phantom.planes import heart_pose, view_planes
from cmrkit.phantom.population import draw_patient, patient_rng
from cmrkit.phantom.signal import signal_table
from cmrkit.phantom.texture import smooth_noise
from cmrkit.phantom.thorax import Thorax
from cmrkit.phantom.tissue import LABEL_OF_TISSUE, Tissue

LABELS_OF_VIEW = {"4ch": (1, 2, 3, 4, 5), "2ch": (1, 2, 4), "sax": (1, 2, 3)}

# offsets of the object samples within a voxel: row, column (pixels), depth (slice thicknesses);
# a lattice with every coordinate different, the first in the middle of the voxel for the mask
_SAMPLES = np.array(
    [[0, 0, 0], [-0.4, 0.1, -0.4], [-0.1, -0.35, -0.2], [0.2, 0.35, 0.2], [0.4, -0.15, 0.4],
     [0.05, 0.25, -0.3], [-0.25, -0.1, 0.3]]
)  # fmt: skip


class SimulatedCohort:
    """Simulated patients after repair of Tetralogy of Fallot; a `cohort.series.Source`.

    Args:
        seed: of the whole cohort.
        patients: number of patients a role, e.g. `{"gan": 60, "unet": 24, "external": 24}`.
        views: of `4ch`, `2ch`, `sax`.
        phases: frames a cardiac cycle; phase 0 is end-diastole.
        sax_slices: short-axis slices, spread evenly from base to apex.
        matrix: side of the stored images in pixels.
        domain_shift: the external patients come from another vendor and site.

    Raises:
        ValueError: unknown role or view, or a number below its minimum.
    """

    name = "simulated"

    def __init__(self, seed, patients, views=("4ch", "sax"), phases=10, sax_slices=3, matrix=128,
                 domain_shift=True):  # fmt: skip
        for role in patients:
            if role not in ROLES:
                raise ValueError(f"patients: unknown role {role!r}; use {', '.join(ROLES)}")
        for view in views:
            if view not in LABELS_OF_VIEW:
                raise ValueError(f"views: unknown view {view!r}; use {', '.join(LABELS_OF_VIEW)}")
        for key, value, least in (
            ("phases", phases, 2), ("sax_slices", sax_slices, 1), ("matrix", matrix, 32)
        ):  # fmt: skip
            if value < least:
                raise ValueError(f"{key}: {value}; use {least} or more")
        self.seed = seed
        self.views = tuple(views)
        self.phases = phases
        self.sax_slices = sax_slices
        self.matrix = matrix
        self.domain_shift = domain_shift
        self._roles = [role for role in ROLES for _ in range(patients.get(role, 0))]

    def patients(self):
        """One row a patient: ids, role, simulated site and vendor, and the true volumes."""
        rows = []
        for number, role in enumerate(self._roles, start=1):
            truth = draw_patient(self.seed, number)
            scanner = self._scanner(number, role)
            rows.append(
                {
                    "patient_id": f"sim-{number:04d}", "original_id": str(number), "role": role,
                    "site": scanner.site, "vendor": scanner.vendor, "disease": "simulated ToF",
                    **truth.truth(),
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    def read(self, patient_id):
        """Render a patient's slices, view by view.

        Args:
            patient_id: as in `patients()`.

        Yields:
            `CineSlice` with images in arbitrary units.

        Raises:
            ValueError: no such patient.
        """
        number = self._number(patient_id)
        scanner = self._scanner(number, self._roles[number - 1])
        body = _Body(self.seed, number, self.phases)
        for view in self.views:
            rng = patient_rng(self.seed, number, f"plane{view}")
            for plane in view_planes(view, body.pose, body.heart, self.sax_slices, rng):
                images, masks = self._render(body, plane, scanner, rng)
                labels = LABELS_OF_VIEW[view]
                yield CineSlice(
                    patient_id=patient_id, view=view, slice_index=plane.slice_index,
                    images=images, masks=np.where(np.isin(masks, labels), masks, 0).astype(np.uint8),
                    labels_present=[labels] * self.phases,
                    spacing_mm=(body.fov_mm / self.matrix,) * 2,
                    phase_index=np.arange(self.phases),
                    phase_fraction=body.cycle.fraction,
                    is_ed=np.arange(self.phases) == 0,
                    is_es=np.arange(self.phases) == np.argmin(body.cycle.lv),
                )  # fmt: skip

    def _number(self, patient_id):
        try:
            number = int(patient_id.removeprefix("sim-"))
            self._roles[number - 1]
        except (ValueError, IndexError):
            number = 0
        if number < 1:
            raise ValueError(
                f"patient_id: no simulated patient {patient_id!r}; "
                f"use sim-0001 to sim-{len(self._roles):04d}"
            )
        return number

    def _scanner(self, number, role):
        if role == "external" and self.domain_shift:
            return SHIFTED[number % len(SHIFTED)]
        return SCANNERS[number % len(SCANNERS)]

    def _render(self, body, plane, scanner, rng):
        """Images [P, M, M] float32 and masks [P, M, M] uint8 of one slice."""
        side = self.matrix
        pixel = body.fov_mm / side
        offsets = (np.arange(side) - (side - 1) / 2) * pixel
        table = signal_table(scanner.field_t, scanner.flip_deg, scanner.tr_ms, scanner.inflow)
        centre = plane.points((offsets, offsets))
        turns = body.off_resonance(centre, scanner) * scanner.tr_ms / 1000
        level = np.mod(np.round(turns * table.shape[1]), table.shape[1]).astype(np.int32)
        signal = np.zeros((self.phases, side, side), np.complex64)
        masks = np.zeros((self.phases, side, side), np.uint8)
        for sample, (row, column, depth) in enumerate(_SAMPLES):
            points = plane.points(
                (offsets + row * pixel, offsets + column * pixel), depth * scanner.thickness_mm
            )
            still, region, fields, fine, coarse = body.sample(points)
            shown = table[still, level]
            shown *= 1 + 0.07 * smooth_noise(points, 14, body.heart.texture, 2)
            box = level[region]
            for phase in range(self.phases):
                moving = still[region].copy()
                body.heart.paint(moving, fields, fine, coarse, phase)
                signal[phase] += shown
                signal[phase][region] += table[moving, box] - shown[region]
                if sample == 0:
                    masks[phase][region] = LABEL_OF_TISSUE[moving]
        coil = coil_sensitivity(centre, body.thorax.half, rng)
        signal *= coil / len(_SAMPLES)
        images = encode(signal, body.fov_mm, side, scanner, scanner.thickness_mm, rng)
        return images * (1000 / np.maximum(coil, 0.05) ** scanner.normalise), masks


class _Body:
    """One patient's anatomy, cycle and field of view."""

    def __init__(self, seed, number, phases):
        self.patient = draw_patient(seed, number)
        rng = patient_rng(seed, number, "anatomy")
        size = np.cbrt(self.patient.lvedv_ml / 135)
        excursion = rng.normal(11.5, 1.5) * size, rng.normal(15, 2) * size
        self.cycle = cardiac_cycle(self.patient, phases, excursion)
        self.heart = Heart(self.patient, self.cycle, rng)
        self.pose = heart_pose(rng)
        surface = self.pose.to_patient(self.heart.outer_points())
        self.thorax = Thorax(self.patient, surface, rng)
        self.fov_mm = float(np.clip(342 * self.thorax.build, 280, 370))
        self.reach = surface.min(axis=1) - 12, surface.max(axis=1) + 12
        self.shim = rng.normal(0, 1, 9)

    def sample(self, points):
        """Still tissue, the image box that the heart can reach, and the heart's fields in it."""
        low, high = (edge.reshape(3, 1, 1) for edge in self.reach)
        near = np.all((points > low) & (points < high), axis=0)
        rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
        region = np.s_[0:0, 0:0]
        if len(rows):
            region = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        inside = points[(slice(None), *region)]
        fine = smooth_noise(inside, 9, self.heart.texture, 1)
        coarse = smooth_noise(inside, 34, self.heart.texture, 0)
        fields = self.heart.fields(self.pose.to_heart(inside))
        return self.thorax.paint(points), region, fields, fine, coarse

    def off_resonance(self, points, scanner):
        """Residual field after shimming, Hz, [H, W]: second order polynomial over the heart."""
        x, y, z = (points - self.pose.origin.reshape(3, 1, 1)) / 90
        terms = np.stack([x, y, z, x * y, x * z, y * z, x * x, y * y, z * z])
        return scanner.shim_hz * np.tensordot(self.shim / 3, terms, axes=1)
