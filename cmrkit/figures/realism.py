"""Simulated frames beside real ones: how much detail, and which grey values."""

import matplotlib.pyplot as plt
import seaborn as sns

from cmrkit.figures.style import DOUBLE_COLUMN_MM, size, style

_LABELS = {
    "radial power": ("spatial frequency (cycles a pixel)", "share of power"),
    "grey values": ("grey value", "share of pixels"),
}


def beside_real_figure(curves):
    """Radial power spectrum and histogram of simulated and real short-axis frames.

    Args:
        curves: table of `phantom.beside_real.beside_tables`.

    Returns:
        matplotlib Figure: medians as lines, 10th to 90th percentile over frames as bands.
    """
    names = sorted(curves["set"].unique(), key=lambda name: name != "simulated")
    colours = dict(zip(names, sns.color_palette("colorblind"), strict=False))
    with style():
        figure, axes = plt.subplots(1, 2, figsize=size(DOUBLE_COLUMN_MM, 62))
        for axis, (curve, (across, up)) in zip(axes, _LABELS.items(), strict=True):
            for name in names:
                part = curves[(curves["curve"] == curve) & (curves["set"] == name)]
                kind = "-" if name == "simulated" else "--"
                axis.plot(part["x"], part["middle"], kind, color=colours[name], label=name)
                axis.fill_between(
                    part["x"], part["low"], part["high"], color=colours[name], alpha=0.15, lw=0
                )
            axis.set(xlabel=across, ylabel=up, yscale="log", title=curve.capitalize())
        axes[0].set_ylim(1e-5, 1)
        axes[1].set_ylim(1e-4, 1)
        axes[1].legend()
        figure.suptitle("Simulated frames beside real ones, short axis", fontsize=8)
    return figure
