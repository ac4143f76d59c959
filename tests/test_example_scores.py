"""Notebook 07 from score tables alone, in a checkout where no study has run."""

import pandas as pd
import pytest
from kit import copy_kit, run_in

from cmrkit import paths

EXAMPLE = "reports/reference/example_scores.csv"


@pytest.mark.timeout(120)
def test_the_committed_example_gives_table_1_and_every_verdict_without_any_study(tmp_path):
    kit = copy_kit(tmp_path / "kit")
    done = run_in(
        kit, "papermill", "notebooks/07_significance.ipynb", "out.ipynb", "-k", "python3",
        "--no-progress-bar", "-p", "study", "example", "-p", "scores", EXAMPLE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    tables = kit / "reports" / "example" / "tables"
    comparison = pd.read_csv(tables / "comparison.csv")
    verdicts = set(comparison.loc[comparison["level"] == "patient", "verdict"])
    assert verdicts == {"better", "worse", "equivalent", "inconclusive"}
    others = pd.read_csv(tables / "comparison_other_measures.csv")
    assert set(others["metric"]) == {"relative_area_error", "hd95_mm", "asd_mm"}
    told = (tables / "verdicts.txt").read_text().splitlines()
    assert told[0].startswith("Dice, patients as units: over 6 chambers, ")
    assert len(told) == 1 + 6
    for ending in ("csv", "html", "tex", "docx"):
        assert (tables / f"table1.{ending}").stat().st_size > 1000
    assert not (kit / "work").exists()


def test_the_documented_command_keeps_the_report_of_the_quick_study():
    text = (paths.REPOSITORY / "reports" / "reference" / "README.md").read_text()
    command = text[text.index("papermill notebooks/07") :].split("\n\n")[0]
    assert "-p study example" in command
    assert f"-p scores {EXAMPLE}" in command
