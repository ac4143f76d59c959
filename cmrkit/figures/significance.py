"""Figure 7: is the difference real, and does it matter?"""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter

from cmrkit.figures.style import DOUBLE_COLUMN_MM, SINGLE_COLUMN_MM, size, style
from cmrkit.stats.power import CLAIMS
from cmrkit.stats.scores import METRICS
from cmrkit.stats.verdict import percent

_PALETTE = sns.color_palette("colorblind")
VERDICT_MARKS = {
    "better": (_PALETTE[0], "^"),
    "worse": (_PALETTE[3], "v"),
    "equivalent": (_PALETTE[2], "s"),
    "inconclusive": ((0.45, 0.45, 0.45), "o"),
}
LEVEL_COLOURS = {"patient": _PALETTE[0], "frame": _PALETTE[1]}
_LEVEL_TITLES = {"patient": "Patients as units", "frame": "Frames as units, as if independent"}
_CLAIM_STYLES = ((_PALETTE[3], "-"), (_PALETTE[2], "-"), (_PALETTE[2], ":"))


def forest(comparison, alpha=0.05):
    """Shift of every chamber with its intervals and the margin, patients beside frames.

    Args:
        comparison: from `stats.comparison.compare`.
        alpha: significance level of that comparison.

    Returns:
        matplotlib Figure, a line of panels a metric: marker by verdict, thin 1 - alpha interval,
        thick 1 - 2 alpha interval (equivalent where it lies inside the shaded margin).
    """
    metrics = list(comparison["metric"].unique())
    chambers = list(dict.fromkeys(zip(comparison["view"], comparison["label"], strict=True)))
    with style():
        height = 14 + len(metrics) * (16 + 4.5 * len(chambers))
        figure, axes = plt.subplots(
            len(metrics), 2, squeeze=False, sharex="row", sharey=True,
            figsize=size(DOUBLE_COLUMN_MM, height),
        )  # fmt: skip
        for line, metric in zip(axes, metrics, strict=True):
            for axis, level in zip(line, _LEVEL_TITLES, strict=True):
                chosen = (comparison["metric"] == metric) & (comparison["level"] == level)
                _forest_panel(axis, comparison[chosen], chambers)
            line[0].set_yticks(range(len(chambers)), [f"{v} {label}" for v, label in chambers])
        axes[0, 0].set_ylim(len(chambers) - 0.4, -0.6)
        for axis, title in zip(axes[0], _LEVEL_TITLES.values(), strict=True):
            axis.set_title(title, loc="left")
        _forest_legend(figure, axes[0, 0], alpha)
    return figure


def _forest_panel(axis, rows, chambers):
    _margin_and_zero(axis, rows.iloc[0])
    for row in rows.itertuples():
        place = chambers.index((row.view, row.label))
        if np.isnan(row.hl_shift):
            axis.text(0, place, " not scored in both arms", color="0.35", va="center", fontsize=6)
            continue
        colour, marker = VERDICT_MARKS[row.verdict]
        for low, high, width in (
            (row.ci_low, row.ci_high, 0.8),
            (row.equivalence_low, row.equivalence_high, 2.6),
        ):
            if np.isfinite(low):
                axis.hlines(place, low, high, color=colour, linewidth=width)
        axis.plot(row.hl_shift, place, marker, color=colour, markersize=4.5, mec="white", mew=0.4)
    _shift_axis(axis, rows.iloc[0])


def _margin_and_zero(axis, row):
    if np.isfinite(row["margin"]):
        axis.axvspan(-row["margin"], row["margin"], color="0.92", linewidth=0, zorder=0)
    axis.axvline(0, color="0.4", linewidth=0.6, zorder=1)


def _shift_axis(axis, row):
    """What the shift of a comparison's row is, and which way is better."""
    metric = METRICS[row["metric"]]
    unit = f" ({metric.unit})" if metric.unit else ""
    axis.set_xlabel(f"{metric.title}{unit}, {row['arm']} \N{MINUS SIGN} {row['reference']}")
    arrow, edge = ("better \N{RIGHTWARDS ARROW}", 1) if metric.higher_is_better else (
        "\N{LEFTWARDS ARROW} better", 0)  # fmt: skip
    axis.text(edge, 1.01, arrow, transform=axis.transAxes, ha="right" if edge else "left",
              va="bottom", color="0.35", fontsize=6)  # fmt: skip
    axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.tick_params(axis="y", length=0)


def _verdict_legend(axis):
    for verdict, (colour, marker) in VERDICT_MARKS.items():
        axis.plot([], [], marker, color=colour, markersize=4.5, label=verdict)


def _forest_legend(figure, axis, alpha):
    _verdict_legend(axis)
    axis.plot([], [], color="0.3", linewidth=0.8, label=f"{percent(1 - alpha)} interval")
    axis.plot([], [], color="0.3", linewidth=2.6, label=f"{percent(1 - 2 * alpha)} interval")
    axis.fill_between([], [], color="0.92", label="margin")
    figure.legend(loc="outside lower center", ncols=7, columnspacing=1.2)


