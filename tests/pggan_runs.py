"""Tiny recipe and data shared by the PG-GAN tests: 8 to 16 pixels, two views, two labels."""

import numpy as np

from cmrkit.pggan.data import save_training_data
from cmrkit.pggan.recipe import quick

VIEWS, LABELS = ("4ch", "sax"), (1, 3)


def tiny_recipe(labels=LABELS, **changes):
    """160 images at 8 x 8, then 160 images of fade and 64 stable at 16 x 16; ticks of 48 images."""
    settings = {
        "levels": (8, 16),
        "widths": (8, 8, 4),
        "latent": 6,
        "batch": (8, 8),
        "fade_kimg": (0, 0.16),
        "stable_kimg": (0.16, 0.064),
        "tick_kimg": 0.048,
        "penalty_every": 4,
        "precision": "fp32",
    }
    return quick(VIEWS, labels, resolution=16, **(settings | changes))


def tiny_data(path, resolution=16, frames=24, seed=0):
    """Discs of label 1 in a ring of label 3 in the first view, label 1 alone in the second."""
    rng = np.random.default_rng(seed)
    at = np.arange(resolution) - (resolution - 1) / 2
    radius = np.hypot(at[:, None], at[None])
    size = rng.uniform(0.15, 0.3, frames)[:, None, None] * resolution
    first = (np.arange(frames) % 2 == 0)[:, None, None]
    masks = np.where(radius < size, 1, np.where((radius < 1.5 * size) & first, 3, 0))
    images = 40 + 60 * masks + rng.normal(0, 5, masks.shape)
    views = [VIEWS[k % 2] for k in range(frames)]
    save_training_data(
        path, images.clip(0, 255).astype(np.uint8), masks.astype(np.uint8), views, LABELS, VIEWS
    )
    return path
