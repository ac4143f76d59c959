"""Figure 2: how the networks grow, in pictures and in numbers."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from cmrkit.figures.frames import frame_rows
from cmrkit.figures.style import DOUBLE_COLUMN_MM, size, style

COLUMNS = 10


def growth_figure(folder, views):
    """Frames generated from the same latents at the end of every level, views side by side.

    Args:
        folder: run folder with `grids/level_<pixels>.npz`: `images`, `masks` [V, 16, R, R] uint8.
        views: the V view names.

    Returns:
        matplotlib Figure.
    """
    each = COLUMNS // len(views)
    rows = {}
    for path in sorted((Path(folder) / "grids").glob("level_*.npz")):
        with np.load(path) as grid:
            images, masks = (np.concatenate(grid[k][:, :each]) for k in ("images", "masks"))
        rows[f"{images.shape[1]} x {images.shape[1]}"] = images, masks
    figure = frame_rows(rows, each * len(views))
    figure.set_figheight(figure.get_figheight() + 5 / 25.4)  # 5 mm for the titles
    with style():
        for axis, view in zip(figure.axes[: each * len(views) : each], views, strict=True):
            axis.set_title(f"generated frames, {view}", loc="left", fontsize=7)
    return figure


def realism_figure(realism):
    """Sliced Wasserstein distance at the end of each level beside what patients reach.

    Args:
        realism: DataFrame of `realism.jsonl`: `kimg, resolution, view, scale, swd, swd_patients`.

    Returns:
        matplotlib Figure, a panel a view.
    """
    last = realism.sort_values("kimg").groupby(["view", "resolution", "scale"]).tail(1)
    views = list(dict.fromkeys(realism["view"]))
    with style():
        figure, axes = plt.subplots(
            1, len(views), squeeze=False, sharey=True, figsize=size(DOUBLE_COLUMN_MM, 50)
        )
        for axis, view in zip(axes[0], views, strict=True):
            part = last[last["view"] == view].reset_index(drop=True)
            axis.plot(part.index, part["swd"], "o", label="generated")
            axis.plot(part.index, part["swd_patients"], "_", ms=12, label="patients (floor)")
            ticks = [f"{r}\n{s}" for r, s in zip(part["resolution"], part["scale"], strict=True)]
            axis.set_xticks(part.index, ticks)
            axis.set(title=view, xlabel="resolution trained / scale looked at (pixels)")
            axis.set_ylim(0, None)
        axes[0, 0].set_ylabel("sliced Wasserstein\ndistance x 1000")
        axes[0, -1].legend()
    return figure


def training_curves(statistics):
    """Losses, scores and likeness over the images shown; fades are shaded.

    Args:
        statistics: DataFrame of `stats.jsonl`, one row a tick: `kimg, resolution, alpha, loss_d,
            loss_g, score_real, score_fake, ms_ssim, ms_ssim_patients`.

    Returns:
        matplotlib Figure.
    """
    panels = {
        "loss": {"loss_d": "discriminator", "loss_g": "generator"},
        "score": {"score_real": "patients", "score_fake": "generated"},
        "MS-SSIM of pairs\n(1: all alike)": {
            "ms_ssim_patients": "patients",
            "ms_ssim": "generated",
        },
    }
    with style():
        figure, axes = plt.subplots(1, len(panels), figsize=size(DOUBLE_COLUMN_MM, 48))
        for axis, (label, curves) in zip(axes, panels.items(), strict=True):
            for column, name in curves.items():
                axis.plot(statistics["kimg"], statistics[column], label=name)
            axis.set(xlabel="images shown (thousand)", ylabel=label)
            _mark_levels(axis, statistics)
            axis.legend()
        axes[-1].set_ylim(0, 1)
    return figure


def _mark_levels(axis, statistics):
    """Write each level's resolution above its range; shade its fade."""
    start = 0.0
    for resolution, level in statistics.groupby("resolution"):
        fade = level.loc[level["alpha"] < 1, "kimg"]
        if len(fade):
            axis.axvspan(start, fade.max(), color="0.92", lw=0)
        axis.axvline(start, color="0.8", lw=0.5)
        middle = (start + level["kimg"].max()) / 2
        axis.text(
            middle, 1.01, resolution, transform=axis.get_xaxis_transform(), ha="center", fontsize=6
        )
        start = level["kimg"].max()