def shifts_over_seeds(stacked, level="patient"):
    """Shift of every chamber from seed to seed, with the verdict of each.

    Args:
        stacked: from `stats.spread.stack_seeds`, one metric.
        level: `patient` or `frame`.

    Returns:
        matplotlib Figure, a line a chamber, a mark a seed, the lowest seed on top.
    """
    table = stacked[stacked["level"] == level]
    chambers = list(dict.fromkeys(zip(table["view"], table["label"], strict=True)))
    seeds = sorted(set(table["study_seed"]))
    with style():
        figure, axis = plt.subplots(figsize=size(SINGLE_COLUMN_MM, 24 + 7 * len(chambers)))
        _margin_and_zero(axis, table.iloc[0])
        for row in table.dropna(subset="hl_shift").itertuples():
            colour, marker = VERDICT_MARKS[row.verdict]
            aside = 0.5 * (seeds.index(row.study_seed) / max(1, len(seeds) - 1) - 0.5)
            place = chambers.index((row.view, row.label)) + aside
            axis.plot(row.hl_shift, place, marker, color=colour, markersize=4, mec="white", mew=0.4)
        axis.set_yticks(range(len(chambers)), [f"{view} {label}" for view, label in chambers])
        axis.set_ylim(len(chambers) - 0.4, -0.6)
        axis.set_title(f"{len(seeds)} seeds, {level}s as units", loc="left")
        _shift_axis(axis, table.iloc[0])
        _verdict_legend(axis)
        figure.legend(loc="outside lower center", ncols=4, columnspacing=1, handletextpad=0.2)
    return figure


def false_alarm_rates(rates):
    """How often each level of analysis sees a difference that is not there.

    Args:
        rates: from `stats.simulate.false_alarms`.

    Returns:
        matplotlib Figure; bars are 95 % intervals of the simulation.
    """
    with style():
        figure, axis = plt.subplots(figsize=size(SINGLE_COLUMN_MM, 60))
        for level, rows in rates.groupby("level", sort=False):
            error = [rows["rate"] - rows["low"], rows["high"] - rows["rate"]]
            axis.errorbar(
                rows["frames_a_patient"], rows["rate"], error, color=LEVEL_COLOURS[level],
                marker="o", markersize=3.5, capsize=2, linewidth=1, label=f"{level}s as units",
            )  # fmt: skip
        first = rates.iloc[0]
        nominal = f"nominal {percent(first['alpha'])}"
        axis.axhline(first["alpha"], color="0.4", linewidth=0.7, linestyle="--", label=nominal)
        axis.set(xscale="log", ylim=(0, None), xlabel="frames a patient")
        axis.set_ylabel("studies with a false difference")
        axis.set_title(
            f"{first['patients']} patients, no true difference, ICC {first['icc']:.2f}", loc="left"
        )
        frames = sorted(rates["frames_a_patient"].unique())
        axis.set_xticks(frames, [str(f) for f in frames])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axis.legend(loc="upper left")
    return figure


def power_panels(curves, wanted=0.8):
    """Chance of each claim against the size of the next study, a panel a chamber.

    Args:
        curves: from `stats.power.power_curves`.
        wanted: power to aim at, drawn as a dashed line.

    Returns:
        matplotlib Figure; bands are 95 % intervals of the simulation, and do not say how far the
        patients that the curves rest on lie from the truth.
    """
    panels = list(curves.groupby(["view", "label"], sort=False))
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    with style():
        figure, axes = plt.subplots(
            lines, columns, squeeze=False, sharex=True, sharey=True,
            figsize=size(DOUBLE_COLUMN_MM, 14 + 42 * lines),
        )  # fmt: skip
        for axis in axes.flat[len(panels) :]:
            axis.set_axis_off()
        for axis, ((view, label), panel) in zip(axes.flat, panels, strict=False):
            for claim, (colour, stroke) in zip(CLAIMS, _CLAIM_STYLES, strict=True):
                rows = panel[panel["claim"] == claim]
                if rows.empty:  # a score without a margin: no equivalence
                    continue
                axis.plot(rows["n_patients"], rows["power"], stroke, color=colour, label=claim)
                axis.fill_between(
                    rows["n_patients"], rows["low"], rows["high"], color=colour, alpha=0.15, lw=0
                )
            axis.axhline(wanted, color="0.4", linewidth=0.7, linestyle="--")
            pilot = panel["pilot_patients"].iloc[0]
            axis.axvline(pilot, color="0.6", linewidth=0.7, label="patients of this study")
            axis.set_title(f"{view} {label}", loc="left")
        axes[0, 0].set(ylim=(0, 1.02))
        axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        for axis in axes.flat[len(panels) - columns : len(panels)]:
            axis.tick_params(labelbottom=True)
        figure.supxlabel("patients of the next study (bands: simulation error alone)", fontsize=7)
        figure.supylabel("power", fontsize=7)
        handles, names = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=4)
    return figure
