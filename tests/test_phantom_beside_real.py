"""Simulated frames laid beside real ones, and a few simulated patients in all views."""

import numpy as np
import pandas as pd
import pytest
from test_phantom_realism import stack

from cmrkit.figures.realism import beside_real_figure
from cmrkit.phantom import beside_real
from cmrkit.phantom.beside_real import (
    SIMULATION,
    beside_tables,
    middle_rows,
    real_frames,
    sets_beside,
)
from cmrkit.phantom.gallery import gallery


def table(slices, source="simulated", view="sax"):
    return pd.DataFrame(
        {"patient_id": "p", "view": view, "slice_index": slices, "source": source}
    )  # fmt: skip


def test_the_middle_half_of_a_stack_is_taken():
    assert middle_rows(table(range(9))).tolist() == [2, 3, 4, 5, 6]


def test_a_single_slice_is_its_own_middle():
    assert middle_rows(table([0, 0])).tolist() == [0, 1]


def test_of_many_frames_some_are_taken_from_all_patients(monkeypatch):
    monkeypatch.setattr(beside_real, "MOST_FRAMES", 4)
    assert middle_rows(table([0] * 9)).tolist() == [0, 3, 6]


def test_sources_of_a_study_stand_apart_and_long_axes_are_left_out():
    frames = pd.concat(
        [table([0, 0]), table([0], "chla"), table([0, 0], view="4ch")], ignore_index=True
    )
    pixels = np.arange(5, dtype=np.uint8).reshape(5, 1, 1)
    sets = sets_beside(frames, pixels, pixels, [])
    assert {name: images.ravel().tolist() for name, (images, _) in sets.items()} == {
        "simulated": [0, 1], "chla": [2],
    }  # fmt: skip


def test_numbers_and_curves_of_two_sets():
    measures, curves = beside_tables({"simulated": stack(4), "real": stack(4, noise=3)})
    assert measures.set_index("measure").loc["blood_grey_value", "simulated"] == 200
    assert set(curves["set"]) == {"simulated", "real"}
    assert (curves["low"] <= curves["high"]).all()
    drawn = beside_real_figure(curves)
    assert [axis.get_title() for axis in drawn.axes] == ["Radial power", "Grey values"]


def test_without_real_frames_the_committed_numbers_are_shown(capsys):
    measures, _ = beside_tables({"simulated": stack(4)})
    assert "no real frames" in capsys.readouterr().out
    assert measures.equals(pd.read_csv(SIMULATION / "beside_real.csv"))


def test_real_frames_are_read_as_those_of_a_study(real_data):
    real = real_frames("sunnybrook", real_data("sunnybrook_dicom"), 32, 170, 1.36)
    assert (real.frames["source"] == "sunnybrook").all()
    assert real.images.shape == (len(real.frames), 32, 32)


def test_the_gallery_shows_one_cycle_and_patients_of_every_role():
    counts = {"gan": 2, "unet": 1, "external": 1}
    frames, images, masks = gallery(1, counts, patients=3, phases=3, resolution=32)
    assert set(frames["view"]) == {"4ch", "2ch", "sax"}
    assert frames["role"].drop_duplicates().tolist() == ["gan", "unet", "external"]
    phases = frames[frames["view"] == "2ch"].groupby("patient_id", sort=False).size()
    assert phases.tolist() == [3, 2, 2]
    assert len(images) == len(masks) == len(frames)
    assert (frames["source"] == "simulated").all()
    assert frames["disease"].str.startswith("simulated").all()


@pytest.mark.parametrize(
    ("entry", "named"),
    [("chla", "name=folder"), ("mine=/tmp", "chla, sunnybrook"), ("chla=/nowhere", "/nowhere")],
)
def test_a_real_data_set_that_cannot_be_read_is_named(entry, named):
    from cmrkit.params import CohortSection

    with pytest.raises(ValueError, match=named):
        CohortSection(real_data=[entry])
