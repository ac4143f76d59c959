"""Clinical measures of predicted masks and their agreement with the reference."""

import numpy as np
import pandas as pd
from scipy import stats

from cmrkit.cohort.areas import label_areas
from cmrkit.cohort.frames import LABELS

FEWEST_SLICES = 3
VENTRICLES = ("LV", "RV")
_PATIENT = ["patient_id", "view", "label"]


def ventricular_function(masks, frames):
    """Size and function of each patient's ventricles at end-diastole and end-systole.

    Areas are those of one slice position: the only one of a long axis, and of a short-axis stack
    the middle one of those annotated at both times. Volumes are sums of slice areas times the
    distance between slices, each time over the slices annotated at that time, from stacks of at
    least three slices at both times.

    Args:
        masks: [n, R, R] uint8, labels as `frames.LABELS`.
        frames: n rows of a patient frame table, in the same order.

    Returns:
        DataFrame `patient_id, view, label, quantity, value`. Quantities: `ed_area_mm2`,
        `es_area_mm2`, `fractional_area_change` (0 to 1) and, where the stack allows,
        `ejection_fraction` (0 to 1), `edv_ml` and `esv_ml`. A patient without an annotated frame at
        both times is left out. Where the distance between slices is not known, there are no
        volumes, but an ejection fraction, in which the distance cancels. So does the pixel size:
        where a patient's frames do not state it, areas and volumes are NaN, and both ratios come
        from counts of pixels.

    Source: Schulz-Menger et al. 2020, Standardized image interpretation and post-processing in
    cardiovascular magnetic resonance, 2020 update (J Cardiovasc Magn Reson 22:19): summation of
    slices. Choice: the middle slice for areas, because the reference decides it alone.
    """
    times = frames["is_ed"].to_numpy() | frames["is_es"].to_numpy()
    sizes = _sizes(masks[times], frames[times].reset_index(drop=True))
    rows = []
    for (patient, view, label), table in sizes.groupby(_PATIENT, sort=True):
        table = _comparable(table)
        ed, es = (
            table[table[time]].groupby("slice_index")[["size", "area_mm2"]].mean()
            for time in ("is_ed", "is_es")
        )
        values = _areas(ed, es)
        if view == "sax" and min(len(ed), len(es)) >= FEWEST_SLICES:
            values["ejection_fraction"] = _relative_fall(ed["size"].sum(), es["size"].sum())
            apart = table["slice_spacing_mm"].iloc[0]
            if not np.isnan(apart):
                values |= _volumes(ed["area_mm2"], es["area_mm2"], apart)
        rows += [(patient, view, label, name, value) for name, value in values.items()]
    return pd.DataFrame(rows, columns=[*_PATIENT, "quantity", "value"])


def _sizes(masks, frames):
    """The ventricles of every frame in pixels and in mm2, with the frame's place and time."""
    sizes = label_areas(masks, frames.assign(spacing_row_mm=1.0, spacing_col_mm=1.0))
    sizes = sizes[sizes["label"].isin(VENTRICLES)].rename(columns={"area_mm2": "pixels"})
    places = ["patient_id", "view", "slice_index", "slice_spacing_mm", "is_ed", "is_es"]
    pixel_mm2 = frames["spacing_row_mm"] * frames["spacing_col_mm"]
    of_frame = frames[["frame_id", *places]].assign(pixel_mm2=pixel_mm2)
    sizes = sizes.drop(columns="view").merge(of_frame, on="frame_id")
    return sizes.assign(area_mm2=sizes["pixels"] * sizes["pixel_mm2"])


def _comparable(table):
    """A patient's sizes for ratios: mm2 or, where a frame does not state them, pixels."""
    if table["area_mm2"].notna().all():
        return table.assign(size=table["area_mm2"])
    return table.assign(size=table["pixels"], area_mm2=np.nan)


