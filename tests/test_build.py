"""Building a cohort: rows and pixels of every patient, problems in a table, the same bytes."""

import os
import time
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cmrkit.cohort import build
from cmrkit.cohort.build import build_cohort
from cmrkit.cohort.grids import read_grids
from cmrkit.cohort.problems import Problem
from cmrkit.cohort.series import CineSlice
from cmrkit.cohort.store import load_pixels

SETTINGS = {"resolution": 16, "fov_mm": 32.0}


class Ward:
    """A source of random slices; patients named here are broken in the way named."""

    name = "ward"

    def __init__(self, patients, broken=None):
        self._patients = patients
        self._broken = broken or {}

    def patients(self):
        return pd.DataFrame(
            {"patient_id": self._patients, "original_id": self._patients, "site": "A",
             "vendor": "B", "disease": "C", "role": "gan"}
        )  # fmt: skip

    def read(self, patient_id):
        broken = self._broken.get(patient_id)
        if broken == "crash":
            os._exit(9)
        if str(broken).startswith("crash after "):
            while not Path(broken.removeprefix("crash after ")).exists():
                time.sleep(0.01)
            os._exit(9)
        rng = np.random.default_rng(int(patient_id.split("-")[1]))
        for index, view in enumerate(("4ch", "sax", "sax")):
            if broken == "patient" and index == 1:
                raise ValueError("LV end-diastole mask: file is missing")
            if broken == "disk" and index == 0:
                raise FileNotFoundError(2, "No such file or directory", "/data/Jane_Doe/1.dcm")
            if broken == "code":
                raise AttributeError("a slip of the programmer")
            if broken == "yielded" and index == 2:
                yield Problem(patient_id, "sax", 1, "no pixel size")
                continue
            yield CineSlice(
                patient_id=patient_id, view=view, slice_index=max(index - 1, 0),
                images=rng.uniform(0, 0 if broken == "slice" and index == 2 else 9, (2, 20, 20)),
                masks=rng.integers(0, 3, (2, 20, 20)).astype(np.uint8),
                labels_present=[(1, 2), ()], spacing_mm=(2.0, 2.0), phase_index=np.array([0, 5]),
                phase_fraction=np.array([0, 0.5]), is_ed=np.array([True, False]),
                is_es=np.array([False, True]), slice_spacing_mm=8.0 if view == "sax" else np.nan,
            )  # fmt: skip


def test_every_phase_is_a_row_with_its_pixels(tmp_path):
    source = Ward(["ward-1", "ward-2"])
    frames, problems = build_cohort([(source, source.patients())], tmp_path, **SETTINGS)
    assert len(problems) == 0
    assert frames["frame_id"][:6].tolist() == [
        "ward-1-4ch-00-00", "ward-1-4ch-00-05", "ward-1-sax-00-00", "ward-1-sax-00-05",
        "ward-1-sax-01-00", "ward-1-sax-01-05",
    ]  # fmt: skip
    assert [list(labels) for labels in frames["labels_present"][:2]] == [[1, 2], []]
    assert set(frames["role"]) == {"gan"}
    assert set(frames["spacing_row_mm"]) == {2.0}
    apart = frames.groupby("view")["slice_spacing_mm"].unique().str[0]
    assert np.isnan(apart["4ch"])
    assert apart["sax"] == 8
    first = next(source.read("ward-1"))
    images, masks = load_pixels(tmp_path)
    assert len(images) == len(frames) == 12
    assert np.array_equal(masks[:2], first.masks[:, 2:18, 2:18])
    order = np.argsort(first.images[0, 2:18, 2:18], axis=None)
    assert (np.diff(images[0].ravel()[order].astype(int)) >= 0).all()


def test_only_the_chosen_views_are_kept(tmp_path):
    source = Ward(["ward-1"])
    frames, _ = build_cohort([(source, source.patients())], tmp_path, views=["sax"], **SETTINGS)
    assert set(frames["view"]) == {"sax"}


def test_what_cannot_be_used_is_one_line_and_the_rest_goes_on(tmp_path):
    broken = {"ward-1": "patient", "ward-2": "slice", "ward-3": "disk", "ward-4": "yielded"}
    source = Ward([f"ward-{number}" for number in range(1, 6)], broken)
    frames, problems = build_cohort([(source, source.patients())], tmp_path, **SETTINGS)
    assert frames.groupby("patient_id").size().to_dict() == {
        "ward-1": 2, "ward-2": 4, "ward-4": 4, "ward-5": 6
    }  # fmt: skip
    lines = [tuple(row) for row in problems.astype(object).itertuples(index=False)]
    assert lines[0] == ("ward-1", "", pd.NA, "LV end-diastole mask: file is missing")
    assert lines[1][:3] == ("ward-2", "sax", 1)
    assert "no contrast" in lines[1][3]
    assert lines[2] == ("ward-3", "", pd.NA, "cannot be read: No such file or directory")
    assert lines[3] == ("ward-4", "sax", 1, "no pixel size")


