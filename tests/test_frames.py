"""Frame table: what breaks the contract is refused, and a written table comes back as it was."""

import numpy as np
import pandas as pd
import pytest

from cmrkit.cohort.frames import (
    PATIENT_SCHEMA,
    SYNTHETIC_SCHEMA,
    check_labelled,
    fully_labelled,
    labels_of_views,
    read_frames,
    write_frames,
)


def frames(**columns):
    table = pd.DataFrame(
        {
            "frame_id": ["a-sax-00-00", "a-sax-00-01", "b-4ch-00-00"],
            "patient_id": ["a", "a", "b"],
            "role": ["gan", "gan", "external"],
            "site": "CHLA", "vendor": "Philips", "disease": "Tetralogy of Fallot",
            "slice_index": 0, "slice_spacing_mm": 8.0, "phase_index": [0, 1, 0],
            "phase_fraction": [0.0, 0.5, np.nan],
            "is_ed": [True, False, True], "is_es": False,
            "view": ["sax", "sax", "4ch"],
            "spacing_row_mm": [1.5, 1.5, np.nan], "spacing_col_mm": [1.5, 1.5, np.nan],
            "labels_present": [[1, 3], [1], []],
            "source": "chla",
        }
    )  # fmt: skip
    return table.assign(**columns)


def test_a_table_comes_back_as_it_was_written_with_the_columns_of_the_contract(tmp_path):
    shuffled = frames()[reversed(frames().columns)]
    write_frames(shuffled, tmp_path / "frames.parquet")
    back = read_frames(tmp_path)
    assert list(back.columns) == PATIENT_SCHEMA.names
    assert [list(labels) for labels in back["labels_present"]] == [[1, 3], [1], []]
    for name in set(PATIENT_SCHEMA.names) - {"labels_present"}:
        assert back[name].astype(object).equals(frames()[name].astype(object)), name


def test_the_same_table_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_frames(frames(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_synthetic_table_needs_no_patient(tmp_path):
    table = frames().drop(columns=["patient_id", "role"]).assign(index=[0, 1, 2], seed=1)
    write_frames(table, tmp_path / "frames.parquet", SYNTHETIC_SCHEMA)
    assert list(read_frames(tmp_path).columns) == SYNTHETIC_SCHEMA.names


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"role": ["gan", "unet", "external"]}, "patients in more than one role: a"),
        ({"frame_id": ["x", "y", "x"]}, "frame_id: 'x' occurs more than once"),
        ({"role": "test"}, "role: unknown value 'test'; allowed: gan, unet, external"),
        ({"view": "3ch"}, "view: unknown value '3ch'; allowed: 4ch, 2ch, sax"),
    ],
)
def test_a_table_that_breaks_the_contract_is_not_written(tmp_path, columns, message):
    with pytest.raises(ValueError, match=message):
        write_frames(frames(**columns), tmp_path / "frames.parquet")
    assert not (tmp_path / "frames.parquet").exists()


def test_a_missing_column_is_an_error(tmp_path):
    with pytest.raises(KeyError, match="vendor"):
        write_frames(frames().drop(columns="vendor"), tmp_path / "frames.parquet")


def test_a_folder_without_a_table_names_the_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"frames\.parquet: no frame table"):
        read_frames(tmp_path)


def test_a_frame_is_fully_labelled_when_it_has_every_label_of_its_view():
    assert labels_of_views(frames()) == {"sax": [1, 3], "4ch": []}
    assert fully_labelled(frames()).tolist() == [True, False, True]


def test_a_role_without_any_label_is_named_before_anything_is_trained():
    table = frames().assign(role=["gan", "unet", "external"], labels_present=[[1], [1, 3], [1]])
    table = pd.concat([table.assign(view="4ch"), table.assign(view="sax")])
    check_labelled(table, ["4ch", "sax"])
    bare = table["labels_present"].where((table["view"] == "4ch") | (table["role"] == "unet"), ())
    table["labels_present"] = bare
    check_labelled(table, ["4ch"])
    with pytest.raises(ValueError, match=r"of sax gan, sax external: .* masks"):
        check_labelled(table, ["4ch", "sax"])
