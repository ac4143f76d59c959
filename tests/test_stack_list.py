"""The list of cines that a person corrects: what is kept, and what is refused in one line."""

import pandas as pd
import pytest

from cmrkit.cohort.readers.stack_list import chosen_slices, corrections, review


def cines(*numbers):
    """A list as an archive proposes it: short-axis stacks of 10 slices."""
    return pd.DataFrame(
        {"patient_id": [f"dicom-{n}" for n in numbers], "stack_id": [f"cine-{n}" for n in numbers],
         "view": "sax", "slices": "", "clear": True, "positions": 10, "row_mm": 1.25}
    )  # fmt: skip


@pytest.fixture
def path(tmp_path):
    """A list of three cines of which the second was corrected."""
    path = tmp_path / "stacks.csv"
    review(cines(1, 2, 3), path)
    path.write_text(path.read_text().replace("cine-2,sax,,", "cine-2,sax,2-9,"))
    return path


def test_corrections_of_cines_that_were_missing_once_are_kept(path):
    whole, changed = path.read_text(), corrections(path)
    found = review(cines(1, 3), path)
    assert found["stack_id"].tolist() == ["cine-1", "cine-3"]
    assert corrections(path) == changed
    back = review(cines(1, 2, 3), path)
    assert back["slices"].tolist() == ["", "2-9", ""]
    assert path.read_text() == whole


def test_a_list_of_other_cines_is_refused_and_left_alone(path):
    whole = path.read_text()
    with pytest.raises(ValueError, match="lists none of the cines found"):
        review(cines(7, 8), path)
    assert path.read_text() == whole


@pytest.mark.parametrize(
    ("text", "chosen"), [("", [*range(10)]), ("2-4", [2, 3, 4]), (" 7, 0 ,3 - 4", [0, 3, 4, 7])]
)
def test_slices_are_chosen_by_numbers_and_ranges(text, chosen):
    assert chosen_slices(text, 10) == chosen


@pytest.mark.parametrize(
    ("text", "part"),
    [("0,3;4", "3;4"), ("1,2.5", "2.5"), ("0,9-2", "9-2"), ("all", "all"), ("0,,1", ""),
     ("0-10", "0-10"), ("1,0-2", "0-2"), ("0-999999999999", "0-999999999999")],
)  # fmt: skip
def test_a_cell_that_names_no_slices_is_an_error_that_names_file_cine_and_cell(path, text, part):
    path.write_text(path.read_text().replace("2-9", f'"{text}"'))
    with pytest.raises(ValueError, match="does not fit slices 0-9; column view") as caught:
        review(cines(1, 2, 3), path)
    assert str(caught.value).startswith(f"{path}: cine-2: slices {text!r}: {part!r}")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda whole: whole + whole.splitlines(True)[2], "stack_id 'cine-2' has two rows; delete"),
        (lambda whole: b"", "no table .*; save it as CSV in UTF-8, or move it away"),
        (lambda whole: whole.replace(b"2-9", b"2\xf69"), "no table .*; save it as CSV in UTF-8"),
        (lambda whole: whole + b"1,2,3,4,5,6,7,8,9,10\n", "no table .*line 5.*; save it as CSV"),
        (lambda whole: whole.replace(b",", b";"), "no column stack_id; move the file away"),
    ],
)
@pytest.mark.parametrize("read", [corrections, lambda path: review(cines(1, 2, 3), path)])
def test_a_list_that_is_no_table_is_one_error_that_names_it(path, damage, message, read):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
