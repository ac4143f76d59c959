"""Figure 6: how well each arm's U-Net draws the chambers of external patients."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from cmrkit.cohort.frames import LABELS
from cmrkit.figures.style import ARM_COLOURS, DOUBLE_COLUMN_MM, LABEL_COLOURS, size, style
from cmrkit.stats.pairs import count_rightly_empty

AXIS_NAMES = {
    "dice": "Dice",
    "percent_variation": "percent variation",
    "relative_area_error": "relative area error",
    "hd95_mm": "95 % Hausdorff distance (mm)",
    "asd_mm": "average surface distance (mm)",
}
QUANTITY_NAMES = {  # name, unit, and what the table's values are multiplied by
    "ed_area_mm2": ("end-diastolic area", "cm²", 0.01),
    "es_area_mm2": ("end-systolic area", "cm²", 0.01),
    "fractional_area_change": ("fractional area change", "%", 100),
    "edv_ml": ("end-diastolic volume", "mL", 1),
    "esv_ml": ("end-systolic volume", "mL", 1),
    "ejection_fraction": ("ejection fraction", "%", 100),
}
CASES = ("worst", "median", "best")
_PALETTE = sns.color_palette("colorblind")
_COLOURS = ARM_COLOURS | {  # arms beyond the published two appear in this figure alone
    "patient+synthetic": _PALETTE[2],
    "synthetic-teacher": _PALETTE[4],
    "synthetic-manual": _PALETTE[5],
}
_GROUP_WIDTH = 0.7  # of the space between two chambers, shared by the arms


def score_distributions(scores, metric="dice"):
    """Scores of every external patient, a panel a view, chamber beside chamber, arm beside arm.

    A point is a patient: the mean over frames and seeds, as in Table 1. A thin line joins the same
    patient's points; the bar is the median over patients, the box their quartiles.

    Args:
        scores: score table, one row a frame, arm, seed and label.
        metric: column of the table, one of `AXIS_NAMES`.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: unknown metric or arm.
    """
    if metric not in AXIS_NAMES:
        raise ValueError(f"metric: {metric!r}; choose one of {', '.join(AXIS_NAMES)}")
    points = count_rightly_empty(scores, metric).pivot_table(
        metric, ["view", "label", "patient_id"], "arm", aggfunc="mean", dropna=False
    )[_known_arms(scores)]
    views = list(dict.fromkeys(scores["view"]))
    present = {view: set(scores.loc[scores["view"] == view, "label"]) for view in views}
    chambers = {view: [name for name in LABEL_COLOURS if name in present[view]] for view in views}
    with style():
        figure, axes = plt.subplots(
            1, len(views), sharey=True, squeeze=False, figsize=size(DOUBLE_COLUMN_MM, 65),
            width_ratios=[len(chambers[view]) for view in views],
        )  # fmt: skip
        for axis, view in zip(axes[0], views, strict=True):
            for place, chamber in enumerate(chambers[view]):
                _paired_points(axis, place, points.loc[view, chamber].dropna(how="all"))
            axis.set_xticks(range(len(chambers[view])), chambers[view])
            axis.set(title=view, xlim=(-0.6, len(chambers[view]) - 0.4))
            axis.tick_params(axis="x", length=0)
        axes[0, 0].set_ylabel(f"{AXIS_NAMES[metric]}, mean of a patient's frames")
        _arm_legend(figure, points.columns)
    return figure


def _known_arms(table):
    """Arms of a table in the kit's order."""
    unknown = sorted(set(table["arm"]) - set(_COLOURS))
    if unknown:
        raise ValueError(f"arm: {unknown[0]!r}; known are {', '.join(_COLOURS)}")
    return [arm for arm in _COLOURS if arm in set(table["arm"])]


