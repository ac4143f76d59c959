"""JSON lines files: one dict a line."""

import json


def read_lines(path):
    """Lines of a JSON lines file, a list of dicts; [] where there is none."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append_lines(path, lines):
    """Add dicts to a JSON lines file."""
    with open(path, "a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
