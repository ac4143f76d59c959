"""The score table: how well each arm's U-Net segmented each chamber of each frame."""

import difflib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cmrkit import paths
from cmrkit.cohort.frames import LABELS, VIEWS

KEYS = ("frame_id", "patient_id", "view", "arm", "seed", "label")
CHAMBERS = tuple(name for number, name in LABELS.items() if number)


@dataclass(frozen=True)
class Metric:
    """What a score means: its name in print, its unit and which way is good.

    `like_dice`: a difference counts as one in Dice, so that the margin set for Dice holds.
    """

    title: str
    higher_is_better: bool
    lowest: float
    highest: float
    unit: str = ""
    like_dice: bool = False


METRICS = {
    "dice": Metric("Dice", True, 0, 1, like_dice=True),
    "percent_variation": Metric("percent variation", False, 0, 1, like_dice=True),
    "relative_area_error": Metric("relative area error", False, -1, np.inf),
    "hd95_mm": Metric("95 % Hausdorff distance", False, 0, np.inf, "mm"),
    "asd_mm": Metric("average surface distance", False, 0, np.inf, "mm"),
}
"""Scores that can be compared.

`percent_variation` is (FP + FN) / (|A| + |B|), which is 1 - Dice wherever a mask is not empty.
Choice: the published values equal 1 - Dice, quartile by quartile, and the paper does not define it.
`relative_area_error` is (predicted - true) / true area in the table and compared by its size.
Choice: no margin for it, since one set for Dice would mean something else there: of two masks, one
within the other, a Dice lower by 0.01 is an area that is off by another 0.016 to 0.025.
"""


def read_scores(path):
    """Read a score table, of this study or of a reader's own models.

    Args:
        path: CSV or parquet; one row a frame, arm, seed and label, with the columns `KEYS` and at
            least one of `METRICS`. A score that is not defined is NaN; for Dice and percent
            variation this says that both masks are empty. The path is read as by
            `paths.given_path`.

    Returns:
        DataFrame as `check_scores` leaves it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is neither CSV nor parquet, or breaks the contract.
    """
    path = paths.given_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no score table; run notebook 06, or check the path")
    try:
        return check_scores(_read_table(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_table(path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix != ".csv":
        raise ValueError(f"{path.suffix!r} is not known; give the score table as .csv")
    names = dict.fromkeys(("frame_id", "patient_id", "arm"), str)  # "007" is not the number 7
    try:
        return pd.read_csv(path, dtype=names)
    except pd.errors.EmptyDataError:
        raise ValueError(f"empty; a score table has {', '.join(KEYS)}") from None
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ValueError(f"byte {byte:#x} is not UTF-8; save the table as UTF-8") from None


def check_scores(scores):
    """Refuse a score table that would make a comparison wrong.

    Args:
        scores: DataFrame, see `read_scores`.

    Returns:
        the table, arms as text and metric columns as float64.

    Raises:
        ValueError: naming the column, the offending value and the remedy.
    """
    _check_columns(scores)
    for column in KEYS:
        if scores[column].isna().any():
            raise ValueError(f"{column}: empty in row {scores[column].isna().argmax()}; fill it in")
    for column, allowed in (("view", VIEWS), ("label", CHAMBERS)):
        unknown = sorted(set(scores[column]) - set(allowed))
        if unknown:
            raise ValueError(f"{column}: {unknown[0]!r} is not known; use {', '.join(allowed)}")
    doubled = scores[scores.duplicated(["frame_id", "arm", "seed", "label"])]
    if len(doubled):
        row = doubled.iloc[0]
        raise ValueError(
            f"frame_id: {row.frame_id!r} is scored twice in arm {row.arm!r}, seed {row.seed}, "
            f"label {row.label!r}; leave one row"
        )
    for column in ("patient_id", "view"):
        several = scores.groupby("frame_id")[column].nunique()
        if (several > 1).any():
            raise ValueError(f"{column}: frame {several.idxmax()!r} has more than one; correct it")
    scores = scores.assign(arm=scores["arm"].astype(str))
    return scores.assign(**{m: _checked_values(scores, m) for m in METRICS if m in scores})


def _check_columns(scores):
    missing = [column for column in KEYS if column not in scores]
    if missing:
        close = difflib.get_close_matches(missing[0], [str(c) for c in scores], n=1)
        hint = f"rename {close[0]!r}" if close else f"a score table has {', '.join(KEYS)}"
        raise ValueError(f"column {missing[0]!r} is missing; {hint}")
    if not len(scores):
        raise ValueError("no rows; score some frames first")
    if not any(metric in scores for metric in METRICS):
        raise ValueError(f"no scores; give at least one of the columns {', '.join(METRICS)}")


def _checked_values(scores, name):
    metric = METRICS[name]
    try:
        values = scores[name].astype(float)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: not numbers; write NaN where a score is not defined") from None
    wrong = values[(values < metric.lowest) | (values > metric.highest) | np.isinf(values)]
    if len(wrong):
        raise ValueError(
            f"{name}: {wrong.iloc[0]:g} is outside {metric.lowest:g} to {metric.highest:g}; "
            "write NaN where a score is not defined"
        )
    return values
