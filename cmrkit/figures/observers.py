"""Figure 4 where people have read: what they called implausible, told apart and agreed on."""

import matplotlib.pyplot as plt

from cmrkit.audit.observers import ALL
from cmrkit.figures.plausibility import COLOURS, GROUPS
from cmrkit.figures.style import DOUBLE_COLUMN_MM, size, style

MEASURES = {
    "alike": "answered alike",
    "ac1": "Gwet's AC1",
    "fleiss": "Fleiss' kappa",
    "alpha": "Krippendorff's alpha",
}


def human_figure(shares, turing, agreement):
    """What human observers said, with 95 % intervals.

    Args:
        shares, turing, agreement: DataFrames of `audit.observers.HumanReading`, or the tables
            `people_shares.csv`, `people_turing.csv` and `people_agreement.csv`.

    Returns:
        matplotlib Figure: a panel a view with the share of frames each observer called implausible;
        then, where it was asked, who told real from synthetic; then agreement between observers,
        or of one with themselves.
    """
    views = list(shares["view"].unique())
    observers = [n for n in shares["observer"].unique() if n != ALL] + [ALL]
    with style():
        figure, axes = plt.subplots(
            1, len(views) + 2, figsize=size(DOUBLE_COLUMN_MM, 34 + 6 * max(4, len(observers))),
        )  # fmt: skip
        people = f"{len(observers) - 1} human observer" + "s" * (len(observers) > 2)
        figure.suptitle(f"Read by {people}", fontsize=8)
        for axis, view in zip(axes, views, strict=False):
            _draw_shares(axis, view, shares[shares["view"] == view], observers)
        for axis in axes[1:-1]:
            axis.set_yticklabels([])
        _draw_turing(axes[-2], turing, observers)
        _draw_agreement(axes[-1], agreement)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _interval(axis, row, value, low, high, colour, label=None):
    axis.plot([low, high], [row, row], color=colour, lw=1.2)
    axis.plot(value, row, "o", color=colour, ms=3.5, label=label)


def _draw_shares(axis, view, shares, observers):
    groups = [group for group in GROUPS if group in set(shares["group"])]
    for place, group in enumerate(groups):
        table = shares[shares["group"] == group].set_index("observer")
        for observer in table.index:
            line = 100 * table.loc[observer, ["share", "low", "high"]].astype(float)
            row = observers.index(observer) + 0.22 * (place - (len(groups) - 1) / 2)
            label = GROUPS[group] if observer == table.index[0] else None
            _interval(axis, row, *line, COLOURS[group], label)
    _rows(axis, observers)
    axis.set(title=view, xlim=(-3, 103), xlabel="called implausible (%)")


def _draw_turing(axis, turing, observers):
    axis.set(title="real or synthetic?", xlim=(-3, 103), xlabel="right (%)")
    _rows(axis, observers)
    axis.set_yticklabels([])
    axis.axvline(50, color="k", lw=0.8, ls="--")
    if turing.empty:
        axis.text(50, (len(observers) - 1) / 2, "not asked", ha="center", backgroundcolor="w")
        return
    for line in turing.itertuples():
        percents = (100 * x for x in (line.accuracy, line.accuracy_low, line.accuracy_high))
        row = observers.index(line.observer)
        _interval(axis, row, *percents, COLOURS["synthetic"])
        axis.annotate(f"d-prime {line.d_prime:.1f}", (101, row - 0.2), ha="right", fontsize=5.5)


def _rows(axis, observers):
    axis.set(yticks=range(len(observers)), yticklabels=observers)
    axis.set_ylim(len(observers) - 0.4, -0.6)
    axis.axhline(len(observers) - 1.5, color="0.8", lw=0.6)


def _draw_agreement(axis, agreement):
    plausible = agreement[agreement["question"] == "plausible"]
    who = ALL if ALL in set(plausible["who"]) else None
    table = plausible[plausible["who"] == who] if who else plausible
    axis.set(title="plausible: agreement", xlim=(-1.05, 1.05), xlabel="1: complete, 0: chance")
    axis.axvline(0, color="k", lw=0.8, ls="--")
    names = list(MEASURES)
    for line in table.dropna(subset="value").itertuples():
        _interval(axis, names.index(line.measure), line.value, line.low, line.high, "0.3")
    axis.set(yticks=range(len(names)), yticklabels=MEASURES.values())
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.yaxis.tick_right()
    axis.spines[["left", "right"]].set_visible(False)
