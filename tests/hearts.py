"""Drawn short-axis hearts for the tests of the audits: simple, quick, different by patient."""

import numpy as np
import pandas as pd
from scipy import ndimage

from cmrkit.cohort.part import Part

SIDE = 64
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


def disc(row, column, radius, stretch=1.0):
    """[64, 64] bool, an ellipse `stretch` times as high as wide."""
    return ((ROWS - row) / stretch) ** 2 + (COLUMNS - column) ** 2 < radius**2


def draw_patients(count, seed, name="p", frames=4, view="sax", labels=(1, 2, 3)):
    """`Part` of `count` patients with `frames` phases each; LV right of the RV, bright blood."""
    images, masks, rows = [], [], []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        row, column = 32 + rng.normal(0, 2), 38 + rng.normal(0, 2)
        radius, wall, wide = 8 + rng.normal(0, 1), 3 + rng.normal(0, 0.3), 10 + rng.normal(0, 1)
        body = disc(32 + rng.normal(0, 2), 32, 25 + rng.normal(0, 2), 1.2)
        texture = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 3) * 120
        for phase in range(frames):
            size = radius * (1 - 0.3 * np.sin(np.pi * phase / frames) ** 2)
            mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
            mask[disc(row, column - size - wall - 0.3 * wide, 0.8 * wide, 1.4)] = 3
            mask[disc(row, column, size + wall)] = 2
            mask[disc(row, column, size)] = 1
            grey = np.choose(mask, [np.where(body, 80, 20), 200, 60, 190]) + texture
            grey = ndimage.gaussian_filter(grey, 0.7) + rng.normal(0, 5, mask.shape)
            images.append(np.clip(grey, 0, 255).astype(np.uint8))
            masks.append(np.where(np.isin(mask, labels), mask, 0).astype(np.uint8))
            patient = f"{name}{number}"
            rows.append(
                {
                    "frame_id": f"{patient}-{view}-{phase}", "patient_id": patient, "view": view,
                    "labels_present": list(labels),
                }
            )  # fmt: skip
    return Part(np.stack(images), np.stack(masks), pd.DataFrame(rows))


def draw_synthetic(count, seed, view="sax"):
    """`Part` as a generator without memory would make it: every frame of a new patient."""
    part = draw_patients(count, seed, name="synthetic", frames=1, view=view)
    return part._replace(frames=part.frames.drop(columns="patient_id"))
