"""The automated reader finds planted faults, knows how well it reads, and can say no."""

import numpy as np
import pandas as pd
import pytest
from hearts import draw_patients, draw_synthetic

from cmrkit.audit.controls import make_controls
from cmrkit.audit.plausibility import TITLE, read_automatically
from cmrkit.cohort.part import Part

REFERENCE, HELD_OUT = draw_patients(30, seed=1), draw_patients(15, seed=2, name="h")
SYNTHETIC = draw_synthetic(120, seed=3)


@pytest.fixture(scope="module")
def reading():
    return read_automatically(SYNTHETIC, REFERENCE, HELD_OUT, seed=1, controls=36)


def test_good_frames_are_called_implausible_no_more_often_than_patients(reading):
    summary = reading.summary.iloc[0]
    assert summary["low"] < 0.15
    assert summary["informative"]
    assert TITLE in summary["verdict"]
    assert "against" in summary["verdict"]


def test_planted_faults_are_found(reading):
    sensitivity = reading.performance.set_index("group")["share"]
    assert sensitivity["all controls"] > 0.9
    assert sensitivity["held-out patients"] > 0.8


def test_a_generator_that_breaks_hearts_is_reported():
    images, masks, table = make_controls(*HELD_OUT, 40, seed=9)
    broken = Part(images, masks, table[["frame_id", "view", "labels_present"]])
    part = Part(
        np.concatenate([SYNTHETIC.images, images]),
        np.concatenate([SYNTHETIC.masks, masks]),
        pd.concat([SYNTHETIC.frames, broken.frames], ignore_index=True),
    )
    reading = read_automatically(part, REFERENCE, HELD_OUT, seed=1, controls=36)
    called = reading.readings[reading.readings["implausible"]]["frame_id"]
    assert table["frame_id"].isin(called).mean() > 0.9
    assert reading.summary["low"].iloc[0] > 1 - reading.summary["sensitivity"].iloc[0]


def test_a_reader_that_misses_the_controls_says_not_informative():
    """Patients so different from each other that no fault stands out."""
    rng = np.random.default_rng(0)

    def scattered(part):
        images, masks = part.images.copy(), part.masks.copy()
        for row in range(len(images)):
            turns, flip = rng.integers(4), rng.integers(2)
            for pixels in (images, masks):
                pixels[row] = np.rot90(pixels[row][:, :: 1 - 2 * flip], turns)
            masks[row][rng.random(masks[row].shape) < 0.3 * rng.random()] = rng.integers(4)
        return part._replace(images=images, masks=masks)

    reading = read_automatically(
        SYNTHETIC, scattered(REFERENCE), scattered(HELD_OUT), seed=1, controls=36
    )
    assert not reading.summary["informative"].iloc[0]
    assert "not informative" in reading.summary["verdict"].iloc[0]


def test_every_frame_is_read_once_with_a_reason(reading):
    readings = reading.readings
    assert readings["frame_id"].is_unique
    assert readings["group"].value_counts()["synthetic"] == 120
    assert readings["reason"].notna().all()


def test_a_view_without_patients_is_refused():
    with pytest.raises(ValueError, match="no patient frame of view '4ch'"):
        read_automatically(draw_synthetic(4, seed=1, view="4ch"), REFERENCE, HELD_OUT, seed=1)
