"""The pages of the report."""

from pathlib import Path

import nbformat
import pytest

from cmrkit import report


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title\n\nWhy?")])
    nbformat.write(notebook, tmp_path / "01_cohort.ipynb")
    report._page(tmp_path, "01_cohort", 1.0)
    kept = (tmp_path / "01_cohort.html").read_text()

    def full_disk(path, text):
        path.write_bytes(text[:9].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="No space left"):
        report._page(tmp_path, "01_cohort", 1.0)
    assert (tmp_path / "01_cohort.html").read_text() == kept
