"""Training on simulated frames alone, scoring on real ones."""

import numpy as np
import pandas as pd
import pytest

from cmrkit.cohort.part import Part
from cmrkit.unet import transfer


def frames(count, labels):
    return pd.DataFrame(
        {
            "frame_id": [f"f{k}" for k in range(count)],
            "patient_id": ["a", "b", "b"][:count],
            "view": "sax", "is_ed": True, "is_es": False,
            "labels_present": [list(labels)] * count,
            "spacing_row_mm": 1.0, "spacing_col_mm": 1.0,
        }
    )  # fmt: skip


def test_scores_are_those_of_the_annotated_chambers(monkeypatch):
    truth = np.zeros((3, 8, 8), np.uint8)
    truth[:, 2:6, 2:6] = 1
    drawn = truth.copy()
    drawn[1, 4:] = 0  # half: Dice 2 * 8 / (16 + 8)
    drawn[2] = 0  # missed
    monkeypatch.setattr(transfer, "segment", lambda model, images: drawn)
    row = transfer.score(None, Part(truth, truth, frames(3, [1]))).iloc[0]
    assert row["chamber"] == "LV"
    assert (row["patients"], row["frames"]) == (2, 3)
    assert row["dice"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert row["dice_patient"] == pytest.approx((1 + (2 / 3 + 0) / 2) / 2)
    assert row["missed"] == pytest.approx(1 / 3)


def test_training_frames_are_simulated_from_every_site_and_field_of_view(tmp_path):
    data = transfer.simulated_frames(tmp_path, patients=6, resolution=16, seed=1, processes=1)
    assert set(data.frames["source"]) == {"simulated"}
    assert data.frames["disease"].str.startswith("simulated").all()
    assert data.frames["spacing_row_mm"].nunique() == len(transfer.TRAINING_FOVS_MM)
    assert len(set(data.frames["vendor"])) > 1
    assert data.frames["patient_id"].nunique() == 6
    assert (data.masks == 1).any(axis=(1, 2)).all()
    assert len(data.frames) > 0.6 * 6 * transfer.SLICES * transfer.PHASES


def test_runs_are_added_to_the_table(tmp_path):
    path = tmp_path / "transfer.csv"
    for dice in (0.5, 0.75):
        transfer.append(pd.DataFrame({"dice": [dice]}), path)
    assert pd.read_csv(path)["dice"].tolist() == [0.5, 0.75]


def test_a_network_trained_on_simulated_frames_is_scored_on_real_ones(real_data):
    table = transfer.transfer(
        {"sunnybrook": real_data("sunnybrook_dicom")}, patients=3, resolution=32, steps=2, seed=1
    )
    assert table[["data_set", "chamber"]].to_numpy().tolist() == [
        ["sunnybrook", "LV"],
        ["sunnybrook", "LV myocardium"],
    ]
    assert table["dice"].between(0, 1).all()
