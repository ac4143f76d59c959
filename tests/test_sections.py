"""Sections that are fine alone and impossible together are refused before anything runs."""

import json
import re
import subprocess
import sys

import pytest
from hearts import draw_patients, draw_synthetic

from cmrkit import paths, sections
from cmrkit.audit.distances import NEIGHBOURS
from cmrkit.audit.memorisation import audit_memorisation
from cmrkit.audit.reading import CONTROL_SHARE
from cmrkit.facts import KIND
from cmrkit.study import ParameterError, load_study
from cmrkit.unet.draws import hold_out

BY_ID = "patients_gan: 0, patients_unet: 0, patients_external: 0"


def load(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("FOLDER", str(tmp_path)))
    return load_study(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("03_synthetic_cohort: {synthetic_frames: 20}\n04_plausibility_audit: {reading_frames: 8}",
         ["03_synthetic_cohort.synthetic_frames: 20", "needs 11 of each", "give 22 or more"]),
        ("03_synthetic_cohort: {synthetic_frames: 64}",
         ["synthetic_frames: 64", "04_plausibility_audit.reading_frames: 48", "give 96 or more"]),
        ("01_cohort: {patients_gan: 2}", ["01_cohort.patients_gan: 2", "give 3 or more"]),
        ("01_cohort: {patients_unet: 1}", ["01_cohort.patients_unet: 1", "give 2 or more"]),
        ("01_cohort: {patients_gan: 3, phases: 2}",
         ["01_cohort.patients_gan: 3", "2 frames each", "give 5 or more"]),
        ("01_cohort: {patients_unet: 8, phases: 4}",
         ["01_cohort.patients_unet: 8", "35 patient frames", "give 9 or more"]),
        ("common: {views: [4ch, sax]}\n01_cohort: {source: mnms2, data: FOLDER, "
         "external_source: acdc, external_data: FOLDER}",
         ["01_cohort.views: 4ch is not in external_source acdc", "use sax"]),
        ("common: {views: [sax]}\n01_cohort: {source: mnms2, data: FOLDER, "
         f"{BY_ID}, roles_gan: ['1', '2', '3']}}",
         ["01_cohort.roles_unet: 0", "give 2 or more"]),
        ("02_pggan_training: {processes: 3}",
         ["02_pggan_training.processes: 3", "preset quick", "8 images", "give 1 or 2"]),
        ("02_pggan_training: {preset: paper, processes: 8}",
         ["processes: 8", "preset paper", "16 images", "give 1 or 2 or 4"]),
        ("02_pggan_training: {train_kimg: .inf}", ["02_pggan_training.train_kimg: inf", "finite"]),
        ("07_significance: {margin: .nan}", ["07_significance.margin: nan", "finite"]),
    ],
)  # fmt: skip
def test_an_impossible_combination_stops_with_one_line_and_a_remedy(tmp_path, text, says):
    with pytest.raises(ParameterError) as error:
        load(tmp_path, text)
    message = str(error.value)
    assert "\n" not in message
    assert all(part in message for part in ["mine.yaml: ", *says]), message


@pytest.mark.parametrize(
    "text",
    [
        "03_synthetic_cohort: {synthetic_frames: 96}",
        "01_cohort: {patients_gan: 3, patients_unet: 5, patients_external: 1}",
        "01_cohort: {phases: 2, patients_gan: 5, patients_unet: 18}",
        "02_pggan_training: {processes: 2}",
        "02_pggan_training: {preset: paper, processes: 4}",
        "common: {views: [sax]}\n01_cohort: {source: mnms2, data: FOLDER, external_source: acdc, "
        "external_data: FOLDER, patients_external: 0}",
    ],
)
def test_the_smallest_possible_studies_are_accepted(tmp_path, text):
    load(tmp_path, text)


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        (9, "03_synthetic_cohort.bundle: .* has 9 frames of view sax; notebook 04 needs 11"),
        (40, "reading_frames: 48, but the bundle has 40 frames of view sax; give 40 or fewer"),
    ],
)
def test_a_bundle_too_small_for_the_audits_is_refused(tmp_path, frames, says):
    facts = {"kind": KIND, "frames": {"sax": frames}, "resolution": 64, "spacing_mm": 2.0,
             "audits": {}}  # fmt: skip
    (tmp_path / "bundle.json").write_text(json.dumps(facts))
    with pytest.raises(ParameterError, match=says):
        load(tmp_path, "03_synthetic_cohort: {synthetic_source: bundle, bundle: FOLDER}")


def test_the_minima_are_those_of_the_notebooks():
    assert sections.LEAST_HALF == NEIGHBOURS + 1
    assert sections.CONTROL_SHARE == CONTROL_SHARE
    source = paths.notebook("03_synthetic_cohort").read_text()
    drawn = int(re.search(r"== view\), (\d+), False\)", source)[1])
    assert drawn <= 2 * sections.LEAST_HALF - 1, "figure 3 shows so many frames a view"
    few = draw_patients(sections.LEAST_PATIENTS["gan"] - 1, seed=1)
    others = draw_patients(4, seed=2, name="held out")
    with pytest.raises(ValueError, match="give 3"):
        audit_memorisation(draw_synthetic(8, seed=1), few, others, None, 1)
    with pytest.raises(ValueError, match="nothing would be left"):
        hold_out(draw_patients(sections.LEAST_PATIENTS["unet"] - 1, seed=1), 0.15, 1)


def test_parameters_are_checked_without_the_release_and_without_torch():
    """`release` imports `study`; torch takes seconds to load."""
    loaded = "import sys, cmrkit.study; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    names = done.stdout.split()
    assert "cmrkit.params" in names
    assert not [name for name in names if name.startswith(("cmrkit.release", "torch"))]
