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


def test_a_cine_whose_name_says_another_view_comes_first_with_a_question_mark(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(stacks, "ACROSS", 1)
    monkeypatch.setattr(stacks, "DOWN", 1)
    for number, (view, name) in enumerate([("sax", "sax"), ("4ch", "cine 2ch")]):
        tags = {"SeriesDescription": name, "SeriesInstanceUID": f"1.2.{number}"}
        write_patient(tmp_path / "archive" / view, "A", (view,), slices=6, **tags)
    archive = open_source("dicom", tmp_path / "archive")
    table = archive.stacks()
    assert table[["judged", "clear"]].values.tolist() == [["sax", True], ["4ch", False]]
    first = stacks.write_stack_sheets(archive, table, tmp_path / "stacks.pdf")
    assert first.axes[0].get_title().startswith("4ch ?")
