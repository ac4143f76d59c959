"""Two processes on gloo: same schedule and curves as one, one writer, a clear end when one dies."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from pggan_runs import tiny_data, tiny_recipe

from cmrkit.pggan import tensor_file, training
from cmrkit.pggan.lines import read_lines
from cmrkit.pggan.processes import Processes, ProcessLost, join
from cmrkit.pggan.training import train
from cmrkit.pggan.weights import KIND


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data") / "data.safetensors")


def launch(folder, data, **changes):
    tiny_recipe(**changes).save(folder / "given.json")
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
        *("-m", "cmrkit.pggan.training", "--recipe", folder / "given.json"),
        *("--data", data, "--folder", folder),
    ]


def environment():
    return os.environ | {"OMP_NUM_THREADS": "1"}


def test_two_processes_follow_the_curves_of_one(data, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    two.mkdir()
    train(tiny_recipe(), data, one)
    subprocess.run(launch(two, data), env=environment(), check=True, timeout=240)
    ours, theirs = (read_lines(folder / "stats.jsonl") for folder in (two, one))
    assert [line["kimg"] for line in ours] == [line["kimg"] for line in theirs]
    for name in ("loss_d", "loss_g", "penalty"):
        curves = [[line[name] for line in lines] for lines in (ours, theirs)]
        assert curves[0] == pytest.approx(curves[1], rel=2e-2, abs=2e-3)
    a, b = (tensor_file.read(f / "generator.safetensors", KIND)[0] for f in (one, two))
    apart = max((a[key] - b[key]).abs().max().item() for key in a)
    assert apart < 0.05  # Adam moved the weights by up to 48 steps of 0.002


def test_lost_process_ends_the_job_and_the_next_start_goes_on(data, tmp_path):
    longer = {"stable_kimg": (0.16, 4.0)}
    run = subprocess.Popen(
        launch(tmp_path, data, **longer), env=environment(), stderr=subprocess.PIPE, text=True
    )
    deadline = time.time() + 120
    while len(read_lines(tmp_path / "stats.jsonl")) < 2:
        assert time.time() < deadline
        time.sleep(0.1)
    os.kill(_worker_of(run.pid, rank=1), signal.SIGKILL)
    run.communicate(timeout=120)
    assert run.returncode != 0
    done = len(read_lines(tmp_path / "stats.jsonl"))
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe(**longer), data, tmp_path, on_tick=_stop)
    kimg = [line["kimg"] for line in read_lines(tmp_path / "stats.jsonl")]
    assert len(kimg) >= done
    assert kimg == sorted(set(kimg))


def test_process_that_waits_for_a_lost_one_says_so(monkeypatch):
    def lost(values):
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(torch.distributed, "all_reduce", lost)
    with pytest.raises(
        ProcessLost, match=r"rank 0 of 2: another process stopped \(Connection .*start the same"
    ):
        Processes(0, 2, torch.device("cpu")).mean(torch.zeros(3))


def test_batch_that_processes_cannot_share_is_refused_before_the_first_tick(data, monkeypatch):
    monkeypatch.setattr(training.processes, "join", lambda: Processes(0, 2, torch.device("cpu")))
    with pytest.raises(ValueError, match="batch: 4 does not split into groups of 4"):
        train(tiny_recipe(batch=(8, 4)), data, "nowhere")


def _stop(line):
    if line["kimg"] > 1:
        raise KeyboardInterrupt


def _worker_of(parent, rank):
    """Process id of a rank, from /proc."""
    for entry in os.listdir("/proc"):
        try:
            stat = Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()
            variables = Path("/proc", entry, "environ").read_text().split("\0")
        except (OSError, IndexError):
            continue
        if stat[1] == str(parent) and f"RANK={rank}" in variables:
            return int(entry)
    raise AssertionError(f"no rank {rank} below process {parent}")


def test_one_process_takes_the_whole_batch():
    assert list(range(8))[Processes(0, 1, torch.device("cpu")).share(8, 4)] == list(range(8))


def test_processes_take_whole_groups():
    parts = [Processes(rank, 2, torch.device("cpu")).share(16, 4) for rank in (0, 1)]
    assert parts == [slice(0, 8), slice(8, 16)]


@pytest.mark.parametrize(("batch", "world", "multiple"), [(16, 3, 12), (8, 4, 16)])
def test_batch_that_does_not_split_is_refused_with_one_that_does(batch, world, multiple):
    with pytest.raises(
        ValueError, match=re.escape(f"batch: {batch} ") + f".*multiple of {multiple}"
    ):
        Processes(0, world, torch.device("cpu")).share(batch, 4)


OTHER_RANK_SEES_LESS = """
import os
from cmrkit.pggan import training
from cmrkit.pggan.checkpoint import RunFolder
listed = RunFolder.all
if os.environ["RANK"] == "1":
    RunFolder.all = lambda run: dict(list(listed(run).items())[:-1])  # a stale listing
training.main()
"""


def test_processes_that_see_other_checkpoints_are_refused(data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe(), data, tmp_path, on_tick=_stop_after_two)
    (tmp_path / "stale.py").write_text(OTHER_RANK_SEES_LESS)
    command = launch(tmp_path, data)
    command[command.index("-m", 3) : command.index("--recipe")] = [tmp_path / "stale.py"]
    search = {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        command, env=environment() | search, capture_output=True, text=True, timeout=240
    )
    assert done.returncode
    assert "ValueError: images_shown: rank 0 has 96, rank 1 has 48; let all see" in done.stderr


def _stop_after_two(line):
    if line["tick"] == 2:
        raise KeyboardInterrupt


def test_tasks_of_srun_that_know_nothing_of_each_other_are_refused(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    with pytest.raises(ValueError, match=r"srun: 4 tasks, .*torch\.distributed\.run"):
        join()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert join().world == 1


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match=r"LOCAL_RANK: 2, .*--nproc-per-node=2"):
        join()
