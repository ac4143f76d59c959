"""Readers: one module a data set, each a `cohort.series.Source`; `open_source` picks by name."""

from importlib import import_module
from pathlib import Path

from cmrkit.cohort.readers.files import folder_state

_READERS = {
    "chla": ("chla", "ChlaArchive"),
    "sunnybrook": ("sunnybrook", "open_sunnybrook"),
    "acdc": ("acdc", "AcdcArchive"),
    "mnms": ("mnms", "MnmsArchive"),
    "mnms2": ("mnms2", "Mnms2Archive"),
    "dicom": ("dicom", "DicomArchive"),
}


def open_source(name, folder):
    """Open a data set for reading.

    Args:
        name: `chla`, `sunnybrook`, `acdc`, `mnms`, `mnms2`, or `dicom` for an archive of one's own.
        folder: where it lies.

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
    archive = getattr(import_module(f"{__name__}.{module}"), opener)(folder)
    archive.state = folder_state(folder)
    return archive
