import torch

import cmrkit.unet.augmentation as augmentation
from cmrkit.unet.augmentation import augment


def _frames(count=4, side=32):
    target = torch.zeros(count, 1, side, side, dtype=torch.int64)
    target[:, :, 10:22, 8:20] = 1
    return target.float() * 0.8 + 0.1, target


def _augmented(seed=0, **frames):
    return augment(*_frames(**frames), 2, torch.Generator().manual_seed(seed))


def test_the_same_seed_gives_the_same_frames_and_another_seed_others():
    first, again, other = _augmented(1), _augmented(1), _augmented(2)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_image_and_label_map_move_together(monkeypatch):
    monkeypatch.setattr(augmentation, "FIELD", 0.0)
    images, target = _augmented(count=64)
    bright = images > 0.45  # 0.1 outside and 0.9 inside, but for gamma and noise
    overlap = (bright & (target == 1)).sum() / (bright | (target == 1)).sum()
    assert overlap > 0.9


def test_frames_of_one_batch_are_moved_differently():
    _, target = _augmented(count=8)
    assert len({tuple(frame.flatten().tolist()) for frame in target}) == 8


def test_a_chamber_keeps_its_size_within_the_scale_and_its_place_within_the_shift():
    _, target = _augmented(count=200)
    _, before = _frames(count=1)
    area = (target == 1).sum(dim=(1, 2, 3)) / (before == 1).sum()
    step = 0.08  # whole pixels on the border of so small a disc
    assert 1 / 1.15**2 - step < area.min() < 0.85
    assert 1.2 < area.max() < 1.15**2 + step
    rows = torch.arange(32.0)
    height = (target.sum(dim=(1, 3)) * rows).sum(1) / target.sum(dim=(1, 2, 3))
    shift = height - 15.5
    assert 0.06 * 32 < shift.abs().max() < 0.08 * 32 + 2.5  # rotation moves the centre, too


def test_without_any_change_frames_come_back_as_they_were(monkeypatch):
    for name in ("ROTATION", "SCALE", "SHIFT", "GAMMA", "FIELD", "NOISE"):
        monkeypatch.setattr(augmentation, name, 0.0)
    images, target = _augmented()
    expected_images, expected_target = _frames()
    assert torch.allclose(images, expected_images, atol=1e-5)
    assert torch.equal(target, expected_target)


def test_shading_is_smooth_and_each_frame_has_its_own(monkeypatch):
    for name in ("ROTATION", "SCALE", "SHIFT", "GAMMA", "NOISE"):
        monkeypatch.setattr(augmentation, name, 0.0)
    images, _ = _augmented(count=200)
    before, _ = _frames(count=200)
    field = (images / before).log()
    # a cubic between random knots has a little less than their spread
    assert 0.7 * augmentation.FIELD < field.std() < augmentation.FIELD
    assert field.diff(dim=3).abs().max() < augmentation.FIELD
    assert field[:100].sub(field[100:]).abs().mean() > 0.5 * augmentation.FIELD
