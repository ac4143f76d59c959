"""Start or go on with a training run, in this process or in several."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from cmrkit.pggan import tensor_file
from cmrkit.pggan.files import written_whole
from cmrkit.pggan.training import train

# torch.distributed.run, which ends when the process that started it does.
TIED_RUN = (
    "import sys; from cmrkit.pggan.lock import die_with; die_with(int(sys.argv.pop(1))); "
    "from torch.distributed.run import main; main()"
)


def run_folder(parent, recipe, data_path):
    """Folder of one run: another recipe or other frames get a folder of their own.

    Choice: so that a changed parameter neither meets nor destroys the checkpoints of another run.
    The code counts not, or an edited comment would throw hours away: see `origin.remark`.
    """
    what = json.dumps(recipe.to_dict(), sort_keys=True) + tensor_file.digest(data_path)
    return Path(parent) / f"run-{hashlib.sha256(what.encode()).hexdigest()[:12]}"


def launch(recipe, data_path, parent, processes=1, on_tick=None):
    """Train to the end, going on where this run stopped.

    Args:
        recipe: Recipe.
        data_path: file written by `data.save_training_data`.
        parent: folder of all runs; gets a copy of the finished `generator.safetensors`.
        processes: 1 trains in this process; more are started by torch.distributed.run.
        on_tick: called with each line of statistics; with several processes they print instead.

    Returns:
        the run's folder: `stats.jsonl`, `grids/`, `checkpoints/`, `generator.safetensors`.

    Raises:
        RuntimeError: a process of several stopped with an error.
        ValueError: as from `training.train`, which also prints a line where other code trained.
    """
    folder = run_folder(parent, recipe, data_path)
    if processes == 1:
        train(recipe, data_path, folder, on_tick)
    else:
        _launch_processes(recipe, data_path, folder, processes)
    with written_whole(Path(parent) / "generator.safetensors") as temporary:
        shutil.copyfile(folder / "generator.safetensors", temporary)
    return folder


def _launch_processes(recipe, data_path, folder, processes):
    folder.mkdir(parents=True, exist_ok=True)
    recipe.save(folder / "launched.json")
    command = [
        sys.executable, "-c", TIED_RUN, os.getpid(), "--standalone",
        f"--nproc-per-node={processes}", "-m", "cmrkit.pggan.training",
        "--recipe", folder / "launched.json", "--data", data_path, "--folder", folder,
    ]  # fmt: skip
    done = subprocess.run([str(part) for part in command], check=False)
    if done.returncode:
        raise RuntimeError(
            f"{folder}: a training process stopped (exit {done.returncode}); its message is above. "
            "Run again to go on from the last checkpoint"
        )
