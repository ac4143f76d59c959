"""The facts of a bundle, `bundle.json`: what a study must know before anything runs."""

import json
from pathlib import Path

BUNDLE = "bundle.json"
KIND = "cmrkit synthetic bundle 1"


def read_facts(folder):
    """Facts of a bundle.

    Raises:
        ValueError: one line; the folder holds no bundle of this kit.
    """
    path = Path(folder).expanduser() / BUNDLE
    if not path.is_file():
        raise ValueError(f"{folder}: no {BUNDLE} in it; give the folder that `make release` made")
    try:
        facts = json.loads(path.read_text())
    except ValueError:
        raise ValueError(f"{path}: damaged; ask for the bundle again") from None
    if not isinstance(facts, dict) or facts.get("kind") != KIND:
        raise ValueError(f"{path}: not a {KIND!r}; it is foreign or of another version of the kit")
    return facts
