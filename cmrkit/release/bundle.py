"""The bundle that one hospital hands to another: frames, card, checksums, and no patient.

python -m cmrkit.release.bundle params/quick.yaml --formats png dicom
"""

import argparse
import json
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from cmrkit import paths
from cmrkit.cohort.frames import fully_labelled, read_frames
from cmrkit.facts import BUNDLE, KIND
from cmrkit.pggan.sampling import load_generator
from cmrkit.provenance import sha256
from cmrkit.release.card import write_card
from cmrkit.release.checksums import write_checksums
from cmrkit.release.formats import FORMATS, write_format
from cmrkit.release.synthesis import PLAN, copy_frames
from cmrkit.study import ParameterError, add_arguments, load_from_arguments

AUDITS = {  # tables of the report, as text, one verdict a line
    "Memorisation: is any frame a patient?": "memorisation_verdict",
    "Plausibility: do the frames show anatomy?": "plausibility_verdict",
    "Realism: how like patients are they, as a set?": "realism_verdict",
    "Use: a U-Net trained on them, beside one trained on patients": "verdicts",
}
SIMULATED_LICENCE = "CC-BY-4.0"
REPORTED = (  # files of the study whose digests are in the report's provenance
    "cohort/frames.parquet", "cohort/frames.zarr", "synthetic/frames.parquet",
    "synthetic/frames.zarr",
)  # fmt: skip
TO_ITS_END = "run the study to its end: make study STUDY=..."


class ReleaseError(ValueError):
    """A bundle cannot be made: something is missing, or does not belong together."""


