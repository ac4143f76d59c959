"""Thumbnails of an archive's cines, to see whether each view is what its name says."""

import matplotlib.pyplot as plt
import numpy as np

from cmrkit.figures.style import DOUBLE_COLUMN_MM, pdf_pages, size

ACROSS, DOWN = 6, 4  # cines a page


def write_stack_sheets(archive, table, path):
    """Draw one picture a cine, those judged with least certainty first, as pages of a PDF.

    Args:
        archive: `DicomArchive`.
        table: its list of cines, as `stack_list.review` returns it.
        path: PDF to write.

    Returns:
        the first page as a figure. Above each picture stand the view, the end of its `stack_id`,
        and how many positions and phases it has; a question mark where the view is doubtful.
    """
    # two rows that claim one view are as doubtful as one that hardly looks like any
    doubtful = ~table["clear"].astype(bool)
    doubtful |= table.duplicated(["patient_id", "judged"], keep=False)
    shown = table.assign(doubtful=doubtful).sort_values("doubtful", ascending=False, kind="stable")
    first = None
    with pdf_pages(path) as pdf:
        for start in range(0, len(shown), ACROSS * DOWN):
            page = _page(archive, shown.iloc[start : start + ACROSS * DOWN])
            pdf.savefig(page, dpi=150)
            plt.close(page)  # a notebook shows open figures once more
            first = first or page
    return first


def _page(archive, table):
    down = int(np.ceil(len(table) / ACROSS))
    figure, axes = plt.subplots(
        down, ACROSS, figsize=size(DOUBLE_COLUMN_MM, 37 * down), squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, row in zip(axes.flat, table.itertuples(), strict=False):
        try:
            picture = archive.picture(row.patient_id, row.stack_id)
            low, high = np.percentile(picture, (1, 99))
            axis.imshow(picture, vmin=low, vmax=high, aspect=row.row_mm / row.column_mm)
        except ValueError as error:
            axis.text(0, 0.5, str(error)[:60], fontsize=5, wrap=True)
        left_out = f"left out ({row.judged})"
        doubt = " ?" if row.doubtful else ""
        axis.set_title(
            f"{row.view or left_out}{doubt}\n{row.stack_id[-4:]}: {row.positions} x {row.phases}",
            fontsize=6, color="black" if row.view else "0.5",
        )  # fmt: skip
    return figure
