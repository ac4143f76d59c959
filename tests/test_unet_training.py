import numpy as np
import pytest
import torch
from unet_discs import discs, train_on_discs

from cmrkit.unet import training
from cmrkit.unet.evaluation import mean_dice, segment
from cmrkit.unet.training import _batches


def _weights(model):
    return torch.cat([value.flatten() for value in model.network.state_dict().values()])


def test_it_learns_discs_and_rings():
    model = train_on_discs(steps=60, batch=8, width=8)
    images, masks, present = discs(10, seed=9)
    assert mean_dice(model, images, masks, present) > 0.85
    assert set(np.unique(segment(model, images))) == {0, 1, 2}


def test_the_same_seed_gives_the_same_bytes_and_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    first, again, other = train_on_discs(), train_on_discs(), train_on_discs(seed=2)
    assert torch.equal(_weights(first), _weights(again))
    assert not torch.equal(_weights(first), _weights(other))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_label_is_learnt_from_the_frames_that_annotate_it():
    images, masks, _ = discs(24)
    present = [[1, 2], [1]] * 12
    masks[1::2][masks[1::2] == 2] = 0  # half of the frames show the ring and do not annotate it
    model = train_on_discs(data=(images, masks, present), steps=80, batch=8, width=8)
    assert mean_dice(model, *discs(10, seed=9)) > 0.85


def test_every_frame_is_shown_once_before_one_is_shown_again():
    shown = torch.cat(list(_batches(10, steps=5, batch=4, seed=0))).tolist()
    assert sorted(shown[:10]) == sorted(shown[10:]) == list(range(10))
    assert shown[:10] != shown[10:]


def test_a_batch_may_be_larger_than_the_cohort():
    shown = torch.cat(list(_batches(3, steps=1, batch=7, seed=0))).tolist()
    assert sorted(shown[:6]) == [0, 0, 1, 1, 2, 2]


def test_ticks_tell_step_loss_rate_and_speed():
    ticks = []
    train_on_discs(steps=40, on_tick=ticks.append)
    assert [tick["step"] for tick in ticks] == list(range(2, 41, 2))
    assert ticks[-1]["loss"] < ticks[0]["loss"]
    assert ticks[-1]["learning_rate"] < ticks[5]["learning_rate"]
    assert all(tick["frames_per_s"] > 0 for tick in ticks)


def test_the_best_weights_on_validation_patients_are_kept(monkeypatch):
    given, seen = iter([0.5, 0.9, 0.7, 0.9, 0.1]), []

    def scripted(model, *_):
        seen.append(_weights(model).clone())
        return next(given)

    monkeypatch.setattr(training, "mean_dice", scripted)
    ticks = []
    model = train_on_discs(steps=10, validation=discs(6, seed=5), on_tick=ticks.append)
    told = [tick["validation_dice"] for tick in ticks if "validation_dice" in tick]
    assert told == [0.5, 0.9, 0.7, 0.9, 0.1]  # of the second half
    assert torch.equal(_weights(model), seen[1])  # the first of equals
    assert not torch.equal(seen[1], seen[-1])


def test_validation_dice_is_that_of_the_weights_that_are_kept():
    ticks, validation = [], discs(6, seed=5)
    model = train_on_discs(steps=30, validation=validation, on_tick=ticks.append)
    best = max(tick.get("validation_dice", 0) for tick in ticks)
    assert mean_dice(model, *validation) == pytest.approx(best)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps: 0"),
        ({"batch": 0}, "batch: 0"),
        ({"labels": (1, 9)}, "labels"),
        ({"labels": (1, 5)}, r"labels: \[5\] annotated in no frame"),
        ({"data": discs(2, side=24)}, "must divide by 16"),
        ({"data": (np.zeros((0, 32, 32), np.uint8),) * 2 + ([],)}, "give n > 0 pairs"),
        ({"data": (np.zeros((2, 32, 32)), *discs(2)[1:])}, "images: float64"),
    ],
)
def test_input_that_cannot_train_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        train_on_discs(**changes)
