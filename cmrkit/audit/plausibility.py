"""The automated reader: which frames have implausible anatomy, judged without people.

It measures each frame's label map and image and calls a frame implausible when a measure lies
further outside the range of patients than the measures of held-out patients do. Its sensitivity
and specificity are part of its answer.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cmrkit.audit.agreement import percent, share_with_interval, upper_bound
from cmrkit.audit.controls import make_controls
from cmrkit.audit.ranges import PatientRanges
from cmrkit.cohort.part import Part

TITLE = "automated reader, no human ratings"
LEAST_SENSITIVITY = 0.6  # Choice: of the interval's lower end; about 7 patients, every fault found


@dataclass(frozen=True)
class Reading:
    """What the automated reader found.

    Attributes:
        readings: `frame_id, view, group, control, z, reason, implausible`, a row a frame read;
            group is `synthetic`, `patient` (held out) or `control` (planted, implausible).
        performance: `view, group, measure, count, frames, share, low, high`: sensitivity to each
            kind of control and specificity on held-out patients.
        summary: `view, count, frames, share, low, high, threshold, upper_bound, false_alarm,
            sensitivity, informative, verdict`: synthetic frames called implausible.
    """

    readings: pd.DataFrame
    performance: pd.DataFrame
    summary: pd.DataFrame


def read_automatically(synthetic, reference, held_out, seed, controls=120, specificity=0.95):
    """Read synthetic frames without people, and measure how well this reader reads.

    Each measure of a frame becomes a z value against the reference patients; the largest z of a
    frame decides, and its measure is the reason. The threshold is the `specificity` quantile of
    held-out patients' largest z. Controls are made of held-out frames.

    Args:
        synthetic: `Part` to read.
        reference: `Part` of the GAN role, which sets the ranges.
        held_out: `Part` of patients that neither the GAN nor the ranges have seen.
        seed: study seed.
        controls: planted implausible frames a view.
        specificity: share of held-out patient frames that shall be called plausible.

    Returns:
        `Reading`.

    Raises:
        ValueError: a view of the synthetic frames is missing among the patients.
    """
    results = []
    for view in synthetic.frames["view"].unique():
        parts = [part.view(view) for part in (reference, held_out)]
        for name, part in zip(("reference", "held_out"), parts, strict=True):
            if not len(part.frames):
                raise ValueError(f"{name}: no patient frame of view {view!r}; see 01_cohort")
        results.append(_read_view(view, synthetic.view(view), *parts, seed, controls, specificity))
    return Reading(*(pd.concat(tables, ignore_index=True) for tables in zip(*results, strict=True)))


def _read_view(view, synthetic, reference, held_out, seed, controls, specificity):
    ranges = PatientRanges(reference)
    # one control a held-out frame and edit: few patients cannot give many
    count = min(controls, 3 * len(held_out.frames))
    planted = Part(*make_controls(*held_out, count, seed))
    groups = {"synthetic": synthetic, "patient": held_out, "control": planted}
    tables = []
    for group, part in groups.items():
        table = ranges.largest_z(part)
        table.insert(0, "group", group)
        table.insert(0, "view", view)
        table.insert(0, "frame_id", part.frames["frame_id"])
        table["control"] = part.frames["control"] if group == "control" else ""
        table["patient_id"] = part.frames.get("patient_id", part.frames["frame_id"])
        tables.append(table)
    readings = pd.concat(tables, ignore_index=True)
    patients = readings[readings["group"] == "patient"]
    threshold = float(np.quantile(patients["z"], specificity))
    readings["implausible"] = readings["z"] > threshold
    performance = _performance(view, readings, specificity)
    return readings, performance, _summary(view, readings, performance, threshold)


def _performance(view, readings, specificity):
    """Sensitivity to each kind of control; specificity on patients left out of the threshold."""
    controls = readings[readings["group"] == "control"]
    rows = [("all controls", controls), *controls.groupby("control")]
    table = [
        {"view": view, "group": name, "measure": "sensitivity"}
        | share_with_interval(part["implausible"].to_numpy(), part["patient_id"])
        for name, part in rows
    ]
    patients = readings[readings["group"] == "patient"]
    plausible = ~_left_out_calls(patients, specificity)
    row = {"view": view, "group": "held-out patients", "measure": "specificity"}
    table.append(row | share_with_interval(plausible, patients["patient_id"]))
    return pd.DataFrame(table)


def _left_out_calls(patients, specificity):
    """[n] bool: called implausible at the threshold that the other patients set."""
    z, ids = patients["z"].to_numpy(), patients["patient_id"].to_numpy()
    calls = np.zeros(len(z), dtype=bool)
    for patient in np.unique(ids):
        own = ids == patient
        calls[own] = z[own] > np.quantile(z[~own], specificity)
    return calls


def _summary(view, readings, performance, threshold):
    synthetic = readings[readings["group"] == "synthetic"]["implausible"].to_numpy()
    found = share_with_interval(synthetic)
    by_group = performance.set_index("group")
    sensitivity = by_group.loc["all controls"]
    specificity = by_group.loc["held-out patients"]
    kinds = performance[performance["measure"] == "sensitivity"].iloc[1:]
    blind = list(kinds["group"][kinds["share"] < 0.5])
    informative = bool(sensitivity["low"] >= LEAST_SENSITIVITY)
    row = {
        "view": view,
        **found,
        "threshold": threshold,
        "upper_bound": upper_bound(found["count"], found["frames"]),
        "false_alarm": 1 - specificity["share"],
        "sensitivity": sensitivity["share"],
        "informative": informative,
        "verdict": _verdict(view, found, sensitivity, specificity, informative, blind),
    }
    return pd.DataFrame([row])


def _verdict(view, found, sensitivity, specificity, informative, blind):
    mostly = f"; it misses most frames with {' or '.join(blind)}" if blind else ""
    if not informative:
        right = percent(sensitivity["share"], sensitivity["low"], sensitivity["high"])
        return f"{view}: not informative: {TITLE}, finds {right} of the planted frames{mostly}"
    called = percent(found["share"], found["low"], found["high"])
    alarm = percent(*(1 - specificity[key] for key in ("share", "high", "low")))
    relation = "more than" if found["low"] > 1 - specificity["low"] else "against"
    return (
        f"{view}: {called} of synthetic frames called implausible ({TITLE}), "
        f"{relation} {alarm} of held-out patient frames{mostly}"
    )
