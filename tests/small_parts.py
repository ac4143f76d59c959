"""Small parts of a cohort whose frames carry their number as grey value."""

import numpy as np
import pandas as pd

from cmrkit.cohort.part import Part

SIDE = 32


def small_patients(patients=6, frames=4):
    count = patients * frames
    table = pd.DataFrame(
        {
            "frame_id": [f"p{i // frames}_f{i % frames}" for i in range(count)],
            "patient_id": [f"p{i // frames}" for i in range(count)],
            "labels_present": [[1, 3]] * count,
        }
    )
    return Part(*_pixels(count, first=1), table)


def small_synthetic(count=40):
    table = pd.DataFrame(
        {
            "frame_id": [f"s{i:03d}" for i in range(count)],
            "spacing_row_mm": 3.0,
            "spacing_col_mm": 3.0,
            "labels_present": [[1, 2, 3]] * count,
        }
    )
    return Part(*_pixels(count, first=101), table)


def _pixels(count, first):
    """Frames that carry their number as grey value, each with a square of label 1."""
    images = np.empty((count, SIDE, SIDE), np.uint8)
    images[:] = (first + np.arange(count))[:, None, None]
    masks = np.zeros_like(images)
    masks[:, 8:16, 8:16] = 1
    return images, masks


def consistent(data):
    """Whether tables and pixels still belong together."""
    grey = data.images[:, 0, 0]
    number = [
        int(name[1:]) + 101 if name[0] == "s" else 4 * int(name[1]) + int(name[4]) + 1
        for name in data.frames["frame_id"]
    ]
    return grey.tolist() == number and len(data.masks) == len(data.frames)