def make_bundle(study, formats=(), licence="", target=None):
    """Make `work/<study>/release/` from a finished study.

    Args:
        study: name of the study; its notebooks have run.
        formats: of `formats.FORMATS`, beside zarr.
        licence: under which the frames go out, as an SPDX name or a sentence; needed where the
            generator learnt from patients.
        target: another folder to write; an earlier bundle in it is replaced once this one is whole.

    Returns:
        folder of the bundle, SHA-256 of its list of checksums.

    Raises:
        ReleaseError: one line that says what is missing and what to run.

    Choice: CC BY 4.0 where nobody was imaged; frames learnt from patients need the word of whoever
    answers for these patients.
    """
    for name in formats:
        if name not in FORMATS:
            raise ReleaseError(f"formats: {name!r} is unknown; use {', '.join(FORMATS)}")
    work = paths.study_folder(study)
    target = Path(target or work / "release")
    frames = read_frames(work / "synthetic")
    copies = _copies(work / "audit" / "suspects.parquet", frames)
    facts = _facts(study, frames, copies, list(formats))
    facts["licence"] = _licence(licence, facts["trained_on"]["source"])
    making = target.with_name(f".{target.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    copy_frames(work / "synthetic", making, ~copies)
    for name in formats:
        write_format(making, name, facts)
    (making / BUNDLE).write_text(json.dumps(facts, indent=1) + "\n")
    shutil.copyfile(Path(__file__).with_name("load_example.py"), making / "load_example.py")
    write_card(making, facts)
    digest = write_checksums(making)
    shutil.rmtree(target, ignore_errors=True)
    making.rename(target)
    return target, digest


def _copies(path, frames):
    """[N] bool: frames that the memorisation audit called copies."""
    if not path.exists():
        raise ReleaseError(f"{path}: not there; run 05_memorisation_audit first (make study)")
    suspects = pd.read_parquet(path).set_index("frame_id")["is_copy"]
    unlike = sorted(set(suspects.index) ^ set(frames["frame_id"]))
    if unlike:
        raise ReleaseError(
            f"{path}: {unlike[0]} and the synthetic cohort do not fit, so not every frame was "
            "judged; run 05_memorisation_audit again"
        )
    return suspects.loc[frames["frame_id"]].to_numpy()


def _licence(licence, sources):
    if licence:
        return licence
    if set(sources) != {"simulated"}:
        raise ReleaseError(
            f"licence: none given, but the generator learnt from patients ({', '.join(sources)}); "
            "ask who answers for them: make release LICENCE=<name>"
        )
    return SIMULATED_LICENCE


def _facts(study, frames, copies, formats):
    """All that the card says; read from what the study left, never typed in."""
    work = paths.study_folder(study)
    plan = json.loads((work / "synthetic" / PLAN).read_text())
    generator = work / "gan" / "generator.safetensors"
    if sha256(generator) != plan["generator"]:
        raise ReleaseError(f"{generator}: not the generator that drew the frames; {TO_ITS_END}")
    recipe = load_generator(generator).recipe
    record = _record(study)
    views = list(frames["view"].unique())
    count = frames["view"][~copies].value_counts()
    left_out = frames["view"][copies].value_counts()
    return {
        "kind": KIND,
        "study": study,
        "frames": {view: int(count.get(view, 0)) for view in views},
        "left_out": {view: int(left_out.get(view, 0)) for view in views},
        "formats": formats,
        "resolution": plan["resolution"],
        "spacing_mm": plan["spacing_mm"],
        "labels": plan["labels"],
        "generator": plan["generator"],
        "seed": plan["seed"],
        "truncation": plan["truncation"] or 1.0,  # None in the first versions
        "training": {"kimg": recipe.total_kimg, "loss": recipe.loss},
        "trained_on": _trained_on(work / "cohort", views),
        "audits": {
            title: _read(paths.tables(study) / f"{name}.txt").splitlines()
            for title, name in AUDITS.items()
        },
        "variety": _variety(paths.tables(study) / "synthetic_cohort.csv"),
        "kit": version("cmrkit"),
        "commit": record["commit"],
        "written": record["written"],
    }


def _record(study):
    """Provenance of the report, which must be about the patients and frames that are there now."""
    path = paths.report_folder(study) / "provenance.json"
    record = json.loads(_read(path))
    for name in REPORTED:
        file = paths.study_folder(study) / name
        if record["sha256"].get(name) != sha256(file):
            raise ReleaseError(
                f"{file}: not what {path} reports and the audits judged; {TO_ITS_END}"
            )
    return record


def _read(path):
    if not path.exists():
        raise ReleaseError(f"{path}: not there; {TO_ITS_END}")
    return path.read_text()


def _trained_on(cohort, views):
    """Numbers of the generator's patients, and where they come from; nothing about one of them."""
    patients = read_frames(cohort)
    patients = patients[patients["role"] == "gan"]
    used = patients[fully_labelled(patients)]
    table = {}
    for view in views:
        own = used[used["view"] == view]
        names = {key: ", ".join(sorted(own[key].unique()))
                 for key in ("source", "disease", "site", "vendor")}  # fmt: skip
        table[view] = {"patients": int(own["patient_id"].nunique()), "frames": len(own)} | names
    return {"source": sorted(used["source"].unique()), "views": table}


def _variety(path):
    if not path.exists():
        return []
    table = pd.read_csv(path).query("cohort == 'synthetic'").dropna(subset="sd_ratio")
    return table[["view", "label", "sd_ratio"]].to_dict("records")


def main():
    """Make the shareable bundle of a finished study."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_arguments(parser)
    parser.add_argument("--formats", default="", help=f"beside zarr: {', '.join(FORMATS)}")
    parser.add_argument("--licence", default="", help="of the frames, e.g. CC-BY-4.0")
    given = parser.parse_args()
    try:
        study = load_from_arguments(given)["03_synthetic_cohort"]["study"]
        formats = [name for name in re.split(r"[\s,]+", given.formats) if name]
        folder, digest = make_bundle(study, formats, given.licence)
    except (ParameterError, ReleaseError, FileNotFoundError) as error:
        sys.exit(str(error))
    print(f"Bundle: {folder}\nIts SHA256SUMS has the SHA-256 {digest}; tell it to the receiver")


if __name__ == "__main__":
    main()