def _areas(ed, es):
    both = ed.index.intersection(es.index).sort_values()
    if not len(both):
        return {}
    middle = both[len(both) // 2]
    change = _relative_fall(ed.loc[middle, "size"], es.loc[middle, "size"])
    return {
        "ed_area_mm2": ed.loc[middle, "area_mm2"],
        "es_area_mm2": es.loc[middle, "area_mm2"],
        "fractional_area_change": change,
    }


def _volumes(ed, es, slice_spacing_mm):
    ml = slice_spacing_mm / 1000
    return {"edv_ml": ed.sum(min_count=1) * ml, "esv_ml": es.sum(min_count=1) * ml}


def _relative_fall(diastole, systole):
    return (diastole - systole) / diastole if diastole > 0 else np.nan


def agreement_of_arms(external, masks, labels):
    """Agreement of each arm's clinical measures with the reference, patient by patient.

    Args:
        external: `Part` of the role `external`, one view.
        masks: dict from (arm, seed) to [n, R, R] uint8, from `comparison.compare_arms`.
        labels: label numbers that the U-Nets were asked for; ventricles among them are measured,
            whatever else the external patients annotate.

    Returns:
        the two tables of `bland_altman`, with the column `arm`. A patient's predicted measure is
        the mean over seeds, which scatters less than one U-Net's; NaN, and so counted among the
        undefined, where it is not defined for one of them.
    """
    asked = [LABELS[label] for label in labels]

    def measure(drawn):
        table = ventricular_function(drawn, external.frames)
        return table[table["label"].isin(asked)]

    reference = measure(external.masks)
    agreements, pairs = [], []
    for arm in dict.fromkeys(arm for arm, _ in masks):
        runs = [measure(drawn) for (name, _), drawn in masks.items() if name == arm]
        means = pd.concat(runs).groupby([*_PATIENT, "quantity"], as_index=False, sort=False)
        tables = bland_altman(reference, means["value"].mean(skipna=False))
        for table, kept in zip(tables, (agreements, pairs), strict=True):
            kept.append(table.assign(arm=arm))
    return pd.concat(agreements, ignore_index=True), pd.concat(pairs, ignore_index=True)


def bland_altman(reference, predicted):
    """Agreement of predicted clinical measures with the reference.

    Args:
        reference, predicted: tables of `ventricular_function`, of annotated and predicted masks of
            the same frames.

    Returns:
        agreement: DataFrame, one row a view, label and quantity: `patients`, `undefined` (pairs
            with a NaN on either side, left out), `bias` (mean of predicted - reference) with its
            95 % interval `bias_low`, `bias_high`, `sd` of the differences and the 95 % limits of
            agreement `loa_low`, `loa_high`.
        pairs: DataFrame, one row a patient, view, label and quantity: `reference`, `predicted`,
            `mean`, `difference`.

    Raises:
        ValueError: the two tables are not of the same patients, views, labels and quantities.

    Source: Bland and Altman 1986, Statistical methods for assessing agreement between two methods
    of clinical measurement (Lancet 327:307).
    """
    keys = [*_PATIENT, "quantity"]
    pairs = reference.rename(columns={"value": "reference"}).merge(
        predicted.rename(columns={"value": "predicted"}), on=keys, how="outer", indicator=True
    )
    alone = pairs[pairs["_merge"] != "both"]
    if len(alone):
        first = alone.iloc[0]
        raise ValueError(
            f"patient {first['patient_id']!r}, {first['label']} {first['quantity']}: only in "
            "one table; compare masks of the same frames"
        )
    pairs = pairs.drop(columns="_merge")
    pairs["mean"] = (pairs["reference"] + pairs["predicted"]) / 2
    pairs["difference"] = pairs["predicted"] - pairs["reference"]
    rows = []
    for key, table in pairs.groupby(["view", "label", "quantity"], sort=True):
        rows.append((*key, *_limits_of_agreement(table["difference"])))
    columns = ["view", "label", "quantity", "patients", "undefined", "bias", "bias_low"]
    columns += ["bias_high", "sd", "loa_low", "loa_high"]
    return pd.DataFrame(rows, columns=columns), pairs


def _limits_of_agreement(differences):
    known = differences.dropna()
    count = len(known)
    bias, sd = known.mean(), known.std()
    half = stats.t.ppf(0.975, count - 1) * sd / np.sqrt(count) if count > 1 else np.nan
    wide = stats.norm.ppf(0.975) * sd
    return (
        count,
        len(differences) - count,
        bias,
        bias - half,
        bias + half,
        sd,
        bias - wide,
        bias + wide,
    )
