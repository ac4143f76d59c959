"""What all readers share: errors in plain words, without the ids that stand in file names."""

import hashlib
import os
from contextlib import contextmanager
from pathlib import Path


class DataError(ValueError):
    """A file, slice or patient that cannot be used; its text names no patient."""


@contextmanager
def reading(what):
    """Turn whatever a file library raises on a broken file into one `DataError`.

    Args:
        what: the file in words that do not identify the patient, e.g. `LV end-diastole mask`.

    Raises:
        DataError: the file is missing, truncated, or not of its kind.
    """
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{what}: file is missing; complete the download") from None
    except Exception as error:  # parsers of binary files raise nearly anything on broken ones
        kind = type(error).__name__
        raise DataError(f"{what}: cannot be read ({kind}); copy or download it again") from None


def walk(folder):
    """Yield the folders and files below a folder in sorted order, without those no reader means.

    Left out are names that start with "." (macOS lays a `._` file beside every file it copies to a
    foreign disk) and the folders `__MACOSX` of its archives.

    Yields:
        (path, whether it is a folder); a folder before what it holds.
    """
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if _meant(name))
        yield from ((Path(place) / name, True) for name in folders)
        yield from ((Path(place) / name, False) for name in sorted(names) if _meant(name))


def files_below(folder):
    """Sorted paths of the files below a folder, without those that `walk` leaves out."""
    return sorted(path for path, is_folder in walk(folder) if not is_folder)


def _meant(name):
    return not name.startswith(".") and name != "__MACOSX"


def folder_state(folder):
    """Digest of the names, sizes and times of the files that `files_below` gives."""
    digest = hashlib.sha256()
    for path in files_below(folder):
        known = path.stat() if os.path.exists(path) else None
        said = f"{path}\0{known and known.st_size}\0{known and known.st_mtime_ns}\0"
        digest.update(said.encode(errors="surrogateescape"))
    return digest.hexdigest()


def not_found(folder, expected, origin):
    """Error for a folder that does not hold the data set.

    Args:
        folder: as given by the user.
        expected: what should be there.
        origin: where to get the set, with its citation.

    Returns:
        FileNotFoundError to raise.
    """
    state = "holds no such files" if folder.is_dir() else "is no folder"
    return FileNotFoundError(f"{folder}: {state}; expected {expected}. Get it from {origin}")


def vendor_name(text):
    """Vendor by its usual short name: Siemens, Philips, GE, Canon, or `other`."""
    lower = str(text).lower()
    known = {"siemens": "Siemens", "philips": "Philips", "canon": "Canon", "toshiba": "Canon"}
    if lower.startswith(("ge ", "ge_")) or lower == "ge" or "general electric" in lower:
        return "GE"
    return next((name for word, name in known.items() if word in lower), "other")
