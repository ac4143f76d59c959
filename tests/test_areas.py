"""Areas of the chambers against a count by hand, in memory and from a store."""

import numpy as np
import pandas as pd
import pytest
from bundles import finished_generator

from cmrkit.cohort import areas
from cmrkit.cohort.areas import label_areas, stored_areas
from cmrkit.cohort.frames import read_frames
from cmrkit.cohort.store import load_pixels


def test_an_area_is_pixels_times_their_size_for_every_annotated_label():
    masks = np.zeros((3, 8, 8), np.uint8)
    masks[0, :2, :5], masks[0, 4], masks[1, 0, 0] = 1, 3, 1
    frames = pd.DataFrame(
        {"frame_id": ["a", "b", "c"], "view": "sax", "labels_present": [[1, 3], [1, 3], []],
         "spacing_row_mm": [1.5, np.nan, 1.0], "spacing_col_mm": [2.0, np.nan, 1.0]}
    )  # fmt: skip
    table = label_areas(masks, frames)
    assert table[["frame_id", "label"]].to_numpy().tolist() == [
        ["a", "LV"], ["a", "RV"], ["b", "LV"], ["b", "RV"]
    ]  # fmt: skip
    assert table["area_mm2"].tolist() == pytest.approx([30, 24, np.nan, np.nan], nan_ok=True)


def test_a_store_read_in_portions_gives_the_same_areas(tmp_path, monkeypatch):
    monkeypatch.setattr(areas, "PORTION", 5)
    folder = finished_generator(tmp_path) / "cohort"
    frames, masks = read_frames(folder), load_pixels(folder)[1]
    pd.testing.assert_frame_equal(stored_areas(folder), label_areas(masks, frames))
    rows = [0, 3, 4, 7, 8, 11]
    some = label_areas(masks[rows], frames.loc[rows])
    pd.testing.assert_frame_equal(stored_areas(folder, rows), some)
