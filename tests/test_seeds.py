import pytest
import yaml

from cmrkit import paths
from cmrkit.seeds import collect
from cmrkit.stats.comparison import compare
from cmrkit.stats.simulate import example_scores


def finish(study, seed):
    """What a finished study leaves, as far as this module reads it."""
    scores = example_scores(patients=8, seeds=(1,), seed=seed)
    paths.write_table(compare(scores[scores["view"] == "4ch"]), study, "comparison")
    params = paths.report_folder(study) / "params"
    params.mkdir()
    (params / "01_cohort.yaml").write_text(yaml.safe_dump({"source": "simulated"}))


@pytest.fixture(autouse=True)
def _reports_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)


def test_repetitions_of_a_study_are_laid_side_by_side():
    for seed in (1, 2):
        finish(f"quick-seed{seed}", seed)
    finish("quick-seeds-of-another-seed3", 3)  # not a repetition of quick
    spread = collect("quick")
    assert set(spread["seeds"]) == {2}
    lines = (paths.tables("quick-seeds") / "verdicts.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "Dice, 4ch LV",
        "Dice, 4ch RV",
        "Dice, 4ch RA",
    ]
    assert (paths.tables("quick-seeds") / "verdicts_by_seed.csv").exists()
    assert (paths.figures("quick-seeds") / "figure7_seeds.png").exists()


def test_one_repetition_is_nothing_to_compare():
    finish("quick-seed1", 1)
    with pytest.raises(FileNotFoundError, match="1 finished studies quick-seed<n>"):
        collect("quick")
