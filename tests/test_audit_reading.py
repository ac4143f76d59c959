"""Reading lists: stratified, blinded, repeatable, the key kept apart."""

import numpy as np
import pandas as pd
import pytest
from hearts import draw_patients, draw_synthetic

from cmrkit.audit.answers import ReadingList
from cmrkit.audit.reading import draw_reading, reading_order, write_reading
from cmrkit.cohort.part import join


def both_views(draw):
    return join(*(draw(view) for view in ("4ch", "sax")))


SYNTHETIC = both_views(lambda view: draw_synthetic(30, seed=len(view), view=view))
SYNTHETIC.frames["frame_id"] = SYNTHETIC.frames["view"] + SYNTHETIC.frames["frame_id"]
PATIENTS = both_views(lambda view: draw_patients(10, seed=7, view=view))


@pytest.fixture(scope="module")
def drawn():
    return draw_reading(SYNTHETIC, PATIENTS, seed=1, synthetic_frames=20, patient_frames=10)


def test_every_view_has_the_asked_frames_and_controls(drawn):
    counts = drawn.frames.groupby(["view", "group"]).size()
    for view in ("4ch", "sax"):
        assert counts[view].to_dict() == {"synthetic": 20, "patient": 10, "control": 4}


def test_patients_come_once_before_one_comes_again(drawn):
    chosen = drawn.frames[drawn.frames["group"] == "patient"]["frame_id"]
    patients = chosen.str.split("-").str[0]
    assert patients.value_counts().to_dict() == {f"p{n}": 2 for n in range(10)}  # one a view


def test_no_patient_frame_is_shown_both_as_it_is_and_as_a_control(drawn):
    shown = set(drawn.frames[drawn.frames["group"] == "patient"]["frame_id"])
    controls = drawn.frames[drawn.frames["group"] == "control"]["frame_id"]
    assert not any(name.endswith(tuple(shown)) for name in controls)


def test_observers_read_the_same_frames_in_different_orders(drawn):
    first, second = (reading_order(drawn.frames, 1, name) for name in ("a", "b"))
    assert set(first["row"]) == set(second["row"]) == set(range(len(drawn.frames)))
    assert list(first["row"]) != list(second["row"])
    assert reading_order(drawn.frames, 1, "a").equals(first)


def test_a_tenth_is_shown_again_much_later(drawn):
    key = reading_order(drawn.frames, 1, "a")
    assert key["repeat"].sum() == round(0.1 * len(drawn.frames))
    for row in key["row"][key["repeat"]]:
        first, again = key["item"][key["row"] == row]
        assert again - first > len(drawn.frames) / 4


def test_what_observers_get_tells_nothing(drawn, tmp_path):
    keys = write_reading(tmp_path / "reading", tmp_path / "keys", drawn, 1, ["a"])
    names = {path.name for path in (tmp_path / "reading" / "a").iterdir()}
    assert names == {"frames.npz", "answers-a.csv"}
    answers = pd.read_csv(tmp_path / "reading" / "a" / "answers-a.csv")
    assert list(answers["item"]) == list(keys["a"]["item"])
    assert answers.drop(columns=["item", "list"]).isna().all().all()
    assert set(answers["list"]) == {ReadingList(tmp_path / "reading" / "a").digest}
    shown = np.load(tmp_path / "reading" / "a" / "frames.npz")
    assert list(shown) == ["images", "observer", "ask_real"]
    assert np.array_equal(shown["images"], drawn.images[keys["a"]["row"]])
    key = pd.read_csv(tmp_path / "keys" / "a.csv", keep_default_na=False)
    assert list(key["group"]) == list(keys["a"]["group"])


def test_the_key_may_not_lie_among_what_observers_get(drawn, tmp_path):
    with pytest.raises(ValueError, match="keep the key apart"):
        write_reading(tmp_path / "reading", tmp_path / "reading" / "keys", drawn, 1, ["a"])


def test_too_few_frames_are_refused():
    with pytest.raises(ValueError, match="synthetic_frames: 31 asked of 30 frames of view '4ch'"):
        draw_reading(SYNTHETIC, PATIENTS, seed=1, synthetic_frames=31)
