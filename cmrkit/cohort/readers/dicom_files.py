"""One DICOM file: is it a cardiac MR image, where does it lie, and when in the cycle."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from cmrkit.cohort.readers.files import reading


@dataclass(frozen=True)
class DicomFrame:
    """Header of one image, without its pixels.

    Attributes:
        path: file.
        index: frame within the file, 0 for a single-frame file.
        patient: Patient ID as stored; stays in memory.
        series: Series Instance UID; stays in memory.
        instance: Instance Number.
        shape: (rows, columns).
        position: [3] mm, middle of the first pixel in patient coordinates.
        orientation: [2, 3] unit vectors along a row (rising column) and along a column.
        spacing_mm: (row, column).
        time_ms: trigger time, or None where not stated.
        vendor: manufacturer as stored.
    """

    path: Path
    index: int
    patient: str
    series: str
    instance: int
    shape: tuple[int, int]
    position: np.ndarray
    orientation: np.ndarray
    spacing_mm: tuple[float, float]
    time_ms: float | None
    vendor: str

    @property
    def normal(self):
        """[3] unit vector across the slice."""
        return np.cross(*self.orientation)
