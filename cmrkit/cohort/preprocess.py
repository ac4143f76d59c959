"""From scanner to frame: one pixel size, a square around the heart, 8 bit."""

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import GaussianSmooth, ScaleIntensityRangePercentiles, SpatialResample

from cmrkit.cohort.frames import LABELS

LOW_PERCENTILE, HIGH_PERCENTILE = 1, 99


def preprocess(cine, resolution, fov_mm, crop="centre", assumed_spacing_mm=None):
    """Turn one slice position of a patient into frames.

    Args:
        cine: `CineSlice`.
        resolution: R, frames are R x R pixels.
        fov_mm: side of the square in mm; a pixel becomes fov_mm / R.
        crop: `centre` of the image, or `motion`, the middle of what moves through the cycle.
        assumed_spacing_mm: pixel size taken where the source states none.

    Returns:
        images: [P, R, R] uint8; grey values between the 1st and 99th percentile of the slice's cut
            through all phases, so that a cine does not flicker; 0 outside the acquired image.
        masks: [P, R, R] uint8.

    Raises:
        ValueError: no pixel size is stated or assumed, or the grey values are all the same.

    Choice: masks are resampled as one smooth map a label, of which the largest wins, because
    nearest-neighbour sampling tears a thin myocardium.
    """
    spacing = cine.spacing_mm or (assumed_spacing_mm,) * 2
    if None in spacing:
        raise ValueError(f"{cine.patient_id}: the source states no pixel size; assume one")
    middle = _middle_of_motion(cine.images) if crop == "motion" else _middle(cine.images)
    target = fov_mm / resolution
    images = _resample(cine.images, spacing, target, resolution, middle)
    if images.min() == images.max():
        raise ValueError(f"{cine.patient_id}: slice {cine.slice_index} has one grey value only")
    to_8_bit = ScaleIntensityRangePercentiles(
        LOW_PERCENTILE, HIGH_PERCENTILE, b_min=0, b_max=255, clip=True
    )
    grey = to_8_bit(images).round().numpy().astype(np.uint8)
    return grey, _resample_masks(cine.masks, spacing, target, resolution, middle)


def _middle(images):
    """Row and column of the middle of the image, in pixels."""
    return (images.shape[1] - 1) / 2, (images.shape[2] - 1) / 2


def _middle_of_motion(images):
    """Row and column of the middle of what moves: the heart, not the chest wall.

    Choice: centre of mass of the standard deviation through the cycle, above its 95th percentile;
    with one phase nothing moves, and the middle of the image is taken.
    """
    spread = images.std(axis=0)
    weights = np.where(spread > np.percentile(spread, 95), spread, 0)
    if not weights.any():
        return _middle(images)
    rows, columns = np.indices(spread.shape)
    return (rows * weights).sum() / weights.sum(), (columns * weights).sum() / weights.sum()


def _resample(maps, spacing, target, resolution, middle):
    """Sample [P, H, W] float maps on R x R pixels of `target` mm around `middle`: MetaTensor."""
    source = np.diag([*spacing, 1.0, 1.0])
    destination = np.diag([target, target, 1.0, 1.0])
    reach = (resolution - 1) / 2 * target
    destination[:2, 3] = [m * s - reach for m, s in zip(middle, spacing, strict=True)]
    tensor = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))
    # Choice: half the extra pixel size as sigma keeps what the new grid cannot hold from folding.
    sigma = [max(0.0, target / s - 1) / 2 for s in spacing]
    if any(sigma):
        tensor = GaussianSmooth(sigma)(tensor)
    sample = SpatialResample(mode="bilinear", padding_mode="zeros", dtype=torch.float32)
    return sample(
        MetaTensor(tensor, affine=torch.from_numpy(source)),
        dst_affine=torch.from_numpy(destination),
        spatial_size=(resolution, resolution),
    ).as_tensor()


def _resample_masks(masks, spacing, target, resolution, middle):
    drawn = [label for label in LABELS if label and (masks == label).any()]
    out = np.zeros((len(masks), resolution, resolution), np.uint8)
    if not drawn:
        return out
    shares = [
        _resample(masks == label, spacing, target, resolution, middle).numpy() for label in drawn
    ]
    best = 1 - np.sum(shares, axis=0)  # share of background
    for label, share in zip(drawn, shares, strict=True):
        out[share > best] = label
        best = np.maximum(best, share)
    return out
