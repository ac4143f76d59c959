"""What all readers share: errors in plain words, without the ids that stand in file names."""

from contextlib import contextmanager


class UnreadableError(ValueError):
    """A file or slice of a patient that cannot be used; the rest of the patient goes on."""


@contextmanager
def reading(what):
    """Turn whatever a file library raises on a broken file into one ValueError.

    Args:
        what: the file in words that do not identify the patient, e.g. `LV end-diastole mask`.

    Raises:
        ValueError: the file is missing, truncated, or not of its kind.
    """
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"{what}: file is missing; complete the download") from None
    except MemoryError:
        raise
    except Exception as error:  # parsers of binary files raise nearly everything on broken ones
        kind = type(error).__name__
        raise ValueError(f"{what}: cannot be read ({kind}); copy or download it again") from error


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
