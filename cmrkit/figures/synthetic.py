"""Figure 3, second part: chamber areas of synthetic frames beside patients'."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from cmrkit.figures.style import ARM_COLOURS, DOUBLE_COLUMN_MM, LABEL_COLOURS, size, style


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
