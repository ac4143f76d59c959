"""Figure 5: how near synthetic frames come to the patients that the GAN has seen."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from cmrkit.figures.style import ARM_COLOURS, DOUBLE_COLUMN_MM, size, style

GROUPS = {"synthetic": "synthetic", "held-out": "held-out patients", "copy": "planted copies"}
COLOURS = {
    "synthetic": ARM_COLOURS["synthetic"],
    "held-out": ARM_COLOURS["patient"],
    "copy": "0.55",
}


def nearness_figure(audit):
    """Nearest-patient distances and ratios, and what the detector finds, a row a view.

    Args:
        audit: `audit.memorisation.Memorisation`.

    Returns:
        matplotlib Figure: left the distance ratio of synthetic frames, held-out patients and
        planted copies, with the copy threshold; middle the distances; right the planted copies
        found, with 95 % intervals.
    """
    views = list(audit.summary["view"])
    with style():
        figure, axes = plt.subplots(
            len(views), 3, squeeze=False, figsize=size(DOUBLE_COLUMN_MM, 48 * len(views) + 6),
            width_ratios=(4, 4, 3),
        )  # fmt: skip
        for line, view in zip(axes, views, strict=True):
            table = audit.nearest[audit.nearest["view"] == view]
            summary = audit.summary.set_index("view").loc[view]
            _draw_ratio(line[0], view, table, summary)
            _draw_distance(line[1], table)
            _draw_detection(line[2], audit.detection[audit.detection["view"] == view])
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _histogram(axis, table, column, edges):
    for group, label in GROUPS.items():
        values = table[column][table["group"] == group]
        axis.hist(
            values, edges, weights=np.full(len(values), 100 / len(values)), histtype="stepfilled",
            alpha=0.45, color=COLOURS[group], edgecolor=COLOURS[group],
            label=label,
        )  # fmt: skip
    axis.set(ylabel="share of frames (%)")


def _draw_ratio(axis, view, table, summary):
    _histogram(axis, table, "ratio", np.linspace(0, 1, 41))
    axis.axvline(summary["threshold"], color="k", lw=0.8, ls="--")
    axis.text(summary["threshold"] - 0.01, axis.get_ylim()[1], "← copy", ha="right", va="top")
    axis.set(title=view, xlabel="distance ratio, nearest to next patient")


def _draw_distance(axis, table):
    _histogram(axis, table, "distance", np.linspace(0, table["distance"].max(), 41))
    axis.set(xlabel="distance to nearest patient (0 to 1.4)")


def _draw_detection(axis, table):
    table = table.iloc[::-1].reset_index(drop=True)
    for row, line in table.iterrows():
        axis.plot([100 * line["low"], 100 * line["high"]], [row, row], color=COLOURS["copy"])
        axis.plot(100 * line["share"], row, "o", color=COLOURS["copy"], ms=4)
    names = [f"{kind} ({n})" for kind, n in zip(table["copy"], table["frames"], strict=True)]
    axis.set(yticks=range(len(table)), yticklabels=names, xlim=(-3, 103))
    axis.set(xlabel="found (%), 95 % interval")


def closest_pairs(audit, synthetic, reference, pairs=6):
    """The synthetic frames nearest to a patient, each above that patient's frame, a block a view.

    Args:
        audit: `audit.memorisation.Memorisation`.
        synthetic: `Part` that was audited.
        reference: `Part` of the GAN-role patients.
        pairs: pairs a view.

    Returns:
        matplotlib Figure.
    """
    views = list(audit.summary["view"])
    ours = {name: row for row, name in enumerate(synthetic.frames["frame_id"])}
    theirs = {name: row for row, name in enumerate(reference.frames["frame_id"])}
    with style():
        side = (DOUBLE_COLUMN_MM - 6) / pairs
        figure, axes = plt.subplots(
            2 * len(views), pairs, squeeze=False,
            figsize=size(DOUBLE_COLUMN_MM, (2 * side + 6) * len(views)),
        )  # fmt: skip
        for axis in axes.ravel():
            axis.set(xticks=[], yticks=[])
            sns.despine(ax=axis, left=True, bottom=True)
        for block, view in enumerate(views):
            top, bottom = axes[2 * block], axes[2 * block + 1]
            top[0].set_ylabel(f"{view}: synthetic")
            bottom[0].set_ylabel("nearest patient")
            for k, pair in enumerate(audit.closest(view, pairs).itertuples()):
                top[k].imshow(synthetic.images[ours[pair.frame_id]], vmin=0, vmax=255)
                bottom[k].imshow(reference.images[theirs[pair.nearest_frame_id]], vmin=0, vmax=255)
                mark = "copy, " if pair.is_copy else ""
                top[k].set_title(f"{mark}ratio {pair.ratio:.2f}", fontsize=6.5)
    return figure
