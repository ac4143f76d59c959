"""Areas of the chambers, read off label maps."""

import numpy as np
import pandas as pd

from cmrkit.cohort.frames import LABELS


def label_areas(masks, frames):
    """Area of every annotated label in every frame.

    Args:
        masks: [n, R, R] uint8, labels as `frames.LABELS`.
        frames: frame table of these n frames; its spacings in mm give the pixel's area.

    Returns:
        DataFrame `frame_id, view, label, area_mm2`, a row a frame and annotated label; 0 where the
        label is annotated but absent, NaN where the source states no spacing.
    """
    counts = np.stack([(masks == number).sum(axis=(1, 2)) for number in LABELS], axis=1)
    pixel_mm2 = frames["spacing_row_mm"].to_numpy() * frames["spacing_col_mm"].to_numpy()
    present = [np.asarray(labels, dtype=int) for labels in frames["labels_present"]]
    row = np.repeat(np.arange(len(frames)), [len(labels) for labels in present])
    label = np.concatenate([*present, np.zeros(0, dtype=int)])
    return pd.DataFrame(
        {
            "frame_id": frames["frame_id"].to_numpy()[row],
            "view": frames["view"].to_numpy()[row],
            "label": [LABELS[number] for number in label],
            "area_mm2": counts[row, label] * pixel_mm2[row],
        }
    )
