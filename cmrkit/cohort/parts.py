"""Patients already read, a file each, so that a stopped build goes on where it stopped."""

import hashlib
import inspect
import json
import os
import zipfile
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np

from cmrkit.cohort.problems import Problem

_PIXELS = ("images", "masks")


def part_path(folder, source, patient, settings):
    """Where the frames of a patient wait; another name as soon as anything they depend on changes.

    Args:
        folder: folder of the parts.
        source: `cohort.series.Source`.
        patient: dict, the patient's row with its role.
        settings: dict, everything the frames depend on beside source and patient.
    """
    state = getattr(source, "state", None) or vars(source)
    said = json.dumps([source.name, state, patient, settings, _code(type(source))], default=float)
    return Path(folder) / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.npz"


@cache
def _code(kind):
    """Digest of the modules that make the frames of a source."""
    places = [Path(__file__).parent, Path(inspect.getfile(kind)).parent]
    files = sorted({file for place in places for file in place.rglob("*.py")})
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def write_part(path, images, masks, rows, grids, problems):
    """Write a patient's frames, moved into place when complete.

    Args:
        path: as `part_path` gives it.
        images, masks: [n, R, R] uint8.
        rows: n dicts of the frame table.
        grids: dicts, a row a slice of the grid table.
        problems: list of `Problem`.
    """
    lists = {"rows": rows, "grids": grids, "problems": [asdict(one) for one in problems]}
    draft = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    np.savez_compressed(draft, images=images, masks=masks, lists=np.array(json.dumps(lists)))
    draft.replace(path)


def read_part(path):
    """What `write_part` wrote: images, masks, rows, grids, problems; None where there is no part.

    A part that a full disk cut short counts as none.
    """
    try:
        with np.load(path) as part:
            images, masks = (part[name] for name in _PIXELS)
            lists = json.loads(str(part["lists"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    problems = [Problem(**one) for one in lists["problems"]]
    return images, masks, lists["rows"], lists["grids"], problems
