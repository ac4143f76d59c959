"""The reading list: what observers see, in which order, and the key that tells what it was.

An observer's folder holds the frames in reading order and an empty answer table, and nothing that
tells a synthetic frame from a patient's. The key lies in a folder of its own. `audit.answers` reads
what observers said.
"""

import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd

from cmrkit.audit.answers import PAPER_COLUMNS, ReadingList, answers_beneath
from cmrkit.audit.controls import generator, make_controls
from cmrkit.cohort.part import Part, join
from cmrkit.paths import moved_into_place

REPEAT_SHARE = 0.1
CONTROL_SHARE = 0.15


def draw_reading(synthetic, patients, seed, synthetic_frames, patient_frames=0):
    """Draw the frames of a reading, the same for every observer.

    From each view come the asked numbers of synthetic and patient frames, drawn without
    replacement, patients as evenly as possible, and `CONTROL_SHARE` as many planted implausible
    frames, made of further patient frames.

    Args:
        synthetic: `Part` of synthetic frames.
        patients: `Part` of patients; preferably of a role that has not trained the GAN.
        seed: study seed.
        synthetic_frames: synthetic frames a view.
        patient_frames: patient frames a view; 0 for a reading without a Turing test.

    Returns:
        `Part`; its frame table has the column `group` (`synthetic`, `patient`, `control`) and
        `control` (name of the edit, or empty).

    Raises:
        ValueError: a view has too few frames.
    """
    drawn = []
    for view in synthetic.frames["view"].unique():
        ours, theirs = synthetic.view(view), patients.view(view)
        controls = max(1, round(CONTROL_SHARE * (synthetic_frames + patient_frames)))
        for name, part, wanted in (
            ("synthetic_frames", ours, synthetic_frames),
            ("patient_frames and controls", theirs, patient_frames + controls),
        ):
            if len(part.frames) < wanted:
                have = len(part.frames)
                raise ValueError(f"{name}: {wanted} asked of {have} frames of view {view!r}")
        rng = generator(seed, f"reading {view}")
        shown = rng.choice(len(ours.frames), synthetic_frames, replace=False)
        order = _patients_in_turn(theirs.frames["patient_id"].to_numpy(), rng)
        rest = theirs.take(np.sort(order[patient_frames:]))
        planted = Part(*make_controls(*rest, controls, seed))
        drawn.append(_labelled(ours.take(np.sort(shown)), "synthetic"))
        drawn.append(_labelled(theirs.take(np.sort(order[:patient_frames])), "patient"))
        drawn.append(_labelled(planted, "control"))
    return join(*drawn)


def _patients_in_turn(patient_ids, rng):
    """Rows in an order in which every patient comes once before one comes again."""
    shuffled = rng.permutation(len(patient_ids))
    turn = pd.Series(patient_ids[shuffled]).groupby(patient_ids[shuffled]).cumcount()
    return shuffled[np.argsort(turn.to_numpy(), kind="stable")]


def _labelled(part, group):
    control = part.frames.get("control", "")
    frames = part.frames.assign(group=group, control=control)
    return part._replace(frames=frames[["frame_id", "view", "group", "control"]])


