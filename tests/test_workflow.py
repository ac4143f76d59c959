import json
import os
import re

import nbformat
import pytest
import yaml
from kit import copy_kit, run_in

from cmrkit import paths


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the kit in which the tiny study has run once."""
    kit = copy_kit(tmp_path_factory.mktemp("workflow") / "kit")
    done = workflow(kit)
    assert done.returncode == 0, done.stderr[-4000:]
    return kit


def workflow(kit, *arguments, **config):
    values = [f"{key}={value}" for key, value in ({"study": "ci"} | config).items()]
    return run_in(kit, "snakemake", *arguments, "--config", *values)


def would_run(kit, **config):
    """Rules that the workflow would run now."""
    listing = workflow(kit, "--dry-run", **config)
    assert listing.returncode == 0, listing.stderr[-2000:]
    return set(re.findall(r"^(\w+) +\d+$", listing.stdout + listing.stderr, re.M)) - {"total"}


ALL = {name[3:] for name in paths.NOTEBOOKS} | {"report"}


def test_the_study_runs_from_patients_to_table_1(finished):
    report = finished / "reports" / "ci"
    index = (report / "index.html").read_text()
    assert "No patient was imaged" in index
    assert not re.search(r"(src|href)=\"https?://", index), "the report asks nothing of the outside"
    for name in paths.NOTEBOOKS:
        assert (report / f"{name}.ipynb").exists()
        assert f'href="{name}.html"' in index
        page = (report / f"{name}.html").read_text()
        assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"https?://", page)


def test_provenance_holds_commit_parameters_minutes_and_digests(finished):
    record = json.loads((finished / "reports" / "ci" / "provenance.json").read_text())
    assert set(record["minutes"]) == set(paths.NOTEBOOKS)
    assert all(minutes > 0 for minutes in record["minutes"].values())
    assert record["parameters"]["01_cohort"]["resolution"] == 32
    assert {"torch", "monai", "statsmodels"} <= set(record["versions"])
    names = set(record["sha256"])
    assert {"tables/table1.csv", "cohort/frames.zarr", "figures/figure1_cohort.png"} <= names


def test_a_finished_study_is_released_without_a_further_word(finished):
    done = workflow(finished, "release", formats="", licence="")
    assert done.returncode == 0, done.stderr[-2000:]
    bundle = finished / "work" / "ci" / "release"
    facts = json.loads((bundle / "bundle.json").read_text())
    assert sum(facts["frames"].values()) + sum(facts["left_out"].values()) == 64
    assert (bundle / "SHA256SUMS").exists()
    done = workflow(finished, "release", formats="nonsense", licence="")
    assert done.returncode != 0
    assert (bundle / "SHA256SUMS").exists(), "the bundle stays until another one is whole"


def test_nothing_runs_again_without_a_change(finished):
    assert would_run(finished) == set()


def test_another_seed_runs_everything_again(finished):
    assert would_run(finished, seed=2) == ALL


def test_a_changed_margin_runs_only_what_depends_on_it(finished):
    params = finished / "params" / "ci.yaml"
    params.write_text(params.read_text() + "\n07_significance: {margin: 0.02}\n")
    assert would_run(finished) == {"significance", "report"}
    params.write_text(params.read_text().replace("\n07_significance: {margin: 0.02}\n", ""))


def test_an_edited_module_runs_the_notebooks_that_use_it(finished):
    module = finished / "cmrkit" / "figures" / "significance.py"
    module.write_text(module.read_text() + "\n# edited\n")
    assert would_run(finished) == {"significance", "report"}


def test_an_edited_style_draws_every_figure_again(finished):
    module = finished / "cmrkit" / "figures" / "style.py"
    kept = module.read_text()
    module.write_text(kept + "\n# edited\n")
    assert would_run(finished) == ALL
    module.write_text(kept)


def test_a_study_may_be_named_by_a_number(finished):
    (finished / "params" / "2024.yaml").write_text("")
    assert would_run(finished, study=2024) == ALL


def test_a_training_in_several_processes_asks_slurm_for_as_many_gpus(finished):
    (finished / "params" / "two.yaml").write_text("02_pggan_training: {processes: 2}\n")
    rules = (finished / "Snakefile").read_text()
    silent = re.sub(r"^ +message: .*\n", "", rules, flags=re.M)  # Snakemake then lists resources
    (finished / "Silent").write_text(silent)
    listing = workflow(finished, "pggan_training", "-s", "Silent", "--dry-run", study="two")
    assert "gres=gpu:2" in listing.stdout + listing.stderr
    profile = yaml.safe_load((finished / "profiles" / "slurm" / "config.yaml").read_text())
    assert "gres" not in profile["set-resources"]["pggan_training"]


def test_a_wrong_parameter_stops_before_anything_runs(finished):
    params = finished / "params" / "wrong.yaml"
    params.write_text("02_pggan_training: {kimgs: 3}\n")
    done = workflow(finished, study="wrong")
    assert done.returncode != 0
    assert "wrong.yaml: 02_pggan_training.kimgs: unknown key" in done.stderr
    assert not (finished / "work" / "wrong").exists()


def test_a_second_writer_is_kept_apart(finished):
    from filelock import FileLock

    with FileLock(finished / "work" / "ci" / ".07_significance.lock"):
        done = run_in(finished, "cmrkit.execute", "07_significance", "params/ci.yaml")
    assert done.returncode != 0
    assert "another run is writing study 'ci'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failing_notebook_keeps_its_traceback(finished):
    table = finished / "work" / "ci" / "scores" / "scores.parquet"
    kept = table.read_bytes()
    os.truncate(table, 10)
    done = run_in(finished, "cmrkit.execute", "07_significance", "params/ci.yaml")
    table.write_bytes(kept)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) < 6, done.stderr
    assert "Traceback" in (finished / "reports" / "ci" / "07_significance.ipynb").read_text()


def test_snakemake_is_told_to_remove_nothing_in_work_but_marks(finished):
    listing = workflow(finished, "--summary")
    made = [line.split("\t")[0] for line in listing.stdout.splitlines()[1:]]
    assert made, listing.stderr
    assert all(name.endswith(".finished") for name in made if "/work/" in name), made


def written(cohort):
    """When the frame table and each file of pixels was written."""
    files = [cohort / "frames.parquet", *sorted((cohort / "frames.zarr").rglob("*"))]
    return {str(file): file.stat().st_mtime_ns for file in files}


def test_a_rerun_that_fails_keeps_the_frames_of_the_first_run_and_the_next_one_takes_them(finished):
    made = finished / "work" / "ci" / "synthetic"
    source = finished / "notebooks" / "03_synthetic_cohort.ipynb"
    kept, before = source.read_text(), written(made)
    broken = nbformat.reads(kept, as_version=4)
    broken.cells.append(nbformat.v4.new_code_cell("no_such_name"))
    nbformat.write(broken, source)
    failed = workflow(finished, "synthetic_cohort")
    source.write_text(kept.replace("Exercises", "Exercises for you"))
    assert failed.returncode != 0
    assert "NameError" in failed.stderr
    assert written(made) == before
    assert workflow(finished, "synthetic_cohort").returncode == 0
    assert written(made) == before


def test_scores_made_by_hand_are_judged_anew(finished):
    table = finished / "work" / "ci" / "scores" / "scores.parquet"
    os.utime(table)
    assert {"significance", "report"} <= would_run(finished, study="ci")
    mark = table.with_name("scores.parquet.finished")
    assert mark.read_text() == f"{table.stat().st_mtime_ns}\n"


@pytest.mark.parametrize(
    ("lost", "maker"),
    [
        ("work/ci/scores/scores.parquet", "unet_comparison"),
        ("work/ci/scores/scores.parquet.finished", "unet_comparison"),  # as by a failed rerun
        ("work/ci/synthetic/frames.zarr", "synthetic_cohort"),
        ("work/ci/cohort/frames.zarr", "cohort"),
        ("reports/ci/tables/scores.csv", "unet_comparison"),
        ("reports/ci/tables/realism.csv", "plausibility_audit"),
    ],
)
def test_what_is_lost_is_made_anew(lost, maker, finished):
    path = finished / lost
    marks = {mark: mark.read_text() for mark in (finished / "work" / "ci").glob("*/*.finished")}
    path.rename(away := path.with_name("away"))
    try:
        assert {maker, "report"} <= would_run(finished)
    finally:
        away.rename(path)
        for mark, text in marks.items():
            mark.write_text(text)
