"""Simulated frames beside real ones: which real frames, and the tables of the comparison."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from cmrkit import paths
from cmrkit.cohort.build import build_cohort
from cmrkit.cohort.part import load_part
from cmrkit.cohort.readers import open_source
from cmrkit.phantom.realism import compare, grey_histogram, radial_power

SIMULATION = paths.REPOSITORY / "reports" / "simulation"
"""What was measured on real data once and is committed, for readers who have none."""

MOST_FRAMES = 1000  # a set; medians and percentiles need no more


def real_frames(name, folder, resolution, fov_mm, assumed_spacing_mm, crop="motion"):
    """Short-axis frames of a real data set, preprocessed as those of a study.

    Args:
        name: of the data set, as `cohort.readers.open_source`.
        folder: where it was unpacked.
        resolution, fov_mm, assumed_spacing_mm, crop: as `cohort.preprocess.preprocess`.

    Returns:
        `Part` of the annotated frames.
    """
    source = open_source(name, folder)
    with TemporaryDirectory() as scratch:
        build_cohort(
            [(source, source.patients().assign(role="external"))], Path(scratch),
            resolution=resolution, fov_mm=fov_mm, views=("sax",), crop=crop,
            assumed_spacing_mm=assumed_spacing_mm,
        )  # fmt: skip
        return load_part(scratch, views=["sax"], annotated=True)


def middle_rows(frames):
    """Short-axis frames of the middle half of each patient's stack, where both ventricles are cut.

    Args:
        frames: frame table.

    Returns:
        [n] labels of its rows, evenly spread where there are more than `MOST_FRAMES`.
    """
    sax = frames[frames["view"] == "sax"]
    slices = sax.groupby("patient_id")["slice_index"]
    middle = (slices.transform("min") + slices.transform("max")) / 2
    quarter = (slices.transform("max") - slices.transform("min")) / 4
    rows = sax.index[(sax["slice_index"] - middle).abs() <= quarter].to_numpy()
    return rows[:: -(-len(rows) // MOST_FRAMES)] if len(rows) else rows


def sets_beside(frames, images, masks, real_data, **settings):
    """The simulated frames of a study, and all real ones at hand.

    Args:
        frames: frame table of a study's patients, simulated, real or both, numbered from 0.
        images, masks: [n, R, R] uint8, its pixels.
        real_data: further real data sets, each `name=folder`.
        settings: of `real_frames`.

    Returns:
        dict from `simulated` or the name of a data set to its middle (images, masks).
    """
    sets = {}
    for source in frames["source"].unique():
        rows = middle_rows(frames[frames["source"] == source])
        if len(rows):
            sets[source] = images[rows], masks[rows]
    for entry in real_data:
        name, folder = entry.split("=", 1)
        real = real_frames(name, folder, **settings)
        rows = middle_rows(real.frames)
        sets[name] = real.images[rows], real.masks[rows]
    return sets


def beside_tables(sets):
    """Numbers and curves of simulated frames beside real ones.

    Args:
        sets: as `sets_beside` gives them.

    Returns:
        measures: table of `realism.compare`.
        curves: DataFrame `set, curve` (`radial power` or `grey values`), `x, low, middle, high`
            (10th, 50th and 90th percentile over frames).
        Where there are no simulated or no real frames, the committed tables of this kit.
    """
    real = {name: pixels for name, pixels in sets.items() if name != "simulated"}
    if "simulated" not in sets or not real:
        print("no real frames beside simulated ones in this study; name some in real_data.")
        print("Shown is what was measured on CHLA and Sunnybrook when the kit was made.")
        names = ("beside_real", "beside_real_curves")
        return tuple(pd.read_csv(SIMULATION / f"{name}.csv") for name in names)
    measures = compare(sets["simulated"], real)
    return measures, pd.concat([_curves(name, *pixels) for name, pixels in sets.items()])


def _curves(name, images, masks):
    frequency, power = radial_power(images)
    histogram = grey_histogram(images)
    grey = (np.arange(histogram.shape[1]) + 0.5) * 255 / histogram.shape[1]
    tables = []
    for curve, x, values in (("radial power", frequency, power), ("grey values", grey, histogram)):
        low, middle, high = np.percentile(values, [10, 50, 90], axis=0)
        columns = {"set": name, "curve": curve, "x": x, "low": low, "middle": middle, "high": high}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables)
