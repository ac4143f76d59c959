"""By which code and how a run was trained: kept with its checkpoints, told when it differs."""

import hashlib
from pathlib import Path

import torch

from cmrkit.pggan import tensor_file


def _present():
    """What decides the bytes beside recipe and data: sources of this package, torch, CPU threads.

    Choice: all sources, so that none that decides the bytes is forgotten. A changed comment counts
    too, which is why another digest is told and not refused. Threads, because sums over a batch are
    split among them.
    """
    digests = [tensor_file.digest(path) for path in sorted(Path(__file__).parent.glob("*.py"))]
    sources = hashlib.sha256("".join(digests).encode()).hexdigest()[:12]
    threads = None if torch.cuda.is_available() else torch.get_num_threads()
    return {"sources": sources, "torch": torch.__version__, "threads": threads}


PRESENT = _present()  # once: an edit during a training is not the code that trains


def remark(folder, trained_by, finished):
    """What to tell of a run that was trained otherwise, one line; None where nothing differs.

    Choice: a run that is not finished goes on. Most edits change no byte, and hours of training are
    worth more than a warning; who wants the present code alone deletes the folder.

    Args:
        folder: of the run.
        trained_by: list of dicts like `PRESENT`, in the order of training; what was not recorded
            is not known to differ.
        finished: whether nothing is left to train.
    """
    differ = [
        "other sources" if name == "sources" else f"{name} {', '.join(sorted(before))}, now {now}"
        for name, now in PRESENT.items()
        if (before := {str(code[name]) for code in trained_by if name in code}) - {str(now)}
    ]
    if not differ:
        return None
    what = "finished with" if finished else "goes on from"
    return (
        f"{folder}: {what} weights that were trained otherwise ({'; '.join(differ)}); "
        "delete the folder to train anew"
    )
