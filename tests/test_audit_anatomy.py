"""Measures on label maps, against shapes whose measures are known."""

import numpy as np
import pandas as pd
import pytest
from hearts import draw_patients

from cmrkit.audit import ranges as audit_ranges
from cmrkit.audit.anatomy import measure_anatomy
from cmrkit.audit.blocks import block_means
from cmrkit.audit.ranges import PatientRanges
from cmrkit.cohort.part import Part


def one_frame(mask, labels=(1, 2, 3), image=None):
    image = np.zeros_like(mask) if image is None else image
    return Part(image[None], mask[None], pd.DataFrame({"labels_present": [list(labels)]}))


def test_area_place_and_elongation_of_a_rectangle():
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[4:8, 2:10] = 1  # 4 rows, 8 columns
    measured = measure_anatomy(one_frame(mask, (1,))).iloc[0]
    assert measured["LV area"] == pytest.approx(np.log(32 / 256))
    assert measured["heart row"] == pytest.approx(6 / 16)
    assert measured["heart column"] == pytest.approx(6 / 16)
    assert measured["LV row"] == pytest.approx(0)
    # the variance of n pixels in a row is (n^2 - 1) / 12, and 1 / 12 within a pixel
    assert measured["LV elongation"] == pytest.approx(np.sqrt(8**2 / 4**2))
    assert measured["LV roughness"] == pytest.approx(24**2 / 32)


def test_enclosure_and_contact_are_shares_of_the_border():
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[3:9, 3:9] = 2
    mask[4:8, 4:8] = 1  # closed in by myocardium
    mask[3:9, 9:12] = 3  # touches one side of the myocardium
    measured = measure_anatomy(one_frame(mask)).iloc[0]
    assert measured["LV-LV myocardium contact"] == 1
    assert measured["LV-RV contact"] == 0
    # myocardium's border: 16 to the cavity, 24 outwards, of which 6 to the RV
    assert measured["LV myocardium-RV contact"] == pytest.approx(6 / 40)
    assert measured["LV-RV distance"] == pytest.approx(2 / 16)
    mask[5:7, 8] = 1  # the wall opens towards the RV
    measured = measure_anatomy(one_frame(mask)).iloc[0]
    # border of the cavity: 16 of the square, and 2 more for the two pixels that stick out
    assert measured["LV-RV contact"] == pytest.approx(2 / 18)


def test_loose_pieces_are_the_share_outside_the_largest_and_stay_within_a_frame():
    whole, broken = np.zeros((2, 16, 16), dtype=np.uint8)
    whole[2:4, 2:6] = 1
    broken[2:4, 2:5] = 1
    broken[10, 10:12] = 1
    part = Part(
        np.zeros((2, 16, 16), np.uint8),
        np.stack([whole, broken]),
        pd.DataFrame({"labels_present": [[1], [1]]}),
    )
    assert list(measure_anatomy(part)["LV loose pieces"]) == pytest.approx([0, 2 / 8])


def test_labels_that_the_source_does_not_annotate_are_not_measured():
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[4:8, 4:8] = 1
    columns = measure_anatomy(one_frame(mask, (1, 3))).columns
    assert not any("myocardium" in name for name in columns)
    assert {"RV area", "LV-RV contact"} <= set(columns)


def test_an_absent_chamber_has_a_tiny_area_and_no_place():
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[4:8, 4:8] = 1
    measured = measure_anatomy(one_frame(mask, (1, 3))).iloc[0]
    assert measured["RV area"] == pytest.approx(np.log(0.25 / 256))
    assert np.isnan(measured["RV row"])
    assert np.isnan(measured["septum brightness"])


def test_brightness_is_in_sd_of_the_frame():
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[:8] = 1
    image = np.where(mask == 1, 150, 50).astype(np.uint8)
    measured = measure_anatomy(one_frame(mask, (1,), image)).iloc[0]
    assert measured["LV brightness"] == pytest.approx(1, rel=1e-4)


def test_block_means_average_squares_of_pixels():
    image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    assert block_means(image, 2).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    assert block_means(image, 8).shape == (1, 4, 4)


def test_z_is_one_at_one_sd_of_each_side():
    reference = draw_patients(20, seed=1)
    ranges = PatientRanges(reference)
    areas = measure_anatomy(reference)["LV area"]
    low, middle, high = areas.quantile([0.025, 0.5, 0.975])
    z = ranges.z_values(reference)["LV area"]
    below, above = areas < middle, areas > middle
    assert z[below].to_numpy() == pytest.approx((middle - areas[below]) / (middle - low) * 1.96)
    assert z[above].to_numpy() == pytest.approx((areas[above] - middle) / (high - middle) * 1.96)


def test_ranges_need_two_patients():
    with pytest.raises(ValueError, match="reference: 1 patient"):
        PatientRanges(draw_patients(1, seed=1))


def test_frames_are_measured_alike_however_many_at_a_time(monkeypatch):
    part = draw_patients(5, seed=1)
    whole = PatientRanges(part).z_values(part)
    monkeypatch.setattr(audit_ranges, "MEASURE_PIXELS", 3 * part.images[0].size)
    pd.testing.assert_frame_equal(PatientRanges(part).z_values(part), whole)
