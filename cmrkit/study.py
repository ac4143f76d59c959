"""Read a study's parameters and check all of them before anything runs."""

import argparse
import difflib
import re
import sys
from pathlib import Path

import yaml
from pydantic import ValidationError

from cmrkit.params import COMMON, SECTIONS
from cmrkit.paths import NOTEBOOKS

ONE_SEED = re.compile(r"(.+)-seed(\d+)")  # name of a study that repeats another with one seed


class ParameterError(ValueError):
    """A parameter is misspelt, of the wrong type, out of range or impossible."""


def load_study(path, overrides=None):
    """Read and check the parameters of a study.

    Args:
        path: `params/<study>.yaml`; the file's name is the study's name. Where there is no
            `params/<study>-seed<n>.yaml`, that name stands for the study with seed n, in folders of
            its own.
        overrides: values from the command line that stand above the file: `seed`, `data`,
            `external_data`; empty ones are ignored.

    Returns:
        dict from notebook name to its flat dict of parameters, every one of them filled in.

    Raises:
        ParameterError: one line with file, key, value and remedy.
    """
    path, study = Path(path), Path(path).stem
    given = {k: v for k, v in (overrides or {}).items() if v not in ("", None)}
    named = ONE_SEED.fullmatch(study)
    if named and not path.exists():
        if "seed" in given:
            raise ParameterError(f"seed: {given['seed']!r}, but study {study!r} has its own")
        path, given["seed"] = path.with_stem(named[1]), named[2]
    tree = _read(path)
    if "seed" in given:
        tree.setdefault("common", {})["seed"] = _whole_number(path, given.pop("seed"))
    for name, value in given.items():
        tree.setdefault("01_cohort", {})[name] = str(Path(value).expanduser().absolute())
    common = tree.pop("common", {}) | {"study": study}
    _check_names(path, "common", common, COMMON)
    for section in tree:
        if section not in SECTIONS:
            raise ParameterError(_unknown(path, section, ("common", *SECTIONS), "section"))
    return {name: _fill(path, name, common, tree.get(name) or {}) for name in NOTEBOOKS}


def check_notebook(name, namespace):
    """Check the parameters of a notebook that was started by hand.

    Args:
        name: notebook, e.g. `01_cohort`.
        namespace: the notebook's `globals()`.

    Raises:
        ParameterError: one line with key, value and remedy.
    """
    model = SECTIONS[name]
    values = {k: namespace[k] for k in model.model_fields if k in namespace}
    _validate(f"notebooks/{name}.ipynb", name, model, values)


def _fill(path, name, common, own):
    model = SECTIONS[name]
    # What all notebooks must agree on is said once; only the seed may differ.
    _check_names(path, name, own, [k for k in model.model_fields if k not in ("study", "views")])
    shared = {k: v for k, v in common.items() if k in model.model_fields and k not in own}
    return _validate(path, name, model, shared | own, shared).model_dump()


def _read(path):
    if not path.exists():
        known = sorted(p.stem for p in path.parent.glob("*.yaml"))
        raise ParameterError(f"{path}: no such study; there are: {', '.join(known) or 'none'}")
    try:
        tree = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict) or not all(isinstance(v or {}, dict) for v in tree.values()):
        raise ParameterError(f"{path}: expected sections (common, {NOTEBOOKS[0]}, ...) with keys")
    return {section: values or {} for section, values in tree.items()}


def _check_names(path, section, values, known):
    for name in values:
        if name not in known:
            raise ParameterError(_unknown(path, f"{section}.{name}", known, "key"))


def _unknown(path, name, known, kind):
    close = difflib.get_close_matches(str(name).split(".")[-1], known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
    return f"{path}: {name}: unknown {kind}; {hint}"


def _validate(path, section, model, values, shared=()):
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        section = "common" if where.split(".")[0] in shared else section
        message = first["msg"].removeprefix("Value error, ")
        if not where:  # the message of a rule over several keys names its key itself
            raise ParameterError(f"{path}: {section}.{message}") from None
        value = first["input"]
        raise ParameterError(
            f"{path}: {section}.{where}: {value!r}: {message}{_remedy(value, first['type'])}"
        ) from None


def _remedy(value, kind):
    if isinstance(value, str) and kind in ("float_type", "int_type"):
        try:
            return f"; YAML reads this as text, write {float(value)!r}"
        except ValueError:
            return "; write a number"
    return ""


def _whole_number(path, value):
    try:
        return int(value)
    except ValueError:
        raise ParameterError(f"{path}: seed: {value!r} is not a whole number; give one") from None


def add_arguments(parser):
    """Add the study file, and what may stand above it, to a command line."""
    parser.add_argument("params", help="params/<study>.yaml")
    parser.add_argument("--seed", default="", help="stands above common.seed")
    parser.add_argument("--data", default="", help="stands above 01_cohort.data")
    parser.add_argument("--external-data", default="", help="stands above 01_cohort.external_data")


def load_from_arguments(arguments):
    """The study named on the command line; see `load_study`."""
    overrides = {name: getattr(arguments, name) for name in ("seed", "data", "external_data")}
    return load_study(arguments.params, overrides)


def main():
    """Check a study's parameters: silent where they are fine, one line where they are not."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_arguments(parser)
    try:
        load_from_arguments(parser.parse_args())
    except ParameterError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
