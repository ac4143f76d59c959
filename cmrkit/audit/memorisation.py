"""Is a synthetic frame a patient's? Nearest patient frames, copies, membership."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm, quantile_test

from cmrkit.audit.agreement import share_with_interval, upper_bound
from cmrkit.audit.controls import plant_copies
from cmrkit.audit.search import aligned_distance, nearest_in_groups
from cmrkit.cohort.part import Part

CANDIDATES = 3  # nearest patients on coarse frames that are compared again on fine ones
MARGIN = 0.6  # of the lowest ratio of an uncopied patient; see copy_threshold
LEAST_DETECTION = (
    0.7  # Choice: of the interval's lower end; a detector that misses more is no proof
)


@dataclass(frozen=True)
class Memorisation:
    """What the memorisation audit found.

    Attributes:
        nearest: a row a frame compared with the GAN-role patients: `view, group, kind` (of
            planted copy) `, frame_id, patient_id, nearest_frame_id, nearest_patient_id, distance,
            second_distance, ratio, is_copy`; group is `synthetic`, `held-out`, `gan` (patients of
            the GAN role, each compared with the others) or `copy` (planted).
        detection: planted copies found: `view, copy, count, frames, share, low, high`.
        membership: `view, patients_gan, patients_held_out, auc, low, high`.
        summary: one row a view with all of it and the `verdict`.
    """

    nearest: pd.DataFrame
    detection: pd.DataFrame
    membership: pd.DataFrame
    summary: pd.DataFrame

    @property
    def suspects(self):
        """Synthetic frames that are copies, the surest first; what a release leaves out."""
        synthetic = self.nearest[(self.nearest["group"] == "synthetic") & self.nearest["is_copy"]]
        return synthetic.sort_values("ratio", kind="stable").reset_index(drop=True)

    def closest(self, view, count):
        """The synthetic frames of a view that come closest to one patient, closest first."""
        table = self.nearest
        synthetic = table[(table["group"] == "synthetic") & (table["view"] == view)]
        return synthetic.nsmallest(count, "ratio").reset_index(drop=True)


def audit_memorisation(synthetic, reference, held_out, seed, copies=40):
    """Compare every synthetic frame with the patients that the GAN has seen.

    A frame's ratio is its distance to the nearest patient over its distance to the next nearest
    patient. A frame like many patients has a ratio near 1, a copy of one patient near 0. Patients
    whom nobody copied show how low the ratio gets by chance: the held-out ones, and each GAN-role
    patient compared with the others.

    Args:
        synthetic: `Part` of synthetic frames.
        reference: `Part` of the patients that trained the GAN.
        held_out: `Part` of other patients, from the same sites.
        seed: study seed.
        copies: known copies planted a view.

    Returns:
        `Memorisation`.

    Raises:
        ValueError: a view has no patients, or fewer than three of the GAN role.

    Source: nearest-neighbour distance ratio, Lowe, IJCV 2004;60:91, section 7.1; membership
    inference by distance to the nearest synthetic frame, Chen et al., GAN-Leaks, CCS 2020.
    """
    results = []
    for view in synthetic.frames["view"].unique():
        parts = [part.view(view) for part in (reference, held_out)]
        for name, part, least in zip(("reference", "held_out"), parts, (3, 2), strict=True):
            patients = part.frames["patient_id"].nunique()
            if patients < least:
                raise ValueError(f"{name}: {patients} patients of view {view!r}; give {least}")
        results.append(_audit_view(view, synthetic.view(view), *parts, seed, copies))
    return Memorisation(*(pd.concat(t, ignore_index=True) for t in zip(*results, strict=True)))


def _audit_view(view, synthetic, reference, held_out, seed, copies):
    planted, table = plant_copies(
        reference.images, reference.frames, min(copies, len(reference.images)), seed
    )
    nearest = pd.concat(
        [
            _nearest_patients(part, reference).assign(group=group)
            for group, part in (
                ("synthetic", synthetic),
                ("held-out", held_out),
                ("gan", reference),
                ("copy", Part(planted, planted, table)),
            )
        ],
        ignore_index=True,
    )
    uncopied = nearest["group"].isin(["held-out", "gan"])
    threshold = copy_threshold(nearest["ratio"][uncopied])
    nearest["is_copy"] = nearest["ratio"] < threshold
    nearest.insert(0, "view", view)
    detection = _detection(view, nearest[nearest["group"] == "copy"])
    membership = _membership(view, synthetic, reference, held_out)
    summary = _summary(view, nearest, threshold, detection, membership)
    return nearest, detection, membership, summary


def _nearest_patients(part, reference):
    """Nearest and next nearest patient of every frame, other than the frame's own patient."""
    patients = reference.frames["patient_id"].to_numpy()
    own = part.frames.get("patient_id", pd.Series("", part.frames.index)).to_numpy()
    keep = min(CANDIDATES + 1, len(np.unique(patients)))
    rows, _ = nearest_in_groups(part.images, reference.images, patients, keep)
    distances = np.stack(
        [aligned_distance(part.images, reference.images[column]) for column in rows.T], axis=1
    )
    distances[patients[rows] == own[:, None]] = np.inf
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
    """Ratio below which a frame counts as a copy: 0.6 of the lowest that occurs by chance.

    Choice: measured on simulated patients. Of 300 audits of 100 new patients (8 or 24 frames each),
    none called a frame a copy where 84 patients set the threshold, 2 to 3 % where 18 did and 4 to
    6 % where 9 did; with the lowest ratio itself as threshold it was 60 % and more.

    Args:
        uncopied_ratios: ratios of all frames of patients that nobody copied, above 0.

    Returns:
        threshold, 0 to 0.6.
    """
    return MARGIN * float(np.min(uncopied_ratios))


def _detection(view, planted):
    rows = [("all copies", planted), *planted.groupby("kind", sort=False)]
    table = [{"copy": kind} | share_with_interval(part["is_copy"]) for kind, part in rows]
    return pd.DataFrame(table).assign(view=view)


def _membership(view, synthetic, reference, held_out):
    """Can a patient's part in GAN training be told from the distance to synthetic frames?"""
    scores = []
    chunks = np.arange(len(synthetic.images)) // 64
    for part in (reference, held_out):
        _, distance = nearest_in_groups(part.images, synthetic.images, chunks, keep=1)
        scores.append(pd.Series(distance[:, 0]).groupby(part.frames["patient_id"]).mean())
    members, others = scores
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


def _summary(view, nearest, threshold, detection, membership):
    synthetic = nearest[nearest["group"] == "synthetic"]
    held_out = nearest[nearest["group"] == "held-out"]
    copies = share_with_interval(synthetic["is_copy"])
    found = detection.set_index("copy").loc["all copies"]
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
        "threshold": threshold,
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
    kinds = detection[detection["copy"] != "all copies"]
    missed = list(kinds["copy"][kinds["share"] < 0.5])
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
        found = _percent(row["detection"])
        return f"{view}: not informative: {found} of the planted copies found{what}"
    if row["copies"]:
        share = f"{_percent(row['share'])}, {_percent(row['low'])} to {_percent(row['high'])}"
        return f"{view}: copies found: {row['copies']} of {n} synthetic frames ({share})"
    bound = _percent(row["upper_bound"])
    return f"{view}: no copy found among {n} synthetic frames (upper bound {bound})"


def _percent(share):
    return f"{100 * share:.2g} %"
