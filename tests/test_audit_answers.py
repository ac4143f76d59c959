"""Answers of a class are pooled with their own keys, and nothing else is."""

import json
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
    pd.read_csv(path).astype(object).assign(plausible="yes").to_csv(path, index=False)
    log = answer(folder, "ada")
    assert answer_files(folder) == [str(log), str(path)]


def test_answers_taken_back_do_not_count(reading):
    folder, keys = reading
    answer(folder, "ada")
    log = AnswerLog(ReadingList(folder / "ada"))
    log.undo()
    log.add(ANSWER | {"plausible": False})
    assert list(pool_answers(folder, keys)["plausible"]) == [True, True, False]


def test_answers_on_paper_count_like_the_others(reading):
    folder, keys = reading
    path = folder / "cy" / "answers-cy.csv"
    table = pd.read_csv(path).astype(object)
    table.loc[1:2, "plausible"] = ["yes", "No"]
    table.loc[2, "real"] = "n"
    table.to_csv(path, index=False)
    pooled = pool_answers(folder, keys)
    assert list(pooled["item"]) == [2, 3]
    assert list(pooled["plausible"]) == [True, False]
    assert list(pooled["real"]) == [None, False]
    table.loc[5, "plausible"] = "maybe"
    table.to_csv(path, index=False)
    with pytest.raises(ValueError, match="item 6: plausible is 'maybe'; write yes or no"):
        pool_answers(folder, keys)


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
