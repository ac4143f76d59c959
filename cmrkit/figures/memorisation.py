"""Figure 5: how near synthetic frames come to the patients that the GAN has seen."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from cmrkit.cohort.frames import read_frames
from cmrkit.cohort.store import load_pixels
from cmrkit.figures.style import ARM_COLOURS, DOUBLE_COLUMN_MM, size, style

GROUPS = {"synthetic": "synthetic", "held-out": "held-out patients", "copy": "planted copies"}
COLOURS = {
    "synthetic": ARM_COLOURS["synthetic"],
    "held-out": ARM_COLOURS["patient"],
    "copy": "0.55",
}


SPACE_TITLES = {"pixels": "on pixels", "embedding": "in the embedding"}
DETECTORS = {"pixels": "s", "embedding": "^", "both": "o"}  # in the order drawn, with their marker


def nearness_figure(nearest, detection, summary):
    """Nearest-patient ratios in both spaces, and what the detector finds, a row a view.

    Args:
        nearest, detection, summary: DataFrames of `audit.memorisation.Memorisation`, or the tables
            `memorisation_ratios.csv` (of `nearest` the columns `view, space, group, ratio`),
            `memorisation_detection.csv` and `memorisation.csv`.

    Returns:
        matplotlib Figure: left and middle the distance ratio of synthetic frames, held-out patients
        and planted copies, with the copy threshold; right the planted copies found, with 95 %
        intervals where both detectors look.
    """
    views = list(summary["view"])
    thresholds = summary.set_index("view")
    with style():
        figure, axes = plt.subplots(
            len(views), 3, squeeze=False, figsize=size(DOUBLE_COLUMN_MM, 48 * len(views) + 6),
            width_ratios=(4, 4, 3),
        )  # fmt: skip
        for line, view in zip(axes, views, strict=True):
            table = nearest[nearest["view"] == view]
            for axis, (space, title) in zip(line, SPACE_TITLES.items(), strict=False):
                threshold = thresholds.loc[view, f"threshold_{space}"]
                _draw_ratio(axis, table[table["space"] == space], threshold)
                axis.set_title(f"{view}, {title}")
            _draw_detection(line[2], detection[detection["view"] == view])
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=len(labels))
        handles, labels = axes[0, 2].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower right", ncols=len(labels))
    return figure


def _draw_ratio(axis, table, threshold):
    edges = np.linspace(0, 1, 41)
    for group, label in GROUPS.items():
        values = table["ratio"][table["group"] == group]
        axis.hist(
            values, edges, weights=np.full(len(values), 100 / len(values)), histtype="stepfilled",
            alpha=0.45, color=COLOURS[group], edgecolor=COLOURS[group],
            label=label,
        )  # fmt: skip
    axis.axvline(threshold, color="k", lw=0.8, ls="--")
    axis.annotate(
        "← copy", (threshold, 0.97), xytext=(2, 0), textcoords="offset points", va="top",
        xycoords=("data", "axes fraction"),
    )  # fmt: skip
    axis.set(ylabel="share of frames (%)", xlabel="distance ratio, nearest to next patient")


def _draw_detection(axis, table):
    kinds = list(table["copy"].unique())[::-1]
    for place, (name, marker) in enumerate(DETECTORS.items()):
        found = table[table["detector"] == name].set_index("copy").loc[kinds]
        rows = np.arange(len(kinds)) + 0.24 * (1 - place)
        filled = COLOURS["copy"] if name == "both" else "w"
        if name == "both":
            axis.hlines(rows, 100 * found["low"], 100 * found["high"], color=COLOURS["copy"])
        axis.plot(
            100 * found["share"], rows, marker, color=COLOURS["copy"], mfc=filled, ms=4, label=name
        )
    names = [f"{kind} ({n})" for kind, n in zip(kinds, found["frames"], strict=True)]
    axis.set(yticks=range(len(kinds)), yticklabels=names, xlim=(-3, 103))
    axis.set(xlabel="planted copies found (%)", title="is it found?")


def closest_pairs(closest, synthetic, cohort):
    """The synthetic frames nearest to a patient, each above that patient's frame, a block a view.

    Args:
        closest: DataFrame of `Memorisation.closest`, or the table `memorisation_closest.csv`.
        synthetic: folder of the synthetic cohort that was audited.
        cohort: folder of the patients.

    Returns:
        matplotlib Figure; a title gives the ratio in the space where the frame is nearest to
        counting as a copy.
    """
    views = list(closest["view"].unique())
    pairs = closest["view"].value_counts().max()
    ours = _images(synthetic, closest["frame_id"])
    theirs = _images(cohort, closest["nearest_frame_id"])
    with style():
        side = (DOUBLE_COLUMN_MM - 6) / pairs
        figure, axes = plt.subplots(
            2 * len(views), pairs, squeeze=False,
            figsize=size(DOUBLE_COLUMN_MM, (2 * side + 9) * len(views)),
        )  # fmt: skip
        for axis in axes.ravel():
            axis.set(xticks=[], yticks=[])
            sns.despine(ax=axis, left=True, bottom=True)
        for block, view in enumerate(views):
            top, bottom = axes[2 * block], axes[2 * block + 1]
            top[0].set_ylabel(f"{view}: synthetic")
            bottom[0].set_ylabel("nearest patient")
            for k, pair in enumerate(closest[closest["view"] == view].itertuples()):
                top[k].imshow(ours[pair.frame_id], vmin=0, vmax=255)
                bottom[k].imshow(theirs[pair.nearest_frame_id], vmin=0, vmax=255)
                mark = "copy, " if pair.is_copy else ""
                where = SPACE_TITLES[pair.space]
                top[k].set_title(f"{mark}ratio {pair.ratio:.2f}\n{where}", fontsize=6)
    return figure


def _images(folder, frame_ids):
    """dict from frame_id to its image, read from a cohort folder."""
    frames = read_frames(folder)
    rows = np.flatnonzero(frames["frame_id"].isin(frame_ids))
    return dict(zip(frames["frame_id"].iloc[rows], load_pixels(folder, rows)[0], strict=True))
