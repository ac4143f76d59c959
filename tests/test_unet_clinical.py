import numpy as np
import pandas as pd
import pytest

from cmrkit.cohort.part import Part
from cmrkit.unet.clinical import agreement_of_arms, bland_altman, ventricular_function


def _stack(areas, *, view="sax", patient="p1", label=1, spacing=(1.0, 2.0), apart=np.nan):
    """Frames of one patient: areas = {(slice, "ed" or "es"): pixels of the label}."""
    rows, masks = [], np.zeros((len(areas), 16, 16), np.uint8)
    for mask, ((position, time), pixels) in zip(masks, areas.items(), strict=True):
        mask.reshape(-1)[:pixels] = label
        rows.append(
            {
                "frame_id": f"{patient}_{view}_{position}_{time}",
                "patient_id": patient,
                "view": view,
                "slice_index": position,
                "slice_spacing_mm": apart,
                "is_ed": time == "ed",
                "is_es": time == "es",
                "spacing_row_mm": spacing[0],
                "spacing_col_mm": spacing[1],
                "labels_present": [label],
            }
        )
    return masks, pd.DataFrame(rows)


def _values(table):
    return dict(zip(table["quantity"], table["value"], strict=True))


def test_a_long_axis_slice_gives_areas_and_their_change():
    masks, frames = _stack({(0, "ed"): 100, (0, "mid"): 70, (0, "es"): 60}, view="4ch", label=3)
    table = ventricular_function(masks, frames)
    assert set(table["label"]) == {"RV"}
    assert _values(table) == pytest.approx(
        {"ed_area_mm2": 200, "es_area_mm2": 120, "fractional_area_change": 0.4}
    )


FULL = {(0, "ed"): 120, (1, "ed"): 100, (2, "ed"): 80, (0, "es"): 60, (1, "es"): 50, (2, "es"): 40}


def test_a_short_axis_stack_gives_volumes_by_summation_of_slices():
    # 300 and 150 pixels of 2 mm2, slices 8 mm apart: 4800 and 2400 mm3
    table = ventricular_function(*_stack(FULL, apart=8.0))
    values = _values(table)
    assert values["edv_ml"] == pytest.approx(4.8)
    assert values["esv_ml"] == pytest.approx(2.4)
    assert values["ejection_fraction"] == pytest.approx(0.5)
    assert values["ed_area_mm2"] == 200  # the middle slice


def test_without_slice_spacing_the_ejection_fraction_stays():
    values = _values(ventricular_function(*_stack(FULL)))
    assert values["ejection_fraction"] == pytest.approx(0.5)
    assert "edv_ml" not in values


def test_without_pixel_size_the_ratios_stay_and_nothing_is_zero():
    # as in Sunnybrook's PNG export; here with the slices' distance, which alone gives no volume
    values = _values(ventricular_function(*_stack(FULL, spacing=(np.nan, np.nan), apart=8.0)))
    assert values["ejection_fraction"] == pytest.approx(0.5)
    assert values["fractional_area_change"] == pytest.approx(0.5)
    for name in ("ed_area_mm2", "es_area_mm2", "edv_ml", "esv_ml"):
        assert np.isnan(values[name]), name


def test_two_slices_are_no_stack():
    areas = {key: value for key, value in FULL.items() if key[0] < 2}
    assert "ejection_fraction" not in _values(ventricular_function(*_stack(areas)))


def test_slices_missing_at_end_systole_count_at_end_diastole():
    # the heart shortens: a basal slice annotated at end-diastole alone belongs to its volume
    areas = FULL | {(3, "ed"): 100}
    values = _values(ventricular_function(*_stack(areas)))
    assert values["ejection_fraction"] == pytest.approx(1 - 150 / 400)
    assert values["ed_area_mm2"] == 200


def test_a_patient_without_end_systole_is_left_out():
    assert ventricular_function(*_stack({(0, "ed"): 100}, view="4ch")).empty


def test_a_ventricle_missed_at_end_diastole_has_no_area_change():
    masks, frames = _stack({(0, "ed"): 0, (0, "es"): 10}, view="4ch")
    assert np.isnan(_values(ventricular_function(masks, frames))["fractional_area_change"])


