import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from cmrkit import paths
from cmrkit.stats.pairs import pair_scores
from cmrkit.stats.scores import check_scores, read_scores
from cmrkit.stats.simulate import example_scores


def table(**columns):
    rows = {
        "frame_id": ["a", "a", "b", "b"],
        "patient_id": ["1", "1", "2", "2"],
        "view": ["sax"] * 4,
        "arm": ["patient", "synthetic"] * 2,
        "seed": [1] * 4,
        "label": ["LV"] * 4,
        "dice": [0.9, 0.8, np.nan, 0.7],
    }
    return pd.DataFrame(rows | columns)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_reads_back_as_it_was_written_from_csv_and_parquet(tmp_path, ending):
    path = tmp_path / f"scores.{ending}"
    scores = table(patient_id=["007", "007", "08", "08"])
    scores.to_csv(path, index=False) if ending == "csv" else scores.to_parquet(path)
    pd.testing.assert_frame_equal(read_scores(path), scores, check_dtype=False)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_arms_that_read_as_numbers_are_names(tmp_path, ending):
    path = tmp_path / f"scores.{ending}"
    scores = table(arm=[1, 2] * 2)
    scores.to_csv(path, index=False) if ending == "csv" else scores.to_parquet(path)
    pairs = pair_scores(read_scores(path), "2", "1", "dice")
    assert pairs["arm"].tolist() == [0.8, 0.7]
    with pytest.raises(ValueError, match="arm: 'synthetic' has no scores; the table has 1, 2"):
        pair_scores(read_scores(path), "synthetic", "1", "dice")


def test_a_path_may_start_at_home_or_in_the_repository(tmp_path, monkeypatch):
    home, repository, notebooks = (tmp_path / name for name in ("home", "kit", "kit/notebooks"))
    for folder in (home, notebooks):
        folder.mkdir(parents=True)
    table().to_csv(home / "mine.csv", index=False)
    table().to_csv(repository / "kits.csv", index=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(paths, "REPOSITORY", repository)
    monkeypatch.chdir(notebooks)  # as JupyterLab does
    assert len(read_scores("~/mine.csv")) == len(read_scores("kits.csv")) == 4
    with pytest.raises(FileNotFoundError, match=r"none\.csv: no score table"):
        read_scores("none.csv")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty; a score table has frame_id"), (b"\xfc,view", "byte 0xfc is not UTF-8; save")],
)
def test_an_unreadable_table_is_refused_by_its_path(tmp_path, content, says):
    path = tmp_path / "scores.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=says) as error:
        read_scores(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"view": ["sax", "sax", "sax", "3ch"]}, "view: '3ch' is not known; use 4ch, 2ch, sax"),
        ({"label": ["LV", "LV", "LV", "Lv"]}, "label: 'Lv' is not known; use LV, LV myocardium"),
        ({"dice": [0.9, 0.8, 98.6, 0.7]}, "dice: 98.6 is outside 0 to 1; write NaN"),
        ({"dice": [0.9, "bad", 0.9, 0.7]}, "dice: not numbers"),
        ({"hd95_mm": [1, 2, np.inf, 3]}, "hd95_mm: inf is outside 0 to inf"),
        ({"arm": ["patient"] * 4}, "frame_id: 'a' is scored twice in arm 'patient', seed 1"),
        ({"patient_id": ["1", "2", "2", "2"]}, "patient_id: frame 'a' has more than one"),
        ({"view": ["sax", "4ch", "sax", "sax"]}, "view: frame 'a' has more than one"),
        ({"patient_id": ["1", "1", None, "2"]}, "patient_id: empty in row 2; fill it in"),
    ],
)
def test_a_table_that_breaks_the_contract_is_refused_by_column_and_value(columns, says):
    with pytest.raises(ValueError, match=says):
        check_scores(table(**columns))


def test_a_missing_column_names_the_one_that_looks_like_it():
    with pytest.raises(ValueError, match="column 'patient_id' is missing; rename 'patientid'"):
        check_scores(table().rename(columns={"patient_id": "patientid"}))


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        (table().drop(columns="dice"), "no scores; give at least one of the columns dice"),
        (table().iloc[:0], "no rows"),
    ],
)
def test_a_table_without_scores_is_refused(scores, says):
    with pytest.raises(ValueError, match=says):
        check_scores(scores)


def test_the_file_is_named_when_it_is_absent_of_another_kind_or_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv: no score table"):
        read_scores(tmp_path / "none.csv")
    (tmp_path / "scores.xlsx").write_text("")
    with pytest.raises(ValueError, match=r"scores\.xlsx: '\.xlsx' is not known"):
        read_scores(tmp_path / "scores.xlsx")
    table(dice=[2, 0, 0, 0]).to_csv(tmp_path / "wrong.csv")
    with pytest.raises(ValueError, match=r"wrong\.csv: dice: 2 is outside"):
        read_scores(tmp_path / "wrong.csv")


def test_undefined_scores_stay_undefined():
    assert check_scores(table())["dice"].isna().tolist() == [False, False, True, False]


def test_the_statistics_need_neither_torch_nor_monai():
    code = (
        "import sys\n"
        "import cmrkit.stats.comparison, cmrkit.stats.table1, cmrkit.stats.power\n"
        "import cmrkit.stats.simulate, cmrkit.stats.spread, cmrkit.figures.significance\n"
        "sys.exit(' '.join({'torch', 'monai'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_committed_example_is_what_the_seeded_function_draws():
    committed = read_scores(paths.REPOSITORY / "reports" / "reference" / "example_scores.csv")
    pd.testing.assert_frame_equal(committed, example_scores(), check_dtype=False)
