"""Figure 3: synthetic frames beside the patients' that the network learnt from."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from cmrkit.cohort.frames import LABELS
from cmrkit.figures.style import ARM_COLOURS, DOUBLE_COLUMN_MM, LABEL_COLOURS, size, style


def draw_contours(axis, mask):
    """Outline every label of one frame.

    Args:
        axis: matplotlib Axes that shows the frame.
        mask: [R, R] uint8.
    """
    for number, name in LABELS.items():
        inside = mask == number
        if number and inside.any() and not inside.all():
            axis.contour(inside, levels=[0.5], colors=[LABEL_COLOURS[name]], linewidths=0.7)


def frame_rows(rows, columns=10):
    """Rows of frames with their labels outlined, e.g. patients above synthetic frames.

    Args:
        rows: dict from a row's title to (images, masks), [n, R, R] uint8 each, n >= `columns`.
        columns: frames a row.

    Returns:
        matplotlib Figure.
    """
    with style():
        side = (DOUBLE_COLUMN_MM - 12) / columns
        figure, axes = plt.subplots(
            len(rows), columns, squeeze=False, figsize=size(DOUBLE_COLUMN_MM, side * len(rows))
        )
        figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
        for line, (title, (images, masks)) in zip(axes, rows.items(), strict=True):
            line[0].set_ylabel(title)
            for axis, image, mask in zip(line, images, masks, strict=False):
                axis.imshow(image, vmin=0, vmax=255)
                draw_contours(axis, mask)
                axis.set(xticks=[], yticks=[])
                sns.despine(ax=axis, left=True, bottom=True)
    return figure


def area_distributions(areas):
    """Chamber areas of synthetic frames beside patients', a panel a view.

    Args:
        areas: DataFrame `cohort, view, label, area_mm2`, `cohort` one of `ARM_COLOURS`.

    Returns:
        matplotlib Figure.
    """
    views = list(areas["view"].unique())
    names = [name for name in LABEL_COLOURS if name in set(areas["label"])]
    with style():
        figure, axes = plt.subplots(
            1, len(views), squeeze=False, sharey=True, figsize=size(DOUBLE_COLUMN_MM, 60)
        )
        for axis, view in zip(axes[0], views, strict=True):
            part = areas[areas["view"] == view].assign(area=lambda t: t["area_mm2"] / 100)
            sns.violinplot(
                part, x="label", y="area", hue="cohort", split=True, inner="quart", cut=0,
                density_norm="width", linewidth=0.6, palette=ARM_COLOURS, ax=axis,
                order=[n for n in names if n in set(part["label"])],
                hue_order=[n for n in ARM_COLOURS if n in set(areas["cohort"])],
            )  # fmt: skip
            axis.set(title=view, xlabel="", ylabel="area (cm²)")
            axis.get_legend().set_title(None)
    return figure


def area_summary(areas):
    """Median and spread of each chamber's area, and how much of the patients' spread is reached.

    Args:
        areas: as in `area_distributions`.

    Returns:
        DataFrame `view, label, cohort, frames, median_mm2, sd_mm2, sd_ratio`; `sd_ratio` is the SD
        over that of the patients (1: as varied as patients).
    """
    groups = areas.groupby(["view", "label", "cohort"], sort=False)["area_mm2"]
    table = groups.agg(frames="size", median_mm2="median", sd_mm2="std").reset_index()
    patients = table[table["cohort"] == "patient"].set_index(["view", "label"])["sd_mm2"]
    index = table.set_index(["view", "label"]).index
    return table.assign(
        sd_ratio=table["sd_mm2"].to_numpy() / patients.loc[index].replace(0, np.nan).to_numpy()
    )
