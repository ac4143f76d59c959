"""Where every frame lies in its source slice, kept so that areas and contours map back."""

from pathlib import Path

import pandas as pd

from cmrkit.cohort.preprocess import FrameGrid
from cmrkit.paths import write_parquet

_KEY = ["patient_id", "view", "slice_index"]


def grid_row(cine, grid):
    """Row of the grid table: slice, source shape and pixel size, and the middle of the frame.

    Args:
        cine: `CineSlice`.
        grid: its `FrameGrid`.
    """
    return {
        "patient_id": cine.patient_id, "view": cine.view, "slice_index": int(cine.slice_index),
        "resolution": grid.resolution, "spacing_mm": float(grid.spacing_mm),
        "source_rows": int(grid.source_shape[0]), "source_columns": int(grid.source_shape[1]),
        "source_row_mm": float(grid.source_spacing_mm[0]),
        "source_column_mm": float(grid.source_spacing_mm[1]),
        "centre_row": float(grid.centre[0]), "centre_column": float(grid.centre[1]),
    }  # fmt: skip


def write_grids(rows, folder):
    """Write the grid table of a cohort folder, a row a slice, moved into place when complete."""
    write_parquet(pd.DataFrame(rows), Path(folder) / "grids.parquet")


def read_grids(folder):
    """Grids of a cohort folder.

    Returns:
        dict from (patient_id, view, slice_index) to `FrameGrid`, whose `to_source` maps pixels of
        a frame to pixels of its source slice.

    Raises:
        FileNotFoundError: the folder holds no `grids.parquet`.
    """
    path = Path(folder) / "grids.parquet"
    if not path.exists():
        raise FileNotFoundError(f"{path}: no grid table; run 01_cohort first")
    return {
        tuple(getattr(row, name) for name in _KEY): FrameGrid(
            row.resolution, row.spacing_mm, (row.source_rows, row.source_columns),
            (row.source_row_mm, row.source_column_mm), (row.centre_row, row.centre_column),
        )
        for row in pd.read_parquet(path).itertuples()
    }  # fmt: skip
