"""Exact search for the nearest patient frames, in blocks, blind to mirroring, shift and contrast.

Two frames are compared by the correlation of their grey values, which does not change with
brightness and linear contrast, at the mirroring and shift where it is highest. Correlation r
becomes the distance sqrt(2 - 2 r): 0 for copies, 1.41 for unrelated frames.

The search is exact over all pairs on frames of 16 x 16 pixels; the frames nearest there are then
compared again at every whole-pixel shift: on 32 x 32 pixels for the mirroring and the contrast
curve that suit best, with these on 64 x 64 pixels for the distance.
"""

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, conv2d, pad

from cmrkit.audit.blocks import block_means

COARSE_SIDE = 16
MIDDLE_SIDE = 32
FINE_SIDE = 64
SHIFT = 1 / 8  # largest shift compared, of the frame's side
GAMMAS = (0.7, 1.0, 1.4)  # contrast curves compared on fine frames
BLOCK_BYTES = 2**24  # of the similarity matrix held at a time: stays in a CPU's cache
PAIRS_A_BLOCK = 64


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
        from_references: [m] float32, distance of each reference frame to the nearest query frame.
    """
    device = device or best_device()
    layout = torch.from_numpy(_padded_layout(groups)).to(device)  # [P, F] reference rows
    reference = _coarse(references, device)
    margin = int(SHIFT * reference.shape[1])
    template = _windows(reference, margin, 0, 0)[layout.ravel()]  # [P * F, D]
    size = max(1, BLOCK_BYTES // (4 * len(template)))
    rows, distances = [], []
    highest = torch.full((len(references),), -2.0, device=device)
    for start in range(0, len(queries), size):
        block = _coarse(queries[start : start + size], device)
        best = _best_over_transforms(block, template, margin)
        highest.scatter_reduce_(0, layout.ravel(), best.amax(dim=0), "amax")
        value, frame = best.view(-1, *layout.shape).max(dim=2)
        value, group = value.topk(keep, dim=1)
        rows.append(layout[group, frame.gather(1, group)].cpu())
        distances.append(_distance(value).cpu())
    return torch.cat(rows).numpy(), torch.cat(distances).numpy(), _distance(highest).cpu().numpy()


def nearest_codes(queries, references, groups, keep, device=None):
    """As `nearest_in_groups`, one way, for codes of length 1 from `embedding.Embedding.codes`.

    Args:
        queries: [n, D] float32.
        references: [m, D] float32.
        groups, keep, device: see `nearest_in_groups`.

    Returns:
        rows, distances: [n, keep], 0 for equal and 2 for opposite codes.
    """
    device = device or best_device()
    layout = torch.from_numpy(_padded_layout(groups)).to(device)
    template = torch.from_numpy(references).to(device)[layout.ravel()]
    size = max(1, BLOCK_BYTES // (4 * len(template)))
    rows, distances = [], []
    for block in torch.from_numpy(queries).split(size):
        value, frame = (block.to(device) @ template.T).view(-1, *layout.shape).max(dim=2)
        value, group = value.topk(keep, dim=1)
        rows.append(layout[group, frame.gather(1, group)].cpu())
        distances.append(_distance(value).cpu())
    return torch.cat(rows).numpy(), torch.cat(distances).numpy()


def aligned_distance(one, other, device=None):
    """Distance of each pair of frames at its best mirroring, contrast and whole-pixel shift.

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
        pair = [x[start : start + PAIRS_A_BLOCK] for x in (one, other)]
        image, template = (_smooth(x, MIDDLE_SIDE, device) for x in pair)
        version = _template_match(_versions(image), template).argmax(dim=0)
        image, template = (_smooth(x, FINE_SIDE, device) for x in pair)
        gamma = torch.tensor(GAMMAS, device=device)[version % len(GAMMAS)]
        turned = (version >= len(GAMMAS))[:, None, None]
        image = torch.where(turned, image.flip(2), image) ** gamma[:, None, None]
        parts.append(_distance(_template_match(image[None], template)[0]).cpu())
    return torch.cat(parts).numpy()


def _padded_layout(groups):
    """[P, F] rows of each group's frames, the last one repeated to the same length F."""
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    members = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    longest = max(len(rows) for rows in members)
    return np.stack([np.pad(rows, (0, longest - len(rows)), mode="edge") for rows in members])


def _coarse(images, device):
    return torch.from_numpy(block_means(images, COARSE_SIDE)).to(device)


def _smooth(images, side, device):
    """Frames of side x side pixels, 0 to 1, smoothed, so that noise does not hide a copy."""
    frames = torch.from_numpy(block_means(images, side))[:, None].to(device) / 255
    for _ in range(side // MIDDLE_SIDE):  # the same width in mm on both sizes
        frames = avg_pool2d(frames, 3, stride=1, padding=1, count_include_pad=False)
    return frames[:, 0]


def _versions(frames):
    """[k, n, S, S] the frames in every contrast, as they are and mirrored."""
    changed = torch.stack([frames**gamma for gamma in GAMMAS])
    return torch.cat([changed, changed.flip(3)])


def _windows(frames, margin, down, right):
    """[n, D] middle part of each frame, moved, as vectors of mean 0 and length 1."""
    side = frames.shape[1]
    rows = slice(margin + down, side - margin + down)
    columns = slice(margin + right, side - margin + right)
    window = frames[:, rows, columns].flatten(1)
    window = window - window.mean(dim=1, keepdim=True)
    return window / (window.norm(dim=1, keepdim=True) + 1e-6)


def _best_over_transforms(block, template, margin):
    """[B, m] highest correlation of each frame with each template."""
    best = torch.full((len(block), len(template)), -2.0, device=block.device)
    product = torch.empty_like(best)
    steps = range(-margin, margin + 1)
    for turned in (block, block.flip(2)):
        for down in steps:
            for right in steps:
                torch.mm(_windows(turned, margin, down, right), template.T, out=product)
                torch.maximum(best, product, out=best)
    return best


def _template_match(images, template):
    """[k, n] highest correlation of the template's middle with each image, over all shifts.

    Args:
        images: [k, n, S, S], k versions of n images.
        template: [n, S, S].

    Source: Lewis, Fast normalized cross-correlation, Vision Interface 1995, section 3.
    """
    side = template.shape[1]
    margin = int(SHIFT * side)
    middle = template[:, margin : side - margin, margin : side - margin]
    middle = middle - middle.mean((1, 2), keepdim=True)
    images = images - images.mean((2, 3), keepdim=True)
    cross = conv2d(images, middle[:, None], groups=len(middle))  # [k, n, shifts, shifts]
    total, energy = (_box_sums(x, side - 2 * margin) for x in (images, images**2))
    pixels = middle[0].numel()
    spread = (energy - total**2 / pixels).clamp(min=1e-6) * (middle**2).sum((1, 2))[:, None, None]
    return (cross / (spread.sqrt() + 1e-6)).amax((2, 3))


def _box_sums(images, wide):
    """[k, n, S - wide + 1, same] sum of each wide x wide window, from running sums."""
    sums = pad(images, (1, 0, 1, 0)).double().cumsum(2).cumsum(3)
    rows = sums[:, :, wide:] - sums[:, :, :-wide]
    return (rows[..., wide:] - rows[..., :-wide]).float()


def _distance(correlation):
    return (2 - 2 * correlation).clamp(min=0).sqrt()
