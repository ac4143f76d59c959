"""Checksums of a folder, as `sha256sum -c SHA256SUMS` reads them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cmrkit.provenance import sha256

NAME = "SHA256SUMS"


def write_checksums(folder):
    """List every file below a folder in `SHA256SUMS`, in the order of their names.

    Returns:
        SHA-256 of the list itself: one number that stands for the whole folder.
    """
    folder = Path(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    with ThreadPoolExecutor() as pool:
        lines = [
            f"{digest}  {file.relative_to(folder).as_posix()}\n"
            for digest, file in zip(pool.map(sha256, files), files, strict=True)
        ]
    (folder / NAME).write_text("".join(lines))
    return sha256(folder / NAME)


def check_checksums(folder):
    """Compare every listed file with its checksum.

    Raises:
        ValueError: one line that names the first file which is missing or differs.
    """
    folder = Path(folder)
    listed = [line.split("  ", 1) for line in (folder / NAME).read_text().splitlines()]
    if not listed or any(len(pair) != 2 or len(pair[0]) != 64 for pair in listed):
        raise ValueError(f"{folder / NAME}: not a list of checksums; ask for the bundle again")
    files = [folder / name for _, name in listed]
    for file in files:
        if not file.is_file():
            raise ValueError(f"{file}: missing, but in {NAME}; ask for the bundle again")
    with ThreadPoolExecutor() as pool:
        for (digest, _), file, found in zip(listed, files, pool.map(sha256, files), strict=True):
            if found != digest:
                raise ValueError(f"{file}: damaged or changed since it was released; "
                                 "ask for the bundle again")  # fmt: skip
