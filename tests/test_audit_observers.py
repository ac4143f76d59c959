"""Answers whose truth is known: attentive, blind and guessing observers."""

import nbformat
import numpy as np
import pandas as pd
import pytest
from hearts import draw_patients, draw_synthetic

from cmrkit import paths
from cmrkit.audit.agreement import share_with_interval, upper_bound
from cmrkit.audit.answers import AnswerLog, ReadingList
from cmrkit.audit.observers import ALL, analyse_answers
from cmrkit.audit.reading import draw_reading, write_reading


def answers_of(observers, synthetic=48, patients=24, controls=12, seed=0, view="sax"):
    """`observers`: name to a function from (group, rng) to (implausible, real)."""
    groups = ["synthetic"] * synthetic + ["patient"] * patients + ["control"] * controls
    rows = []
    for number, (name, answer) in enumerate(observers.items()):
        rng = np.random.default_rng([seed, number])
        shown = [*enumerate(groups), *list(enumerate(groups))[:6]]
        for item, (frame, group) in enumerate(shown):
            implausible, real = answer(group, rng)
            rows.append(
                {
                    "observer": name, "item": item + 1, "plausible": not implausible, "real": real,
                    "reason": "", "confidence": 3, "reaction_s": 2.0, "frame_id": f"f{frame}",
                    "view": view, "group": group, "control": "mirrored" * (group == "control"),
                    "repeat": item >= len(groups),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def attentive(group, rng):
    return group == "control", group != "synthetic"


def blind(group, rng):
    return False, True


def suspicious(group, rng):
    return True, False


def guessing(group, rng):
    return rng.random() < 0.5, rng.random() < 0.5


def test_one_attentive_observer_who_finds_nothing_leaves_the_rule_of_three():
    summary = analyse_answers(answers_of({"a": attentive})).summary.iloc[0]
    found = share_with_interval(np.ones(12, dtype=bool))["low"]
    assert summary["upper_bound"] == pytest.approx(upper_bound(0, 48) / found)
    assert summary["informative"]
    assert summary["verdict"].startswith("sax: none of 48 synthetic frames called implausible by 1")


def test_more_observers_of_the_same_frames_are_no_more_frames():
    reading = analyse_answers(answers_of(dict.fromkeys("abcde", attentive)))
    row = reading.shares.set_index(["observer", "group"]).loc[(ALL, "synthetic")]
    assert row["frames"] == 5 * 48
    assert row["high"] == pytest.approx(share_with_interval(np.zeros(48, dtype=bool))["high"])


@pytest.mark.parametrize("observer", [blind, suspicious, guessing])
def test_observers_who_miss_the_controls_or_call_everything_are_not_informative(observer):
    summary = analyse_answers(answers_of({"a": observer, "b": observer})).summary.iloc[0]
    assert not summary["informative"]
    assert "not informative: 2 human observers found" in summary["verdict"]


def test_a_generator_that_breaks_hearts_is_reported():
    def sees(group, rng):
        return group == "control" or (group == "synthetic" and rng.random() < 0.4), True

    reading = analyse_answers(answers_of({"a": sees, "b": sees, "c": sees}))
    row = reading.summary.iloc[0]
    assert row["low"] < 0.4 < row["high"]
    assert row["informative"]
    assert "of synthetic frames called implausible by 3 human observers" in row["verdict"]


def test_telling_apart_has_chance_as_its_null():
    told = analyse_answers(answers_of({"a": attentive, "b": attentive}))
    pooled = told.turing.set_index("observer").loc[ALL]
    assert pooled["accuracy"] == 1
    assert pooled["d_prime_low"] > 1
    assert "observers tell synthetic frames" in told.summary["verdict"].iloc[-1]
    for same in (blind, suspicious):  # one answer to all is chance, however many are patients
        row = analyse_answers(answers_of({"a": same}, synthetic=60, patients=6)).turing.iloc[0]
        assert row["accuracy"] == 0.5
        assert row["accuracy_low"] < 0.5 < row["accuracy_high"]


def test_guessing_observers_are_called_unable_to_tell_19_times_out_of_20():
    said = [
        analyse_answers(answers_of(dict.fromkeys("abcd", guessing), 30, 30, 4, seed)).summary
        for seed in range(30)
    ]
    unable = np.mean(["not shown" in summary["verdict"].iloc[-1] for summary in said])
    assert unable >= 0.85


def test_pooled_interval_covers_where_observers_differ_in_strictness():
    rng = np.random.default_rng(0)
    observer, frame = np.repeat(np.arange(4), 40), np.tile(np.arange(40), 4)
    covered = 0
    for _ in range(200):
        logit = -1 + rng.normal(0, 0.8, 4)[observer] + rng.normal(0, 0.8, 40)[frame]
        row = share_with_interval(rng.random(160) < 1 / (1 + np.exp(-logit)), frame, observer)
        truth = 0.310  # mean of logistic(-1 + N(0, 0.8^2 + 0.8^2)), by simulation
        covered += row["low"] <= truth <= row["high"]
    # 74 % with the frames alone; four observers do not quite tell how observers vary
    assert covered / 200 > 0.85


def test_agreement_between_and_within_observers():
    table = answers_of({"a": attentive, "b": attentive, "c": guessing})
    reading = analyse_answers(table[table["observer"] != "c"])
    same = reading.agreement.set_index(["question", "who", "measure"])["value"]
    assert same["plausible", ALL, "fleiss"] == pytest.approx(1)
    assert same["real", "a", "alike"] == 1
    rows = analyse_answers(table).agreement
    assert set(rows["who"]) == {ALL, "a", "b", "c"}
    mixed = rows.set_index(["question", "who", "measure"])
    assert mixed.loc[("plausible", ALL, "alpha"), "value"] < 0.7
    assert mixed.loc[("plausible", "c", "alike"), "frames"] == 6


def test_repeats_count_for_self_agreement_alone():
    shares = analyse_answers(answers_of({"a": attentive})).shares
    assert shares.set_index(["observer", "group"]).loc[("a", "synthetic"), "frames"] == 48


def test_without_patient_frames_or_with_few_answers_it_still_says_what_it_can():
    reading = analyse_answers(answers_of({"a": attentive}, patients=0))
    assert reading.turing.empty
    assert reading.summary["informative"].all()
    begun = answers_of({"a": attentive}).iloc[:5]
    assert "too few answers" in analyse_answers(begun).summary["verdict"].iloc[0]
    with pytest.raises(ValueError, match="nobody has answered"):
        analyse_answers(begun.iloc[:0])


def test_notebook_04_pools_what_people_said_apart_from_the_reader(tmp_path, monkeypatch, capsys):
    drawn = draw_reading(draw_synthetic(16, seed=3), draw_patients(12, seed=7), 1, 12, 6)
    keys = write_reading(tmp_path / "reading", tmp_path / "keys", drawn, 1, ["ada", "bo"])
    monkeypatch.setattr(paths, "report_folder", lambda study: tmp_path / study)
    shown = []
    space = {
        "reading_folder": tmp_path / "reading",
        "keys": keys,
        "paths": paths,
        "study": "x",
        "sources": [],
    }
    space["display"] = shown.append
    notebook = nbformat.read(paths.notebook("04_plausibility_audit"), as_version=4)
    cells = {cell.id: cell.source for cell in notebook.cells}

    def run_cells():
        for number in ("04-18", "04-19"):
            exec(cells[number], space)
        return capsys.readouterr().out

    assert "no human ratings" in run_cells()
    assert not shown
    assert space["said"] == []
    for name, key in keys.items():
        log = AnswerLog(ReadingList(tmp_path / "reading" / name))
        for group in key["group"]:
            log.add(
                {
                    "plausible": group != "control", "real": group == "patient", "reason": "",
                    "confidence": 3, "reaction_s": 1.0,
                }
            )  # fmt: skip
    assert "2 human observers" in run_cells()
    assert len(shown) == 1
    assert pd.read_csv(tmp_path / "x" / "tables" / "people_shares.csv")["share"].max() == 1
    written = {path.name for path in (tmp_path / "x" / "tables").iterdir()}
    assert written == {f"people_{x}.csv" for x in ("shares", "controls", "turing", "agreement")}
    assert (tmp_path / "x" / "figures" / "figure4c_people.png").exists()
    assert "automated" not in "".join(space["said"])
