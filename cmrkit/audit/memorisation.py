"""Is a synthetic frame a patient's? Nearest patient frames, copies, membership."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.optimize import brentq
from scipy.stats import norm, quantile_test

from cmrkit.audit.agreement import share_with_interval, upper_bound
from cmrkit.audit.controls import plant_copies
from cmrkit.audit.search import aligned_distance, nearest_codes, nearest_in_groups
from cmrkit.cohort.part import Part
from cmrkit.paths import moved_into_place

SPACES = ("pixels", "embedding")
CANDIDATES = 3  # nearest patients on coarse frames that are compared again on fine ones
MARGIN = 0.6  # of the lowest ratio by chance; see copy_threshold
LEAST_DETECTION = 0.7  # Choice: of the interval's lower end; missing more proves nothing
SUSPECT_SCHEMA = pa.schema(
    [
        ("frame_id", pa.string()),
        ("view", pa.string()),
        ("distance", pa.float64()),
        ("ratio", pa.float64()),
        ("is_copy", pa.bool_()),
        ("nearest_frame_id", pa.string()),
    ]
)
"""Columns of `audit/suspects.parquet`, one row a synthetic frame; a release leaves copies out."""


@dataclass(frozen=True)
class Memorisation:
    """What the memorisation audit found.

    Attributes:
        nearest: two rows a frame compared with the GAN-role patients, one a `space` (`pixels`,
            `embedding`): `view, group, kind` (of planted copy) `, frame_id, patient_id,
            nearest_frame_id, nearest_patient_id, distance, second_distance, ratio, closeness`
            (ratio over the threshold of its space) `, is_copy`; group is `synthetic`, `held-out`,
            `gan` (patients of the GAN role, each compared with the others) or `copy` (planted).
        detection: planted copies found: `view, detector, copy, count, frames, share, low, high`;
            detector is a space or `both` (found in either).
        membership: `view, patients_gan, patients_held_out, auc, low, high`.
        summary: one row a view with all of it and the `verdict`.
    """

    nearest: pd.DataFrame
    detection: pd.DataFrame
    membership: pd.DataFrame
    summary: pd.DataFrame

    @property
    def frames(self):
        """Synthetic frames, each in the space where it comes nearer to being a copy."""
        nearest = self.nearest[self.nearest["group"] == "synthetic"]
        return _nearer_space(nearest).reset_index(drop=True)

    @property
    def suspects(self):
        """Synthetic frames that are copies, the surest first; what a release leaves out."""
        frames = self.frames
        copies = frames[frames["is_copy"]]
        return copies.sort_values("closeness", kind="stable").reset_index(drop=True)

    def closest(self, count):
        """Of every view the synthetic frames that come closest to one patient, closest first."""
        frames = self.frames.sort_values("closeness", kind="stable")
        return frames.groupby("view", sort=False).head(count).sort_values("view", kind="stable")


def write_suspects(audit, path):
    """Write what a release leaves out, every synthetic frame with its verdict.

    Args:
        audit: `Memorisation`.
        path: parquet to write, `SUSPECT_SCHEMA`; moved into place when complete.
    """
    with moved_into_place(path) as draft:
        pq.write_table(pa.Table.from_pandas(audit.frames, SUSPECT_SCHEMA, False), draft)


def audit_memorisation(synthetic, reference, held_out, embedding, seed, copies=40):
    """Compare every synthetic frame with the patients that the GAN has seen.

    A frame's ratio is its distance to the nearest patient over its distance to the next nearest
    patient. A frame like many patients has a ratio near 1, a copy of one patient near 0. Patients
    whom nobody copied show how low the ratio gets by chance: the held-out ones, and each GAN-role
    patient compared with the others. Both is done twice, on pixels and on the codes of a network
    that has learnt to know frames again; a frame is a copy that is one in either.

    Args:
        synthetic: `Part` of synthetic frames; label maps are not needed. Frames of more than
            `search.FINE_SIDE` pixels are reduced to that anyway, so `blocks.load_coarse` saves
            memory: 100,000 frames take 0.4 GB.
        reference: `Part` of the patients that trained the GAN.
        held_out: `Part` of other patients, from the same sites.
        embedding: `embedding.Embedding` trained on `reference`.
        seed: study seed.
        copies: known copies planted a view.

    Returns:
        `Memorisation`.

    Raises:
        ValueError: a view has no patients, or fewer than three of the GAN role.

    Source: nearest-neighbour distance ratio, Lowe, IJCV 2004;60:91, section 7.1; contrastive
    embedding for copies, Dar et al., arXiv 2402.01054; membership inference by distance to the
    nearest synthetic frame, Chen et al., GAN-Leaks, CCS 2020.
    """
    results = []
    for view in synthetic.frames["view"].unique():
        parts = [part.view(view) for part in (reference, held_out)]
        for name, part, least in zip(("reference", "held_out"), parts, (3, 2), strict=True):
            patients = part.frames["patient_id"].nunique()
            if patients < least:
                raise ValueError(f"{name}: {patients} patients of view {view!r}; give {least}")
        results.append(_audit_view(view, synthetic.view(view), *parts, embedding, seed, copies))
    return Memorisation(*(pd.concat(t, ignore_index=True) for t in zip(*results, strict=True)))


def _audit_view(view, synthetic, reference, held_out, embedding, seed, copies):
    planted, table = plant_copies(
        reference.images, reference.frames, min(copies, len(reference.images)), seed
    )
    groups = {
        "synthetic": synthetic, "held-out": held_out, "gan": reference,
        "copy": Part(planted, None, table),
    }  # fmt: skip
    found = {name: _nearest_patients(part, reference, embedding) for name, part in groups.items()}
    nearest = pd.concat(
        [table.assign(group=name) for name, (table, _) in found.items()], ignore_index=True
    )
    uncopied = nearest[nearest["group"].isin(["held-out", "gan"])]
    thresholds = {
        space: copy_threshold(table["ratio"]) for space, table in uncopied.groupby("space")
    }
    nearest["closeness"] = nearest["ratio"] / nearest["space"].map(thresholds)
    nearest["is_copy"] = nearest["closeness"] < 1
    nearest.insert(0, "view", view)
    detection = _detection(view, nearest[nearest["group"] == "copy"])
    membership = _membership(view, found["synthetic"][1], synthetic, reference, held_out)
    summary = _summary(view, nearest, thresholds, detection, membership)
    return nearest, detection, membership, summary


def _nearer_space(nearest):
    """One row a frame: the one in which it is closer to being a copy."""
    return nearest.loc[nearest.groupby("frame_id", sort=False)["closeness"].idxmin()]


def _nearest_patients(part, reference, embedding):
    """Nearest and next nearest patient of every frame in each space, other than its own patient.

    Returns:
        table, and [m] the distance of every reference frame to the nearest of these frames.
    """
    patients = reference.frames["patient_id"].to_numpy()
    own = part.frames.get("patient_id", pd.Series("", part.frames.index)).to_numpy()
    keep = min(CANDIDATES + 1, len(np.unique(patients)))
    rows, _, from_reference = nearest_in_groups(part.images, reference.images, patients, keep)
    distances = np.stack(
        [aligned_distance(part.images, reference.images[column]) for column in rows.T], axis=1
    )
    codes = embedding.codes(part.images), embedding.codes(reference.images)
    found = {"pixels": (rows, distances), "embedding": nearest_codes(*codes, patients, keep)}
    tables = [
        _nearest_two(part, reference, own, *found[space]).assign(space=space) for space in SPACES
    ]
    return pd.concat(tables, ignore_index=True), from_reference


def _nearest_two(part, reference, own, rows, distances):
    """Table of the nearest frame of another patient, and the distance to the patient after him."""
    patients = reference.frames["patient_id"].to_numpy()
    distances = np.where(patients[rows] == own[:, None], np.inf, distances)
    order = distances.argsort(axis=1, kind="stable")
    first, second = np.take_along_axis(distances, order, axis=1)[:, :2].T
    row = np.take_along_axis(rows, order, axis=1)[:, 0]
    return pd.DataFrame(
        {
            "frame_id": part.frames["frame_id"],
            "patient_id": own,
            "kind": part.frames.get("copy", ""),
            "nearest_frame_id": reference.frames["frame_id"].to_numpy()[row],
            "nearest_patient_id": patients[row],
            "distance": first,
            "second_distance": second,
            "ratio": first / np.maximum(second, 1e-6),
        }
    )


def copy_threshold(uncopied_ratios):
    """Ratio below which a frame counts as a copy: a margin below the lowest that occurs by chance.

    Choice: the margin is 0.6, measured on simulated patients: 1000 times the threshold was set by
    some and tried on 12 others with 8 frames each. With it, none of the twelve was called a copy in
    pixel space, and in the embedding in 0.3 % of the trials where 18 patients set the threshold, in
    none where 42 did. With 0.8 it was 16 % and 6 % in the embedding; with the lowest ratio itself
    40 % and 22 % in both. Fewer patients mean more false alarms: with 5 of the GAN role and 12 held
    out, up to 9 of 80 new hearts, drawn for the kit's tests, were called copies.

    Args:
        uncopied_ratios: ratios of all frames of patients that nobody copied, above 0.

    Returns:
        threshold, 0 to 0.6.
    """
    return MARGIN * float(np.min(uncopied_ratios))


def _detection(view, planted):
    detectors = {"both": _nearer_space(planted)} | dict(list(planted.groupby("space")))
    table = [
        {"view": view, "detector": name, "copy": kind} | share_with_interval(part["is_copy"])
        for name, found in detectors.items()
        for kind, part in [("all copies", found), *found.groupby("kind", sort=False)]
    ]
    return pd.DataFrame(table)


def _membership(view, from_members, synthetic, reference, held_out):
    """Can a patient's part in GAN training be told from the distance to synthetic frames?"""
    patients = held_out.frames["patient_id"].to_numpy()
    *_, from_others = nearest_in_groups(synthetic.images, held_out.images, patients, keep=1)
    members, others = (
        pd.Series(distance).groupby(part.frames["patient_id"]).mean()
        for part, distance in ((reference, from_members), (held_out, from_others))
    )
    auc, low, high = auc_interval(-members.to_numpy(), -others.to_numpy())
    row = {"view": view, "patients_gan": len(members), "patients_held_out": len(others)}
    return pd.DataFrame([row | {"auc": auc, "low": low, "high": high}])


