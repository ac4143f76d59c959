"""One look for all figures: journal widths, colours, fonts, and bytes that do not change."""

from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.backends.backend_pdf import PdfPages

from cmrkit.cohort.frames import LABELS, simulated_note
from cmrkit.paths import moved_into_place

SINGLE_COLUMN_MM = 85
DOUBLE_COLUMN_MM = 170
FORMATS = ("pdf", "svg", "png")

_PALETTE = sns.color_palette("colorblind")
LABEL_COLOURS = dict(
    zip([name for number, name in LABELS.items() if number], _PALETTE, strict=False)
)
ARM_COLOURS = {"patient": _PALETTE[0], "synthetic": _PALETTE[1]}

RC = {
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # ships with matplotlib, so the same bytes on every machine
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.prop_cycle": mpl.cycler(color=_PALETTE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
    "pdf.fonttype": 42,  # TrueType, as journals ask
    "ps.fonttype": 42,
    "svg.hashsalt": "cmrkit",  # element ids that do not change from run to run
    "savefig.dpi": 300,
    "figure.dpi": 110,
}


@contextmanager
def style():
    """Draw figures inside this context in the kit's style."""
    with mpl.rc_context(RC):
        yield


def size(width_mm, height_mm):
    """Figure size in inches from millimetres on paper."""
    return width_mm / 25.4, height_mm / 25.4


def save_figure(figure, folder, name, table, sources=()):
    """Write one figure as PDF, SVG and 300 dpi PNG, without dates.

    Args:
        figure: matplotlib Figure drawn inside `style()`.
        folder: where the files go; made if absent.
        name: file name without ending, e.g. `figure1_cohort`.
        table: file name of the table that the figure was drawn from, kept in the metadata.
        sources: the `source` column of the patients shown or compared with; where one is
            simulated, the figure says so.

    Returns:
        path of the PNG.
    """
    source = f"drawn from {table}"
    if note := simulated_note(sources):
        room = 2.5 / 25.4 / figure.get_figheight()  # of 2.5 mm, so that it covers no label
        figure.get_layout_engine().set(rect=(0, room, 1, 1 - room))
        figure.text(0.999, 0.001, note, size=4.5, color="0.4", ha="right", va="bottom")
    metadata = {
        "pdf": {"CreationDate": None, "ModDate": None, "Subject": source},
        "svg": {"Date": None, "Description": source},
        "png": {"Description": source},
    }
    with style():
        _settle(figure)
        for ending in FORMATS:
            with moved_into_place(Path(folder) / f"{name}.{ending}") as draft:
                figure.savefig(draft, format=ending, metadata=metadata[ending])
    plt.close(figure)
    return Path(folder) / f"{name}.png"


@contextmanager
def pdf_pages(path):
    """Pages of a PDF without dates, in the kit's style, moved into place when complete."""
    dateless = {"CreationDate": None, "ModDate": None}
    with moved_into_place(path) as draft, style(), PdfPages(draft, metadata=dateless) as pdf:
        yield pdf


def _settle(figure):
    """Fix the layout, rounded: its solver's last digits differ from run to run, and SVG ids too."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axis in figure.axes:
        axis.set_position([round(x, 6) for x in axis.get_position(original=True).bounds])
