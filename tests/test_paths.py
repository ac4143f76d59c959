import pandas as pd
import pytest

from cmrkit import paths


@pytest.fixture(autouse=True)
def _repository_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_tables_and_sentences_lie_beside_each_other_and_nothing_else():
    table = pd.DataFrame({"dice": [0.5, 1 / 3]})
    path = paths.write_table(table, "own", "scores")
    assert path.read_text() == "dice\n0.5\n0.333333\n"
    assert paths.write_lines(["one", "two"], "own", "verdicts").read_text() == "one\ntwo\n"
    assert files(paths.tables("own")) == ["scores.csv", "verdicts.txt"]


def test_a_handed_on_table_makes_its_folder_and_reads_back(tmp_path):
    table = pd.DataFrame({"dice": [0.5, 1 / 3]}, index=[3, 7])
    path = paths.write_parquet(table, tmp_path / "scores" / "scores.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(path), table.reset_index(drop=True))
    assert files(path.parent) == ["scores.parquet"]


def test_what_fails_while_it_is_written_leaves_the_old_file(tmp_path):
    path = paths.write_parquet(pd.DataFrame({"dice": [0.5]}), tmp_path / "scores.parquet")
    with pytest.raises(ValueError, match=r"Conversion failed|Could not convert"):
        paths.write_parquet(pd.DataFrame({"dice": [0.5, "half"]}), path)
    assert pd.read_parquet(path)["dice"].tolist() == [0.5]
    kept = paths.write_lines(["one"], "own", "verdicts")
    with pytest.raises(UnicodeEncodeError):
        paths.write_lines(["two", "\ud800"], "own", "verdicts")
    assert kept.read_text() == "one\n"
