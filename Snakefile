"""The study as a workflow: one rule a notebook, each run by papermill.

    .venv/bin/snakemake --config study=quick

A rule runs again when its parameters, its inputs, its notebook or the modules it uses change.

Snakemake removes what a rule declares as output before the rule runs and after it failed. So what
takes long to make in `work/` is not declared: a mark beside it says when it was finished, and each
notebook decides what of it to make anew. Tables and figures of the report are declared.
"""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from cmrkit import paths
from cmrkit.audit.answers import answer_files
from cmrkit.cohort.readers.files import folder_state
from cmrkit.cohort.readers.stack_list import corrections
from cmrkit.study import load_study

STUDY = str(config.get("study") or "quick")
STUDY_FILE = f"{workflow.basedir}/params/{STUDY}.yaml"
GIVEN = {key: config.get(key) for key in ("seed", "data", "external_data")}
OVERRIDES = {key: "" if value is None else str(value) for key, value in GIVEN.items()}
try:
    PARAMETERS = load_study(STUDY_FILE, OVERRIDES)
    CORRECTIONS = corrections(paths.study_folder(STUDY) / "cohort" / "stacks.csv")
    ANSWERS = answer_files(paths.study_folder(STUDY) / "reading")
except ValueError as error:
    raise WorkflowError(str(error)) from None

# a file repaired or a mask added in the user's folders reads the cohort again
GIVEN_FOLDERS = [PARAMETERS["01_cohort"][key] for key in ("data", "external_data")]
FOUND = [folder_state(folder) for folder in GIVEN_FOLDERS]

WORK = str(paths.study_folder(STUDY))
REPORT = str(paths.report_folder(STUDY))
ARGUMENTS = " ".join(
    f"--{key.replace('_', '-')} {value!r}" for key, value in OVERRIDES.items() if value
)
RUN = f"{sys.executable} -m cmrkit.execute {{rule_notebook}} {STUDY_FILE} {ARGUMENTS}"


def code(*parts):
    """Sources of the kit that a notebook depends on, so that an edit runs it again."""
    files = []
    for part in parts:
        path = paths.REPOSITORY / "cmrkit" / part
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [str(file) for file in files]


def figure_code(*names):
    """Sources of the figures that a notebook draws."""
    return code(*(f"figures/{name}.py" for name in (*names, "style")))


def drawn_masks():
    """Masks that people drew, where an arm learns from them: each save runs the arm again."""
    comparison = PARAMETERS["06_unet_comparison"]
    if "synthetic-manual" not in comparison["arms"]:
        return []
    return sorted(map(str, (paths.REPOSITORY / comparison["drawings"]).glob("*/*_mask.nii.gz")))


def run(name):
    """Command that executes one notebook."""
    return RUN.format(rule_notebook=name)


def run_and_mark(name):
    """The same, and then the mark, its first output: what it left in `work/` is whole.

    It holds the date, as Snakemake takes a mark that was made anew with the same text for unchanged.
    """
    return f"{run(name)} && date > {{output[0]}}"


def finished(name, *others):
    """Mark of a file in `work/`; void where it or another is gone, new where it was made by hand."""
    made = Path(WORK, name)
    mark = made.with_name(f"{made.name}.finished")
    if mark.exists() and workflow.is_main_process:  # each job reads this file too
        if not all(Path(WORK, file).exists() for file in (name, *others)):
            mark.unlink()
        elif made.stat().st_mtime > mark.stat().st_mtime:
            mark.write_text(f"{made.stat().st_mtime_ns}\n")
    return str(mark)


def figure(name):
    return [f"{REPORT}/figures/{name}.{ending}" for ending in ("pdf", "svg", "png")]


COHORT = finished("cohort/frames.parquet", "cohort/frames.zarr")
GENERATOR = finished("gan/generator.safetensors")
SYNTHETIC = finished("synthetic/frames.parquet", "synthetic/frames.zarr")
EMBEDDING = finished("audit/embedding.safetensors")
SUSPECTS = finished("audit/suspects.parquet")
SCORES = finished("scores/scores.parquet")
TABLES = f"{REPORT}/tables"

MADE = PARAMETERS["03_synthetic_cohort"]
RECEIVED = MADE["synthetic_source"] == "bundle"  # then 02 and 05 are the sender's
SHARDS = [] if MADE["shards"] == 1 else list(range(1, MADE["shards"] + 1))


localrules: report


rule report:
    input:
        # all marks and tables: Snakemake remakes what is missing only where somebody asks for it
        COHORT, SYNTHETIC, EMBEDDING, SCORES, [] if RECEIVED else [GENERATOR, SUSPECTS],
        [] if RECEIVED else [f"{TABLES}/training.csv", f"{TABLES}/memorisation.csv"],
        [f"{TABLES}/{name}.csv" for name in
         ("cohort", "synthetic_cohort", "plausibility", "realism", "scores", "comparison", "table1")],
        f"{TABLES}/verdicts.txt",
        code("report.py", "provenance.py"),
    output: f"{REPORT}/index.html", f"{REPORT}/provenance.json"
    params: PARAMETERS
    message: "report: collecting what the notebooks left"
    run:
        from cmrkit.report import write_report

        write_report(STUDY, PARAMETERS)


