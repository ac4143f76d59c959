"""Frames as a stream: the same bytes whoever makes them, nothing lost or doubled by a kill."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
from bundles import finished_generator, tree_bytes

from cmrkit.cohort.frames import read_frames, write_frames
from cmrkit.cohort.store import load_pixels
from cmrkit.pggan.sampling import load_generator, sample
from cmrkit.release import synthesis
from cmrkit.release.synthesis import make_blocks, plan_cohort, write_synthetic_cohort


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(synthesis, "BLOCK_FRAMES", 16)


@pytest.fixture
def study(tmp_path):
    return finished_generator(tmp_path / "study")


def plan(study, frames=101, **changes):
    return plan_cohort(study, 3, ["4ch", "sax"], frames, **changes)


def cohort_bytes(study):
    """Every byte of the finished cohort, by file."""
    return tree_bytes(study / "synthetic")


def test_no_frame_is_lost_where_views_cannot_share_evenly(study):
    write_synthetic_cohort(plan(study), study)
    frames = read_frames(study / "synthetic")
    assert frames["index"].tolist() == list(range(101))
    assert frames.groupby("view").size().to_dict() == {"4ch": 51, "sax": 50}
    assert frames["labels_present"].map(list).tolist()[::100] == [[1, 3], [1]]
    assert (frames["spacing_row_mm"] == 8.0).all()


@pytest.mark.parametrize(
    ("where", "stated"),
    [
        ("role == 'unet'", 8.0),
        ("role == 'gan'", None),
        ("frame_id == 'sim-0-4ch'", None),
        ("view == 'sax'", None),
    ],
)
def test_the_pixel_size_is_that_of_all_frames_it_learnt_from(study, where, stated):
    frames = read_frames(study / "cohort")
    frames.loc[frames.eval(where), ["spacing_row_mm", "spacing_col_mm"]] = np.nan
    write_frames(frames, study / "cohort" / "frames.parquet")
    assert plan(study).spacing_mm == stated
    if "sax" in where:
        assert plan_cohort(study, 3, ["4ch"], 10).spacing_mm == 8.0, "of the study's views alone"


def test_any_frame_can_be_made_again_alone(study):
    write_synthetic_cohort(plan(study), study)
    images, masks = load_pixels(study / "synthetic")
    generator = load_generator(study / "gan" / "generator.safetensors")
    for index, view in ((0, "4ch"), (50, "4ch"), (51, "sax"), (100, "sax")):
        image, mask = sample(generator, 3, [index], [view])
        assert np.array_equal(image[0], images[index])
        assert np.array_equal(mask[0], masks[index])


def test_bytes_do_not_depend_on_who_makes_which_share(study, tmp_path):
    write_synthetic_cohort(plan(study), study)
    other = finished_generator(tmp_path / "other")
    for shard in (3, 1, 2):
        make_blocks(plan(other), other, shard, 3)
    write_synthetic_cohort(plan(other), other)
    assert cohort_bytes(other) == cohort_bytes(study)


def test_shares_made_by_processes_of_their_own_give_the_same_bytes(study, tmp_path):
    write_synthetic_cohort(plan(study, 40), study)
    other = finished_generator(tmp_path / "other")
    write_synthetic_cohort(plan(other, 40), other, shards=2)
    assert cohort_bytes(other) == cohort_bytes(study)


STOPPED = """
import sys
from pathlib import Path
from cmrkit.release import synthesis
synthesis.BLOCK_FRAMES = 16
plan = synthesis.plan_cohort(Path(sys.argv[1]), 3, ["4ch", "sax"], 1601)
synthesis.write_synthetic_cohort(plan, Path(sys.argv[1]))
"""


def test_a_killed_run_goes_on_without_a_frame_lost_or_doubled(study, tmp_path):
    run = subprocess.Popen([sys.executable, "-c", STOPPED, study])
    done = study / "synthetic"
    while len(list(done.glob("making-*/done/*"))) < 3:
        assert run.poll() is None, "it finished before it could be killed"
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert not (done / "frames.parquet").exists()
    kept = {path.name: path.stat().st_mtime_ns for path in done.glob("making-*/done/*")}
    assert 3 <= len(kept) < 101
    made = []
    watched, synthesis.sample = (
        synthesis.sample,
        lambda *given: made.append(given[2]) or watched(*given),
    )
    try:
        write_synthetic_cohort(plan(study, 1601), study)
    finally:
        synthesis.sample = watched
    assert len(made) == 101 - len(kept), "blocks that were made are not made again"
    unbroken = finished_generator(tmp_path / "unbroken")
    write_synthetic_cohort(plan(unbroken, 1601), unbroken)
    assert cohort_bytes(unbroken) == cohort_bytes(study)


def test_a_kill_while_the_old_pixels_are_replaced_costs_no_frame(study, tmp_path, monkeypatch):
    write_synthetic_cohort(replace(plan(study), seed=4), study)

    def killed(folder, pixels, table):
        (folder / "frames.parquet").unlink(missing_ok=True)
        raise KeyboardInterrupt  # while the folder of the old pixels is emptied

    monkeypatch.setattr(synthesis, "move_into_place", killed)
    with pytest.raises(KeyboardInterrupt):
        write_synthetic_cohort(plan(study), study)
    monkeypatch.undo()
    monkeypatch.setattr(synthesis, "BLOCK_FRAMES", 16)
    monkeypatch.setattr(synthesis, "sample", None)  # all frames are made
    write_synthetic_cohort(plan(study), study)
    monkeypatch.undo()
    monkeypatch.setattr(synthesis, "BLOCK_FRAMES", 16)
    other = finished_generator(tmp_path / "other")
    write_synthetic_cohort(plan(other), other)
    assert cohort_bytes(other) == cohort_bytes(study)


def test_a_block_half_written_is_written_again(study, tmp_path):
    whole = plan(study)
    make_blocks(whole, study)
    making = next((study / "synthetic").glob("making-*"))
    (making / "done" / "000002").unlink()
    shard = making / "frames.zarr" / "mask" / "c" / "2" / "0" / "0"
    shard.unlink()
    shard.with_name("0.abc.partial").write_bytes(b"half")
    write_synthetic_cohort(whole, study)
    other = finished_generator(tmp_path / "other")
    write_synthetic_cohort(whole, other)
    assert cohort_bytes(other) == cohort_bytes(study)


def test_the_same_plan_is_not_made_twice_and_another_one_is(study, monkeypatch):
    write_synthetic_cohort(plan(study), study)
    before = cohort_bytes(study)
    monkeypatch.setattr(synthesis, "sample", None)
    write_synthetic_cohort(plan(study), study)
    make_blocks(plan(study), study, 2, 3)
    assert cohort_bytes(study) == before
    monkeypatch.undo()
    write_synthetic_cohort(replace(plan(study), seed=4, block=16), study)
    assert cohort_bytes(study) != before
    assert not list((study / "synthetic").glob("making-*"))


def test_frames_are_made_anew_where_pixels_are_lost_or_the_code_draws_otherwise(study, monkeypatch):
    write_synthetic_cohort(plan(study), study)
    before = cohort_bytes(study)
    shutil.rmtree(study / "synthetic" / "frames.zarr")
    write_synthetic_cohort(plan(study), study)
    assert cohort_bytes(study) == before
    other = synthesis.origin.PRESENT | {"sources": "0123456789ab"}
    monkeypatch.setattr(synthesis.origin, "PRESENT", other)
    drawn = []
    monkeypatch.setattr(synthesis, "sample", lambda *given: drawn.append(given) or sample(*given))
    write_synthetic_cohort(plan(study), study)
    assert drawn


def test_blocks_of_another_generator_are_refused(study, tmp_path):
    foreign = replace(plan(study), generator="0" * 64)
    with pytest.raises(ValueError, match="not the generator of the plan"):
        make_blocks(foreign, study)


def test_two_processes_do_not_make_the_same_share(study):
    from filelock import FileLock

    making = synthesis._making(plan(study), study / "synthetic")
    with FileLock(making / ".shard-1-of-1.lock"), pytest.raises(RuntimeError, match="another proc"):
        make_blocks(plan(study), study)


def test_an_error_while_writing_comes_through_and_the_rest_is_kept(study, monkeypatch):
    store, calls = synthesis._store, []

    def full_disk(*given):
        calls.append(given)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        store(*given)

    monkeypatch.setattr(synthesis, "_store", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_synthetic_cohort(plan(study), study)
    assert len(list((study / "synthetic").glob("making-*/done/*"))) >= 2
    assert not (study / "synthetic" / "frames.parquet").exists()


def test_truncation_and_seed_make_another_plan(study):
    assert asdict(plan(study)) != asdict(plan(study, truncation=0.7))
    assert plan(study, truncation=1.0) == plan(study)


def test_a_missing_generator_says_what_to_run(study):
    (study / "gan" / "generator.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"generator.safetensors: no .*02_pggan_training"):
        plan(study)
