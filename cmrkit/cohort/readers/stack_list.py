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
        path: CSV; made if absent, kept where nothing is new.

    Returns:
        the table with the corrections.

    Raises:
        ValueError: a CSV that is not this archive's, an unknown view or numbers of no slice.
    """
    table = table.assign(proposed_view=table["view"], proposed_slices=table["slices"])
    if path.exists():
        stated = _read(path)
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
        chosen_slices(row.slices, row.positions, row.stack_id)
    text = table.to_csv(index=False, lineterminator="\n")
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


def chosen_slices(text, count, stack_id=""):
    """Slice numbers that a cell of the column `slices` names.

    Args:
        text: numbers from 0, e.g. `2-9` or `0,3`; empty for all.
        count: slices of the stack.
        stack_id: for the error.

    Raises:
        ValueError: no such text, or numbers that the stack does not have.
    """
    if not text:
        return list(range(count))
    numbers = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if found:
            numbers += range(int(found[1]), int(found[2] or found[1]) + 1)
    if not numbers or max(numbers) >= count or len(set(numbers)) < len(numbers):
        raise ValueError(f"slices: {text!r} of {stack_id}, which has 0-{count - 1}; {_HOW}")
    return sorted(numbers)


def _read(path):
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = [name for name in ["stack_id", *EDITABLE, *_PROPOSED] if name not in table]
    if missing:
        raise ValueError(f"{path}: no column {missing[0]}; move the file away to get a new one")
    table[EDITABLE] = table[EDITABLE].apply(lambda column: column.str.strip())
    unknown = sorted(set(table["view"]) - {*VIEWS, ""})
    if unknown:
        raise ValueError(f"{path}: view {unknown[0]!r}; {_HOW}")
    return table.set_index("stack_id")
