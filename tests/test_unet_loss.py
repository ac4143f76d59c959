import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss

from cmrkit.unet.loss import partial_dice_ce


def _random(frames=3, labels=2, side=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(frames, 1 + labels, side, side, generator=generator)
    target = torch.randint(0, 1 + labels, (frames, 1, side, side), generator=generator)
    return logits, target


def test_with_every_label_annotated_it_is_the_dice_ce_loss_of_monai():
    logits, target = _random()
    monai = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
    loss = partial_dice_ce(logits, target, torch.ones(3, 2, dtype=torch.bool))
    assert loss.item() == pytest.approx(monai(logits, target).item(), rel=1e-5)


def test_one_pixel_by_hand():
    # probabilities 0.2, 0.3, 0.5; the second label is not annotated, the pixel is drawn background:
    # background becomes 0.7, so the cross entropy is -ln 0.7; label 1 has overlap 0 and area 0.3
    # (Dice 0, loss 1), the closed label overlap and area 0 (loss 0): 1 / 2 + 0.35667
    logits = torch.tensor([0.2, 0.3, 0.5]).log().view(1, 3, 1, 1)
    target = torch.zeros(1, 1, 1, 1, dtype=torch.int64)
    loss = partial_dice_ce(logits, target, torch.tensor([[True, False]]))
    assert loss.item() == pytest.approx(0.5 - np.log(0.7), abs=1e-4)


def test_swapping_an_unannotated_label_with_background_changes_nothing():
    logits, target = _random()
    target[target == 2] = 0
    annotated = torch.tensor([[True, False]] * 3)
    swapped = logits[:, [2, 1, 0]]
    loss = partial_dice_ce(logits, target, annotated)
    assert loss.item() == pytest.approx(partial_dice_ce(swapped, target, annotated).item())


def test_an_unannotated_frame_neither_rewards_nor_punishes_the_label():
    logits, target = _random(frames=2)
    target[1][target[1] == 2] = 0
    annotated = torch.tensor([[True, True], [True, False]])
    logits.requires_grad_()
    partial_dice_ce(logits, target, annotated).backward()
    background, _, hidden = logits.grad[1]
    # the hidden label only shares the gradient of background, in proportion to its probability
    ratio = (logits[1, 2] - logits[1, 0]).exp()
    assert torch.allclose(hidden, background * ratio, atol=1e-6)
    assert torch.isfinite(logits.grad).all()