def _paired_points(axis, place, table):
    """One chamber: table [patients x arms] as points, joined by patient, under box and median."""
    step = _GROUP_WIDTH / table.shape[1]
    places = place + (np.arange(table.shape[1]) - (table.shape[1] - 1) / 2) * step
    spread = np.arange(len(table)) * 0.618 % 1 - 0.5  # golden ratio: even, and the same every time
    across = places + 0.25 * step * spread[:, None]
    axis.plot(across.T, table.to_numpy().T, color="0.8", linewidth=0.4, zorder=1)
    for i, arm in enumerate(table.columns):
        defined = table[arm].notna()
        axis.scatter(
            across[defined, i], table.loc[defined, arm], s=5, color=_COLOURS[arm], alpha=0.6,
            linewidth=0, zorder=2,
        )  # fmt: skip
        axis.boxplot(
            table.loc[defined, arm], positions=[places[i]], widths=0.55 * step, whis=0,
            showfliers=False, showcaps=False, manage_ticks=False, zorder=3,
            boxprops={"color": "0.2", "linewidth": 0.6},
            medianprops={"color": "0.1", "linewidth": 1.4},
        )  # fmt: skip


def _arm_legend(figure, arms):
    handles = [
        Line2D([], [], marker="o", markersize=4, linestyle="", color=_COLOURS[arm], label=arm)
        for arm in arms
    ]
    place = "outside lower center"
    figure.legend(handles=handles, loc=place, ncols=len(handles), title="trained on frames of")


