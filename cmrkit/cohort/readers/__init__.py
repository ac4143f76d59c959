"""Data sources: public sets in the layout in which their authors publish them."""

from pathlib import Path


def open_source(name, folder):
    """Open a data set by name.

    Args:
        name: `chla` or `sunnybrook`.
        folder: where the set was unpacked.

    Returns:
        a `cohort.series.Source`.

    Raises:
        FileNotFoundError: the folder does not hold this set; says what was expected.
    """
    folder = Path(folder).expanduser()
    if name == "chla":
        from cmrkit.cohort.readers.chla import ChlaArchive

        return ChlaArchive(folder)
    from cmrkit.cohort.readers.sunnybrook import SunnybrookDicom, SunnybrookPng

    return SunnybrookDicom(folder) if (folder / "dicoms").is_dir() else SunnybrookPng(folder)
