"""Files that are written whole or not at all; the PG-GAN imports nothing else of the kit."""

import os
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path):
    """Give a temporary path to write to, then move it into place.

    The bytes are on the disk before the name appears, and the name before the block ends, so that
    neither `kill -9` nor a power cut leaves a file that looks complete, or loses one that was
    written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    yield temporary
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)


def _sync(path):
    """Bring the bytes of a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