def pick_cases(scores, view):
    """Worst, median and best frame of a view: by mean Dice over chambers, arms and seeds.

    Args:
        scores: score table, one row a frame, arm, seed and label.
        view: view to choose from.

    Returns:
        dict from `CASES` to frame_id.

    Raises:
        ValueError: the table has no score of the view.
    """
    frames = scores[scores["view"] == view].groupby("frame_id", sort=True)["dice"].mean().dropna()
    if frames.empty:
        raise ValueError(f"view: {view!r} has no score; the table has {set(scores['view'])}")
    order = frames.sort_values(kind="stable").index
    return dict(zip(CASES, (order[0], order[(len(order) - 1) // 2], order[-1]), strict=True))


def case_contours(cases, images, truth, predicted, dice):
    """Worst, median and best frame of a view, a row each: reference, then each arm.

    Args:
        cases: n names of the rows, e.g. `CASES`.
        images: [n, R, R] uint8, one a row.
        truth: [n, R, R] uint8, annotated masks.
        predicted: dict from arm to [n, R, R] uint8.
        dice: dict from arm to n mean Dice values.

    Returns:
        matplotlib Figure; coloured contours, with the reference dashed in white under each arm's.
    """
    columns = {"reference": truth} | predicted
    numbers = [n for n in LABELS if n and any((masks == n).any() for masks in columns.values())]
    width = min(DOUBLE_COLUMN_MM, 42 * len(columns))
    height = width / len(columns) * len(images) + 10
    with style():
        figure, axes = plt.subplots(
            len(images), len(columns), squeeze=False, figsize=size(width, height)
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
                axis.set_title(arm)
        for axis, case in zip(axes[:, 0], cases, strict=True):
            axis.set_ylabel(case)
        figure.suptitle("The reference, and what U-Nets outline, by training frames", fontsize=7)
        _label_legend(figure, numbers)
    return figure


def _contours(axis, mask, numbers, dashed=False):
    # myocardium first: the cavity's border, which it shares, stays visible
    for number in sorted(numbers, key=lambda number: LABELS[number] != "LV myocardium"):
        if (mask == number).any():
            axis.contour(
                mask == number, levels=[0.5],
                colors=["white" if dashed else LABEL_COLOURS[LABELS[number]]],
                linewidths=0.6 if dashed else 1.0, linestyles="dashed" if dashed else "solid",
            )  # fmt: skip


def _label_legend(figure, numbers):
    handles = [Line2D([], [], color=LABEL_COLOURS[LABELS[n]], label=LABELS[n]) for n in numbers]
    look = {"color": "0.6", "linestyle": "dashed", "linewidth": 0.6}
    handles.append(Line2D([], [], label="reference (white)", **look))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))


def dose_curve(summary, metric="dice"):
    """Score against the amount of training material: a row a view, frames left, patients right.

    Args:
        summary: table of `cmrkit.unet.comparison.dose_summary`.
        metric: what its score is, one of `AXIS_NAMES`.

    Returns:
        matplotlib Figure; lines are medians over patients, bands their quartiles, doses on a
        logarithmic axis.
    """
    views, units = list(dict.fromkeys(summary["view"])), sorted(set(summary["unit"]))
    arms = _known_arms(summary)
    with style():
        figure, axes = plt.subplots(
            len(views), len(units), squeeze=False, sharey="row",
            figsize=size(DOUBLE_COLUMN_MM, 58 * len(views) + 8),
        )  # fmt: skip
        for (row, column), axis in np.ndenumerate(axes):
            panel = summary[(summary["view"] == views[row]) & (summary["unit"] == units[column])]
            for arm in arms:
                line = panel[panel["arm"] == arm].sort_values("dose")
                _line_with_band(axis, line, _COLOURS[arm])
            axis.set(xscale="log", title=views[row], xlabel=f"training {units[column]}")
            doses = sorted(set(panel["dose"]))
            axis.set_xticks(doses, [f"{dose:,}" for dose in doses])
            axis.xaxis.set_minor_locator(NullLocator())
            if column == 0:
                axis.set_ylabel(f"{AXIS_NAMES[metric]}, mean of chambers")
        _arm_legend(figure, arms)
    return figure


def _line_with_band(axis, line, colour):
    if len(line):
        axis.plot(line["dose"], line["score"], marker="o", markersize=3, color=colour)
        band = {"color": colour, "alpha": 0.15, "linewidth": 0}
        axis.fill_between(line["dose"], line["low"], line["high"], **band)


def bland_altman_plot(pairs, limits, quantity):
    """Agreement of one clinical measure with the reference: a row an arm, a column a chamber.

    Args:
        pairs: second table of `cmrkit.unet.clinical.bland_altman`, with `arm`.
        limits: its first table, with `arm`.
        quantity: e.g. `fractional_area_change`, one of `QUANTITY_NAMES`.

    Returns:
        matplotlib Figure; a point is a patient, the solid line the bias, dashed lines the 95 %
        limits of agreement.

    Raises:
        ValueError: the tables do not hold the quantity.
    """
    if quantity not in set(limits["quantity"]):
        raise ValueError(f"quantity: {quantity!r}; the tables hold {set(limits['quantity'])}")
    pairs, limits = (table[table["quantity"] == quantity] for table in (pairs, limits))
    chambers = list(dict.fromkeys(zip(limits["view"], limits["label"], strict=True)))
    arms = _known_arms(limits)
    name, unit, scale = QUANTITY_NAMES[quantity]
    with style():
        figure, axes = plt.subplots(
            len(arms), len(chambers), squeeze=False, sharex="col", sharey=True,
            figsize=size(DOUBLE_COLUMN_MM, 42 * len(arms) + 8),
        )  # fmt: skip
        for (row, column), axis in np.ndenumerate(axes):
            (view, label), arm = chambers[column], arms[row]
            points, lines = (
                table[(table["view"] == view) & (table["label"] == label) & (table["arm"] == arm)]
                for table in (pairs, limits)
            )
            x, y = points["mean"] * scale, points["difference"] * scale
            axis.scatter(x, y, s=8, color=_COLOURS[arm], alpha=0.7, linewidth=0)
            _agreement_lines(axis, lines.iloc[0], scale)
            if row == 0:
                axis.set_title(f"{view} {label}")
        for axis, arm in zip(axes[:, 0], arms, strict=True):
            error = "percentage points" if unit == "%" else unit
            axis.set_ylabel(f"trained on {arm}\npredicted \N{MINUS SIGN} reference\n({error})")
        figure.supxlabel(f"{name}, mean of predicted and reference ({unit})", fontsize=7)
    return figure


def _agreement_lines(axis, row, scale):
    axis.axhline(0, color="0.8", linewidth=0.5, zorder=0)
    for value, look in ((row["bias"], "-"), (row["loa_low"], "--"), (row["loa_high"], "--")):
        axis.axhline(value * scale, color="0.2", linestyle=look, linewidth=0.7, zorder=0)
        axis.annotate(
            f"{value * scale:.1f}", (1, value * scale), xycoords=("axes fraction", "data"),
            xytext=(2, 0), textcoords="offset points", va="center", fontsize=6,
        )  # fmt: skip
