"""The rater keeps every answer, and counts each key for the frame that was looked at."""

import json
import os
import time

import numpy as np
import pytest
from hearts import draw_patients, draw_synthetic
from jupyter_page import open_notebook, run_first_cell

from cmrkit.audit.answers import INSTRUCTION, AnswerLog, ReadingList
from cmrkit.audit.rater import Rater
from cmrkit.audit.reading import draw_reading, write_reading

SYNTHETIC, PATIENTS = draw_synthetic(12, seed=3), draw_patients(8, seed=7)
SURE = {"plausible": True, "real": False, "reason": "", "confidence": 3, "reaction_s": 1.25}


@pytest.fixture
def folder(tmp_path):
    drawn = draw_reading(SYNTHETIC, PATIENTS, seed=1, synthetic_frames=8, patient_frames=4)
    write_reading(tmp_path / "reading", tmp_path / "keys", drawn, 1, ["ada"])
    return tmp_path / "reading" / "ada"


def lines(folder):
    path = folder / "answers-ada.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def press(rater, kind="answer", answer=SURE, **other):
    """What the browser sends."""
    shown = {name: rater.state[name] for name in ("item", "shown")}
    rater._receive(rater, shown | {"kind": kind, "answer": answer} | other, [])


def test_an_answer_is_on_disk_before_the_next_frame_goes_out(folder):
    rater = Rater(folder)
    seen = []
    rater.observe(lambda change: seen.append((change.new["item"], len(lines(folder)))), "state")
    press(rater)
    press(rater)
    assert seen == [(2, 1), (3, 2)]
    assert lines(folder)[0] == {"item": 1} | SURE
    assert rater.frame == ReadingList(folder).images[2].tobytes()


def test_observers_are_told_what_plausible_means(folder):
    told = Rater(folder).state["instruction"]
    assert told == INSTRUCTION
    # each planted kind that is real anatomy in another defect is ruled out by a word of it
    for word in ("tetralogy of Fallot", "levocardia", "concordant", "no residual ventricular sep"):
        assert word in told


def test_the_same_message_twice_is_one_answer(folder):
    rater = Rater(folder)
    first = {name: rater.state[name] for name in ("item", "shown")}
    press(rater)
    press(rater, **first)
    assert [line["item"] for line in lines(folder)] == [1]


def test_undo_shows_the_frame_again_with_its_answer_and_stays_in_the_file(folder):
    rater = Rater(folder)
    press(rater)
    press(rater, kind="undo")
    assert rater.state["item"] == 1
    assert rater.state["earlier"]["confidence"] == 3
    press(rater, answer=SURE | {"plausible": False, "reason": "other"})
    assert [line.get("plausible", "undo") for line in lines(folder)] == [True, "undo", False]
    assert [a["reason"] for a in AnswerLog(ReadingList(folder)).answers] == ["other"]


def test_a_rater_opened_again_goes_on_where_it_stopped(folder):
    press(Rater(folder))
    again = Rater(folder)
    assert again.state["item"] == 2
    for _ in range(len(ReadingList(folder).images) - 1):
        press(again)
    assert again.state["done"]
    assert Rater(folder).state["done"]


def test_two_raters_on_one_file_do_not_mix(folder):
    first, second = Rater(folder), Rater(folder)
    press(first)
    press(second)
    assert "changed elsewhere" in second.state["note"]
    assert second.state["item"] == 2
    assert len(lines(folder)) == 1
    press(second)
    assert [line["item"] for line in lines(folder)] == [1, 2]


def test_a_line_torn_by_a_crash_is_dropped(folder):
    press(Rater(folder))
    path = folder / "answers-ada.jsonl"
    with open(path, "a") as file:
        file.write('{"item": 2, "plau')
    rater = Rater(folder)
    assert rater.state["item"] == 2
    press(rater)
    assert [line["item"] for line in lines(folder)] == [1, 2]


@pytest.mark.parametrize(
    "open_question", [{"plausible": None}, {"real": None}, {"confidence": None}]
)
def test_an_answer_with_an_open_question_is_not_kept(folder, open_question):
    rater = Rater(folder)
    press(rater, answer=SURE | open_question)
    assert lines(folder) == []
    assert next(iter(open_question)) in rater.state["note"]


