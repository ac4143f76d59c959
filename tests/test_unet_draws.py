import pytest
from small_parts import consistent, small_patients, small_synthetic

from cmrkit.cohort.part import join
from cmrkit.unet.draws import draw_frames, draw_patients, hold_out


@pytest.mark.parametrize("draw", [draw_frames, draw_patients])
def test_a_smaller_dose_is_part_of_a_larger_one(draw):
    small, large = draw(small_patients(), 2, seed=3), draw(small_patients(), 4, seed=3)
    assert set(small.frames["frame_id"]) < set(large.frames["frame_id"])
    assert consistent(large)


def test_a_dose_of_patients_holds_all_their_frames():
    dose = draw_patients(small_patients(), 2, seed=0)
    assert dose.frames.groupby("patient_id").size().tolist() == [4, 4]


@pytest.mark.parametrize(("draw", "count"), [(draw_frames, 25), (draw_patients, 7)])
def test_more_than_there_are_cannot_be_drawn(draw, count):
    with pytest.raises(ValueError, match=f"{count} wanted"):
        draw(small_patients(), count, seed=0)


def test_no_patient_is_in_training_and_in_validation():
    training, validation = hold_out(join(small_patients(), small_synthetic()), 0.25, seed=1)
    ids = [set(data.frames["patient_id"].dropna()) for data in (training, validation)]
    assert not ids[0] & ids[1]
    assert len(training.frames) + len(validation.frames) == 64
    assert consistent(training)
    assert consistent(validation)


def test_synthetic_frames_are_held_out_one_by_one():
    training, validation = hold_out(small_synthetic(), 0.25, seed=1)
    assert (len(training.frames), len(validation.frames)) == (30, 10)


@pytest.mark.parametrize("share", [0, 1, -0.2])
def test_a_share_that_leaves_nothing_is_refused(share):
    with pytest.raises(ValueError, match="share"):
        hold_out(small_patients(), share, seed=1)


def test_one_patient_cannot_be_split():
    with pytest.raises(ValueError, match="nothing would be left"):
        hold_out(small_patients(patients=1), 0.5, seed=1)
