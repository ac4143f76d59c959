"""Areas of the chambers, read off label maps."""

import numpy as np
import pandas as pd

from cmrkit.cohort.frames import LABELS
from cmrkit.cohort.part import open_part

PORTION = 4096  # frames in memory at a time


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


def stored_areas(folder, rows=None):
    """Areas of a cohort of any size, read from its store in portions.

    Args:
        folder: cohort folder.
        rows: row numbers of the frame table in rising order; None for all.

    Returns:
        as `label_areas`.
    """
    part = open_part(folder)
    part = part if rows is None else part.take(rows)
    tables = [label_areas(block.masks, block.frames) for block in part.blocks(PORTION)]
    return pd.concat(tables, ignore_index=True)
