import numpy as np
import pandas as pd
import pytest
import torch

from cmrkit.cohort.part import Part, join
from cmrkit.unet.arms import (
    common_labels,
    draw_frames,
    draw_patients,
    hold_out,
    training_sets,
)
from cmrkit.unet.manual import export_for_drawing
from cmrkit.unet.network import TrainedUNet, build_unet

SIDE = 32


def _patients(patients=6, frames=4):
    count = patients * frames
    table = pd.DataFrame(
        {
            "frame_id": [f"p{i // frames}_f{i % frames}" for i in range(count)],
            "patient_id": [f"p{i // frames}" for i in range(count)],
            "labels_present": [[1, 3]] * count,
        }
    )
    return Part(*_pixels(count, first=1), table)


def _synthetic(count=40):
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


def _sets(*arms, **changes):
    return training_sets(arms, _patients(), _synthetic(), **{"seed": 1, **changes})


def _consistent(data):
    """Whether tables and pixels still belong together."""
    grey = data.images[:, 0, 0]
    number = [
        int(name[1:]) + 101 if name[0] == "s" else 4 * int(name[1]) + int(name[4]) + 1
        for name in data.frames["frame_id"]
    ]
    return grey.tolist() == number and len(data.masks) == len(data.frames)


def test_the_published_arms_take_every_frame_of_their_source():
    sets = _sets("patient", "synthetic")
    assert {arm: len(data.frames) for arm, data in sets.items()} == {"patient": 24, "synthetic": 40}


def test_equal_frames_shrinks_every_arm_to_the_smallest():
    sets = _sets("patient", "synthetic", "patient+synthetic", equal_frames=True)
    assert {len(data.frames) for data in sets.values()} == {24}
    assert all(_consistent(data) for data in sets.values())


def test_the_mixed_arm_holds_one_synthetic_frame_a_patient_frame():
    mixed = _sets("patient+synthetic")["patient+synthetic"]
    assert mixed.frames["patient_id"].notna().sum() == 24
    assert len(mixed.frames) == 48
    assert _consistent(mixed)


def test_the_teacher_labels_the_synthetic_frames_anew():
    torch.manual_seed(0)
    teacher = TrainedUNet(build_unet([3], 4), (3,), 4, SIDE)
    data = _sets("synthetic-teacher", teacher=teacher)["synthetic-teacher"]
    assert data.frames["labels_present"].tolist() == [[3]] * 40
    assert set(np.unique(data.masks)) <= {0, 3}
    assert _consistent(data)


def test_the_manual_arm_holds_the_frames_that_people_drew(tmp_path):
    import nibabel as nib

    synthetic = _synthetic()
    export_for_drawing(synthetic.frames, synthetic.images, [1, 3], tmp_path)
    path = tmp_path / "volume_000_mask.nii.gz"
    volume = nib.load(path)
    drawn = np.zeros(volume.shape, np.uint8)
    drawn[4:9, 2:4, 7] = 3  # columns 4 to 8 and rows 2 to 3 of the eighth frame
    nib.save(nib.Nifti1Image(drawn, volume.affine), path)
    data = _sets("synthetic-manual", manual_folder=tmp_path)["synthetic-manual"]
    assert data.frames["frame_id"].tolist() == ["s007"]
    assert data.frames["labels_present"].tolist() == [[1, 3]]
    assert np.argwhere(data.masks[0] == 3).min(axis=0).tolist() == [2, 4]
    assert (data.masks[0] == 3).sum() == 10
    assert _consistent(data)


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ("synthetic-teacher", "teacher: None"),
        ("synthetic-manual", "manual_folder: None"),
        ("synthetik", "unknown arm 'synthetik'"),
    ],
)
def test_an_arm_without_what_it_needs_is_refused(arm, message):
    with pytest.raises(ValueError, match=message):
        _sets(arm)


def test_arms_learn_the_labels_that_all_of_them_know():
    assert common_labels(_patients(), _synthetic()) == [1, 3]


@pytest.mark.parametrize("draw", [draw_frames, draw_patients])
def test_a_smaller_dose_is_part_of_a_larger_one(draw):
    small, large = draw(_patients(), 2, seed=3), draw(_patients(), 4, seed=3)
    assert set(small.frames["frame_id"]) < set(large.frames["frame_id"])
    assert _consistent(large)


def test_a_dose_of_patients_holds_all_their_frames():
    dose = draw_patients(_patients(), 2, seed=0)
    assert dose.frames.groupby("patient_id").size().tolist() == [4, 4]


@pytest.mark.parametrize(("draw", "count"), [(draw_frames, 25), (draw_patients, 7)])
def test_more_than_there_are_cannot_be_drawn(draw, count):
    with pytest.raises(ValueError, match=f"{count} wanted"):
        draw(_patients(), count, seed=0)


def test_no_patient_is_in_training_and_in_validation():
    training, validation = hold_out(join(_patients(), _synthetic()), 0.25, seed=1)
    ids = [set(data.frames["patient_id"].dropna()) for data in (training, validation)]
    assert not ids[0] & ids[1]
    assert len(training.frames) + len(validation.frames) == 64
    assert _consistent(training)
    assert _consistent(validation)


def test_synthetic_frames_are_held_out_one_by_one():
    training, validation = hold_out(_synthetic(), 0.25, seed=1)
    assert (len(training.frames), len(validation.frames)) == (30, 10)


@pytest.mark.parametrize("share", [0, 1, -0.2])
def test_a_share_that_leaves_nothing_is_refused(share):
    with pytest.raises(ValueError, match="share"):
        hold_out(_patients(), share, seed=1)


def test_one_patient_cannot_be_split():
    with pytest.raises(ValueError, match="nothing would be left"):
        hold_out(_patients(patients=1), 0.5, seed=1)