def auc_interval(positive, negative, level=0.95):
    """Area under the ROC curve with an interval that holds up to 0 and 1.

    Args:
        positive: [m] scores of positives; higher means more surely positive.
        negative: [n] scores of negatives.
        level: coverage, 0 to 1.

    Returns:
        (auc, low, high).

    Source: Newcombe, Stat Med 2006;25:559, method 5.
    """
    difference = positive[:, None] - negative[None, :]
    auc = float((difference > 0).mean() + 0.5 * (difference == 0).mean())
    m, n = difference.shape
    z = norm.ppf(0.5 + level / 2)
    star = (m + n) / 2 - 1

    def gap(area):
        spread = 1 + star * ((1 - area) / (2 - area) + area / (1 + area))
        return (auc - area) ** 2 - z**2 * area * (1 - area) * spread / (m * n)

    # at 0 and 1 the gap is 0 too, but that is not the limit
    low = brentq(gap, 0, min(auc, 1 - 1e-9)) if auc > 0 else 0.0
    high = brentq(gap, max(auc, 1e-9), 1) if auc < 1 else 1.0
    return auc, low, high


def _summary(view, nearest, thresholds, detection, membership):
    pixels = nearest[nearest["space"] == "pixels"].set_index("group")
    synthetic, held_out = pixels.loc["synthetic"], pixels.loc["held-out"]
    called = _nearer_space(nearest[nearest["group"] == "synthetic"])["is_copy"]
    copies = share_with_interval(called)
    both = detection[detection["detector"] == "both"].set_index("copy")
    found = both.loc["all copies"]
    # what the detector misses among known copies it may miss among unknown ones
    bound = min(1.0, upper_bound(copies["count"], copies["frames"]) / max(found["low"], 1e-9))
    row = {
        "view": view,
        "frames": copies["frames"],
        "copies": copies["count"],
        "share": copies["share"],
        "low": copies["low"],
        "high": copies["high"],
        "upper_bound": bound,
        **{f"threshold_{space}": thresholds[space] for space in SPACES},
        "lowest_ratio": synthetic["ratio"].min(),
        "lowest_held_out_ratio": held_out["ratio"].min(),
        **_median("distance", synthetic["distance"]),
        **_median("held_out_distance", held_out.groupby("patient_id")["distance"].median()),
        "detection": found["share"],
        "detection_low": found["low"],
        "auc": membership["auc"].iloc[0],
        "auc_low": membership["low"].iloc[0],
        "auc_high": membership["high"].iloc[0],
    }
    missed = list(both.index[both["share"] < 0.5].drop("all copies", errors="ignore"))
    row["verdict"] = _verdict(row, missed)
    return pd.DataFrame([row])


