import re
import tomllib

import yaml

from cmrkit.paths import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
LOCKED = [
    line.split("==")[0] for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
    if "==" in line
]  # fmt: skip


def test_conda_door_only_installs_this_project_with_its_locks():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    names = [d if isinstance(d, str) else "pip:" for d in environment["dependencies"]]
    assert [re.split("[=<>]", n)[0] for n in names] == ["python", "pip", "pip:"]
    assert environment["dependencies"][-1]["pip"] == ["-c constraints.txt", "-e .[dev]"]


def test_every_dependency_has_a_locked_version():
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    names = {re.match(r"[\w.-]+", line).group().lower() for line in wanted}
    assert names <= set(LOCKED), names - set(LOCKED)


def test_every_python_gets_the_versions_that_were_tested():
    assert len(LOCKED) == len(set(LOCKED)), "a package is locked twice: --fork-strategy fewest"
