import nibabel as nib
import numpy as np
import pytest
import torch
from small_parts import SIDE, consistent, small_patients, small_synthetic

from cmrkit.unet.arms import training_sets
from cmrkit.unet.manual import export_for_drawing
from cmrkit.unet.network import TrainedUNet, build_unet


def _sets(*arms, **changes):
    return training_sets(arms, small_patients(), small_synthetic(), **{"seed": 1, **changes})


def test_the_published_arms_take_every_frame_of_their_source():
    sets = _sets("patient", "synthetic")
    assert {arm: len(data.frames) for arm, data in sets.items()} == {"patient": 24, "synthetic": 40}


def test_equal_frames_shrinks_every_arm_to_the_smallest():
    sets = _sets("patient", "synthetic", "patient+synthetic", equal_frames=True)
    assert {len(data.frames) for data in sets.values()} == {24}
    assert all(consistent(data) for data in sets.values())


def test_the_mixed_arm_holds_one_synthetic_frame_a_patient_frame():
    mixed = _sets("patient+synthetic")["patient+synthetic"]
    assert mixed.frames["patient_id"].notna().sum() == 24
    assert len(mixed.frames) == 48
    assert consistent(mixed)


def test_the_teacher_labels_the_synthetic_frames_anew():
    torch.manual_seed(0)
    teacher = TrainedUNet(build_unet([3], 4), (3,), 4, SIDE)
    data = _sets("synthetic-teacher", teacher=teacher)["synthetic-teacher"]
    assert data.frames["labels_present"].tolist() == [[3]] * 40
    assert set(np.unique(data.masks)) <= {0, 3}
    assert consistent(data)


def _drawn_eighth_frame(folder):
    """An export of synthetic frames in whose eighth somebody drew an RV of 5 x 2 pixels."""
    synthetic = small_synthetic()
    export_for_drawing(synthetic.frames, synthetic.images, [1, 3], folder)
    path = folder / "volume_000_mask.nii.gz"
    volume = nib.load(path)
    drawn = np.zeros(volume.shape, np.uint8)
    drawn[4:9, 2:4, 7] = 3  # columns 4 to 8 and rows 2 to 3
    nib.save(nib.Nifti1Image(drawn, volume.affine), path)


def test_the_manual_arm_holds_the_frames_that_people_drew(tmp_path):
    _drawn_eighth_frame(tmp_path)
    data = _sets("synthetic-manual", manual_folder=tmp_path)["synthetic-manual"]
    assert data.frames["frame_id"].tolist() == ["s007"]
    assert data.frames["labels_present"].tolist() == [[3]]  # of 1 and 3 that were asked for
    assert np.argwhere(data.masks[0] == 3).min(axis=0).tolist() == [2, 4]
    assert (data.masks[0] == 3).sum() == 10
    assert consistent(data)


def test_drawings_of_an_earlier_synthetic_cohort_are_refused(tmp_path):
    _drawn_eighth_frame(tmp_path)
    fewer = small_synthetic(5)
    other = small_synthetic()
    other = other._replace(images=other.images + 1)  # same names, another generator
    for synthetic in (fewer, other):
        with pytest.raises(ValueError, match="made anew since the export"):
            training_sets(
                ["synthetic-manual"], small_patients(), synthetic, seed=1, manual_folder=tmp_path
            )


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
