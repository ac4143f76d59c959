"""The simulated cohort as a data source: patients drawn by seed, slices rendered on demand."""

import numpy as np
import pandas as pd

from cmrkit.cohort.frames import ROLES
from cmrkit.cohort.series import CineSlice
from cmrkit.phantom.acquisition import SHIFTED_SITES, SITES
from cmrkit.phantom.planes import sax_heights
from cmrkit.phantom.population import draw_patient, patient_rng
from cmrkit.phantom.rendering import Subject, render

LABELS_OF_VIEW = {"4ch": (1, 2, 3, 4, 5), "2ch": (1, 2, 4), "sax": (1, 2, 3)}


class SimulatedCohort:
    """Simulated patients after repair of Tetralogy of Fallot; a `cohort.series.Source`.

    A patient's frames depend on (seed, number of the patient) and the arguments below only, so that
    processes and order do not matter.

    Args:
        seed: of the whole cohort.
        patients: number of patients a role, e.g. `{"gan": 60, "unet": 24, "external": 24}`.
        views: of `4ch`, `2ch`, `sax`.
        phases: frames a cardiac cycle; phase 0 is end-diastole.
        sax_slices: short-axis slices, spread from base to apex.
        matrix: side of the stored images, pixels.
        domain_shift: the external patients come from another vendor and site.
        spread: 1 for the published population, more for hearts beyond it, as
            `population.draw_patient`.

    Raises:
        ValueError: an unknown role or view, or a number below its minimum.
    """

    name = "simulated"

    def __init__(
        self, seed, patients, views=("4ch", "sax"), phases=10, sax_slices=3, matrix=128,
        domain_shift=True, spread=1.0,
    ):  # fmt: skip
        for role in patients:
            if role not in ROLES:
                raise ValueError(f"patients: unknown role {role!r}; use {', '.join(ROLES)}")
        for view in views:
            if view not in LABELS_OF_VIEW:
                raise ValueError(f"views: unknown view {view!r}; use {', '.join(LABELS_OF_VIEW)}")
        least = {"phases": (phases, 2), "sax_slices": (sax_slices, 1), "matrix": (matrix, 32)}
        for key, (value, minimum) in least.items():
            if value < minimum:
                raise ValueError(f"{key}: {value}; use {minimum} or more")
        self.seed = seed
        self.views = tuple(views)
        self.phases = phases
        self.sax_slices = sax_slices
        self.matrix = matrix
        self.domain_shift = domain_shift
        self.spread = spread
        self._roles = [role for role in ROLES for _ in range(patients.get(role, 0))]

    def patients(self):
        """One row a patient.

        Returns:
            DataFrame `patient_id, original_id, role, site, vendor, disease` and the true values of
            `population.Patient.truth`.
        """
        rows = []
        for number, role in enumerate(self._roles, start=1):
            site = self._site(number)
            rows.append(
                {
                    "patient_id": f"sim-{number:04d}",
                    "original_id": str(number),
                    "role": role,
                    "site": site.site,
                    "vendor": site.vendor,
                    "disease": "simulated ToF" if self.spread == 1 else "simulated hearts",
                    **draw_patient(self.seed, number, self.spread).truth(),
                }
            )
        return pd.DataFrame(rows)

    def read(self, patient_id):
        """Render a patient's slices, view by view.

        Args:
            patient_id: as in `patients()`.

        Yields:
            `CineSlice`; images in arbitrary units, masks with the labels of the view.

        Raises:
            ValueError: no such patient.
        """
        number = self._number(patient_id)
        subject = Subject(self.seed, number, self.phases, self._site(number), self.spread)
        for view in self.views:
            labels = LABELS_OF_VIEW[view]
            rng = patient_rng(self.seed, number, f"image {view}")
            for plane in subject.planes(view, self.sax_slices, rng):
                images, masks = render(subject, plane, self.matrix, rng)
                yield CineSlice(
                    patient_id=patient_id,
                    view=view,
                    slice_index=plane.slice_index,
                    images=images,
                    masks=np.where(np.isin(masks, labels), masks, np.uint8(0)),
                    labels_present=[labels] * self.phases,
                    spacing_mm=(subject.fov_mm / self.matrix,) * 2,
                    phase_index=np.arange(self.phases),
                    phase_fraction=subject.cycle.fraction,
                    is_ed=np.arange(self.phases) == 0,
                    is_es=np.arange(self.phases) == np.argmin(subject.cycle.lv),
                    slice_spacing_mm=self._slice_spacing(subject) if view == "sax" else np.nan,
                )

    def _slice_spacing(self, subject):
        """Distance of short-axis slices as planned, in mm; breathing moves each a little."""
        heights = sax_heights(subject.heart, self.sax_slices)
        return abs(heights[1] - heights[0]) if self.sax_slices > 1 else np.nan

    def _number(self, patient_id):
        digits = str(patient_id).removeprefix("sim-")
        number = int(digits) if digits.isdigit() else 0
        if not 1 <= number <= len(self._roles):
            raise ValueError(
                f"patient_id: no simulated patient {patient_id!r}; "
                f"use sim-0001 to sim-{len(self._roles):04d}"
            )
        return number

    def _site(self, number):
        shifted = self.domain_shift and self._roles[number - 1] == "external"
        sites = SHIFTED_SITES if shifted else SITES
        return sites[number % len(sites)]
