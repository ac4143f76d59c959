"""The loss of frames that are annotated in part."""

import torch
from monai.losses import DiceCELoss

IMPOSSIBLE = -1e4  # a logit whose softmax is exactly 0 in float32, without the NaNs of infinity

_dice_ce = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)


def partial_dice_ce(logits, target, annotated):
    """DiceCE loss that neither trains nor scores labels a frame does not annotate.

    In a frame without a label, that label's pixels are drawn as background. There the network may
    call them either way: the probability of the label is added to that of background, and the
    label's own channel is closed. Dice is summed over the batch, so that a closed channel adds
    nothing to the overlap or to the areas of its label.

    Args:
        logits: [n, 1 + K, R, R] float32.
        target: [n, 1, R, R] integer, 0 for background, k for the k-th label.
        annotated: [n, K] bool, whether frame i annotates label k.

    Returns:
        scalar: mean over the K labels of 1 - Dice, plus cross entropy.

    Source: Shi et al. 2021, Marginal loss and exclusion loss for partially supervised multi-organ
    segmentation (Medical Image Analysis 70:101979), section 3.
    """
    return _dice_ce(_merge_with_background(logits, annotated), target)


def _merge_with_background(logits, annotated):
    closed = ~annotated[:, :, None, None]
    background, labels = logits[:, :1], logits[:, 1:]
    hidden = labels.masked_fill(~closed, -torch.inf)
    background = torch.cat([background, hidden], dim=1).logsumexp(dim=1, keepdim=True)
    return torch.cat([background, labels.masked_fill(closed, IMPOSSIBLE)], dim=1)
