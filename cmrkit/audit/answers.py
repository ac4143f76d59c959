"""Observers' answers: one file an observer, each answer on disk before the next frame shows.

`answers-<observer>.jsonl` holds a line that names the observer and the reading list, then one line
an answer or an undo, in the order given. Nothing in it is ever rewritten. Who reads on paper fills
in `answers-<observer>.csv` instead, which names the reading list in its last column.
"""

import csv
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

INSTRUCTION = (
    "Plausible means: this could be a frame of one of this study's patients, with repaired "
    "tetralogy of Fallot unless you are told otherwise, in the usual orientation: situs solitus, "
    "heart on the left with the apex to the left (levocardia), concordant atrioventricular "
    "connections, two ventricles, and no residual ventricular septal defect. A dilated or "
    "hypertrophied right ventricle is to be expected. Anatomy that occurs only in other heart "
    "defects counts as implausible here."
)
"""What observers are told. Some planted frames are real anatomy in other congenital defects."""

COLUMNS = ("item", "plausible", "real", "reason", "confidence", "reaction_s")
REASONS = (
    "chamber missing or doubled",
    "wall or septum broken",
    "shape or size",
    "place or side",
    "blur or artefact",
    "other",
)
CONFIDENCES = (1, 2, 3)  # guess, fairly sure, sure
PAPER_COLUMNS = ("item", "plausible", "real", "reason", "confidence", "list")


class ChangedElsewhere(RuntimeError):
    """Another rater has written to the same file."""


class ReadingList:
    """One observer's frames in reading order, as `reading.write_reading` leaves them.

    Args:
        folder: the observer's folder.

    Attributes:
        observer: name of the observer.
        images: [n, R, R] uint8.
        ask_real: whether observers also say if a frame is real.
        digest: SHA-256 of the list; answers carry it, so that they are never scored by another key.

    Raises:
        FileNotFoundError: no reading list in the folder.
    """

    def __init__(self, folder):
        path = Path(folder) / "frames.npz"
        if not path.exists():
            raise FileNotFoundError(f"{path}: no reading list; run notebook 04 first")
        self.folder = path.parent
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self._arrays = np.load(path)
        self.observer = str(self._arrays["observer"])
        self.images = self._arrays["images"]
        self.ask_real = bool(self._arrays["ask_real"])

    def cine(self, item):
        """[phases, R, R] uint8 of the slice of frame `item` (from 1); no phase for a lone frame."""
        name = f"cine_{item}"
        return self._arrays[name] if name in self._arrays else self.images[:0]

    @property
    def log_path(self):
        """Where this observer's answers go."""
        return self.folder / f"answers-{self.observer}.jsonl"

    @property
    def paper_path(self):
        """The table to fill in by hand."""
        return self.folder / f"answers-{self.observer}.csv"


