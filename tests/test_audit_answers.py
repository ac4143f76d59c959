"""Answers of a class are pooled with their own keys, and nothing else is."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from hearts import draw_patients, draw_synthetic

from cmrkit.audit.answers import AnswerLog, ReadingList, answer_files, pool_answers
from cmrkit.audit.reading import draw_reading, write_reading

SYNTHETIC, PATIENTS = draw_synthetic(12, seed=3), draw_patients(8, seed=7)
DRAWN = draw_reading(SYNTHETIC, PATIENTS, seed=1, synthetic_frames=8, patient_frames=4)
ANSWER = {"plausible": True, "real": True, "reason": "", "confidence": 2, "reaction_s": 2.0}


@pytest.fixture
def reading(tmp_path):
    keys = write_reading(tmp_path / "reading", tmp_path / "keys", DRAWN, 1, ["ada", "bo", "cy"])
    return tmp_path / "reading", keys


def answer(folder, name, count=3):
    log = AnswerLog(ReadingList(folder / name))
    for _ in range(count):
        log.add(ANSWER)
    return log.path


def test_files_sent_back_are_pooled_wherever_they_lie(reading):
    folder, keys = reading
    answer(folder, "ada")
    shutil.move(answer(folder, "bo", count=5), folder / "answers-bo.jsonl")
    pooled = pool_answers(folder, keys)
    assert pooled.groupby("observer").size().to_dict() == {"ada": 3, "bo": 5}
    for name in ("ada", "bo"):
        own = pooled[pooled["observer"] == name]
        assert list(own["frame_id"]) == list(keys[name]["frame_id"][: len(own)])


def test_nobody_has_answered(reading):
    folder, keys = reading
    assert pool_answers(folder, keys).empty
    AnswerLog(ReadingList(folder / "ada"))  # opened, nothing answered
    assert pool_answers(folder, keys).empty


def test_files_with_answers_are_told_from_lists_handed_out(reading):
    folder, _ = reading
    AnswerLog(ReadingList(folder / "bo"))  # opened, nothing answered
    assert answer_files(folder) == answer_files(folder / "nowhere") == []
    path = folder / "cy" / "answers-cy.csv"
    pd.read_csv(path, dtype=object).assign(plausible="yes").to_csv(path, index=False)
    log = answer(folder, "ada")
    assert answer_files(folder) == [str(log), str(path)]


def test_answers_taken_back_do_not_count(reading):
    folder, keys = reading
    answer(folder, "ada")
    log = AnswerLog(ReadingList(folder / "ada"))
    log.undo()
    log.add(ANSWER | {"plausible": False})
    assert list(pool_answers(folder, keys)["plausible"]) == [True, True, False]


def paper(folder, name, **answers):
    """An observer's table, filled in: a column to its values from item 2 on."""
    path = folder / name / f"answers-{name}.csv"
    table = pd.read_csv(path, dtype=object)
    for column, values in answers.items():
        table.loc[1 : len(values), column] = values
    table.to_csv(path, index=False)
    return path


def test_answers_on_paper_count_like_the_others(reading):
    folder, keys = reading
    paper(folder, "cy", plausible=["yes", "No "], real=[None, "n"], confidence=["3"])
    pooled = pool_answers(folder, keys)
    assert list(pooled["item"]) == [2, 3]
    assert list(pooled["plausible"]) == [True, False]
    assert list(pooled["real"]) == [None, False]
    assert pooled["confidence"][0] == 3


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"plausible": ["maybe"]}, "item 2: plausible is 'maybe'; write yes or no"),
        ({"real": ["yes"]}, "item 2: plausible is 'empty'; write yes or no"),
        ({"plausible": ["no"], "confidence": ["9"]}, "confidence is '9'; write 1, 2 or 3"),
        ({"plausible": ["no"], "item": ["999"]}, "item 999 is not on the list; items go from 1"),
        ({"plausible": ["no"], "item": ["two"]}, "item 'two' is no number"),
        ({"plausible": ["no", "no"], "item": ["3", "3"]}, "item 3 is answered twice"),
        ({"plausible": ["no"], "list": [None]}, "column 'list' does not say which reading list"),
    ],
)
def test_an_answer_on_paper_that_means_nothing_is_named_with_its_file(reading, answers, message):
    folder, keys = reading
    path = paper(folder, "cy", **answers)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}: .*{re.escape(message)}"):
        pool_answers(folder, keys)


