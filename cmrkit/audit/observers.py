"""What people said of the frames: how many are implausible, how far they agree, what they miss.

Nobody's answer stands alone: planted implausible frames show whether observers would have noticed,
patient frames how often they call a heart implausible that beats.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cmrkit.audit.agreement import (
    agreement_coefficients,
    effective_number,
    observers_needed,
    percent,
    sensitivity_index,
    share_with_interval,
)

ALL = "all observers"
LEAST_SENSITIVITY = 0.5  # Choice: of the interval's lower end; observers surely see every second
BOUND = 0.05  # implausible share that the audit should be able to exclude


@dataclass(frozen=True)
class HumanReading:
    """What observers found. Intervals are 95 %.

    Attributes:
        shares: frames called implausible: `view, observer, group, count, frames, share, low, high`;
            group is `synthetic`, `patient` or `control`, observer also `all observers`.
        controls: planted frames called implausible by kind: `control, count, frames, share, low,
            high`.
        turing: real or synthetic: `observer, patients, synthetic, accuracy, accuracy_low,
            accuracy_high, d_prime, d_prime_low, d_prime_high`; empty where it was not asked.
            Accuracy is the mean of the shares right among patient and synthetic frames, so that
            chance is one half whatever one prefers to answer.
        agreement: `question, who, measure, frames, value, low, high`; `who` is `all observers`, or
            one of them with themselves.
        summary: a row a view with the `verdict`; the last row is real or synthetic.
    """

    shares: pd.DataFrame
    controls: pd.DataFrame
    turing: pd.DataFrame
    agreement: pd.DataFrame
    summary: pd.DataFrame


def analyse_answers(answers):
    """Analyse the pooled answers of any number of observers.

    Pooled intervals count frames and observers, not answers: ten answers to one frame are no ten
    frames. Frames shown again enter the agreement of observers with themselves and nothing else.

    Args:
        answers: DataFrame from `answers.pool_answers`, not empty.

    Returns:
        `HumanReading`.

    Raises:
        ValueError: no answers.
    """
    if answers.empty:
        raise ValueError("answers: nobody has answered yet; read the frames first")
    answers = answers.assign(implausible=~answers["plausible"].astype(bool))
    first = answers[~answers["repeat"].astype(bool)]
    shares = _shares(first)
    planted = first[first["group"] == "control"]
    controls = pd.DataFrame(
        [{"control": "all kinds"} | _pooled(planted)]
        + [{"control": kind} | _pooled(part) for kind, part in planted.groupby("control")]
        if len(planted)
        else [],
        columns=["control", "count", "frames", "share", "low", "high"],
    )
    turing = _turing(first)
    agreement = _agreement(answers)
    rows = [_summary(view, first, shares) for view in first["view"].unique()]
    if len(turing):
        rows.append(_turing_summary(turing.set_index("observer").loc[ALL]))
    return HumanReading(shares, controls, turing, agreement, pd.DataFrame(rows))


def _pooled(part, level=0.95):
    """Share called implausible by several observers."""
    return share_with_interval(part["implausible"], part["frame_id"], part["observer"], level)


def _shares(first):
    rows = []
    for (view, group), part in first.groupby(["view", "group"], sort=False):
        key = {"view": view, "group": group}
        for observer, own in part.groupby("observer"):
            rows.append(key | {"observer": observer} | share_with_interval(own["implausible"]))
        rows.append(key | {"observer": ALL} | _pooled(part))
    return pd.DataFrame(rows)


TURING_COLUMNS = [
    "observer", "patients", "synthetic", "accuracy", "accuracy_low", "accuracy_high",
    "d_prime", "d_prime_low", "d_prime_high",
]  # fmt: skip


def _turing(first):
    asked = first[first["real"].notna() & first["group"].isin(["patient", "synthetic"])]
    if asked["group"].nunique() < 2:
        return pd.DataFrame(columns=TURING_COLUMNS)
    by_observer = list(asked.groupby("observer"))
    rows = [
        {"observer": observer} | _told_apart(part)
        for observer, part in [*by_observer, (ALL, asked)]
        if part["group"].nunique() == 2
    ]
    return pd.DataFrame(rows, columns=TURING_COLUMNS)


def _told_apart(part):
    """Accuracy and d-prime; a patient frame called real is a hit, a synthetic one a false alarm."""
    counts, shares = [], []
    for group in ("patient", "synthetic"):
        own = part[part["group"] == group]
        said_real = own["real"].astype(bool)
        number = effective_number(said_real, own["frame_id"], own["observer"])
        counts += [said_real.mean() * number, number]
        shares.append(share_with_interval(said_real, own["frame_id"], own["observer"]))
    hit, false = shares
    accuracy = (hit["share"] + 1 - false["share"]) / 2
    # interval of a difference from those of its parts: Newcombe, Stat Med 1998;17:873, method 10
    below = np.hypot(hit["share"] - hit["low"], false["high"] - false["share"]) / 2
    above = np.hypot(hit["high"] - hit["share"], false["share"] - false["low"]) / 2
    d_prime, low, high = sensitivity_index(*counts)
    return {
        "patients": hit["frames"], "synthetic": false["frames"],
        "accuracy": accuracy, "accuracy_low": accuracy - below, "accuracy_high": accuracy + above,
        "d_prime": d_prime, "d_prime_low": low, "d_prime_high": high,
    }  # fmt: skip


def _agreement(answers):
    rows = []
    for question, column in (("plausible", "implausible"), ("real", "real")):
        given = answers[answers[column].notna()]
        between = _counts(given[~given["repeat"].astype(bool)], column, "frame_id")
        rows += _coefficients(question, ALL, between)
        for observer, own in given.groupby("observer"):
            twice = own[own["frame_id"].isin(own["frame_id"][own["repeat"].astype(bool)])]
            rows += _coefficients(question, observer, _counts(twice, column, "frame_id"))
    columns = ["question", "who", "measure", "frames", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _counts(answers, column, frame):
    """[frames, 2] answers of each kind, of the frames that were answered at least twice."""
    yes = answers[column].astype(bool).groupby(answers[frame]).agg(["sum", "size"])
    yes = yes[yes["size"] >= 2]
    return np.stack([yes["sum"], yes["size"] - yes["sum"]], axis=1)


LEAST_FRAMES = 3  # below, a jackknife has no interval worth the name


def _coefficients(question, who, counts):
    if len(counts) < LEAST_FRAMES:
        return []
    key = {"question": question, "who": who, "frames": len(counts)}
    alike = share_with_interval((counts == 0).any(axis=1))
    rows = [key | {"measure": "alike"} | {k: alike[k] for k in ("low", "high")}
            | {"value": alike["share"]}]  # fmt: skip
    for measure, (value, low, high) in agreement_coefficients(counts).items():
        rows.append(key | {"measure": measure, "value": value, "low": low, "high": high})
    return rows


def _summary(view, first, shares):
    own = first[first["view"] == view]
    synthetic = own[own["group"] == "synthetic"]
    table = shares[(shares["view"] == view) & (shares["observer"] == ALL)].set_index("group")
    found = _pooled(synthetic) if len(synthetic) else None
    row = {"view": view, "observers": own["observer"].nunique()}
    if found is None or "control" not in table.index:
        return row | {"informative": False, "verdict": f"{view}: too few answers so far"}
    # observers may see well in one view and not in another, so each view has its own controls
    sensitivity = table.loc["control"]
    alarm = table.loc["patient"] if "patient" in table.index else None
    informative = sensitivity["low"] >= LEAST_SENSITIVITY
    informative &= alarm is None or sensitivity["low"] > alarm["high"]
    frames = synthetic["frame_id"].nunique()
    upper = min(1.0, _pooled(synthetic, level=0.9)["high"] / max(sensitivity["low"], 1e-9))
    row |= {
        "frames": frames, "answers": len(synthetic), "count": found["count"],
        "share": found["share"], "low": found["low"], "high": found["high"],
        "upper_bound": upper, "sensitivity": sensitivity["share"],
        "sensitivity_low": sensitivity["low"], "sensitivity_high": sensitivity["high"],
        "observers_needed": observers_needed(BOUND, frames, sensitivity["share"]),
        "informative": bool(informative),
    }  # fmt: skip
    return row | {"verdict": _verdict(row, alarm)}


def _verdict(row, alarm):
    view, who = row["view"], _observers(row["observers"])
    finds = percent(row["sensitivity"], row["sensitivity_low"], row["sensitivity_high"])
    against = "" if alarm is None else (
        f", and of patient frames they call {percent(*alarm[['share', 'low', 'high']])} implausible"
    )  # fmt: skip
    if not row["informative"]:
        return f"{view}: not informative: {who} found {finds} of the planted implausible frames" + (
            against
        )
    bound = f"at most {100 * row['upper_bound']:.1f} % are, allowing for what they miss"
    if not row["count"]:
        said = f"none of {row['frames']} synthetic frames called implausible by {who}; {bound}"
    else:
        share = percent(row["share"], row["low"], row["high"])
        said = f"{share} of synthetic frames called implausible by {who}; {bound}"
    return f"{view}: {said} (they found {finds} of the planted frames{against})"


def _turing_summary(pooled):
    right = percent(*pooled[["accuracy", "accuracy_low", "accuracy_high"]])
    d_prime = "{:.2f} ({:.2f} to {:.2f})".format(
        *pooled[["d_prime", "d_prime_low", "d_prime_high"]]
    )
    if pooled["accuracy_low"] > 0.5:
        said = "observers tell synthetic frames from patients"
    elif pooled["accuracy_high"] < 0.5:
        said = "observers take synthetic frames for real more often than patients"
    else:
        said = "not shown that observers can tell synthetic frames from patients"
    verdict = f"real or synthetic: {said}: right in {right}, chance 50.0 %; d-prime {d_prime}"
    return {"view": "real or synthetic", "verdict": verdict}


def _observers(count):
    return f"{count} human observer" + ("s" if count > 1 else "")
