"""A copy of the kit in another folder, for tests that run whole notebooks and workflows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from cmrkit.paths import REPOSITORY


def copy_kit(folder):
    """Copy what git tracks, or would track, to `folder`; nothing that earlier runs made."""
    listing = subprocess.run(
        ["git", "-C", REPOSITORY, "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listing.stdout.splitlines():
        source, target = REPOSITORY / name, Path(folder) / name
        if source.exists():  # deleted but not yet committed
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return Path(folder)


def run_in(kit, *command):
    """Run `python -m <command>` with the copy's package, in the copy's folder."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=kit, env=os.environ | {"PYTHONPATH": str(kit), "MPLBACKEND": "agg"},
        capture_output=True, text=True, timeout=840,
    )  # fmt: skip
