import numpy as np
import pandas as pd
import pytest

from cmrkit.cohort.frames import SYNTHETIC_SCHEMA
from cmrkit.cohort.part import Part, join, load_part, open_part
from cmrkit.cohort.store import CohortWriter, StoredPixels

SIDE = 8


@pytest.fixture
def cohort(tmp_path):
    """Three frames that carry their number as grey value; the last is not annotated."""
    images = np.repeat(np.arange(1, 4, dtype=np.uint8), SIDE * SIDE).reshape(3, SIDE, SIDE)
    views = [("4ch", [1]), ("sax", [1]), ("sax", [])]
    rows = [
        {
            "frame_id": f"s{i}", "index": i, "seed": 1, "view": view, "spacing_row_mm": 1.0,
            "spacing_col_mm": 1.0, "labels_present": labels, "source": "pggan",
        }
        for i, (view, labels) in enumerate(views)
    ]  # fmt: skip
    with CohortWriter(tmp_path, SIDE, SYNTHETIC_SCHEMA) as writer:
        writer.append(images, np.zeros_like(images), rows)
    return tmp_path


def names(part):
    assert part.images[:, 0, 0].tolist() == [int(n[1:]) + 1 for n in part.frames["frame_id"]]
    return part.frames["frame_id"].tolist()


def test_frames_are_read_by_view_and_without_unannotated_ones(cohort):
    assert names(load_part(cohort)) == ["s0", "s1", "s2"]
    assert names(load_part(cohort, views=["sax"])) == ["s1", "s2"]
    assert names(load_part(cohort, views=["sax"], annotated=True)) == ["s1"]


def test_a_view_that_is_not_there_is_refused(cohort):
    with pytest.raises(ValueError, match=r"no annotated frame with role None and views \['2ch'\]"):
        load_part(cohort, views=["2ch"], annotated=True)


@pytest.mark.parametrize("rows", [[2, 0], [True, False, True]])
def test_pixels_and_table_are_taken_together(cohort, rows):
    part = load_part(cohort).take(np.array(rows))
    assert sorted(names(part)) == ["s0", "s2"]
    assert part.frames.index.tolist() == [0, 1]
    assert names(part.view("sax")) == ["s2"]


@pytest.mark.parametrize(
    "rows", [slice(1, 3), np.array([2, 0]), np.array([True, False, True]), np.array([], int), 1]
)
def test_pixels_on_the_disk_are_indexed_like_those_in_memory(cohort, rows):
    stored, loaded = open_part(cohort), load_part(cohort)
    assert isinstance(loaded.images, np.ndarray)
    assert isinstance(stored.images, StoredPixels)
    assert stored.images.shape == loaded.images.shape
    assert np.array_equal(stored.images[rows], loaded.images[rows])


def test_what_is_taken_from_the_disk_stays_there_until_it_is_loaded(cohort):
    part = open_part(cohort).take(np.array([2, 1, 0])).view("sax")
    assert isinstance(part.masks, StoredPixels)
    assert names(part.load()) == ["s2", "s1"]
    assert names(join(part, open_part(cohort, views=["4ch"]))) == ["s2", "s1", "s0"]


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_blocks_hold_every_frame_once(cohort, size):
    blocks = list(open_part(cohort).blocks(size))
    assert max(len(block.frames) for block in blocks) <= size
    assert [name for block in blocks for name in names(block)] == ["s0", "s1", "s2"]


def test_joined_parts_keep_their_order_and_miss_what_a_table_lacks():
    pixels = np.zeros((1, SIDE, SIDE), np.uint8)
    patient = Part(pixels, pixels, pd.DataFrame({"frame_id": ["p"], "patient_id": ["p0"]}))
    synthetic = Part(pixels + 1, pixels, pd.DataFrame({"frame_id": ["s"]}))
    joined = join(patient, synthetic)
    assert joined.images[:, 0, 0].tolist() == [0, 1]
    assert joined.frames["patient_id"].isna().tolist() == [False, True]
