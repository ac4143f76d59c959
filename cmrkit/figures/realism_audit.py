"""Figure 4, realism: where synthetic frames lie between other patients and spoilt patients."""

import matplotlib.pyplot as plt
import numpy as np

from cmrkit.audit.realism import CLEAR
from cmrkit.figures.style import ARM_COLOURS, DOUBLE_COLUMN_MM, size, style

LIMITS = (-0.6, 1.6)  # what lies beyond is drawn at the edge, as an arrow


def realism_figure(measures):
    """Every measure on one scale: 0 as other patients, 1 as patients spoilt with noise.

    Args:
        measures: DataFrame `Realism.measures`, the table `realism.csv`.

    Returns:
        matplotlib Figure, a panel a view: synthetic frames with their 95 % interval, which ends
        left of the dotted line where they are like other patients, and the values themselves:
        synthetic (other; spoilt patients).
    """
    views = list(measures["view"].unique())
    rows = measures["measure"].nunique()
    with style():
        figure, axes = plt.subplots(
            1, len(views), squeeze=False, sharey=True,
            figsize=size(DOUBLE_COLUMN_MM, 4.6 * rows + 22),
        )  # fmt: skip
        # room for the values on the right, whose letters are wider on paper than on the screen
        figure.get_layout_engine().set(w_pad=0.1)
        for axis, view in zip(axes[0], views, strict=True):
            _draw_view(axis, measures[measures["view"] == view])
            axis.set_title(f"synthetic frames, {view}", pad=12)
        figure.supxlabel(
            "0: as other patients, 1: as patients spoilt with noise; arrows: beyond this scale",
            fontsize=7,
        )
    return figure


def _draw_view(axis, table):
    for row, line in enumerate(table.itertuples()):
        if line.finding == "not informative":
            axis.text(0.5, row, "not informative", ha="center", va="center", fontsize=5.5)
        else:
            colour = ARM_COLOURS["synthetic"]
            interval = np.clip([line.place_low, line.place_high], *LIMITS)
            axis.plot(interval, [row, row], color=colour, lw=1.2)
            marker = "<" if line.place < LIMITS[0] else ">" if line.place > LIMITS[1] else "o"
            axis.plot(np.clip(line.place, *LIMITS), row, marker, color=colour, ms=4, clip_on=False)
        values = f"{line.value:.3g} ({line.floor:.3g}; {line.failure:.3g})"
        axis.annotate(
            values, (1.04, row), xycoords=("axes fraction", "data"), va="center", fontsize=5.5,
        )  # fmt: skip
    axis.annotate(
        "synthetic (other; spoilt)", (1.04, -0.9), xycoords=("axes fraction", "data"),
        va="center", fontsize=5.5, color="0.4", annotation_clip=False,
    )  # fmt: skip
    for place in (0, 1):
        axis.axvline(place, color="k", lw=0.8, ls="--", zorder=0)
    axis.axvline(CLEAR, color="0.6", lw=0.8, ls=":", zorder=0)
    axis.set(xlim=LIMITS, yticks=range(len(table)), yticklabels=table["measure"])
    axis.set_ylim(len(table) - 0.4, -0.6)
