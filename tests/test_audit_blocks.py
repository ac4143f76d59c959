"""Frames read coarsely are the frames that `load_part` reads, reduced."""

import numpy as np
import pytest

from cmrkit.audit import blocks
from cmrkit.audit.blocks import block_means, load_coarse
from cmrkit.cohort.part import load_part
from cmrkit.cohort.store import CohortWriter


@pytest.fixture
def cohort(tmp_path):
    """Ten frames of 32 x 32 pixels: both views in turn, the last four of role unet."""
    images = np.random.default_rng(0).integers(256, size=(10, 32, 32), dtype=np.uint8)
    rows = [
        {
            "frame_id": f"f{n}", "patient_id": f"p{n // 2}", "role": "gan" if n < 6 else "unet",
            "site": "s", "vendor": "v", "disease": "d", "view": ("4ch", "sax")[n % 2],
            "slice_index": 0, "slice_spacing_mm": 8.0, "phase_index": 0, "phase_fraction": 0.0,
            "is_ed": True, "is_es": False, "spacing_row_mm": 1.0, "spacing_col_mm": 1.0,
            "labels_present": [1], "source": "test",
        }
        for n in range(10)
    ]  # fmt: skip
    with CohortWriter(tmp_path / "cohort", 32) as writer:
        writer.append(images, np.zeros_like(images), rows)
    return tmp_path / "cohort"


@pytest.mark.parametrize(
    ("role", "views"), [(None, None), ("gan", None), ("unet", ["sax"]), (None, ["4ch"])]
)
def test_the_same_frames_in_the_same_order(monkeypatch, cohort, role, views):
    monkeypatch.setattr(blocks, "READ_FRAMES", 2)
    coarse, whole = load_coarse(cohort, 16, role, views), load_part(cohort, role, views)
    assert coarse.frames.equals(whole.frames)
    assert np.array_equal(coarse.images, np.rint(block_means(whole.images, 16)))
    assert coarse.images.dtype == np.uint8
    assert coarse.view("sax").frames["view"].eq("sax").all()
    assert np.array_equal(load_coarse(cohort, 64, role, views).images, whole.images)


def test_nobody_there_is_refused(cohort):
    with pytest.raises(ValueError, match="no frame with role external"):
        load_coarse(cohort, 16, "external")
