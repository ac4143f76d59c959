"""By which code a run was trained: kept with its checkpoints, told when it is not the present."""

import hashlib
from pathlib import Path

import torch

from cmrkit.pggan import tensor_file


def _present():
    """The code that was imported, a dict: digest of this package's sources, and torch's version.

    Choice: all sources, so that none that decides the bytes is forgotten. A changed comment counts
    too, which is why another digest is told and not refused.
    """
    digests = [tensor_file.digest(path) for path in sorted(Path(__file__).parent.glob("*.py"))]
    sources = hashlib.sha256("".join(digests).encode()).hexdigest()[:12]
    return {"sources": sources, "torch": torch.__version__}


PRESENT = _present()  # once: an edit during a training is not the code that trains


def remark(folder, trained_by, finished):
    """What to tell of a run that other code trained, one line; None where it was the present code.

    Choice: a run that is not finished goes on. Most edits change no byte, and hours of training are
    worth more than a warning; who wants the present code alone deletes the folder.

    Args:
        folder: of the run.
        trained_by: list of dicts like `PRESENT`, in the order of training; [] where the run was
            begun before they were recorded.
        finished: whether nothing is left to train.
    """
    if trained_by == [PRESENT]:
        return None
    versions = sorted({code["torch"] for code in trained_by}) or ["unknown"]
    what = "finished with" if finished else "goes on from"
    return (
        f"{folder}: {what} weights that other sources of cmrkit.pggan or another torch trained "
        f"(torch {', '.join(versions)}; now {PRESENT['torch']}); delete the folder to train anew"
    )
