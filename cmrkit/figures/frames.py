"""Frames as pictures: rows of images with the chambers outlined."""

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.lines import Line2D

from cmrkit.cohort.frames import LABELS
from cmrkit.figures.style import DOUBLE_COLUMN_MM, LABEL_COLOURS, size, style


def draw_contours(axis, mask):
    """Outline every label of one frame.

    Args:
        axis: matplotlib Axes that shows the frame.
        mask: [R, R] uint8.
    """
    for number, name in sorted(LABELS.items(), reverse=True):  # the cavity above its wall
        inside = mask == number
        if number and inside.any() and not inside.all():
            axis.contour(inside, levels=[0.5], colors=[LABEL_COLOURS[name]], linewidths=0.7)


def label_legend(figure, numbers):
    """Name the colours of the outlined labels below a figure, inside `style()`.

    Args:
        figure: matplotlib Figure.
        numbers: labels that are outlined in it; 0 is no label.
    """
    names = [name for number, name in LABELS.items() if number and number in numbers]
    lines = [Line2D([], [], color=LABEL_COLOURS[name]) for name in names]
    figure.legend(lines, names, loc="outside lower center", ncols=max(1, len(names)))


def frame_rows(rows, columns=10):
    """Rows of frames with their labels outlined, e.g. patients above synthetic frames.

    Args:
        rows: dict from a row's title to (images, masks), [n, R, R] uint8 each; a row shorter than
            `columns` leaves room.
        columns: frames a row.

    Returns:
        matplotlib Figure.
    """
    with style():
        side = (DOUBLE_COLUMN_MM - 8) / columns
        figure, axes = plt.subplots(
            len(rows), columns, squeeze=False, figsize=size(DOUBLE_COLUMN_MM, side * len(rows) + 5)
        )
        figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
        shown = set()
        for line, (title, (images, masks)) in zip(axes, rows.items(), strict=True):
            line[0].set_ylabel(title, fontsize=6)
            for axis in line:
                axis.set(xticks=[], yticks=[])
                sns.despine(ax=axis, left=True, bottom=True)
            for axis, image, mask in zip(line, images, masks, strict=False):
                axis.imshow(image, vmin=0, vmax=255)
                draw_contours(axis, mask)
                shown |= set(mask.ravel().tolist())
        label_legend(figure, shown)
    return figure