def _median(name, values):
    """Median with its distribution-free interval."""
    interval = quantile_test(values, p=0.5).confidence_interval(0.95)
    return {
        f"median_{name}": values.median(),
        f"median_{name}_low": interval.low,
        f"median_{name}_high": interval.high,
    }


def _verdict(row, missed):
    view, n = row["view"], row["frames"]
    if row["detection_low"] < LEAST_DETECTION or missed:
        what = f", missing most that are {' or '.join(missed)}" if missed else ""
        found = f"{_percent(row['detection'])} (at least {_percent(row['detection_low'])})"
        return f"{view}: not informative: {found} of the planted copies found{what}"
    if row["copies"]:
        share = f"{_percent(row['share'])}, {_percent(row['low'])} to {_percent(row['high'])}"
        said = f"{view}: copies found: {row['copies']} of {n} synthetic frames ({share})"
    else:
        bound = _percent(row["upper_bound"])
        said = f"{view}: no copy found among {n} synthetic frames (upper bound {bound})"
    auc = f"membership AUC {row['auc']:.2f}"
    if row["auc_low"] > 0.5:
        link = "and" if row["copies"] else "yet"
        auc += f", {row['auc_low']:.2f} to {row['auc_high']:.2f}"
        return f"{said}; {link} patients who trained the GAN lie nearer to them than others ({auc})"
    auc += f", up to {row['auc_high']:.2f}"  # which the patients at hand do not exclude
    return f"{said}; not shown that it can be told who trained the GAN ({auc})"


def _percent(share):
    return f"{float(f'{100 * share:.2g}'):g} %"  # two digits, and 100 in full