def test_the_bytes_do_not_depend_on_the_number_of_processes(tmp_path):
    source = Ward([f"ward-{number}" for number in range(1, 8)], {"ward-3": "slice"})
    results = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        done = []
        _, problems = build_cohort(
            [(source, source.patients())], folder, **SETTINGS, processes=processes,
            on_patient=lambda number, total, done=done: done.append((number, total)),
        )  # fmt: skip
        assert done == [(number, 7) for number in range(1, 8)]
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        results.append(([path.read_bytes() for path in files], problems.to_csv()))
    assert results[0] == results[1]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_stopped_build_goes_on_where_it_stopped(tmp_path, processes, monkeypatch):
    names = [f"ward-{number}" for number in range(1, 7)]
    source = Ward(names, {"ward-2": "slice"})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    build_cohort([(source, source.patients())], whole, **SETTINGS)

    def stop(number, total):
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cohort([(source, source.patients())], parts, **SETTINGS, on_patient=stop)
    assert not (parts / "frames.parquet").exists()
    read = []
    make = build._read_patient
    monkeypatch.setattr(
        build, "_read_patient", lambda *a: read.append(a[1]["patient_id"]) or make(*a)
    )
    if processes == 1:  # what a process of its own reads cannot be listened to
        (first, *_) = sorted((parts / "parts").iterdir())
        first.write_bytes(first.read_bytes()[:200])  # as a full disk leaves it
    _, problems = build_cohort(
        [(source, source.patients())], parts, **SETTINGS, processes=processes
    )
    assert processes == 2 or (len(read) == 4 and set(read) >= {"ward-4", "ward-5", "ward-6"})
    assert problems["patient_id"].tolist() == ["ward-2"]
    files = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    assert files == {path.relative_to(parts) for path in parts.rglob("*") if path.is_file()}
    assert all((whole / name).read_bytes() == (parts / name).read_bytes() for name in files)


def test_after_a_stop_nothing_read_with_other_settings_is_used(tmp_path):
    source = Ward(["ward-1", "ward-2"])

    def stop(number, total):
        raise KeyboardInterrupt

    for change in ({}, {"fov_mm": 24.0}, {"crop": "motion"}):
        with pytest.raises(KeyboardInterrupt):
            build_cohort(
                [(source, source.patients())], tmp_path, **SETTINGS | change, on_patient=stop
            )
    assert len(list((tmp_path / "parts").iterdir())) == 3
    frames, _ = build_cohort([(source, source.patients())], tmp_path, **SETTINGS | {"fov_mm": 24.0})
    assert set(frames["spacing_row_mm"]) == {1.5}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "frames.parquet", "frames.zarr", "grids.parquet"
    ]  # fmt: skip


def test_a_patient_whose_files_kill_the_process_is_one_line(tmp_path):
    source = Ward([f"ward-{number}" for number in range(1, 5)], {"ward-2": "crash"})
    frames, problems = build_cohort(
        [(source, source.patients())], tmp_path, **SETTINGS, processes=2
    )
    assert set(frames["patient_id"]) == {"ward-1", "ward-3", "ward-4"}
    assert problems["patient_id"].tolist() == ["ward-2"]
    assert "died" in problems["problem"][0]


def test_no_patient_is_lost_when_a_process_dies_while_frames_are_stored(tmp_path):
    names = [f"ward-{number}" for number in range(1, 10)]
    signal = tmp_path / "first patient is being stored"
    source = Ward(names, {"ward-3": f"crash after {signal}"})

    def store_until_the_pool_is_broken(number, total):
        signal.touch()
        while number == 1 and active_children():
            time.sleep(0.01)

    frames, problems = build_cohort(
        [(source, source.patients())], tmp_path / "out", **SETTINGS, processes=2,
        on_patient=store_until_the_pool_is_broken,
    )  # fmt: skip
    assert problems["patient_id"].tolist() == ["ward-3"]
    assert list(dict.fromkeys(frames["patient_id"])) == [n for n in names if n != "ward-3"]


def test_points_of_a_frame_map_back_to_the_slice_it_was_cut_from(tmp_path):
    source = Ward(["ward-1"])
    build_cohort([(source, source.patients())], tmp_path, **SETTINGS)
    grid = read_grids(tmp_path)["ward-1", "sax", 1]
    # 16 pixels of 2 mm out of 20: two are cut off on every side
    assert np.allclose(grid.to_source([[0, 0], [15, 3]]), [[2, 2], [17, 5]])
    assert np.allclose(grid.to_frame([[2, 2], [17, 5]]), [[0, 0], [15, 3]])


def test_a_patient_of_two_sources_is_refused(tmp_path):
    one, two = Ward(["ward-1", "ward-2"]), Ward(["ward-2"])
    with pytest.raises(ValueError, match="ward-2 comes from two sources"):
        build_cohort([(one, one.patients()), (two, two.patients())], tmp_path, **SETTINGS)


def test_a_cohort_without_any_frame_names_the_first_reason(tmp_path):
    source = Ward(["ward-1", "ward-2"], {"ward-1": "disk", "ward-2": "disk"})
    with pytest.raises(ValueError, match=r"no usable frame from 2 patients.*No such file"):
        build_cohort([(source, source.patients())], tmp_path, **SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_our_own_code_is_not_hidden_as_a_problem_of_the_data(tmp_path):
    source = Ward(["ward-1"], {"ward-1": "code"})
    with pytest.raises(AttributeError):
        build_cohort([(source, source.patients())], tmp_path, **SETTINGS)
