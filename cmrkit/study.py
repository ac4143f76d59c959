"""Read a study's parameters and check all of them before anything runs."""

import argparse
import difflib
import re
import sys
from pathlib import Path

import yaml
from pydantic import ValidationError

from cmrkit.facts import read_facts
from cmrkit.params import COMMON, SECTIONS
from cmrkit.paths import NOTEBOOKS, given_path
from cmrkit.sections import check_sections

NOT_RECEIVED = ("02_pggan_training", "05_memorisation_audit")  # need the sender's patients

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
            `external_data`; empty ones are ignored. `data` is the bundle where the study receives
            its frames, else the folder of the patients.

    Returns:
        dict from notebook name to its flat dict of parameters, every one of them filled in; a study
        that receives its synthetic frames has no `NOT_RECEIVED` notebooks.

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
    received = tree.get("03_synthetic_cohort", {}).get("synthetic_source") == "bundle"
    for name, value in given.items():
        place = "01_cohort", name
        if received and name == "data":
            place = "03_synthetic_cohort", "bundle"
        tree.setdefault(place[0], {})[place[1]] = str(Path(value).expanduser().absolute())
    if received:
        _fit_to_bundle(path, tree)
    names = [name for name in NOTEBOOKS if not (received and name in NOT_RECEIVED)]
    common = tree.pop("common", {}) | {"study": study}
    _check_names(path, "common", common, COMMON)
    for section in tree:
        if section not in names:
            raise ParameterError(_unknown(path, section, ("common", *names), "section"))
    filled = {name: _fill(path, name, common, tree.get(name, {})) for name in names}
    try:
        check_sections(filled)
    except ValueError as error:
        raise ParameterError(f"{path}: {error}") from None
    return filled


def _fit_to_bundle(path, tree):
    """Give a study the views, size and field of view of the frames it receives."""
    bundle = tree["03_synthetic_cohort"].get("bundle")
    if not isinstance(bundle, str) or not bundle or not given_path(bundle).is_dir():
        return  # the schema will say so
    try:
        facts = read_facts(given_path(bundle))
    except ValueError as error:
        raise ParameterError(f"{path}: 03_synthetic_cohort.bundle: {error}") from None
    views = [view for view, count in facts["frames"].items() if count]
    own = tree.setdefault("common", {}).setdefault("views", views)
    if isinstance(own, list) and not set(own) <= set(views):
        raise ParameterError(f"{path}: common.views: {own}, but the bundle has {views}; use these")
    wanted = {"resolution": facts["resolution"]}
    if facts["spacing_mm"]:
        wanted["fov_mm"] = facts["resolution"] * facts["spacing_mm"]
    for name, value in wanted.items():
        own = tree.setdefault("01_cohort", {}).setdefault(name, value)
        if own != value:
            raise ParameterError(
                f"{path}: 01_cohort.{name}: {own}, but the frames of the bundle have {value:g}; "
                "leave it out to take the bundle's"
            )


def check_notebook(name, namespace):
    """Check the parameters of a notebook that was started by hand, and make its paths absolute.

    Args:
        name: notebook, e.g. `01_cohort`.
        namespace: the notebook's `globals()`; its paths are replaced.

    Raises:
        ParameterError: one line with key, value and remedy.
    """
    model = SECTIONS[name]
    values = {k: namespace[k] for k in model.model_fields if k in namespace}
    checked = _validate(f"notebooks/{name}.ipynb", name, model, values)
    namespace.update(checked.model_dump(include=set(values)))


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
        tree = yaml.load(path.read_text(encoding="utf-8"), _EachKeyOnce) or {}
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ParameterError(f"{path}: byte {byte:#x} is not UTF-8; save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except _DoubledKey as error:
        raise ParameterError(f"{path}: {error}") from None
    sections = tree.values() if isinstance(tree, dict) else [tree]
    if not all(values is None or isinstance(values, dict) for values in sections):
        raise ParameterError(f"{path}: expected sections (common, {NOTEBOOKS[0]}, ...) with keys")
    return {section: values or {} for section, values in tree.items()}


class _DoubledKey(ValueError):
    pass


class _EachKeyOnce(yaml.SafeLoader):
    """YAML that does not drop the first of two equal keys without a word, as PyYAML does."""

    def construct_mapping(self, node, deep=False):
        seen = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise _DoubledKey(
                    f"line {key.start_mark.line + 1}: {key.value} stands in line "
                    f"{seen[key.value]} already; put both into one"
                )
            seen[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


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
