"""The list of an archive's cines, in which a person corrects views and slices."""

import hashlib
import re

import numpy as np
import pandas as pd

from cmrkit.cohort.frames import VIEWS
from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.planes import judge_views, words
from cmrkit.paths import moved_into_place

EDITABLE = ["view", "slices"]
_PROPOSED = ["proposed_view", "proposed_slices"]
_HOW = (
    f"column view: one of {', '.join(VIEWS)} or empty to leave a cine out; column slices: numbers "
    "such as 2-9 or 0,3,4, empty for all"
)


def propose(patient, stacks):
    """Rows of the list for one patient, with the view and the slices proposed for the study.

    Choice: of several cines of one view the one with the most slices in short axis, then steady
    state, then the most phases, then the latest. Of a long-axis stack the slice that runs through
    the middle of the short-axis one, or its middle slice.

    Args:
        patient: pseudonym.
        stacks: list of `dicom_cines.Stack`.
    """
    judged = judge_views(stacks)
    rank = {
        number: (len(stack.slices) if judged[number][0] == "sax" else 0,
                 "SS" in stack.first.contrast[3], stack.phases, stack.first.series_number, number)
        for number, stack in enumerate(stacks)
    }  # fmt: skip
    best = {}
    for number in rank:
        view = judged[number][0]
        best[view] = max(best.get(view, number), number, key=rank.get)
    rows = []
    for number, (stack, (view, clear)) in enumerate(zip(stacks, judged, strict=True)):
        used = view in ("4ch", "2ch", "sax") and best[view] == number
        one = used and view != "sax" and len(stack.slices) > 1
        rows.append(
            {
                "patient_id": patient,
                "stack_id": pseudonym("cine", f"{stack.first.series}\0{stack.first.uid}"),
                "view": view if used else "",
                "slices": str(_through_the_heart(stack, stacks, best.get("sax"))) if one else "",
                "judged": view,
                "clear": clear,
                "words": " ".join(words(stack.first.description)),
                "positions": len(stack.slices),
                "phases": stack.phases,
                "rows": stack.first.shape[0],
                "columns": stack.first.shape[1],
                "row_mm": round(stack.first.spacing_mm[0], 4),
                "column_mm": round(stack.first.spacing_mm[1], 4),
            }
        )
    return rows


def _through_the_heart(stack, stacks, short):
    """Slice of a long-axis stack that runs through the middle of the short-axis one."""
    if short is None:
        return len(stack.slices) // 2
    centre = stacks[short].middle(len(stacks[short].slices) // 2)
    away = [abs((centre - stack.middle(s)) @ stack.first.normal) for s in range(len(stack.slices))]
    return int(np.argmin(away))


def review(table, path):
    """Write the list of cines, and take over what a person has changed in it.

    Args:
        table: DataFrame as `DicomArchive.stacks` gives it, with `stack_id`, `view`, `slices`.
        path: CSV; made if absent, kept where nothing is new. Rows of cines that were not found stay
            in it, so that a run without part of the archive erases no correction.

    Returns:
        the table with the corrections, the cines found alone.

    Raises:
        ValueError: a CSV that cannot be read, is not this archive's or names a cine twice, an
            unknown view, or text that names no slices of the cine.
    """
    table = table.assign(proposed_view=table["view"], proposed_slices=table["slices"])
    absent = table[:0]
    if path.exists():
        stated = _read(path)
        absent = stated.drop(table["stack_id"], errors="ignore").reset_index()
        known = table["stack_id"].isin(stated.index)
        if len(stated) and not known.any():
            raise ValueError(
                f"{path}: lists none of the cines found; it was made with another folder or "
                "another pseudonym key; move it away to get a new one"
            )
        for column in EDITABLE:
            given = table.loc[known, "stack_id"].map(stated[column])
            untouched = given == table.loc[known, "stack_id"].map(stated[f"proposed_{column}"])
            table.loc[known, column] = given.where(~untouched, table.loc[known, column])
    for row in table.itertuples():
        chosen_slices(row.slices, row.positions, f"{path}: {row.stack_id}: ")
    absent = absent.reindex(columns=table.columns)
    text = table.to_csv(index=False, lineterminator="\n")
    text += absent.to_csv(index=False, header=False, lineterminator="\n")
    if not path.exists() or path.read_text() != text:
        with moved_into_place(path) as draft:
            draft.write_text(text)
    return table


def corrections(path):
    """Digest of what a person has changed in the list; empty where nothing was."""
    if not path.exists():
        return ""
    table = _read(path)
    changed = (table[EDITABLE].to_numpy() != table[_PROPOSED].to_numpy()).any(axis=1)
    text = table.loc[changed, EDITABLE].to_csv()
    return hashlib.sha256(text.encode()).hexdigest() if changed.any() else ""


def chosen_slices(text, count, where=""):
    """Slice numbers that a cell of the column `slices` names.

    Args:
        text: numbers from 0, e.g. `2-9` or `0,3`; empty for all.
        count: slices of the stack.
        where: file and cine, for the error.

    Raises:
        ValueError: a part that is no number and no rising range, or a slice that is named twice or
            that the stack does not have.
    """
    if not text:
        return list(range(count))
    numbers = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
        if not first <= last < count or not set(range(first, last + 1)).isdisjoint(numbers):
            raise ValueError(
                f"{where}slices {text!r}: {part!r} does not fit slices 0-{count - 1}; {_HOW}"
            )
        numbers += range(first, last + 1)
    return sorted(numbers)


def _read(path):
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:  # empty, of another encoding, or rows of different lengths
        why = str(error).strip()
        raise ValueError(
            f"{path}: no table ({why}); save it as CSV in UTF-8, or move it away to get a new one"
        ) from None
    missing = [name for name in ["stack_id", *EDITABLE, *_PROPOSED] if name not in table]
    if missing:
        raise ValueError(f"{path}: no column {missing[0]}; move the file away to get a new one")
    table[EDITABLE] = table[EDITABLE].apply(lambda column: column.str.strip())
    unknown = sorted(set(table["view"]) - {*VIEWS, ""})
    if unknown:
        raise ValueError(f"{path}: view {unknown[0]!r}; {_HOW}")
    doubled = table["stack_id"][table["stack_id"].duplicated()]
    if len(doubled):
        raise ValueError(f"{path}: stack_id {doubled.iloc[0]!r} has two rows; delete one of them")
    return table.set_index("stack_id")
