"""Frame store: what goes in comes out, nothing half-written is ever seen."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from cmrkit.cohort import store
from cmrkit.cohort.frames import read_frames
from cmrkit.cohort.store import CohortWriter, load_pixels


def rows(numbers):
    return [
        {
            "frame_id": f"a-sax-00-{number:04d}", "patient_id": "a", "role": "gan", "site": "s",
            "vendor": "v", "disease": "d", "view": "sax", "slice_index": 0, "slice_spacing_mm": 8.0,
            "phase_index": number,
            "phase_fraction": np.nan, "is_ed": False, "is_es": False, "spacing_row_mm": 1.0,
            "spacing_col_mm": 1.0, "labels_present": [1], "source": "test",
        }
        for number in numbers
    ]  # fmt: skip


def pixels(count, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (2, count, 8, 8), dtype=np.uint8)
    return values[0], values[1] % 6


def write(folder, sizes, seed=0):
    images, masks = pixels(sum(sizes), seed)
    edges = np.cumsum([0, *sizes])
    with CohortWriter(folder, 8) as writer:
        for start, stop in pairwise(edges):
            writer.append(images[start:stop], masks[start:stop], rows(range(start, stop)))
    return images, masks


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(store, "SHARD_FRAMES", 16)
    monkeypatch.setattr(store, "CHUNK_FRAMES", 4)


@pytest.mark.parametrize("sizes", [[5], [16], [7, 9, 1], [40], [3, 40, 3], [16, 16], [15, 17, 2]])
def test_frames_come_back_in_order_whatever_the_portions(tmp_path, sizes):
    images, masks = write(tmp_path, sizes)
    back, back_masks = load_pixels(tmp_path)
    assert np.array_equal(back, images)
    assert np.array_equal(back_masks, masks)
    assert read_frames(tmp_path)["phase_index"].tolist() == list(range(sum(sizes)))


def test_chosen_rows_are_read_alone(tmp_path):
    images, masks = write(tmp_path, [40])
    back, back_masks = load_pixels(tmp_path, [1, 17, 39])
    assert np.array_equal(back, images[[1, 17, 39]])
    assert np.array_equal(back_masks, masks[[1, 17, 39]])


def digest(folder):
    content = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return content.hexdigest()


def test_the_bytes_do_not_depend_on_the_portions(tmp_path):
    write(tmp_path / "one", [40])
    write(tmp_path / "two", [3, 20, 17])
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_an_error_leaves_the_earlier_cohort_and_nothing_else(tmp_path):
    images, _ = write(tmp_path, [5])
    before = digest(tmp_path)
    wrong = pytest.raises(ValueError, match="images: uint8")
    with wrong, CohortWriter(tmp_path, 8) as writer:
        writer.append(*pixels(20, seed=1), rows(range(20)))
        writer.append(*pixels(20, seed=1), rows(range(3)))
    assert digest(tmp_path) == before
    assert np.array_equal(load_pixels(tmp_path)[0], images)


def test_a_table_that_breaks_the_contract_leaves_the_earlier_cohort(tmp_path):
    write(tmp_path, [5])
    before = digest(tmp_path)
    doubled = pytest.raises(ValueError, match="occurs more than once")
    with doubled, CohortWriter(tmp_path, 8) as writer:
        writer.append(*pixels(2), rows([1, 1]))
    assert digest(tmp_path) == before


def test_a_second_cohort_replaces_the_first(tmp_path):
    write(tmp_path, [40])
    images, _ = write(tmp_path, [3], seed=2)
    assert np.array_equal(load_pixels(tmp_path)[0], images)
    assert len(read_frames(tmp_path)) == 3


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (np.zeros((2, 8, 8), np.uint8), np.zeros((1, 8, 8), np.uint8), "masks: uint8"),
        (np.zeros((2, 9, 8), np.uint8), np.zeros((2, 8, 8), np.uint8), "images: uint8"),
        (np.zeros((2, 8, 8), np.float32), np.zeros((2, 8, 8), np.uint8), "images: float32"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(tmp_path, images, masks, message):
    with pytest.raises(ValueError, match=message), CohortWriter(tmp_path, 8) as writer:
        writer.append(images, masks, rows([0, 1]))


def test_a_cohort_without_a_frame_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no frame was added"), CohortWriter(tmp_path, 8):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("resolution", [32, 96, 1024])
def test_any_size_of_frame_is_stored(tmp_path, resolution):
    image = np.full((1, resolution, resolution), 7, np.uint8)
    with CohortWriter(tmp_path, resolution) as writer:
        writer.append(image, image % 5, rows([0]))
    assert (load_pixels(tmp_path)[0] == image).all()
