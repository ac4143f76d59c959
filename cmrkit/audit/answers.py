"""Observers' answers: one file an observer, each answer on disk before the next frame shows.

`answers-<observer>.jsonl` holds a line that names the observer and the reading list, then one line
an answer or an undo, in the order given. Nothing in it is ever rewritten. Who reads on paper fills
in `answers-<observer>.csv` instead.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

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
    lines = [json.loads(line) for line in whole.splitlines()]
    if not lines or "observer" not in lines[0]:
        raise ValueError(f"{path}: not a file of answers; its first line names no observer")
    answers = []
    for line in lines[1:]:
        if "undo" in line:
            answers.pop()
        else:
            answers.append(line)
    return lines[0], answers, len(whole)


def answer_files(folder):
    """Paths of the files beneath a reading folder in which somebody has answered."""
    folder = Path(folder)
    logs = [path for path in folder.rglob("answers-*.jsonl") if path.read_bytes().count(b"\n") > 1]
    papers = [path for path in folder.rglob("answers-*.csv") if len(_from_paper(path))]
    return sorted(map(str, logs + papers))


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
    folder = Path(folder)
    lists = {name: ReadingList(folder / name) for name in keys}
    tables = {}
    for path in sorted(folder.rglob("answers-*.jsonl")):
        header, answers, _ = _parse(path)
        name = header["observer"]
        if name not in lists or header["list"] != lists[name].digest:
            raise ValueError(f"{path}: answers of {name!r} to a list that is not in {folder}")
        if answers:
            _take_one(tables, name, path, pd.DataFrame(answers))
    for path in sorted(folder.rglob("answers-*.csv")):
        name = path.stem.removeprefix("answers-")
        answers = _from_paper(path)
        if len(answers):
            if name not in lists:
                raise ValueError(f"{path}: {name!r} has no list in {folder}")
            _take_one(tables, name, path, answers)
    columns = ["observer", *COLUMNS, "frame_id", "view", "group", "control", "repeat"]
    joined = [
        keys[name].merge(table, on="item").assign(observer=name)[columns]
        for name, (_, table) in tables.items()
    ]
    return pd.concat(joined, ignore_index=True) if joined else pd.DataFrame(columns=columns)


def _take_one(tables, name, path, table):
    if name in tables:
        raise ValueError(f"{path}: {name!r} has also answered in {tables[name][0]}; keep one")
    tables[name] = path, table.reindex(columns=COLUMNS).astype({"real": object})


MEANING = {"yes": True, "y": True, "1": True, "no": False, "n": False, "0": False}


def _from_paper(path):
    """Answers written into the table by hand; frames without an answer are left out."""
    table = pd.read_csv(path, dtype=str)
    table = table[table["plausible"].notna()].reset_index(drop=True)
    for column in ("plausible", "real"):
        words = table[column].str.strip().str.lower()
        unknown = table.loc[words.notna() & ~words.isin(MEANING), ["item", column]]
        if len(unknown):
            item, value = unknown.iloc[0]
            raise ValueError(f"{path}: item {item}: {column} is {value!r}; write yes or no")
        table[column] = words.map(MEANING).astype(object).where(words.notna(), None)
    for column in ("item", "confidence"):
        table[column] = pd.to_numeric(table[column])
    return table.assign(reaction_s=np.nan)
