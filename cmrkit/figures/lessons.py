"""Pictures of what the parts of the PG-GAN recipe do, for notebook 02."""

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.ticker import LogLocator, NullLocator

from cmrkit.figures.style import DOUBLE_COLUMN_MM, SINGLE_COLUMN_MM, size, style


def fade_figure(rows, alphas):
    """Frames while a level fades in.

    Args:
        rows: dict from a row's title to [n, R, R] uint8, a frame at each alpha.
        alphas: n weights of the newest level.

    Returns:
        matplotlib Figure.
    """
    with style():
        side = (DOUBLE_COLUMN_MM - 10) / len(alphas)
        figure, axes = plt.subplots(
            len(rows), len(alphas), squeeze=False,
            figsize=size(DOUBLE_COLUMN_MM, side * len(rows) + 6),
        )  # fmt: skip
        for line, (title, frames) in zip(axes, rows.items(), strict=True):
            line[0].set_ylabel(title)
            for axis, frame in zip(line, frames, strict=True):
                axis.imshow(frame, vmin=0, vmax=255)
                axis.set(xticks=[], yticks=[])
                sns.despine(ax=axis, left=True, bottom=True)
        for axis, alpha in zip(axes[0], alphas, strict=True):
            axis.set_title(f"alpha {alpha:g}")
    return figure


def step_size_figure(table):
    """How far Adam's first step moves each layer, over the layer's inputs.

    Args:
        table: DataFrame of `pggan.lessons.step_sizes`.

    Returns:
        matplotlib Figure.
    """
    names = {"equalised": "equalised rates", "plain": "without"}
    with style():
        figure, axis = plt.subplots(figsize=size(SINGLE_COLUMN_MM, 60))
        for column, marker in (("equalised", "o"), ("plain", "x")):
            axis.scatter(
                table["fan_in"], 100 * table[column], s=14, marker=marker, label=names[column]
            )
        axis.set(
            xscale="log", yscale="log", xlabel="inputs of the layer (fan in)",
            ylabel="first step over the weights (%)",
        )  # fmt: skip
        axis.set_xticks(sorted(table["fan_in"].unique()))
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        for one in (axis.xaxis, axis.yaxis):
            one.set_major_formatter("{x:g}")
            one.set_minor_locator(NullLocator())
        axis.legend()
    return figure


def copies_figure(table):
    """Score of the same patients' frames among different frames and among copies of themselves.

    Args:
        table: DataFrame of `pggan.lessons.copies_score`.

    Returns:
        matplotlib Figure.
    """
    with style():
        figure, axis = plt.subplots(figsize=size(SINGLE_COLUMN_MM, 60))
        sns.pointplot(
            table, x="group", y="score", hue="view", ax=axis, errorbar=None, markersize=4,
            linewidth=1,
        )  # fmt: skip
        axis.set(xlabel="group of four that the frame is shown in", ylabel="discriminator's score")
        axis.legend(title="")
    return figure