class AnswerLog:
    """Answers of one observer, appended line by line.

    Args:
        reading: `ReadingList`.

    Attributes:
        answers: list of dicts (`COLUMNS`), the frames answered so far in order.

    Raises:
        ValueError: the file holds answers to another list.
    """

    def __init__(self, reading):
        self.path = reading.log_path
        self._header = {
            "observer": reading.observer, "list": reading.digest, "frames": len(reading.images),
        }  # fmt: skip
        if not self.path.exists():
            self.path.write_text(json.dumps(self._header) + "\n")
        self._load()

    def _load(self):
        header, self.answers, self._size = _parse(self.path)
        os.truncate(self.path, self._size)  # a line torn when the machine stopped
        if header != self._header:
            raise ValueError(
                f"{self.path}: answers to another reading list; move the file away to begin anew"
            )

    def add(self, answer):
        """Put an answer to the next frame on disk.

        Args:
            answer: dict of `plausible` (bool), `real` (bool, or None where not asked), `reason`
                (of `REASONS`, or empty), `confidence` (of `CONFIDENCES`), `reaction_s`.

        Raises:
            ChangedElsewhere: the file has grown since it was read; it has been read again, and
                nothing was written.
        """
        answer = {"item": len(self.answers) + 1} | answer
        self._append(answer)
        self.answers.append(answer)

    def undo(self):
        """Take the last answer back; raises as `add`."""
        if self.answers:
            self._append({"undo": len(self.answers)})
            self.answers.pop()

    def _append(self, line):
        with open(self.path, "r+b") as file:
            if file.seek(0, os.SEEK_END) != self._size:
                self._load()
                raise ChangedElsewhere(f"{self.path.name} was changed elsewhere and read again")
            file.write((json.dumps(line) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
            self._size = file.tell()


def _parse(path):
    """Header, answers left after undoing, and bytes up to the last whole line."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
    except ValueError as error:
        raise ValueError(f"{path}: not a file of answers ({error}); move it away") from None
    if not lines or not {"observer", "list"} <= set(lines[0]):
        raise ValueError(f"{path}: not a file of answers; its first line names no observer or list")
    answers = []
    for line in lines[1:]:
        if "undo" in line:
            answers.pop()
        else:
            answers.append(line)
    return lines[0], answers, len(whole)


def answers_beneath(folder):
    """Every file beneath a reading folder in which somebody has answered.

    Returns:
        list of (path, observer, digest of the reading list, DataFrame of answers), the rater's
        files before those of printed sheets.

    Raises:
        ValueError: a file that cannot be read, or an answer that means nothing.
    """
    found = []
    for path in sorted(Path(folder).rglob("answers-*.jsonl")):
        header, answers, _ = _parse(path)
        found.append((path, header["observer"], header["list"], pd.DataFrame(answers)))
    for path in sorted(Path(folder).rglob("answers-*.csv")):
        answers = _from_paper(path)
        for digest, table in answers.groupby("list"):
            found.append((path, path.stem.removeprefix("answers-"), digest, table))
    return [one for one in found if len(one[-1])]


def answer_files(folder):
    """Paths of the files beneath a reading folder in which somebody has answered."""
    return [str(path) for path, *_ in answers_beneath(folder)]


def pool_answers(folder, keys):
    """Gather the answers of all observers beneath a folder, whoever read them where.

    Args:
        folder: reading folder; files that observers sent back may lie anywhere beneath it.
        keys: dict from observer to key, from `reading.write_reading`.

    Returns:
        DataFrame, a row an answer: `observer`, `COLUMNS` and the key's `frame_id, view, group,
        control, repeat`; empty where nobody has answered yet.

    Raises:
        ValueError: an unknown observer, answers to another list, an answer that means nothing, or
            two files of one observer.
    """
    lists = {name: ReadingList(Path(folder) / name) for name in keys}
    tables, read_in = {}, {}
    for path, name, digest, answers in answers_beneath(folder):
        if name not in lists or digest != lists[name].digest:
            raise ValueError(
                f"{path}: answers of {name!r} to a list that is not in {folder}; move the file away"
            )
        if name in tables:
            raise ValueError(f"{path}: {name!r} has also answered in {read_in[name]}; keep one")
        strange = answers.loc[~answers["item"].isin(keys[name]["item"]), "item"]
        if len(strange):
            items = len(keys[name])
            raise ValueError(
                f"{path}: item {strange.iloc[0]} is not on the list; items go from 1 to {items}"
            )
        tables[name] = answers.reindex(columns=COLUMNS).astype({"real": object})
        read_in[name] = path
    columns = ["observer", *COLUMNS, "frame_id", "view", "group", "control", "repeat"]
    joined = [
        keys[name].merge(table, on="item").assign(observer=name)[columns]
        for name, table in tables.items()
    ]
    return pd.concat(joined, ignore_index=True) if joined else pd.DataFrame(columns=columns)


YES_OR_NO = {"yes": True, "y": True, "1": True, "no": False, "n": False, "0": False}
MEANINGS = {
    "plausible": (YES_OR_NO, "yes or no"),
    "real": (YES_OR_NO, "yes or no"),
    "confidence": ({str(level): level for level in CONFIDENCES}, "1, 2 or 3"),
}


def _from_paper(path):
    """Answers written into the table by hand; lines without an answer are left out."""
    table = _paper_table(path)
    given = table[["plausible", "real", "reason", "confidence"]].notna().any(axis=1)
    table = table[given].reset_index(drop=True)
    for column, (meaning, words) in MEANINGS.items():
        said = table[column].str.lower()
        unclear = ~said.isin(meaning) & (said.notna() | (column == "plausible"))
        if unclear.any():
            item, value = table.loc[unclear, ["item", column]].fillna("empty").iloc[0]
            raise ValueError(f"{path}: item {item}: {column} is {value!r}; write {words}")
        table[column] = said.map(meaning).astype(object).where(said.notna(), None)
    if table["list"].isna().any():
        item = table.loc[table["list"].isna(), "item"].iloc[0]
        raise ValueError(
            f"{path}: item {item}: column 'list' does not say which reading list it belongs to; "
            "move the file away, run notebook 04, and copy the answers into the table it writes"
        )
    strange = table.loc[~table["item"].str.fullmatch(r"\d+", na=False), "item"]
    if len(strange):
        raise ValueError(f"{path}: item {strange.iloc[0]!r} is no number; leave items as they were")
    twice = table.loc[table["item"].duplicated(), "item"]
    if len(twice):
        raise ValueError(f"{path}: item {twice.iloc[0]} is answered twice; keep one line")
    numbers = {"item": table["item"].astype(int), "confidence": table["confidence"].astype(float)}
    return table.assign(**numbers, reaction_s=np.nan)


def _paper_table(path):
    """The table as text, spaces around it cut; a spreadsheet may have saved it with semicolons."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    first = text.partition("\n")[0]
    lines = csv.DictReader(text.splitlines(), delimiter=";" if ";" in first else ",")
    absent = [name for name in PAPER_COLUMNS[:-1] if name not in (lines.fieldnames or ())]
    if absent:
        raise ValueError(
            f"{path}: no column {absent[0]!r} in the first line, {first[:80]!r}; copy the answers "
            "into the table that notebook 04 has written, and save it as CSV"
        )
    table = pd.DataFrame(list(lines), columns=list(PAPER_COLUMNS), dtype=object)
    return table.apply(lambda column: column.str.strip()).replace("", None)
