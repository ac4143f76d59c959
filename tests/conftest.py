"""What all tests share: real data where there is some, and a pseudonym key of their own."""

import os
from pathlib import Path

import pytest

from cmrkit.cohort.pseudonym import KEY_VARIABLE
from cmrkit.paths import REPOSITORY

DATA_VARIABLE = "CMRKIT_TEST_DATA"
LONGEST = "test_workflow.py", "test_notebooks.py"  # whole studies; begun last, one runs alone


def pytest_collection_modifyitems(items):
    """Begin with the longest files, so that two processes end at about the same time."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def real_data():
    """`real_data("chla_chd")` is that folder of the real data; the test is skipped without it."""
    root = Path(os.environ.get(DATA_VARIABLE) or REPOSITORY.parent / "shared" / "data")

    def folder(name):
        if not (root / name).is_dir():
            pytest.skip(f"no real data in {root / name}; name their folder in {DATA_VARIABLE}")
        return root / name

    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_pseudonym_key(tmp_path_factory):
    """Keep the key of whoever runs the tests out of it."""
    patch = pytest.MonkeyPatch()
    patch.setenv(KEY_VARIABLE, str(tmp_path_factory.mktemp("key") / "pseudonym.key"))
    yield
    patch.undo()
