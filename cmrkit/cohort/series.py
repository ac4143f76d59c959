"""What a data source hands over: one slice position of one patient, through its phases."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class CineSlice:
    """One slice position of one view of one patient, as acquired (before preprocessing).

    Attributes:
        patient_id: pseudonym; never the id of the source.
        view: `4ch`, `2ch` or `sax`.
        slice_index: 0 for the first slice position of the view; for `sax` counted base to apex.
        images: [P, H, W] float32, any intensity range.
        masks: [P, H, W] uint8, labels as `frames.LABELS`; 0 where nothing is annotated.
        labels_present: length P, the label numbers annotated in each phase; `()` for none.
        spacing_mm: (row, column) in mm, or None where the source does not state it.
        phase_index: [P] int, position in the cycle as stored in the source.
        phase_fraction: [P] float, 0 at end-diastole to below 1; NaN where unknown.
        is_ed: [P] bool, end-diastole.
        is_es: [P] bool, end-systole.
        slice_spacing_mm: from the middle of one slice to that of the next, in mm; NaN where there
            is one slice or the source does not state it.
    """

    patient_id: str
    view: str
    slice_index: int
    images: np.ndarray
    masks: np.ndarray
    labels_present: list[tuple[int, ...]]
    spacing_mm: tuple[float, float] | None
    phase_index: np.ndarray
    phase_fraction: np.ndarray
    is_ed: np.ndarray
    is_es: np.ndarray
    slice_spacing_mm: float = np.nan


class Source(Protocol):
    """A data source: simulated, public or the user's own archive.

    It may have three attributes more. `state`: text that changes with the files behind it (without
    it, the attributes of the source are its state). `problems`: list of `Problem`, what could not
    be used before any patient was read. `only(patient_id)`: the same source with one patient, small
    enough to hand to another process.
    """

    name: str  # goes into the frame table's `source` column

    def patients(self) -> pd.DataFrame:
        """One row a patient: `patient_id, original_id, site, vendor, disease`.

        `original_id` is for the roles a user states in `params/*.yaml`; it stays in memory.
        A simulated cohort, whose sites depend on the role, adds the column `role`.
        """

    def read(self, patient_id: str) -> Iterator[CineSlice]:
        """The patient's slices, view by view."""
