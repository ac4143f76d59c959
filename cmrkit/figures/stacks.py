"""Thumbnails of an archive's cines, to see whether each view is what its name says."""

import matplotlib.pyplot as plt
import numpy as np

MOST = 24
ACROSS = 6


def stack_sheet(archive, table):
    """Draw one picture a cine, those judged with least certainty first.

    Args:
        archive: `DicomArchive`.
        table: its list of cines, as `stack_list.review` returns it.

    Returns:
        figure of at most `MOST` cines, the end of each `stack_id` above its picture.
    """
    # two rows that claim one view are as doubtful as one that hardly looks like any
    doubtful = ~table["clear"].astype(bool)
    doubtful |= table.duplicated(["patient_id", "judged"], keep=False)
    shown = table.assign(doubtful=doubtful).sort_values("doubtful", ascending=False, kind="stable")
    shown = shown.head(MOST)
    down = int(np.ceil(len(shown) / ACROSS))
    figure, axes = plt.subplots(
        down, ACROSS, figsize=(170 / 25.4, down * 1.45), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, row in zip(axes.flat, shown.itertuples(), strict=False):
        try:
            picture = archive.picture(row.patient_id, row.stack_id)
            low, high = np.percentile(picture, (1, 99))
            axis.imshow(
                picture, cmap="gray", vmin=low, vmax=high, aspect=row.row_mm / row.column_mm
            )
        except ValueError as error:
            axis.text(0, 0.5, str(error)[:60], fontsize=5, wrap=True)
        left_out = f"left out ({row.judged})"
        doubt = " ?" if row.doubtful else ""
        axis.set_title(
            f"{row.view or left_out}{doubt}\n{row.stack_id[-4:]}: {row.positions} x {row.phases}",
            fontsize=6, color="black" if row.view else "0.5",
        )  # fmt: skip
    plt.close(figure)  # a notebook shows open figures once more
    return figure
