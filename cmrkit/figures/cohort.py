"""Figure 1: the cohort, its frames through the cardiac cycle, and who is in which role.

Every function takes the rows of a frame table (`cohort.frames.PATIENT_SCHEMA`), numbered from 0,
and the pixels in the same order, whatever their source. Simulated patients are called simulated in
every title.
"""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.lines import Line2D

from cmrkit.cohort.frames import LABELS, ROLES, VIEWS
from cmrkit.figures.frames import draw_contours
from cmrkit.figures.style import DOUBLE_COLUMN_MM, LABEL_COLOURS, size, style

VIEW_NAMES = {"4ch": "four-chamber", "2ch": "two-chamber", "sax": "short axis"}
ROLE_NAMES = {"gan": "trains PG-GAN", "unet": "trains U-Net", "external": "tests"}
SCALE_BAR_MM = 50
THROUGH_CYCLE, SIDE_BY_SIDE = "one patient", "one frame each"


def cohort_figure(frames, images, masks, columns=8):
    """Figure 1: in each view one patient through the cycle, and patients side by side.

    Args:
        frames: frame table of a patient cohort, n rows, numbered from 0.
        images, masks: [n, R, R] uint8, its pixels.
        columns: most frames a row.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: no frames, or table and pixels differ in length.
    """
    shown = cycle_rows(frames, columns) | patient_rows(frames, columns)
    order = sorted(shown, key=lambda row: (VIEWS.index(row[0]), row[1] == SIDE_BY_SIDE))
    return _draw({row: shown[row] for row in order}, frames, images, masks, columns)


def cycle_figure(frames, images, masks, columns=8):
    """One patient through the cardiac cycle, a row a view; arguments as `cohort_figure`."""
    return _draw(cycle_rows(frames, columns), frames, images, masks, columns)


def patients_figure(frames, images, masks, count=10):
    """Patients side by side at end-diastole, a row a view; arguments as `cohort_figure`.

    Args:
        frames, images, masks: as in `cohort_figure`.
        count: most patients to show.
    """
    return _draw(patient_rows(frames, count), frames, images, masks, count)


def cycle_rows(frames, columns):
    """Frames of one patient through the cycle.

    Args:
        frames: frame table, numbered from 0.
        columns: most frames a view; end-diastole and end-systole are always among them.

    Returns:
        dict from (view, title) to row numbers of the table.

    Choice: the patient with most annotated frames in the view, the first of the table among equals,
    so that nobody is chosen by looks; the middle slice, which cuts both ventricles.
    """
    rows = {}
    for view, part in _annotated_views(frames):
        middle = _middle_slices(part)
        patient = middle["patient_id"].value_counts(sort=True).index[0]
        own = middle[middle["patient_id"] == patient].sort_values("phase_index")
        rows[view, THROUGH_CYCLE] = own.index[_spread(own, columns)].to_numpy()
    return rows


def patient_rows(frames, count):
    """Frames of different patients at end-diastole, drawn in turn from the roles.

    Args:
        frames: frame table, numbered from 0.
        count: most patients.

    Returns:
        dict from (view, title) to row numbers of the table.
    """
    rows = {}
    for view, part in _annotated_views(frames):
        middle = _middle_slices(part).sort_values(["is_ed", "phase_index"], ascending=[False, True])
        first = middle.drop_duplicates("patient_id").sort_index()
        turn = first.groupby("role").cumcount()
        rank = first["role"].map(ROLES.index)
        chosen = first.assign(turn=turn, rank=rank).sort_values(["turn", "rank"]).index[:count]
        ordered = first.loc[chosen].assign(rank=rank).sort_values("rank", kind="stable")
        rows[view, SIDE_BY_SIDE] = ordered.index.to_numpy()
    return rows


# -- what is shown ------------------------------------------------------------------------------


def _check(frames, images, masks):
    if not len(frames):
        raise ValueError("frames: the table is empty; build the cohort with notebook 01")
    if not len(frames) == len(images) == len(masks):
        raise ValueError(
            f"frames: {len(frames)} rows for {len(images)} images and {len(masks)} masks; "
            "give the pixels of the same rows"
        )


