"""Exact search for the nearest patient frames, in blocks, blind to mirroring, shift and contrast.

Two frames are compared by the correlation of their grey values, which does not change with
brightness and linear contrast, at the mirroring and shift where it is highest. Correlation r
becomes the distance sqrt(2 - 2 r): 0 for copies, 1.41 for unrelated frames.

The search is exact over all pairs on frames of 16 x 16 pixels; the frames nearest there are then
compared again on 64 x 64 pixels, at every whole-pixel shift.
"""

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from cmrkit.audit.part import block_means

COARSE_SIDE = 16
FINE_SIDE = 64
SHIFT = 1 / 8  # largest shift compared, of the frame's side
BLOCK_BYTES = 2**28  # of the similarity matrix held at a time
PAIRS_A_BLOCK = 512


def best_device():
    """The GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def nearest_in_groups(queries, references, groups, keep, device=None):
    """For every query frame, the groups that come nearest, each by its nearest frame.

    Args:
        queries: [n, R, R] uint8.
        references: [m, R, R] uint8.
        groups: [m] group of each reference frame, e.g. its patient.
        keep: nearest groups to return, at most their number.
        device: torch device; None for the GPU where there is one.

    Returns:
        rows: [n, keep] int, row of the nearest reference frame in each group, nearest first.
        distances: [n, keep] float32, distance to it on the coarse frames.
    """
    device = device or best_device()
    layout = torch.from_numpy(_padded_layout(groups)).to(device)  # [P, F] reference rows
    reference = _coarse(references, device)
    margin = int(SHIFT * reference.shape[1])
    template = _windows(reference, margin, 0, 0)[layout.ravel()]  # [P * F, D]
    size = max(1, BLOCK_BYTES // (4 * len(template)))
    rows, distances = [], []
    for start in range(0, len(queries), size):
        block = _coarse(queries[start : start + size], device)
        best, frame = _best_over_transforms(block, template, layout.shape, margin)
        value, group = best.topk(keep, dim=1)
        rows.append(layout[group, frame.gather(1, group)].cpu())
        distances.append(_distance(value).cpu())
    return torch.cat(rows).numpy(), torch.cat(distances).numpy()


def aligned_distance(one, other, device=None):
    """Distance of each pair of frames at its best mirroring and whole-pixel shift.

    Args:
        one: [n, R, R] uint8.
        other: [n, R, R] uint8; its middle is looked for in `one`.
        device: torch device; None for the GPU where there is one.

    Returns:
        [n] float32, 0 for copies.
    """
    device = device or best_device()
    parts = []
    for start in range(0, len(one), PAIRS_A_BLOCK):
        a, b = (_fine(x[start : start + PAIRS_A_BLOCK], device) for x in (one, other))
        best = torch.maximum(_template_match(a, b), _template_match(a.flip(2), b))
        parts.append(_distance(best).cpu())
    return torch.cat(parts).numpy()


def _padded_layout(groups):
    """[P, F] rows of each group's frames, the last one repeated to the same length F."""
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    members = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    longest = max(len(rows) for rows in members)
    return np.stack([np.pad(rows, (0, longest - len(rows)), mode="edge") for rows in members])


def _coarse(images, device):
    return torch.from_numpy(block_means(images, COARSE_SIDE)).to(device)


def _fine(images, device):
    """Frames of 64 x 64 pixels, smoothed, so that noise does not hide a copy."""
    frames = torch.from_numpy(block_means(images, FINE_SIDE)).to(device)
    for _ in range(2):
        frames = avg_pool2d(frames[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]
    return frames


def _windows(frames, margin, down, right):
    """[n, D] middle part of each frame, moved, as vectors of mean 0 and length 1."""
    side = frames.shape[1]
    rows = slice(margin + down, side - margin + down)
    columns = slice(margin + right, side - margin + right)
    window = frames[:, rows, columns].flatten(1)
    window = window - window.mean(dim=1, keepdim=True)
    return window / (window.norm(dim=1, keepdim=True) + 1e-6)


def _best_over_transforms(block, template, shape, margin):
    """[B, P] highest correlation with each group, and [B, P] which of its frames has it."""
    best = torch.full((len(block), shape[0]), -2.0, device=block.device)
    frame = torch.zeros_like(best, dtype=torch.long)
    steps = range(-margin, margin + 1)
    for turned in (block, block.flip(2)):
        for down in steps:
            for right in steps:
                window = _windows(turned, margin, down, right)
                value, index = (window @ template.T).view(len(block), *shape).max(dim=2)
                better = value > best
                best = torch.where(better, value, best)
                frame = torch.where(better, index, frame)
    return best, frame


def _template_match(image, template):
    """[n] highest correlation of the template's middle with the image, over all shifts.

    Source: Lewis, Fast normalized cross-correlation, Vision Interface 1995, section 3.
    """
    side = image.shape[1]
    margin = int(SHIFT * side)
    inside = torch.zeros(side, side, device=image.device)
    inside[margin : side - margin, margin : side - margin] = 1
    pixels = inside.sum()
    middle = inside * (template - (template * inside).sum((1, 2), keepdim=True) / pixels)
    image = image - image.mean((1, 2), keepdim=True)
    spectra = (torch.fft.rfft2(x) for x in (image, image**2))
    plain, squared = spectra
    box = torch.fft.rfft2(inside).conj()
    products = plain * torch.fft.rfft2(middle).conj()
    cross, total, energy = (
        torch.fft.irfft2(x, s=(side, side)) for x in (products, plain * box, squared * box)
    )
    spread = (energy - total**2 / pixels).clamp(min=1e-3) * (middle**2).sum((1, 2), keepdim=True)
    correlation = torch.roll(cross / (spread.sqrt() + 1e-6), (margin, margin), (1, 2))
    return correlation[:, : 2 * margin + 1, : 2 * margin + 1].amax((1, 2))


def _distance(correlation):
    return (2 - 2 * correlation).clamp(min=0).sqrt()
