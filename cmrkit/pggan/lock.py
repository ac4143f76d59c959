"""One writer a run folder, and none that outlives the program that started it."""

import ctypes
import fcntl
import os
import signal
import socket
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


@contextmanager
def sole_writer(folder):
    """Hold a run folder, made if absent, against every other training.

    The system lets go of the lock when the process ends, however it ends; the file `.lock` stays
    and says who held it last.

    Args:
        folder: run folder.

    Raises:
        ValueError: another training holds it.
    """
    path = Path(folder) / ".lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        _lock(file, path)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def _lock(file, path):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        who = file.read() or "just started"
        raise ValueError(
            f"{path.parent}: another training ({who}) writes this folder; wait for it or stop it"
        ) from None
    except OSError as error:  # some shared file systems know no locks
        warnings.warn(
            f"{path}: cannot be locked ({error}); start no other training on this folder",
            stacklevel=2,
        )


def die_with(parent):
    """End this process when its parent does, so that `kill -9` of a parent leaves no training.

    Args:
        parent: process id of the parent.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before it could be watched
        sys.exit(f"process {parent}, which started this training, has ended")