def _noun(frames):
    """Simulated patients are never called patients without saying so."""
    simulated = frames["source"] == "simulated"
    if simulated.all():
        return "simulated patient"
    return "real or simulated patient" if simulated.any() else "patient"


def _annotated_views(frames):
    """(view, its annotated frames) of every view; all frames where none is annotated."""
    for view in VIEWS:
        part = frames[frames["view"] == view]
        annotated = part[part["labels_present"].str.len() > 0]
        if len(part):
            yield view, annotated if len(annotated) else part


def _middle_slices(part):
    """Frames of each patient's middle slice."""
    middle = part.groupby("patient_id")["slice_index"].transform(
        lambda slices: np.unique(slices)[len(np.unique(slices)) // 2]
    )
    return part[part["slice_index"] == middle]


def _spread(cycle, most):
    """Places in one cycle, evenly spread, end-diastole and end-systole among them."""
    if len(cycle) <= most:
        return np.arange(len(cycle))
    even = np.linspace(0, len(cycle), most, endpoint=False).round().astype(int)
    free = list(range(most))
    for place in np.flatnonzero(cycle["is_ed"] | cycle["is_es"]):
        slot = min(free, key=lambda k, place=place: abs(even[k] - place))
        even[slot] = place
        free.remove(slot)  # so that end-systole does not take the place of end-diastole
    return np.unique(even)


def _caption(frame, title):
    """What is written above a frame: the role, or the phase."""
    if title == SIDE_BY_SIDE:
        return ROLE_NAMES[frame["role"]]
    if frame["is_ed"]:
        return "end-diastole"
    if frame["is_es"]:
        return "end-systole"
    share = frame["phase_fraction"]
    return "" if np.isnan(share) else f"{100 * share:.0f} % of cycle"


# -- drawing ------------------------------------------------------------------------------------


def _draw(rows, frames, images, masks, columns):
    _check(frames, images, masks)
    columns = min(columns, max(len(places) for places in rows.values()))
    side = min((DOUBLE_COLUMN_MM - 8) / columns, 34)
    with style():
        figure, axes = plt.subplots(
            len(rows), columns, squeeze=False,
            figsize=size(min(DOUBLE_COLUMN_MM, 60 + side * columns), (side + 4.5) * len(rows) + 11),
        )  # fmt: skip
        figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
        for line, ((view, title), places) in zip(axes, rows.items(), strict=True):
            line[0].set_ylabel(f"{VIEW_NAMES[view]}\n{title}", fontsize=6)
            for axis in line:
                axis.set(xticks=[], yticks=[])
                sns.despine(ax=axis, left=True, bottom=True)
            for axis, place in zip(line, places, strict=False):
                frame = frames.loc[place]
                axis.imshow(images[place], vmin=0, vmax=255)
                draw_contours(axis, masks[place])
                axis.set_title(_caption(frame, title), fontsize=6, pad=2)
            _scale_bar(line[0], frames.loc[places[0]], images.shape[-1])
        places = np.concatenate(list(rows.values()))
        figure.suptitle(f"{_noun(frames.loc[places])}s".capitalize(), fontsize=8)
        _legend(figure, masks[places])
    return figure


def _scale_bar(axis, frame, side):
    spacing = frame["spacing_col_mm"]
    if np.isnan(spacing):
        return
    left, low = 0.05 * side, 0.94 * side
    axis.plot([left, left + SCALE_BAR_MM / spacing], [low, low], color="white", linewidth=1)
    axis.text(left, low - 0.02 * side, f"{SCALE_BAR_MM} mm", color="white", fontsize=4.5)


def _legend(figure, masks):
    names = [name for number, name in LABELS.items() if number and (masks == number).any()]
    handles = [Line2D([], [], color=LABEL_COLOURS[name]) for name in names]
    if names:
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