def _measures(values, quantity="ed_area_mm2"):
    return pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in range(len(values))],
            "view": "4ch",
            "label": "LV",
            "quantity": quantity,
            "value": values,
        }
    )


def test_bias_and_limits_of_agreement_by_hand():
    # differences 1, 2, 3, 4, 5: mean 3, SD 1.5811, limits 3 -+ 1.96 SD, t(4) = 2.7764
    reference = _measures([10.0, 20, 30, 40, 50])
    predicted = _measures([11.0, 22, 33, 44, 55])
    limits, pairs = bland_altman(reference, predicted)
    row = limits.iloc[0]
    assert (row["patients"], row["undefined"]) == (5, 0)
    assert row["bias"] == pytest.approx(3)
    assert row["sd"] == pytest.approx(1.58114, abs=1e-5)
    assert [row["loa_low"], row["loa_high"]] == pytest.approx([-0.0990, 6.0990], abs=1e-4)
    assert [row["bias_low"], row["bias_high"]] == pytest.approx([1.0368, 4.9632], abs=1e-4)
    assert pairs["mean"].tolist() == [10.5, 21, 31.5, 42, 52.5]


def test_undefined_measures_are_counted_and_left_out():
    limits, _ = bland_altman(_measures([1.0, np.nan, 3]), _measures([1.0, 2, 5]))
    assert (limits["patients"].item(), limits["undefined"].item()) == (2, 1)
    assert limits["bias"].item() == pytest.approx(1)


def test_one_patient_has_a_bias_and_no_limits():
    row = bland_altman(_measures([1.0]), _measures([3.0]))[0].iloc[0]
    assert row["bias"] == 2
    assert np.isnan(row["bias_low"])
    assert np.isnan(row["loa_high"])


def test_tables_of_different_patients_are_refused():
    with pytest.raises(ValueError, match="only in one table"):
        bland_altman(_measures([1.0, 2]), _measures([1.0]))


def test_each_arm_is_measured_against_the_reference_with_its_seeds_averaged():
    masks, frames = _stack({(0, "ed"): 100, (0, "es"): 50}, view="4ch")
    other, more = _stack({(0, "ed"): 80, (0, "es"): 60}, view="4ch", patient="p2")
    external = Part(masks, np.concatenate([masks, other]), pd.concat([frames, more]))
    larger, _ = _stack({(0, "ed"): 110, (0, "es"): 50}, view="4ch")
    drawn = {
        ("patient", 1): external.masks,
        ("synthetic", 1): external.masks,
        ("synthetic", 2): np.concatenate([larger, other]),
    }
    agreement, pairs = agreement_of_arms(external, drawn, [1])
    bias = agreement[agreement["quantity"] == "ed_area_mm2"].set_index("arm")["bias"]
    assert bias.to_dict() == pytest.approx({"patient": 0, "synthetic": 5})  # 10 of one of two, x 2
    assert len(pairs) == 2 * 2 * 3


def test_chambers_that_no_u_net_was_asked_for_are_not_measured():
    masks, frames = _stack({(0, "ed"): 100, (0, "es"): 50}, view="4ch")
    masks[:, 12:] = 3
    external = Part(masks, masks, frames.assign(labels_present=[[1, 3]] * 2))
    drawn = {("patient", 1): np.where(masks == 1, masks, 0)}
    agreement, pairs = agreement_of_arms(external, drawn, [1, 2])
    assert set(agreement["label"]) == set(pairs["label"]) == {"LV"}
    both, _ = agreement_of_arms(external, {("patient", 1): masks}, [1, 3])
    assert set(both["label"]) == {"LV", "RV"}


def test_a_seed_without_a_measure_leaves_the_patient_undefined_and_counted():
    masks, frames = _stack({(0, "ed"): 100, (0, "es"): 50}, view="4ch")
    external = Part(masks, masks, frames)
    drawn = {("synthetic", 1): masks, ("synthetic", 2): np.zeros_like(masks)}
    agreement, _ = agreement_of_arms(external, drawn, [1])
    row = agreement.set_index("quantity").loc["fractional_area_change"]
    assert (row["patients"], row["undefined"]) == (0, 1)
    assert agreement.set_index("quantity").loc["ed_area_mm2", "bias"] == pytest.approx(-100)
