from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cmrkit.cohort.part import Part
from cmrkit.unet.comparison import (
    Terms,
    compare_arms,
    dose_curves,
    dose_response,
    dose_steps,
    dose_summary,
    train_teacher,
    worth_in_frames,
)
from cmrkit.unet.evaluation import segment
from cmrkit.unet.network import load_unet

SHORT = Terms(steps=2, batch=4, width=4)


def _frames(patients, frames=3, side=32):
    count = patients * frames
    rng = np.random.default_rng(count)
    masks = np.zeros((count, side, side), np.uint8)
    for mask in masks:
        row, column = rng.integers(6, 14, 2)
        mask[row : row + 12, column : column + 10] = 1
    images = rng.integers(0, 60, masks.shape, dtype=np.uint8) + 150 * masks
    table = pd.DataFrame(
        {
            "frame_id": [f"p{i // frames}_{i % frames}" for i in range(count)],
            "patient_id": [f"p{i // frames}" for i in range(count)],
            "view": "sax",
            "is_ed": [i % frames == 0 for i in range(count)],
            "is_es": [i % frames == 1 for i in range(count)],
            "spacing_row_mm": 1.0,
            "spacing_col_mm": 1.0,
            "labels_present": [[1]] * count,
        }
    )
    return Part(images, masks, table)


def test_every_arm_and_seed_is_scored_on_every_external_frame_and_kept(tmp_path):
    external, ticks = _frames(2), []
    sets = {"patient": _frames(4), "synthetic": _frames(5)}
    scores, masks = compare_arms(
        sets, external, [1], SHORT, seeds=[1, 2], folder=tmp_path, on_tick=ticks.append
    )
    assert scores.groupby(["arm", "seed"]).size().tolist() == [6, 6, 6, 6]
    assert sorted(path.stem for path in tmp_path.iterdir()) == [
        "sax_patient_1", "sax_patient_2", "sax_synthetic_1", "sax_synthetic_2",
    ]  # fmt: skip
    model = load_unet(tmp_path / "sax_synthetic_2.safetensors")
    np.testing.assert_array_equal(segment(model, external.images), masks["synthetic", 2])
    assert model.about["frames"] == 15
    assert model.about["arm"] == "synthetic"
    assert {(tick["view"], tick["arm"], tick["unet_seed"]) for tick in ticks} == {
        ("sax", arm, seed) for arm in sets for seed in (1, 2)
    }


def test_validation_patients_do_not_train(tmp_path):
    terms = replace(SHORT, validation_share=0.25)
    compare_arms({"patient": _frames(4)}, _frames(2), [1], terms, seeds=[1], folder=tmp_path)
    assert load_unet(tmp_path / "sax_patient_1.safetensors").about["frames"] == 9


def test_external_patients_never_choose_weights(tmp_path):
    terms = Terms(steps=6, batch=4, width=4, validation_share=0.25)
    others = _frames(3)
    others = others._replace(masks=np.zeros_like(others.masks), images=255 - others.images)
    kept = []
    for name, external in (("one", _frames(2)), ("other", others)):
        folder = tmp_path / name
        compare_arms({"patient": _frames(4)}, external, [1], terms, seeds=[1], folder=folder)
        kept.append((folder / "sax_patient_1.safetensors").read_bytes())
    assert kept[0] == kept[1]


def test_each_dose_is_scored_with_its_number_of_frames():
    scores = dose_response(
        "patient", _frames(4), _frames(2), [1], SHORT, doses=[1, 3], unit="patients", seeds=[1]
    )
    assert scores.groupby("dose")["frames"].unique().str[0].to_dict() == {1: 3, 3: 9}
    assert scores.groupby("dose").size().tolist() == [6, 6]


@pytest.mark.parametrize(
    ("least", "most", "factor", "doses"),
    [
        (5, 42, 2, [5, 10, 21, 42]),
        (100, 100_000, 10**0.5, [100, 316, 1000, 3162, 10_000, 31_623, 100_000]),
        (5, 6, 2, [5, 6]),
        (100, 30, 2, [30]),
    ],
)
def test_doses_run_evenly_from_the_least_to_all(least, most, factor, doses):
    assert dose_steps(least, most, factor) == doses


def test_both_dose_curves_end_with_all_there_is():
    scores = dose_curves(_frames(6), _frames(8), _frames(2), [1], SHORT, seeds=[1])
    largest = scores.groupby(["arm", "unit"])["dose"].agg(["min", "max"])
    assert largest.loc["patient", "patients"].tolist() == [5, 6]
    assert largest.loc["synthetic", "frames"].tolist() == [24, 24]


def test_the_teacher_is_kept_beside_the_arms(tmp_path):
    teacher = train_teacher(_frames(4), [1], SHORT, seed=3, folder=tmp_path)
    kept = load_unet(tmp_path / "sax_teacher_3.safetensors")
    assert kept.about == teacher.about
    assert (kept.about["arm"], kept.about["frames"]) == ("teacher", 12)


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="unit: 'slices'"):
        dose_response(
            "patient", _frames(4), _frames(2), [1], SHORT, doses=[1], unit="slices", seeds=[1]
        )


def test_a_dose_is_summarised_over_patients_not_frames():
    # patient a: LV 0.8 (mean of 0.9, 0.9, 0.6), RV 0.6, mean 0.7; patient b: 0.5; median 0.6
    rows = [("a", "LV", 0.9)] * 2 + [("a", "LV", 0.6), ("a", "RV", 0.6), ("b", "LV", 0.5)]
    scores = pd.DataFrame(rows, columns=["patient_id", "label", "dice"]).assign(
        view="sax", arm="synthetic", unit="frames", dose=100, frames=100
    )
    row = dose_summary(scores).iloc[0]
    assert row["score"] == pytest.approx(0.6)
    assert [row["low"], row["high"]] == pytest.approx([0.55, 0.65])


def test_the_worth_of_patients_in_synthetic_frames_is_interpolated():
    synthetic = pd.DataFrame({"dose": [100, 1000, 10_000], "score": [0.80, 0.90, 0.89]})
    patients = pd.DataFrame({"dose": [1, 5, 10, 42], "score": [0.70, 0.85, 0.90, 0.95]})
    summary = pd.concat(
        [
            synthetic.assign(arm="synthetic", unit="frames"),
            patients.assign(arm="patient", unit="patients"),
        ]
    ).assign(view="sax")
    worth = worth_in_frames(summary)
    assert worth["patients"].tolist() == [1, 5, 10, 42]
    np.testing.assert_allclose(worth["synthetic_frames"], [100, 10**2.5, 1000, np.nan])
