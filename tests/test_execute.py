"""A notebook that ends without a traceback of its own."""

from pathlib import Path

import nbformat
import pytest
import yaml

from cmrkit import paths
from cmrkit.execute import NotebookError, execute


@pytest.fixture
def kernel_that_dies(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    code = nbformat.v4.new_code_cell("import os\nos._exit(9)")
    notebook = nbformat.v4.new_notebook(cells=[code])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "p", "language": "python"}
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, paths.notebook("01_cohort"))


def test_a_kernel_that_the_system_ended_is_told_in_one_line(kernel_that_dies):
    with pytest.raises(NotebookError, match=r"01_cohort.ipynb: .*memory") as error:
        execute("01_cohort", {"study": "tiny"})
    assert "\n" not in str(error.value)


def test_parameters_kept_beside_the_notebook_are_whole_or_not_there(kernel_that_dies, monkeypatch):
    kept = paths.report_folder("tiny") / "params"
    with pytest.raises(NotebookError):
        execute("01_cohort", {"study": "tiny", "seed": 1})

    def full_disk(path, text):
        path.write_bytes(text[:9].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="No space left"):
        execute("01_cohort", {"study": "tiny", "seed": 2})
    assert yaml.safe_load((kept / "01_cohort.yaml").read_text()) == {"study": "tiny", "seed": 1}
