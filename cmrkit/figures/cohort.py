"""Figure 1: what a frame looks like, through one cycle and from patient to patient."""

import numpy as np

from cmrkit.figures.frames import frame_rows

COLUMNS = 10


def cohort_rows(frames):
    """Frames to show: a row with one patient's frames, and a row of ten patients, a view.

    Args:
        frames: frame table of a patient cohort, row numbers as index.

    Returns:
        dict from a row's title to row numbers of the table.

    Choice: the slice position in the middle of each patient's stack, which cuts both ventricles;
    patients in the order of the table, not chosen by their looks.
    """
    annotated = frames[frames["labels_present"].str.len() > 0]
    kind = "simulated" if (frames["source"] == "simulated").all() else "patient"
    rows = {}
    for view in annotated["view"].unique():
        part = annotated[annotated["view"] == view]
        middle = part.groupby("patient_id")["slice_index"].transform(_middle)
        part = part[part["slice_index"] == middle]
        richest = part.groupby("patient_id", sort=False).size().idxmax()
        one = part[part["patient_id"] == richest].sort_values("phase_index")
        spread = np.unique(np.linspace(0, len(one) - 1, COLUMNS).astype(int))
        rows[f"{view}\none {kind}"] = one.index[spread].to_numpy()
        first = part.drop_duplicates("patient_id").index[:COLUMNS]
        rows[f"{view}\n{kind}s"] = first.to_numpy()
    return rows


def _middle(slices):
    positions = np.unique(slices)
    return positions[len(positions) // 2]


def cohort_figure(frames, images, masks):
    """Figure 1.

    Args:
        frames: frame table of a patient cohort, numbered from 0.
        images, masks: [n, R, R] uint8, its pixels.

    Returns:
        matplotlib Figure.
    """
    rows = cohort_rows(frames)
    return frame_rows({title: (images[at], masks[at]) for title, at in rows.items()}, COLUMNS)
