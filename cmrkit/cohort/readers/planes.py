"""Views by geometry: how imaging planes lie in the body and against each other."""

import re

import numpy as np

# Patient coordinates of DICOM: x to the patient's left, y to the back, z to the head.
APEX = np.array([0.60, -0.60, -0.53])  # direction from base to apex, as usual in adults
RIGHT_VENTRICLE = np.array([-1.0, -1.0, 0.0]) / np.sqrt(2)  # from left to right ventricle
APEX_SPREAD = 30.0  # degrees; hearts lie very differently, in disease and in animals
UPWARDS_SPREAD = 0.15  # an apex above the base is next to impossible
TILT_SPREAD = 12.0  # degrees between the long axis and a long-axis plane
TURN_SPREAD = 18.0  # degrees about the long axis
# where a long-axis plane cuts the short axis, in degrees from lateral towards anterior: segment
# borders of the AHA model (Cerqueira et al., Circulation 2002;105:539) from one side to the other
TURN = {"4ch": 25.0, "2ch": 90.0, "3ch": 150.0}
OTHER = -4.5  # score of a plane that is none of them: three standard deviations off
WORD = 2.0  # what a word in the series description adds
STACK = 1.0  # what three or more parallel slices add to the short axis
CLEAR = 2.0  # lead of the best over the next best view
BODY_PLANE = 0.9945  # cosine of 6 degrees: localisers and axial stacks

_WORDS = {
    "sax": r"\bsax?\b|short|kurz|petit|\bsa[xs]\d|\bshax",
    "4ch": r"4[ _-]?(ch|k|cav)|four|\bhla\b|horizontal",
    "2ch": r"2[ _-]?(ch|k|cav)|two|\bvla\b|vertical",
    "3ch": r"3[ _-]?(ch|k|cav)|three|\blvot",
    "lax": r"\blax\b|long",
    "other": r"rvot|flow|fluss|venc|tag|perf|axial|\btra\b|molli|\blge\b|scout|loc",
}
_LONG_AXIS = tuple(TURN)


def words(description):
    """Names of views in a series description: `sax`, `4ch`, `2ch`, `3ch`, `lax`, `other`.

    Only these words leave the reader; the description itself may name a patient.
    """
    text = description.lower().replace("_", " ")
    return tuple(name for name, pattern in _WORDS.items() if re.search(pattern, text))


def judge_views(stacks):
    """Judge the view of every stack of one examination, all against each other.

    Each stack in turn is taken for the short axis, and once none of them; its normal is then the
    long axis of the heart, against which all others are judged. The reading with the highest sum of
    log-likelihoods wins.

    Choice: a stack whose description names one other view is never clear, since a heart that is
    mirrored or turned far about its long axis looks like a usual one with its views exchanged.

    Args:
        stacks: list of `dicom_cines.Stack`.

    Returns:
        list of (view, clear): `sax`, `4ch`, `2ch`, `3ch` or `other`, and whether the next best
        view is far behind and the description names no other one.
    """
    readings = []
    named = [words(stack.first.description) for stack in stacks]
    normals = [stack.first.normal for stack in stacks]
    for number, stack in enumerate(stacks):
        axis = normals[number] * np.sign(normals[number] @ APEX or 1)
        base = _axis_score(axis) + (STACK if len(stack.slices) > 2 else 0)
        readings.append((base, axis, number))
    axis, base = _axis_without_short_axis(normals)
    readings.append((base, axis, None))
    scored = []
    for base, axis, short in readings:
        views = [_scores(n, axis, w) for n, w in zip(normals, named, strict=True)]
        if short is not None:
            views[short] = {"sax": _word_score("sax", named[short])}
        scored.append((base + sum(max(view.values()) for view in views), views))
    judged = [_decide(number, scored) for number in range(len(stacks))]
    return [
        (view, clear and not _contradicted(view, names))
        for (view, clear), names in zip(judged, named, strict=True)
    ]


def _contradicted(view, names):
    """Whether a description names one view, and another than this."""
    said = {"sax", *_LONG_AXIS} & set(names)
    return len(said) == 1 and view not in said


def _decide(number, scored):
    """View of one stack in the best reading, and its lead over all readings with another view."""
    total, views = max(scored, key=lambda reading: reading[0])
    view = max(views[number], key=views[number].get)
    rivals = [
        sum_ - max(other[number].values()) + score
        for sum_, other in scored
        for name, score in other[number].items()
        if name != view
    ]
    return view, bool(total - max(rivals, default=-np.inf) > CLEAR)


def turn(normal, axis):
    """Where a plane cuts the short axis, in degrees from lateral towards anterior, 0 to 180."""
    lateral = -(RIGHT_VENTRICLE - (RIGHT_VENTRICLE @ axis) * axis)
    lateral /= np.linalg.norm(lateral)
    line = np.cross(normal, axis)
    return np.degrees(np.arctan2(line @ np.cross(axis, lateral), line @ lateral)) % 180


def _axis_score(axis):
    angle = np.degrees(np.arccos(np.clip(axis @ APEX / np.linalg.norm(APEX), -1, 1)))
    upwards = max(0.0, axis[2]) / UPWARDS_SPREAD
    return -((angle / APEX_SPREAD) ** 2) / 2 - upwards**2 / 2


def _axis_without_short_axis(normals):
    """Long axis where no plane is the short axis: where long-axis planes meet, or the usual one."""
    pairs = [np.cross(a, b) for i, a in enumerate(normals) for b in normals[:i]]
    meeting = max(pairs, key=np.linalg.norm, default=np.zeros(3))
    if np.linalg.norm(meeting) < 0.5:  # parallel planes do not meet
        meeting = APEX - (APEX @ normals[0]) * normals[0]
    axis = meeting / max(np.linalg.norm(meeting), 1e-9)
    axis = axis * np.sign(axis @ APEX or 1)
    return axis, _axis_score(axis)


def _word_score(view, named):
    if view in named:
        return WORD
    return WORD / 2 if "lax" in named and view in _LONG_AXIS else 0.0


def _scores(normal, axis, named):
    """Log-likelihood of every view of a plane, given the long axis."""
    tilt = np.degrees(np.arcsin(np.clip(abs(normal @ axis), 0, 1)))  # 0 holds the axis, 90 crosses
    scores = {"sax": -(((90 - tilt) / TILT_SPREAD) ** 2) / 2, "other": OTHER}
    angle = turn(normal, axis) if tilt < 80 else 0.0
    for view, usual in TURN.items():
        off = abs((angle - usual + 90) % 180 - 90)
        scores[view] = -((tilt / TILT_SPREAD) ** 2) / 2 - (off / TURN_SPREAD) ** 2 / 2
    if np.abs(normal).max() > BODY_PLANE:
        scores["other"] = 0.0
    return {view: score + _word_score(view, named) for view, score in scores.items()}
