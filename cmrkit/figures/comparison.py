"""Figure 6: how well each arm's U-Net draws the chambers of external patients."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from cmrkit.cohort.frames import LABELS
from cmrkit.figures.style import ARM_COLOURS, DOUBLE_COLUMN_MM, LABEL_COLOURS, size, style

AXIS_NAMES = {
    "dice": "Dice",
    "percent_variation": "percent variation",
    "relative_area_error": "relative area error",
    "hd95_mm": "95 % Hausdorff distance (mm)",
    "asd_mm": "average surface distance (mm)",
}
CASES = ("worst", "median", "best")
_GROUP_WIDTH = 0.7  # of the space between two chambers, shared by the arms


def score_distributions(scores, metric="dice"):
    """Scores of every external patient, a panel a view, chamber beside chamber, arm beside arm.

    A point is a patient: the median over frames and seeds. A thin line joins the same patient's
    points; the bar is the median over patients, the box their quartiles.

    Args:
        scores: score table, one row a frame, arm, seed and label.
        metric: column of the table, one of `AXIS_NAMES`.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: unknown metric.
    """
    if metric not in AXIS_NAMES:
        raise ValueError(f"metric: {metric!r}; choose one of {', '.join(AXIS_NAMES)}")
    groups = ["view", "label", "patient_id", "arm"]
    points = scores.groupby(groups, sort=False)[metric].median().unstack("arm")
    points = points[_in_order(ARM_COLOURS, points.columns)]
    views = list(dict.fromkeys(scores["view"]))
    chambers = {v: _in_order(LABEL_COLOURS, points.loc[v].index.unique("label")) for v in views}
    with style():
        figure, axes = plt.subplots(
            1,
            len(views),
            sharey=True,
            squeeze=False,
            figsize=size(DOUBLE_COLUMN_MM, 65),
            width_ratios=[len(chambers[view]) for view in views],
        )
        for axis, view in zip(axes[0], views, strict=True):
            for place, chamber in enumerate(chambers[view]):
                _paired_points(axis, place, points.loc[view, chamber])
            axis.set_xticks(range(len(chambers[view])), chambers[view])
            axis.set(title=view, xlim=(-0.6, len(chambers[view]) - 0.4))
            axis.tick_params(axis="x", length=0)
        axes[0, 0].set_ylabel(f"{AXIS_NAMES[metric]}, median of a patient's frames")
        _arm_legend(figure, points.columns)
    return figure


def _in_order(known, present):
    """Members of `present`, in the kit's order."""
    return [name for name in known if name in set(present)]


def _paired_points(axis, place, table):
    """One chamber: table [patients x arms] as points, joined by patient, under box and median."""
    arms = list(table.columns)
    step = _GROUP_WIDTH / len(arms)
    places = place + (np.arange(len(arms)) - (len(arms) - 1) / 2) * step
    jitter = np.linspace(-0.12, 0.12, len(table))[np.arange(len(table)) * 7 % max(len(table), 1)]
    across = places + jitter[:, None] * step
    axis.plot(across.T, table.to_numpy().T, color="0.8", linewidth=0.4, zorder=1)
    for i, arm in enumerate(arms):
        values = table[arm].dropna()
        axis.scatter(
            across[table[arm].notna(), i],
            values,
            s=5,
            color=ARM_COLOURS[arm],
            alpha=0.6,
            linewidth=0,
            zorder=2,
        )
        axis.boxplot(
            values,
            positions=[places[i]],
            widths=0.55 * step,
            showfliers=False,
            showcaps=False,
            whis=0,
            manage_ticks=False,
            boxprops={"color": "0.2", "linewidth": 0.6},
            medianprops={"color": "0.1", "linewidth": 1.4},
            zorder=3,
        )


def _arm_legend(figure, arms):
    handles = [
        Line2D([], [], marker="o", markersize=4, linestyle="", color=ARM_COLOURS[arm], label=arm)
        for arm in arms
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), title="trained on")


def pick_cases(scores, view):
    """Worst, median and best frame of a view: by mean Dice over chambers, arms and seeds.

    Args:
        scores: score table, one row a frame, arm, seed and label.
        view: view to choose from.

    Returns:
        dict from `CASES` to frame_id.

    Raises:
        ValueError: the table has no frame of the view.
    """
    frames = scores[scores["view"] == view].groupby("frame_id", sort=True)["dice"].mean().dropna()
    if frames.empty:
        raise ValueError(f"view: {view!r} has no score; the table has {set(scores['view'])}")
    order = frames.sort_values(kind="stable").index
    return dict(zip(CASES, (order[0], order[(len(order) - 1) // 2], order[-1]), strict=True))


def case_contours(cases, images, truth, predicted, dice):
    """Worst, median and best frame of a view, a row each: reference, then each arm.

    Args:
        cases: names of the rows, e.g. `CASES`, with the patient where wanted.
        images: [n, R, R] uint8, one a row.
        truth: [n, R, R] uint8, annotated masks.
        predicted: dict from arm to [n, R, R] uint8.
        dice: dict from arm to n mean Dice values.

    Returns:
        matplotlib Figure; coloured contours, with the reference dashed in white under each arm's.
    """
    columns = {"reference": truth} | predicted
    numbers = [n for n in LABELS if n and np.isin(n, [truth, *predicted.values()])]
    width = min(DOUBLE_COLUMN_MM, 42 * len(columns))
    with style():
        figure, axes = plt.subplots(
            len(images),
            len(columns),
            squeeze=False,
            figsize=size(width, width / len(columns) * len(images) + 10),
        )
        for (row, column), axis in np.ndenumerate(axes):
            arm = list(columns)[column]
            axis.imshow(images[row], cmap="gray", vmin=0, vmax=255)
            if column:
                _contours(axis, truth[row], numbers, dashed=True)
                axis.set_xlabel(f"Dice {dice[arm][row]:.3f}")
            _contours(axis, columns[arm][row], numbers)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if row == 0:
                axis.set_title(arm if not column else f"trained on {arm}")
        for axis, case in zip(axes[:, 0], cases, strict=True):
            axis.set_ylabel(case)
        _label_legend(figure, numbers)
    return figure


def _contours(axis, mask, numbers, dashed=False):
    for number in numbers:
        if (mask == number).any():
            colour = "white" if dashed else LABEL_COLOURS[LABELS[number]]
            axis.contour(
                mask == number,
                levels=[0.5],
                colors=[colour],
                linewidths=0.6 if dashed else 1.0,
                linestyles="dashed" if dashed else "solid",
            )


def _label_legend(figure, numbers):
    handles = [Line2D([], [], color=LABEL_COLOURS[LABELS[n]], label=LABELS[n]) for n in numbers]
    handles.append(
        Line2D([], [], color="0.6", linestyle="dashed", linewidth=0.6, label="reference (white)")
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))


def dose_curve(doses, baselines=None, metric="dice"):
    """Score against the amount of training material, a panel a view, a line an arm.

    Args:
        doses: DataFrame `view, arm, dose, score, low, high`: dose in frames or patients, the
            median score over patients and its quartiles.
        baselines: None, or DataFrame `view, arm, score`: arms drawn as level lines to compare with.
        metric: what the score is, one of `AXIS_NAMES`.

    Returns:
        matplotlib Figure, dose on a logarithmic axis.
    """


def agreement(pairs, limits, quantity):
    """placeholder"""
