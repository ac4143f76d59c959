"""A few simulated patients in all three views, to look at."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from cmrkit.cohort.build import build_cohort
from cmrkit.cohort.frames import ROLES, VIEWS
from cmrkit.cohort.store import load_pixels
from cmrkit.phantom.cohort import SimulatedCohort


def gallery(seed, counts, *, patients=10, phases=10, resolution=96, fov_mm=190.0,
            domain_shift=True, processes=1):  # fmt: skip
    """Frames of one simulated patient through the cycle, and of others at two phases.

    Args:
        seed, counts, domain_shift: of the study, so that its own patients are shown.
        patients: how many, drawn in turn from the roles.
        phases: of the first patient.
        resolution, fov_mm: of the frames.
        processes: that render at the same time.

    Returns:
        frames: frame table in the views 4ch, 2ch and sax.
        images, masks: [n, R, R] uint8.
    """
    parts = []
    for number, own_phases in ((slice(0, 1), phases), (slice(1, patients), 2)):
        source = SimulatedCohort(
            seed, counts, VIEWS, phases=own_phases, sax_slices=1,
            matrix=min(2 * resolution, 256), domain_shift=domain_shift,
        )  # fmt: skip
        table = source.patients()
        turn = table.groupby("role").cumcount()
        rank = table["role"].map(ROLES.index)
        chosen = table.assign(turn=turn, rank=rank).sort_values(["turn", "rank"])[number]
        with TemporaryDirectory() as scratch:
            frames, _ = build_cohort(
                [(source, chosen[table.columns])], Path(scratch), resolution=resolution,
                fov_mm=fov_mm, processes=processes,
            )  # fmt: skip
            parts.append((frames, *load_pixels(scratch)))
    frames, images, masks = zip(*parts, strict=True)
    return pd.concat(frames, ignore_index=True), np.concatenate(images), np.concatenate(masks)