def test_a_table_that_a_spreadsheet_saved_with_semicolons_is_read(reading):
    folder, keys = reading
    path = paper(folder, "cy", plausible=["yes", "no"], reason=[None, "M\u00fcller, wall"])
    before = pool_answers(folder, keys)
    table = pd.read_csv(path, dtype=object)
    table.to_csv(path, sep=";", index=False, encoding="cp1252", lineterminator="\r\n")
    same = ["item", "plausible", "frame_id", "group"]
    assert pool_answers(folder, keys)[same].equals(before[same])


def test_a_table_without_its_columns_is_refused_before_a_study_starts(reading):
    folder, _ = reading
    path = folder / "cy" / "answers-cy.csv"
    path.write_text("1,yes,no\n2,no,no\n")
    with pytest.raises(ValueError, match=r"answers-cy.csv: no column 'item' .*notebook 04"):
        answer_files(folder)
    path.with_name("answers-cy.jsonl").write_text("not json\n")
    with pytest.raises(ValueError, match=r"answers-cy.jsonl: not a file of answers"):
        answer_files(folder)


def test_answers_on_paper_are_never_scored_by_the_key_of_another_list(reading, tmp_path):
    folder, _ = reading
    path = paper(folder, "cy", plausible=["yes"])
    (folder / "returned").mkdir()
    shutil.move(path, folder / "returned" / path.name)
    other = DRAWN.take(np.arange(len(DRAWN.frames) - 1))
    before = (folder / "cy" / "frames.npz").read_bytes()
    with pytest.raises(ValueError, match=r"returned.*holds answers to another reading list"):
        write_reading(folder, tmp_path / "keys", other, 1, ["cy"])
    assert (folder / "cy" / "frames.npz").read_bytes() == before
    shutil.rmtree(folder / "cy")
    shutil.move(folder / "returned" / path.name, tmp_path / path.name)
    keys = write_reading(folder, tmp_path / "keys", other, 1, ["cy"])
    shutil.move(tmp_path / path.name, folder / path.name)
    with pytest.raises(ValueError, match="'cy' to a list that is not in"):
        pool_answers(folder, keys)


def test_a_list_read_on_paper_is_written_again_without_loss(reading, tmp_path):
    folder, _ = reading
    path = paper(folder, "cy", plausible=["yes"])
    answered = path.read_bytes()
    keys = write_reading(folder, tmp_path / "keys", DRAWN, 1, ["ada", "bo", "cy"])
    assert path.read_bytes() == answered
    assert len(pool_answers(folder, keys)) == 1


def test_two_files_of_one_observer_are_refused(reading):
    folder, keys = reading
    shutil.copy(answer(folder, "ada"), folder / "answers-ada (1).jsonl")
    with pytest.raises(ValueError, match=r"'ada' has also answered in .*; keep one"):
        pool_answers(folder, keys)


def test_answers_to_another_list_or_of_a_stranger_are_refused(reading):
    folder, keys = reading
    path = answer(folder, "ada")
    header, *rest = path.read_text().splitlines()
    for change in ({"list": "0" * 64}, {"observer": "eve"}):
        path.write_text("\n".join([json.dumps(json.loads(header) | change), *rest]) + "\n")
        with pytest.raises(ValueError, match="to a list that is not in"):
            pool_answers(folder, keys)


def test_a_list_with_answers_is_not_overwritten(reading, tmp_path):
    folder, _ = reading
    answer(folder, "ada", count=1)
    before = (folder / "ada" / "frames.npz").read_bytes()
    write_reading(folder, tmp_path / "keys", DRAWN, 1, ["ada"])  # the same list
    other = DRAWN.take(np.arange(len(DRAWN.frames) - 1))
    with pytest.raises(ValueError, match="holds answers to another reading list"):
        write_reading(folder, tmp_path / "keys", other, 1, ["ada"])
    assert (folder / "ada" / "frames.npz").read_bytes() == before
    write_reading(folder, tmp_path / "keys", other, 1, ["bo"])  # nobody has answered
    assert len(ReadingList(folder / "bo").images) < len(ReadingList(folder / "ada").images)
