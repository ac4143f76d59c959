"""The loss of frames that are annotated in part."""

import numpy as np
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


def annotated_labels(masks, labels_present, labels):
    """Which frame annotates which label.

    Args:
        masks: [n, R, R] uint8.
        labels_present: length n, the label numbers annotated in each frame.
        labels: K label numbers that are asked for.

    Returns:
        [n, K] bool.

    Raises:
        ValueError: a mask holds a label that its frame does not list, or a wanted label is
            annotated in no frame.
    """
    listed = np.zeros((len(masks), 256), bool)
    listed[:, 0] = True
    for row, present in zip(listed, labels_present, strict=True):
        row[list(present)] = True
    drawn = np.zeros_like(listed)
    for row, mask in zip(drawn, masks, strict=True):
        row[mask] = True
    frames, numbers = np.nonzero(drawn & ~listed)
    if len(frames):
        raise ValueError(
            f"labels_present: frame {frames[0]} has pixels of label {numbers[0]}, which it does not "
            "list; correct the reader"
        )
    annotated = listed[:, list(labels)]
    if len(masks) and not annotated.any(axis=0).all():
        missing = [k for k, seen in zip(labels, annotated.any(axis=0), strict=True) if not seen]
        raise ValueError(f"labels: {missing} annotated in no frame; leave them out")
    return annotated
