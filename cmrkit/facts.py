"""The facts of a bundle, `bundle.json`: what a study must know before anything runs."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, PositiveInt, ValidationError

BUNDLE = "bundle.json"
KIND = "cmrkit synthetic bundle 1"


class _Facts(BaseModel, extra="allow"):
    """What a receiver relies on; the data card needs more."""

    kind: Literal[KIND]
    frames: dict[str, int]
    resolution: PositiveInt
    spacing_mm: float | None
    audits: dict[str, list[str]]


def read_facts(folder):
    """Facts of a bundle.

    Raises:
        ValueError: one line; the folder holds no bundle of this kit.
    """
    path = Path(folder).expanduser() / BUNDLE
    if not path.is_file():
        raise ValueError(f"{folder}: no {BUNDLE} in it; give the folder that `make release` made")
    try:
        return _Facts.model_validate_json(path.read_bytes()).model_dump()
    except ValidationError as error:
        what = error.errors()[0]
        if what["loc"] == ("kind",):
            why = f"not a {KIND!r}; it is foreign or of another version of the kit"
        else:
            why = f"damaged{''.join(f', {part}' for part in what['loc'])}; ask for the bundle again"
        raise ValueError(f"{path}: {why}") from None
