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
    files = _files(folder)
    with ThreadPoolExecutor() as pool:
        lines = [
            f"{digest}  {name}\n"
            for name, digest in zip(files, pool.map(sha256, files.values()), strict=True)
        ]
    (folder / NAME).write_text("".join(lines))
    return sha256(folder / NAME)


def check_checksums(folder):
    """Compare a folder with its list: the same files, each with its checksum.

    Raises:
        ValueError: one line that names the first file which is missing, not listed or different, or
            a link.
    """
    folder = Path(folder)
    listed = [line.split("  ", 1) for line in (folder / NAME).read_text().splitlines()]
    if not listed or any(len(pair) != 2 or len(pair[0]) != 64 for pair in listed):
        raise ValueError(f"{folder / NAME}: not a list of checksums; ask for the bundle again")
    found = _files(folder)
    for name in sorted({name for _, name in listed} - set(found)):  # none that leads out is found
        raise ValueError(f"{folder}/{name}: missing, but in {NAME}; ask for the bundle again")
    for name in sorted(set(found) - {name for _, name in listed}):
        raise ValueError(f"{folder}/{name}: not in {NAME}; remove it, or ask for the bundle again")
    files = [found[name] for _, name in listed]
    with ThreadPoolExecutor() as pool:
        for (digest, _), file, own in zip(listed, files, pool.map(sha256, files), strict=True):
            if own != digest:
                raise ValueError(f"{file}: damaged or changed since it was released; "
                                 "ask for the bundle again")  # fmt: skip


def _files(folder):
    """Files below a folder by name, in the order of their names; not the list nor macOS's own."""
    paths = sorted(folder.rglob("*"))
    for path in paths:
        if path.is_symlink():
            raise ValueError(f"{path}: a link; a bundle holds files alone, ask for it again")
    return {
        path.relative_to(folder).as_posix(): path
        for path in paths
        if path.is_file() and path != folder / NAME
        and path.name != ".DS_Store" and not path.name.startswith("._")
    }  # fmt: skip
