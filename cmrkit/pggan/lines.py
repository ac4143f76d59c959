"""JSON lines files: one dict a line."""

import json
import os


def read_lines(path):
    """Lines of a JSON lines file, a list of dicts; [] where there is none.

    A last line that a power cut left damaged is dropped: its tick has no checkpoint and is redone.

    Raises:
        ValueError: another line is damaged; names the file and the line.
    """
    found = []
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(json.loads(line))
        except ValueError:  # not JSON, or not text
            if number < len(lines):
                raise ValueError(
                    f"{path}: line {number} is damaged; delete that line or the folder"
                ) from None
    return found


def append_lines(path, lines):
    """Add dicts to a JSON lines file; they are on the disk before it returns."""
    with open(path, "a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
