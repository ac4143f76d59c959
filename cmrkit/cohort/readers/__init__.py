"""Readers: one module a data set, each a `cohort.series.Source`; `open_source` picks by name."""

from importlib import import_module
from pathlib import Path

_READERS = {
    "chla": ("chla", "ChlaArchive"),
    "sunnybrook": ("sunnybrook", "open_sunnybrook"),
    "acdc": ("acdc", "AcdcArchive"),
    "mnms": ("mnms", "MnmsArchive"),
    "mnms2": ("mnms", "Mnms2Archive"),
}


def open_source(name, folder):
    """Open a data set for reading.

    Args:
        name: `chla` or `sunnybrook`.
        folder: where it was unpacked.

    Returns:
        a `cohort.series.Source`.

    Raises:
        ValueError: unknown name.
        FileNotFoundError: the folder does not hold the set; says what was expected there and where
            to get it.
    """
    if name not in _READERS:
        raise ValueError(f"source: unknown data set {name!r}; use {', '.join(_READERS)}")
    module, opener = _READERS[name]
    folder = Path(folder).expanduser()
    return getattr(import_module(f"{__name__}.{module}"), opener)(folder)
