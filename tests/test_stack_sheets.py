from dicoms import write_patient

from cmrkit.cohort.readers import open_source
from cmrkit.figures import stacks


def test_every_cine_gets_a_picture_the_doubtful_first(tmp_path, monkeypatch):
    monkeypatch.setattr(stacks, "ACROSS", 1)
    monkeypatch.setattr(stacks, "DOWN", 1)
    write_patient(tmp_path / "archive", "A")
    archive = open_source("dicom", tmp_path / "archive")
    table = archive.stacks().assign(clear=[True, False])
    first = stacks.write_stack_sheets(archive, table, tmp_path / "stacks.pdf")
    assert " ?\n" in first.axes[0].get_title()
    assert b"/Count 2 " in (tmp_path / "stacks.pdf").read_bytes()
    assert not list(tmp_path.glob(".stacks*"))