rule cohort:
    input:
        paths.notebook("01_cohort"), code("cohort", "phantom"),
        figure_code("cohort", "stacks", "realism", "frames"),
    output: COHORT, f"{TABLES}/cohort.csv", figure("figure1_cohort")
    log: notebook=f"{REPORT}/01_cohort.ipynb"
    params: PARAMETERS["01_cohort"], CORRECTIONS, FOUND
    threads: workflow.cores
    message: "01_cohort: who are the patients, and what does a frame look like?"
    shell: run_and_mark("01_cohort")


if not RECEIVED:

    rule pggan_training:
        input:
            paths.notebook("02_pggan_training"), COHORT,
            code("pggan"), figure_code("training", "lessons", "frames"),
        output: GENERATOR, f"{TABLES}/training.csv", figure("figure2_growth")
        log: notebook=f"{REPORT}/02_pggan_training.ipynb"
        params: PARAMETERS["02_pggan_training"]
        threads: workflow.cores
        message: "02_pggan_training: how does the network grow from 4 x 4 to full size?"
        resources: gres=f"gpu:{PARAMETERS['02_pggan_training']['processes']}"  # for SLURM alone
        shell: run_and_mark("02_pggan_training")


    rule synthetic_shard:
        input: COHORT, GENERATOR
        output: touch(f"{WORK}/synthetic/shards/{{shard}}-of-{MADE['shards']}")
        params: {key: value for key, value in MADE.items() if key != "shards"}
        threads: max(1, (workflow.cores or 1) // MADE["shards"])
        message: f"03_synthetic_cohort: share {{wildcards.shard}} of {MADE['shards']}"
        shell:
            f"{sys.executable} -m cmrkit.release.synthesis {STUDY_FILE} {ARGUMENTS} "
            f"--shard {{wildcards.shard}} --shards {MADE['shards']}"


rule synthetic_cohort:
    input:
        paths.notebook("03_synthetic_cohort"), COHORT,
        code("release/synthesis.py", "release/received.py"),
        figure_code("synthetic", "frames"),
        f"{MADE['bundle']}/SHA256SUMS" if RECEIVED else GENERATOR,
        [f"{WORK}/synthetic/shards/{n}-of-{MADE['shards']}" for n in SHARDS],
    output:
        SYNTHETIC, f"{TABLES}/synthetic_cohort.csv", figure("figure3_synthetic"),
    log: notebook=f"{REPORT}/03_synthetic_cohort.ipynb"
    params: MADE
    threads: workflow.cores
    message: "03_synthetic_cohort: what does the trained network make, at scale?"
    shell: run_and_mark("03_synthetic_cohort")


rule plausibility_audit:
    input:
        paths.notebook("04_plausibility_audit"), COHORT, SYNTHETIC,
        code("audit"), figure_code("plausibility", "observers", "realism_audit", "frames"),
        ANSWERS,  # each answer that people give runs the analysis again
    output:
        EMBEDDING, f"{TABLES}/plausibility.csv", f"{TABLES}/realism.csv",
        figure("figure4_plausibility"), figure("figure4d_realism"),
    log: notebook=f"{REPORT}/04_plausibility_audit.ipynb"
    params: PARAMETERS["04_plausibility_audit"]
    threads: workflow.cores
    message: "04_plausibility_audit: do observers believe them?"
    shell: run_and_mark("04_plausibility_audit")


if not RECEIVED:

    rule memorisation_audit:
        input:
            paths.notebook("05_memorisation_audit"), COHORT, SYNTHETIC, EMBEDDING,
            code("audit"), figure_code("memorisation"),
        output: SUSPECTS, f"{TABLES}/memorisation.csv", figure("figure5_memorisation")
        log: notebook=f"{REPORT}/05_memorisation_audit.ipynb"
        params: PARAMETERS["05_memorisation_audit"]
        threads: workflow.cores
        message: "05_memorisation_audit: is any of them a patient?"
        shell: run_and_mark("05_memorisation_audit")


    rule release:  # no output, so that each call makes the bundle and the old one stays till then
        input: f"{REPORT}/index.html", SYNTHETIC, SUSPECTS
        params: formats=config.get("formats") or "", licence=config.get("licence") or ""
        threads: workflow.cores
        message: "release: the bundle that may be handed on"
        shell:
            f"{sys.executable} -m cmrkit.release.bundle {STUDY_FILE} {ARGUMENTS} "
            "--formats={params.formats:q} --licence={params.licence:q}"


rule unet_comparison:
    input:
        paths.notebook("06_unet_comparison"), COHORT, SYNTHETIC,
        code("unet"), figure_code("comparison"), drawn_masks(),
    output: SCORES, f"{TABLES}/scores.csv", figure("figure6_comparison")
    log: notebook=f"{REPORT}/06_unet_comparison.ipynb"
    params: PARAMETERS["06_unet_comparison"]
    threads: workflow.cores
    message: "06_unet_comparison: does a U-Net learn as well from them?"
    shell: run_and_mark("06_unet_comparison")


rule significance:
    input:
        paths.notebook("07_significance"), SCORES,
        code("stats"), figure_code("significance"),
    output:
        f"{TABLES}/table1.csv", f"{TABLES}/comparison.csv", f"{TABLES}/verdicts.txt",
        figure("figure7_significance"),
    log: notebook=f"{REPORT}/07_significance.ipynb"
    params: PARAMETERS["07_significance"]
    threads: workflow.cores
    message: "07_significance: is the difference real, and does it matter?"
    shell: run("07_significance")
