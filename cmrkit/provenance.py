"""Where the numbers of a study come from: code, parameters, machine and digests."""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import tomllib
from datetime import UTC, datetime

import nbformat
import psutil

from cmrkit import paths


def write_provenance(study, parameters):
    """Write `reports/<study>/provenance.json`.

    Args:
        study: name of the study; its notebooks have been executed.
        parameters: dict from notebook name to its parameters, as `study.load_study` gives it.

    Returns:
        the dict that was written: commit, parameters, seeds, versions, machine, minutes a notebook,
        and the SHA-256 of every table, figure and cohort store.
    """
    report = paths.report_folder(study)
    record = {
        "study": study,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "parameters": parameters,
        "seeds": {name: values["seed"] for name, values in parameters.items()},
        "versions": _versions(),
        "machine": _machine(),
        "minutes": {name: _minutes(report / f"{name}.ipynb") for name in parameters},
        "sha256": _digests(study),
    }
    with paths.moved_into_place(report / "provenance.json") as draft:
        draft.write_text(json.dumps(record, indent=2) + "\n")
    return record


def sha256(path):
    """SHA-256 of a file, or of a folder's files in the order of their names.

    Args:
        path: file or folder; what is hidden in a folder (`.DS_Store`, marks that Snakemake leaves)
            is left out, as it is not part of a store.
    """
    digest = hashlib.sha256()
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        name = file.relative_to(path)
        if any(part.startswith(".") for part in name.parts):
            continue
        digest.update(name.as_posix().encode() + b"\0")
        digest.update(bytes.fromhex(sha256(file)))
    return digest.hexdigest()


def _digests(study):
    report, work = paths.report_folder(study), paths.study_folder(study)
    files = [p for kind in ("tables", "figures") for p in sorted((report / kind).glob("[!.]*"))]
    digests = {p.relative_to(report).as_posix(): sha256(p) for p in files}
    for cohort in ("cohort", "synthetic"):
        for name in ("frames.parquet", "frames.zarr"):
            digests[f"{cohort}/{name}"] = sha256(work / cohort / name)
    return digests


def commit():
    """Commit of the code, `-dirty` where files differ from it; None without git or a checkout."""
    command = ["git", "-C", str(paths.REPOSITORY), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # a machine without git
        return None
    return done.stdout.strip() or None


def _versions():
    project = tomllib.loads((paths.REPOSITORY / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[\w.-]+", line).group() for line in project["dependencies"]]
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in names
    }


def _machine():
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": _gpus(),
    }


def _processor():
    try:
        with open("/proc/cpuinfo") as stream:
            return next(line.split(":")[1].strip() for line in stream if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


def _gpus():
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def _minutes(executed):
    """Minutes a notebook ran, as papermill measured them."""
    metadata = nbformat.read(executed, as_version=4).metadata.papermill
    return round(metadata["duration"] / 60, 2)