def test_answers_that_cannot_be_written_are_said_and_not_lost(folder, monkeypatch):
    rater = Rater(folder)

    def full(_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    press(rater)
    assert "No space left" in rater.state["note"]
    assert rater.state["item"] == 1
    monkeypatch.undo()
    press(rater)
    assert [answer["item"] for answer in AnswerLog(ReadingList(folder)).answers] == [1]


def test_answers_to_another_list_are_refused(folder):
    press(Rater(folder))
    path = folder / "answers-ada.jsonl"
    path.write_text(path.read_text().replace('"list": "', '"list": "0'))
    with pytest.raises(ValueError, match="another reading list"):
        Rater(folder)
    with pytest.raises(FileNotFoundError, match="no reading list; run notebook 04"):
        Rater(folder.parent)


def test_patient_frames_come_with_their_cine_where_asked(tmp_path):
    drawn = draw_reading(SYNTHETIC, PATIENTS, seed=1, synthetic_frames=8, patient_frames=4)
    patients = PATIENTS._replace(
        frames=PATIENTS.frames.assign(slice_index=0, phase_index=[0, 1, 2, 3] * 8)
    )
    keys = write_reading(tmp_path / "reading", tmp_path / "keys", drawn, 1, ["ada"], patients)
    rater = Rater(tmp_path / "reading" / "ada")
    assert not rater.state["ask_real"]
    for line in keys["ada"].itertuples():
        assert rater.state["phases"] == (4 if line.group == "patient" else 0)
        if line.group == "patient":
            cine = np.frombuffer(rater.cine, np.uint8).reshape(4, 64, 64)
            assert (cine == np.frombuffer(rater.frame, np.uint8).reshape(64, 64)).all((1, 2)).any()
        press(rater, answer=SURE | {"real": None})
    assert rater.state["done"]


def test_in_jupyterlab_with_keys_and_buttons(folder):
    """Real headless Chromium: see `jupyter_page.open_notebook`."""
    source = f"from cmrkit.audit.rater import Rater\nRater({str(folder)!r})"
    with open_notebook(folder, source) as page:
        run_first_cell(page)

        def shows(item):
            page.wait_for_selector(f'.cmr-rater[data-item="{item}"]')
            page.wait_for_timeout(350)  # deaf to keys that were meant for the frame before

        def keys(*names):
            for name in names:
                page.keyboard.press(name)

        shows(1)
        assert page.locator(".cmr-instruction").inner_text() == INSTRUCTION
        began = time.monotonic()
        # contrast and pause leave no answer; the clock stands still
        page.locator(".cmr-slider input").first.fill("1.8")
        assert "contrast(1.8)" in page.locator(".cmr-stage canvas").get_attribute("style")
        page.locator(".cmr-head").click()
        keys("Space")
        page.wait_for_selector(".cmr-cover:visible")
        keys("p", "1", "Enter")
        page.wait_for_timeout(2000)
        keys("Space")
        assert lines(folder) == []
        # keys; Enter twice and a key at once are one answer, to the frame that was shown
        keys("i", "4", "s", "2", "Enter")
        looked = time.monotonic() - began
        keys("Enter", "p")
        shows(2)
        assert len(lines(folder)) == 1
        first = lines(folder)[0]
        assert (first["plausible"], first["real"], first["confidence"]) == (False, False, 2)
        assert first["reason"] == "chamber missing or doubled"
        # without the 2 s of the pause, give or take what the browser is slower than this clock
        assert 0 < first["reaction_s"] < looked + 0.35 - 1
        assert page.locator('.cmr-rater [aria-pressed="true"]').count() == 0
        keys("Enter", "d", "d")  # incomplete; and JupyterLab's own keys would delete the cell
        # buttons
        for name in ("plausible:true", "real:true", "confidence:3"):
            page.locator(f'[data-value="{name}"]').click()
        if picture := os.environ.get("CMRKIT_SCREENSHOT"):
            page.screenshot(path=picture)
        page.get_by_role("button", name="save, next frame").click()
        shows(3)
        assert [line["item"] for line in lines(folder)] == [1, 2]
        keys("z")
        shows(2)
        assert page.locator('[data-value="confidence:3"]').get_attribute("aria-pressed") == "true"
        assert lines(folder)[-1] == {"undo": 2}
        assert page.locator(".jp-Cell .cmr-rater").count() == 1
        # a reload and a new rater go on at the same frame
        page.reload()
        run_first_cell(page)
        shows(2)


def test_a_table_without_patients_is_never_asked_for_real(tmp_path):
    drawn = draw_reading(SYNTHETIC, PATIENTS, seed=1, synthetic_frames=8)
    write_reading(tmp_path / "reading", tmp_path / "keys", drawn, 1, ["ada"])
    rater = Rater(tmp_path / "reading" / "ada")
    press(rater, answer=SURE)
    assert lines(tmp_path / "reading" / "ada")[0]["real"] is None
