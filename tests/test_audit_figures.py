"""Figures 2, 4 and 5 say what they show, and can be drawn again from the tables they name."""

import re

import nbformat
import numpy as np
import pandas as pd
import pytest
from hearts import draw_patients, draw_synthetic
from test_audit_observers import answers_of, attentive

from cmrkit import paths
from cmrkit.audit.answers import INSTRUCTION
from cmrkit.audit.embedding import train_embedding
from cmrkit.audit.memorisation import audit_memorisation
from cmrkit.audit.observers import analyse_answers
from cmrkit.audit.plausibility import read_automatically
from cmrkit.figures import plausibility
from cmrkit.figures.lessons import step_size_figure
from cmrkit.figures.memorisation import closest_pairs, nearness_figure
from cmrkit.figures.observers import human_figure
from cmrkit.figures.plausibility import most_unusual_frames, reader_figure
from cmrkit.figures.style import save_figure, style
from cmrkit.figures.training import growth_figure

REFERENCE, HELD_OUT = draw_patients(12, seed=1), draw_patients(8, seed=2, name="h")
SYNTHETIC = draw_synthetic(30, seed=3)


@pytest.fixture(scope="module")
def reading():
    return read_automatically(SYNTHETIC, REFERENCE, HELD_OUT, seed=1, controls=18)


@pytest.fixture(scope="module")
def copies():
    embedding = train_embedding(REFERENCE, seed=1, steps=5)
    return audit_memorisation(SYNTHETIC, REFERENCE, HELD_OUT, embedding, seed=1, copies=10)


@pytest.fixture
def assert_drawn_again(tmp_path, monkeypatch):
    """Draws from tables and from their CSV files, and compares the pictures."""
    monkeypatch.setattr(paths, "report_folder", lambda study: tmp_path / study)

    def check(draw, *tables):
        written = [paths.write_table(t, "x", f"table{n}") for n, t in enumerate(tables)]
        again = [
            pd.read_csv(path, keep_default_na=False, na_values=["nan", ""]) for path in written
        ]
        first, second = (
            save_figure(draw(*given), tmp_path, name, "x.csv").read_bytes()
            for name, given in (("one", tables), ("two", again))
        )
        assert first == second

    return check


def test_figure_4_is_drawn_again_from_its_tables(reading, assert_drawn_again):
    assert_drawn_again(reader_figure, reading.readings, reading.performance, reading.summary)
    assert_drawn_again(lambda table: most_unusual_frames(table, SYNTHETIC), reading.readings)


def test_the_figure_of_people_is_drawn_again_from_its_tables(assert_drawn_again):
    for patients in (24, 0):  # with the question real or synthetic, and without
        people = analyse_answers(answers_of({"a": attentive, "b": attentive}, patients=patients))
        assert_drawn_again(human_figure, people.shares, people.turing, people.agreement)


def test_figure_5_is_drawn_again_from_its_tables(copies, assert_drawn_again, monkeypatch):
    ratios = copies.nearest[["view", "space", "group", "ratio"]]
    assert_drawn_again(nearness_figure, ratios, copies.detection, copies.summary)
    parts = {"synthetic": SYNTHETIC, "cohort": REFERENCE}

    def images(folder, frame_ids):
        part = parts[folder]
        return dict(zip(part.frames["frame_id"], part.images, strict=True))

    monkeypatch.setattr("cmrkit.figures.memorisation._images", images)
    closest = copies.closest(3)
    assert len(closest) == 3
    assert closest["closeness"].is_monotonic_increasing
    assert_drawn_again(lambda table: closest_pairs(table, "synthetic", "cohort"), closest)


@pytest.mark.parametrize("name", ["04_plausibility_audit", "05_memorisation_audit"])
def test_a_notebook_writes_every_table_that_its_figures_name(name):
    cells = nbformat.read(paths.notebook(name), as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    written = set(re.findall(r'write_table\(.*study, "(\w+)"\)', code))
    named = set(re.findall(r"(\w+)\.csv", code))
    assert len(named) >= 4
    assert {table for table in named if not table.startswith("people_")} <= written


def test_the_most_unusual_frames_say_whose_they_are_and_name_their_colours(reading):
    readings = reading.readings.assign(reason="LV-LV myocardium contact")
    figure = most_unusual_frames(readings, SYNTHETIC)
    assert figure.get_suptitle().startswith("Synthetic frames that the automated reader")
    assert figure.axes[0].get_title().startswith("contact of LV\nand LV wall\n")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["LV", "LV myocardium", "RV"]


def test_printed_sheets_say_what_plausible_means():
    with style():
        figure = plausibility._sheet(SYNTHETIC.images[:3], first=36, columns=5, rows=7)
    assert [axis.get_title(loc="left") for axis in figure.axes[:3]] == ["36", "37", "38"]
    (told,) = figure.texts[-1:]
    assert " ".join(told.get_text().split()) == INSTRUCTION
    box = told.get_window_extent()
    assert box.x1 < figure.bbox.x1
    assert box.y0 > figure.axes[0].get_tightbbox().y1


def test_growing_frames_are_called_generated_and_each_view_is_named(tmp_path):
    (tmp_path / "grids").mkdir()
    for pixels in (4, 8):
        frames = np.zeros((2, 16, pixels, pixels), np.uint8)
        np.savez(tmp_path / "grids" / f"level_{pixels:04}.npz", images=frames, masks=frames)
    axes = growth_figure(tmp_path, ["4ch", "sax"]).axes
    titles = [axis.get_title(loc="left") for axis in axes]
    assert (titles[0], titles[5]) == ("generated frames, 4ch", "generated frames, sax")
    assert not any(titles[:5][1:] + titles[6:])


def test_step_sizes_are_marked_at_the_layers_inputs_in_plain_numbers():
    table = pd.DataFrame({"fan_in": [576, 66, 288, 32, 66], "equalised": 0.002, "plain": 0.03})
    (axis,) = step_size_figure(table).axes
    axis.figure.draw_without_rendering()
    assert [t.get_text() for t in axis.get_xticklabels()] == ["32", "66", "288", "576"]
    assert all(float(t.get_text()) for t in axis.get_yticklabels())
