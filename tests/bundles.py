"""A study that has come as far as its generator, or its audits: tiny, with random weights."""

import json

import numpy as np
import pandas as pd
import torch
from pggan_runs import LABELS, VIEWS, tiny_recipe

from cmrkit import paths
from cmrkit.cohort.frames import read_frames
from cmrkit.cohort.store import CohortWriter
from cmrkit.pggan import tensor_file
from cmrkit.pggan.networks import Generator
from cmrkit.pggan.weights import KIND, network_state
from cmrkit.provenance import sha256
from cmrkit.release.bundle import AUDITS, REPORTED
from cmrkit.release.synthesis import plan_cohort, write_synthetic_cohort


def finished_generator(folder):
    """Study folder with six patients of 16 x 16 pixels and a generator of random weights."""
    recipe = tiny_recipe()
    network = Generator(recipe, torch.Generator().manual_seed(0))
    facts = {"recipe": recipe.to_dict(), "resolution": 16, "alpha": 1.0,
             "allowed": [[True, True], [True, False]]}  # fmt: skip
    (folder / "gan").mkdir(parents=True)
    tensor_file.write(
        folder / "gan" / "generator.safetensors", KIND, network_state(network, "ema"), facts
    )
    rng = np.random.default_rng(0)
    with CohortWriter(folder / "cohort", 16) as writer:
        for number in range(12):
            view = VIEWS[number % 2]
            labels = list(LABELS) if view == "4ch" else [1]
            role = ("gan", "gan", "unet")[number // 2 % 3]
            labels = labels if role == "gan" else [*labels, 2]  # which the generator never saw
            mask = rng.choice([0, *labels], (1, 16, 16)).astype(np.uint8)
            writer.append(
                rng.integers(0, 256, (1, 16, 16), np.uint8), mask,
                [{
                    "frame_id": f"sim-{number // 2}-{view}", "patient_id": f"sim-{number // 2}",
                    "role": role, "site": "simulated site A",
                    "vendor": "simulated vendor A", "disease": "simulated ToF", "view": view,
                    "slice_index": 0, "slice_spacing_mm": 8.0, "phase_index": 0,
                    "phase_fraction": 0.0, "is_ed": True, "is_es": False,
                    "spacing_row_mm": 8.0, "spacing_col_mm": 8.0,
                    "labels_present": labels, "source": "simulated",
                }],
            )  # fmt: skip
    return folder


def finished_study(study, frames=40, copies=(3, 21)):
    """`work/<study>` and `reports/<study>` as after the audits, with some frames called copies."""
    work, tables = finished_generator(paths.study_folder(study)), paths.tables(study)
    write_synthetic_cohort(plan_cohort(work, 3, list(VIEWS), frames), work)
    tables.mkdir(parents=True)
    for name in AUDITS.values():
        (tables / f"{name}.txt").write_text(f"what {name} found\n")
    (tables / "synthetic_cohort.csv").write_text(
        "view,label,cohort,frames,median_mm2,sd_mm2,sd_ratio\n"
        "4ch,LV,patient,8,100,10,1\n4ch,LV,synthetic,20,90,4,0.4\n"
    )
    record = {
        "commit": "abc123", "written": "2026-11-25T18:00:00+00:00",
        "sha256": {name: sha256(work / name) for name in REPORTED},
    }  # fmt: skip
    (paths.report_folder(study) / "provenance.json").write_text(json.dumps(record))
    ids = read_frames(work / "synthetic")["frame_id"]
    (work / "audit").mkdir()
    pd.DataFrame(
        {
            "frame_id": ids, "view": "", "distance": 0.1, "ratio": 0.5,
            "is_copy": ids.index.isin(copies), "nearest_frame_id": "sim-0-4ch",
        }
    ).sample(frac=1, random_state=0).to_parquet(work / "audit" / "suspects.parquet")  # fmt: skip
    return work


def tree_bytes(folder):
    """Content of every file below a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip
