"""Which labels a network knows, and which a frame annotates."""

import numpy as np

from cmrkit.cohort.frames import LABELS


def check_labels(labels):
    """Refuse labels that are unknown, doubled or background.

    Raises:
        ValueError: naming the labels.
    """
    allowed = [number for number in LABELS if number]
    if not len(labels) or len(set(labels)) < len(labels) or set(labels) - set(allowed):
        raise ValueError(f"labels: {list(labels)}; give each wanted label of {allowed} once")


def channel_of(labels):
    """Lookup table [256] uint8 from label number to output channel; 0 for labels not asked for."""
    table = np.zeros(256, np.uint8)
    table[list(labels)] = np.arange(1, len(labels) + 1)
    return table


def annotated_labels(masks, labels_present, labels):
    """Which frame annotates which label.

    Args:
        masks: [n, R, R] uint8.
        labels_present: length n, the label numbers annotated in each frame.
        labels: K label numbers that are asked for.

    Returns:
        [n, K] bool.

    Raises:
        ValueError: a mask holds a label that its frame does not list.
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
            f"labels_present: frame {frames[0]} has pixels of label {numbers[0]} and does not list "
            "it; correct the reader"
        )
    return listed[:, list(labels)]


def common_labels(*parts):
    """Labels that every arm can learn: annotated somewhere in each part, in rising order."""
    known = [
        set().union(*(map(int, row) for row in data.frames["labels_present"])) for data in parts
    ]
    return sorted(set.intersection(*known))
