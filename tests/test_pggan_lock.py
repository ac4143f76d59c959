"""One writer a run folder: a second one is refused, and a killed launcher leaves none behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pggan_runs import tiny_data, tiny_recipe

from cmrkit.pggan import lock
from cmrkit.pggan.lines import read_lines
from cmrkit.pggan.training import train


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data") / "data.safetensors")


def test_second_training_on_a_folder_is_refused_and_the_first_goes_on(data, tmp_path):
    refused = []

    def start_another(line):
        if line["tick"] == 2:
            with pytest.raises(ValueError, match=f"{tmp_path}: another training .process") as error:
                train(tiny_recipe(), data, tmp_path)
            refused.append(str(error.value))

    train(tiny_recipe(), data, tmp_path, start_another)
    assert f"process {os.getpid()} on " in refused[0]
    assert [line["tick"] for line in read_lines(tmp_path / "stats.jsonl")] == list(range(1, 9))


def test_folder_is_free_again_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), lock.sole_writer(tmp_path):
        raise ZeroDivisionError
    with lock.sole_writer(tmp_path):
        pass


def test_file_system_without_locks_is_used_with_a_warning(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", no_locks)
    with pytest.warns(UserWarning, match="cannot be locked"), lock.sole_writer(tmp_path):
        pass


LAUNCH = """
import sys
sys.path.insert(0, sys.argv[1])
from pggan_runs import tiny_recipe
from cmrkit.pggan.launch import launch
launch(tiny_recipe(stable_kimg=(0.16, 40.0)), sys.argv[2], sys.argv[3], processes=2)
"""


def _processes_with(text):
    """Process ids whose command line has a text, from /proc."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if text in Path("/proc", entry, "cmdline").read_text() and int(entry) != os.getpid():
                found.append(int(entry))
        except (OSError, ValueError):
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is of Linux")
def test_killed_launcher_leaves_no_training_behind(data, tmp_path):
    tests = str(Path(__file__).parent)
    run = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, tests, data, tmp_path],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait(lambda: any(tmp_path.glob("run-*/stats.jsonl")) or run.poll() is not None)
        assert len(_processes_with(str(tmp_path))) == 4  # launcher, its agent, two ranks
        run.send_signal(signal.SIGKILL)
        run.wait()
        _wait(lambda: not _processes_with(str(tmp_path)))
    finally:
        for left in _processes_with(str(tmp_path)):
            os.kill(left, signal.SIGKILL)


def _wait(until, seconds=60):
    end = time.time() + seconds
    while not until():
        assert time.time() < end
        time.sleep(0.2)
