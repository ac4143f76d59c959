"""Figure 4: what the automated reader says of synthetic frames; and sheets for people to read."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from cmrkit.audit.answers import INSTRUCTION
from cmrkit.audit.plausibility import TITLE
from cmrkit.figures.frames import draw_contours, label_legend
from cmrkit.figures.style import ARM_COLOURS, DOUBLE_COLUMN_MM, pdf_pages, size, style

GROUPS = {
    "synthetic": "synthetic",
    "patient": "held-out patients",
    "control": "planted, implausible",
}
COLOURS = ARM_COLOURS | {"control": "0.55"}


def reader_figure(readings, performance, summary):
    """The automated reader's calls, and how well it reads, a row a view.

    Args:
        readings, performance, summary: DataFrames of `audit.plausibility.Reading`, or the tables
            `plausibility_readings.csv`, `plausibility_reader.csv` and `plausibility.csv`.

    Returns:
        matplotlib Figure: left the spread of each frame's most unusual measure in the three
        groups, with the threshold; right sensitivity to each kind of planted frame and
        specificity, with 95 % intervals.
    """
    views = list(summary["view"])
    thresholds = summary.set_index("view")["threshold"]
    with style():
        figure, axes = plt.subplots(
            len(views), 2, squeeze=False, figsize=size(DOUBLE_COLUMN_MM, 52 * len(views) + 8),
            width_ratios=(3, 2),
        )  # fmt: skip
        figure.suptitle(TITLE[0].upper() + TITLE[1:], fontsize=8)
        for (left, right), view in zip(axes, views, strict=True):
            _draw_z(left, readings[readings["view"] == view], thresholds[view])
            left.set_title(view)
            _draw_performance(right, performance[performance["view"] == view])
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _draw_z(axis, table, threshold):
    edges = np.geomspace(max(0.5, table["z"].min()), table["z"].max() * 1.01, 45)
    for group, label in GROUPS.items():
        z = table["z"][table["group"] == group]
        axis.hist(
            z, edges, weights=np.full(len(z), 100 / len(z)), histtype="stepfilled", alpha=0.45,
            color=COLOURS[group], label=label, edgecolor=COLOURS[group],
        )  # fmt: skip
    axis.axvline(threshold, color="k", lw=0.8, ls="--")
    axis.text(threshold * 1.03, axis.get_ylim()[1], "implausible →", va="top", fontsize=6)
    axis.set(
        xscale="log", ylabel="share of frames (%)",
        xlabel="most unusual measure of a frame (SD from patients' median)",
    )  # fmt: skip
    axis.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axis.set_xticks([], minor=True)


def _draw_performance(axis, table):
    table = table.iloc[::-1].reset_index(drop=True)
    for row, line in table.iterrows():
        colour = COLOURS["patient" if line["measure"] == "specificity" else "control"]
        axis.plot([100 * line["low"], 100 * line["high"]], [row, row], color=colour, lw=1.2)
        axis.plot(100 * line["share"], row, "o", color=colour, ms=4)
    names = [
        f"{line.group} ({line.count_of} of {line.frames})"
        for line in table.rename(columns={"count": "count_of"}).itertuples()
    ]
    axis.set(yticks=range(len(table)), yticklabels=names, xlim=(-3, 103))
    axis.set(xlabel="judged rightly (%), 95 % interval")
    axis.axhline(0.5, color="0.8", lw=0.6)


def most_unusual_frames(readings, synthetic, columns=8):
    """The synthetic frames that the automated reader finds most unusual, a row a view.

    Args:
        readings: DataFrame of `audit.plausibility.Reading`, or the table
            `plausibility_readings.csv`.
        synthetic: `Part` that was read.
        columns: frames a view.

    Returns:
        matplotlib Figure, each frame with its z value and the measure.
    """
    table = readings[readings["group"] == "synthetic"]
    views = list(table["view"].unique())
    position = {name: row for row, name in enumerate(synthetic.frames["frame_id"])}
    shown = set()
    with style():
        side = DOUBLE_COLUMN_MM / columns
        figure, axes = plt.subplots(
            len(views), columns, squeeze=False,
            figsize=size(DOUBLE_COLUMN_MM, (side + 10) * len(views) + 10),
        )  # fmt: skip
        figure.suptitle(
            "Synthetic frames that the automated reader finds most unusual: by which measure, and "
            "how far from the patients' median", fontsize=7,
        )  # fmt: skip
        for line, view in zip(axes, views, strict=True):
            worst = table[table["view"] == view].nlargest(columns, "z")
            _bare(line)
            line[0].set_ylabel(view)
            for axis, frame in zip(line, worst.itertuples(), strict=False):
                row = position[frame.frame_id]
                axis.imshow(synthetic.images[row], vmin=0, vmax=255)
                draw_contours(axis, synthetic.masks[row])
                shown |= set(synthetic.masks[row].ravel().tolist())
                mark = "" if frame.implausible else " (plausible)"
                axis.set_title(f"{_in_words(frame.reason)}\n{frame.z:.1f} SD{mark}", fontsize=6)
        label_legend(figure, shown)
    return figure


def _in_words(measure):
    """A measure of `audit.anatomy.measure_anatomy` as it stands above a frame."""
    measure = measure.replace("LV myocardium", "LV wall")
    for kind in ("contact", "distance"):
        if measure.endswith(f" {kind}"):
            measure = f"{kind} of " + measure.removesuffix(f" {kind}").replace("-", " and ")
    return textwrap.fill(measure, 13)


def write_sheets(path, images, columns=5, rows=7):
    """Write numbered frames as a PDF to print, A4, for reading with pencil and the answer table.

    Args:
        path: PDF to write.
        images: [n, R, R] uint8 in reading order, as in an observer's `frames.npz`.
        columns, rows: frames a page.
    """
    page = columns * rows
    with pdf_pages(path) as pdf:
        for start in range(0, len(images), page):
            figure = _sheet(images[start : start + page], start + 1, columns, rows)
            pdf.savefig(figure, dpi=150)
            plt.close(figure)


def _sheet(images, first, columns, rows):
    """One page, its frames numbered from `first`."""
    figure, axes = plt.subplots(rows, columns, figsize=size(210, 297), layout="none")
    figure.subplots_adjust(0.03, 0.03, 0.97, 0.915, wspace=0.08, hspace=0.2)
    last = first + len(images) - 1
    figure.suptitle(f"Frames {first} to {last}. Tick, then copy into the answer table.", y=0.985)
    figure.text(0.03, 0.968, textwrap.fill(INSTRUCTION, 150), va="top")
    _bare(axes.ravel())
    for number, (axis, image) in enumerate(zip(axes.ravel(), images, strict=False), first):
        axis.imshow(image, vmin=0, vmax=255, interpolation="bicubic")
        axis.set_title(f"{number}", loc="left", pad=2)
        axis.set_xlabel("□ plausible   □ not", labelpad=2)
    return figure


def _bare(axes):
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        sns.despine(ax=axis, left=True, bottom=True)