def reading_order(frames, seed, observer):
    """One observer's order: shuffled, with `REPEAT_SHARE` of the frames shown a second time.

    Choice: repeats are frames of the first third, shown again in the last third, so that they are
    not remembered.

    Args:
        frames: frame table from `draw_reading`.
        seed: study seed.
        observer: name of the observer; each has an order of their own.

    Returns:
        DataFrame, the key: `item` (1 for the first) `, row` (of the reading) `, frame_id, view,
        group, control, repeat` (bool).
    """
    rng = generator(seed, f"observer {observer}")
    order = rng.permutation(len(frames))
    third = max(1, len(order) // 3)
    again = rng.permutation(order[:third])[: max(1, round(REPEAT_SHARE * len(order)))]
    places = rng.integers(len(order) - third + 1, len(order) + 1, len(again))
    rows = np.insert(order, places, again)
    key = frames.iloc[rows][["frame_id", "view", "group", "control"]].reset_index(drop=True)
    key.insert(0, "item", np.arange(1, len(rows) + 1))
    key.insert(1, "row", rows)
    return key.assign(repeat=key["row"].duplicated())


def write_reading(folder, key_folder, reading, seed, observers, cines=None):
    """Write one folder an observer, and the keys elsewhere.

    `<folder>/<observer>/` gets `frames.npz` (`images` [n, R, R] uint8 in reading order,
    `observer`, `ask_real`; with cines also `cine_<item>` [phases, R, R]) and
    `answers-<observer>.csv` (empty, one line a frame, with the list's digest);
    `<key_folder>/<observer>.csv` gets the key. Written again with the same frames, it leaves the
    answers as they are. Observers are asked if a frame is real where patient frames are on the
    list.

    Args:
        folder: where the observers' folders go.
        key_folder: where the keys go; not inside `folder`.
        reading: `Part` from `draw_reading`.
        seed: study seed.
        observers: names, e.g. `["observer-1", "observer-2"]`.
        cines: `Part` of patients; a patient frame on the list then comes with the other phases of
            its slice. Only patients have cines, so such a list cannot ask real or synthetic.

    Returns:
        dict from observer to key.

    Raises:
        ValueError: the key folder lies inside the observers' folder, or an observer has already
            answered another list; the answers may lie anywhere beneath `folder`.
    """
    folder, key_folder = Path(folder), Path(key_folder)
    if key_folder.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"key_folder: {key_folder} lies in {folder}; keep the key apart")
    ask_real = cines is None and (reading.frames["group"] == "patient").any()
    keys, answers = {}, answers_beneath(folder)
    for observer in observers:
        keys[observer] = key = reading_order(reading.frames, seed, observer)
        images = reading.images[key["row"]]
        arrays = {"images": images, "observer": np.array(observer), "ask_real": ask_real}
        if cines is not None:
            arrays |= _cines_of(key, cines)
        answered = [(path, of) for path, name, of, _ in answers if name == observer]
        _write_list(folder / observer, key, arrays, answered)
        with moved_into_place(key_folder / f"{observer}.csv") as draft:
            key.to_csv(draft, index=False)
    return keys


def _cines_of(key, patients):
    """All phases of the slice of every patient frame on the list, in order."""
    slices = patients.frames.groupby(["patient_id", "view", "slice_index"]).indices
    rows = patients.frames.set_index("frame_id")[["patient_id", "view", "slice_index"]]
    arrays = {}
    for line in key[key["group"] == "patient"].itertuples():
        members = slices[tuple(rows.loc[line.frame_id])]
        order = patients.frames["phase_index"].to_numpy()[members].argsort(kind="stable")
        arrays[f"cine_{line.item}"] = patients.images[members[order]]
    return arrays


def _write_list(folder, key, arrays, answered):
    """Write an observer's frames and empty answer table, unless the observer has answered.

    Args:
        folder: of the observer.
        key: of the list.
        arrays: of `frames.npz`.
        answered: (path, digest of the list answered) of each file with answers of the observer.
    """
    content = io.BytesIO()
    np.savez(content, **arrays)
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    for path, of in answered:
        if of != digest:
            raise ValueError(
                f"{path}: holds answers to another reading list than the one that these parameters "
                "give; move the file away to begin anew"
            )
    frames = folder / "frames.npz"
    if not frames.exists() or ReadingList(folder).digest != digest:
        with moved_into_place(frames) as draft:
            draft.write_bytes(content.getvalue())
        ReadingList(folder).log_path.unlink(missing_ok=True)  # opened, nothing answered
    if not answered:
        empty = pd.DataFrame({"item": key["item"], "list": digest}).reindex(columns=PAPER_COLUMNS)
        with moved_into_place(ReadingList(folder).paper_path) as draft:
            empty.to_csv(draft, index=False)
