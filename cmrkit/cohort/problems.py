"""What could not be used, in one line each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A file, slice or patient left out of a cohort.

    A reader may yield it between slices, and goes on with the rest.

    Attributes:
        patient_id: pseudonym, or "" where the patient is not known.
        view: view, or "" for the whole patient.
        slice_index: slice position, or None.
        problem: what was wrong; names no patient and no path.
    """

    patient_id: str
    view: str
    slice_index: int | None
    problem: str
