"""How like patients synthetic frames are, as a set, between two anchors measured the same way.

Every measure is taken three times against the GAN-role patients: of synthetic frames, of held-out
patients (the floor: how near new patients come) and of held-out patients spoilt with noise (a clear
failure). A measure that does not tell the two anchors apart cannot clear synthetic frames.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.stats import t, wasserstein_distance

from cmrkit.audit.anatomy import areas_and_places
from cmrkit.audit.controls import generator, to_uint8
from cmrkit.audit.distances import (
    NEIGHBOURS,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from cmrkit.audit.ratio import ratio_of_means
from cmrkit.cohort.frames import LABELS
from cmrkit.pggan.realism import ms_ssim, sliced_wasserstein

SETS = ("synthetic", "other patients", "spoilt patients")
REPEATS = 8  # random halves of the patients
MOST_FRAMES = 2000  # a view and set; more would not narrow what few patients leave open
PATCHES, DIRECTIONS = 32, 32  # of the sliced Wasserstein distance, for speed; more in Karras 2018
PAIRS = 64  # of the diversity
NOISE = 0.15  # SD of the noise in spoilt frames at every scale, of the grey range
SPOILT_SIZE, SPOILT_SHIFT = 0.35, 0.06  # SDs: of the log size, and of the place over the side
CLEAR = 0.5  # Choice: of the way from other to spoilt patients; surely nearer to the others
ALIKE = "MS-SSIM of pairs"  # neither high nor low is good
HIGH_IS_GOOD = ("precision", "recall", "density", "coverage")
SHARES = (ALIKE, "precision", "recall", "coverage", "area change")
CAVITIES = [number for number, name in LABELS.items() if number and name != "LV myocardium"]


@dataclass(frozen=True)
class Realism:
    """How like patients the synthetic frames are.

    Attributes:
        measures: a row a view and measure: `view, measure, value, low, high`, the same of `floor`
            and `failure`, `finding` and `place` (0 at the floor, 1 at the failure, with
            `place_low, place_high`, NaN where floor and failure are not told apart). Intervals are
            95 %.
        summary: `view, frames, patients, other_patients, verdict`.
    """

    measures: pd.DataFrame
    summary: pd.DataFrame


def audit_realism(synthetic, reference, held_out, embedding, seed):
    """Measure synthetic frames against patients, in pixels, features and anatomy.

    Each of eight repeats takes a random half of the patients of both roles, and as many frames of
    every set. The SD over halves drawn without replacement is the standard error of the whole
    sample, so the interval is the mean of the repeats and t times their SD; wider than needed for
    the larger sets, which give no more frames than the smallest. Whole patients are drawn, as
    frames of one patient resemble each other. Held-out frames come several to a patient, synthetic
    ones are independent, so as many of them fill the space more evenly: a perfect generator comes
    nearer than the floor by all measures that compare distributions but the kernel distance, most
    by the Frechet distance, and the more so the fewer the held-out patients.

    Args:
        synthetic: `Part` of synthetic frames.
        reference: `Part` of the patients that trained the GAN.
        held_out: `Part` of other patients, from the same sites.
        embedding: `embedding.Embedding` trained on `reference`; its features are the feature space,
            since networks trained on photographs have never seen a heart.
        seed: study seed.

    Returns:
        `Realism`.

    Raises:
        ValueError: a view has fewer than two patients in a role, or half of them too few frames.

    Source: measures, Karras et al. 2018 section 5 and `audit.distances`; halves, Politis and
    Romano, Ann Stat 1994;22:2031. Choice: with fewer than the tens of thousands of frames of the
    literature all distances but the kernel distance are too large; compare within a study only.
    """
    measures, summary = [], []
    for view in synthetic.frames["view"].unique():
        parts = [part.view(view) for part in (synthetic, reference, held_out)]
        table = _measure_view(view, *parts, embedding, seed)
        patients = [part.frames["patient_id"].nunique() for part in parts[1:]]
        row = {"view": view, "frames": len(parts[0].frames), "patients": patients[0]}
        verdict = {"other_patients": patients[1], "verdict": _verdict(view, table)}
        measures.append(table)
        summary.append(row | verdict)
    return Realism(pd.concat(measures, ignore_index=True), pd.DataFrame(summary))


def _measure_view(view, synthetic, reference, held_out, embedding, seed):
    for name, part in (("reference", reference), ("held_out", held_out)):
        count = part.frames["patient_id"].nunique()
        if count < 2:
            raise ValueError(f"{name}: {count} patients of view {view!r}; give 2 to draw halves of")
    rng = generator(seed, f"realism {view}")
    parts = [synthetic, reference, held_out]
    synthetic, reference, held_out = (
        part.take(np.sort(rng.permutation(len(part.frames))[:MOST_FRAMES])).load() for part in parts
    )
    spoilt = spoil(held_out, rng)
    sets = [_Set(part, embedding) for part in (reference, synthetic, held_out, spoilt)]
    draws = [_measure_halves(*sets, rng) for _ in range(REPEATS)]
    return _table(view, pd.concat(draws, keys=range(REPEATS), names=["repeat", "measure"]))


class _Set:
    """Frames with what is measured once and drawn from many times."""

    def __init__(self, part, embedding):
        self.images = part.images
        self.features = embedding.features(part.images).astype(np.float64)
        self.anatomy = pd.DataFrame(areas_and_places(part))
        missing = pd.Series([f"frame {n}" for n in range(len(part.frames))])
        self.owner = part.frames.get("patient_id", missing).to_numpy()

    def half(self, rng):
        """Rows of a random half of the patients (or of lone frames), in random order."""
        owners = rng.permutation(pd.unique(self.owner))
        chosen = np.isin(self.owner, owners[: (len(owners) + 1) // 2])
        return rng.permutation(np.flatnonzero(chosen))


def _measure_halves(reference, synthetic, held_out, spoilt, rng):
    """One repeat: a row a measure, a column a set."""
    ours, theirs, others = (x.half(rng) for x in (reference, synthetic, held_out))
    count = min(len(ours), len(theirs), len(others))
    if count <= NEIGHBOURS:
        raise ValueError(
            f"{count} frames are left in half of the smallest set; realism needs {NEIGHBOURS + 1}: "
            "give more patients or synthetic frames"
        )
    compared = zip(SETS, (synthetic, held_out, spoilt), (theirs, others, others), strict=True)
    seed = int(rng.integers(2**31))  # the same patches and pairs for all three
    columns = {name: _compare(x, rows[:count], reference, ours[:count], seed)
               for name, x, rows in compared}  # fmt: skip
    return pd.DataFrame(columns)


def _compare(one, rows, reference, theirs, seed):
    images = one.images[rows]
    wasserstein = sliced_wasserstein(
        images, reference.images[theirs], seed, patches=PATCHES, directions=DIRECTIONS
    )
    measures = {f"sliced Wasserstein, {size} px": x for size, x in wasserstein.items()}
    measures[ALIKE] = _alike(images, one.owner[rows], seed)
    mean, sd = reference.features.mean(axis=0), reference.features.std(axis=0) + 1e-6
    features, known = (one.features[rows] - mean) / sd, (reference.features[theirs] - mean) / sd
    measures["Frechet distance"] = frechet_distance(features, known)
    owners = one.owner[rows], reference.owner[theirs]
    measures["kernel distance"] = kernel_distance(features, known, owners)
    measures |= precision_recall(features, known, owners)
    return measures | compare_anatomy(one.anatomy.iloc[rows], reference.anatomy.iloc[theirs])


def _alike(images, owner, seed):
    """Mean MS-SSIM of pairs of frames of different patients: how alike the frames are."""
    pairs = np.random.default_rng(seed).integers(len(images), size=(2, 4 * PAIRS))
    first, second = pairs[:, owner[pairs[0]] != owner[pairs[1]]][:, :PAIRS]
    return float(ms_ssim(images[first], images[second]).mean()) if len(first) else np.nan


def compare_anatomy(one, reference):
    """How far areas, places and their change lie from the reference's.

    Args:
        one, reference: DataFrames of `anatomy.areas_and_places`, a row a frame.

    Returns:
        dict: `chamber areas` and `chamber places`, the Wasserstein distance of each measure's
        distribution in SD of the reference, mean over chambers; `area change`, the difference of
        the share of its largest area by which each cavity shrinks, mean over cavities.

    Choice: a lone synthetic frame has no cardiac cycle, so the fractional area change is that of a
    set, from the 95 % to the 5 % quantile of all its areas. Between patients it is larger than
    within one; it is so in both sets.
    """
    names = [name for name in reference.columns if reference[name].notna().any()]
    areas = [name for name in names if name.endswith(" area")]
    places = [name for name in names if name.endswith((" row", " column"))]
    cavities = [f"{LABELS[k]} area" for k in CAVITIES if f"{LABELS[k]} area" in areas]
    change = [abs(_area_change(one[k]) - _area_change(reference[k])) for k in cavities]
    return {
        "chamber areas": _mean_shift(one, reference, areas),
        "chamber places": _mean_shift(one, reference, places),
        "area change": float(np.mean(change)) if change else np.nan,
    }


def _mean_shift(one, reference, names):
    shifts = []
    for name in names:
        x, y = one[name].dropna(), reference[name].dropna()
        if len(x) and len(y):
            shifts.append(wasserstein_distance(x, y) / max(y.std(ddof=0), 1e-3))
    return float(np.mean(shifts)) if shifts else np.nan


def _area_change(log_area):
    low, high = np.exp(log_area.quantile([0.05, 0.95]))
    return 1 - low / high


def spoil(part, rng):
    """Frames that no measure may take for patients': noise on the image, hearts blown up and moved.

    Args:
        part: `Part`.
        rng: numpy Generator.

    Returns:
        `Part`, the same frames: Gaussian noise of 15 % of the grey range at every scale from one
        pixel to a quarter of the side, since white noise vanishes where frames are looked at
        coarsely; each label map in another size (SD 35 %) and place (SD 6 % of the side), since
        noise leaves label maps alone.
    """
    images = to_uint8(part.images + sum(_noise(part.images.shape, rng)))
    masks = np.empty_like(part.masks)
    middle = (np.array(part.masks.shape[1:]) - 1) / 2
    for row, mask in enumerate(part.masks):
        scale = np.exp(rng.normal(0, SPOILT_SIZE))
        shift = rng.normal(0, SPOILT_SHIFT, 2) * len(mask)
        offset = middle - scale * (middle + shift)
        masks[row] = ndimage.affine_transform(mask, np.full(2, scale), offset, order=0)
    return part._replace(images=images, masks=masks)


def _noise(shape, rng):
    """[n, R, R] noise at every octave."""
    n, side, _ = shape
    for octave in range(int(np.log2(side)) - 1):
        coarse = rng.normal(0, NOISE * 255, (n, side >> octave, side >> octave))
        yield coarse.repeat(2**octave, axis=1).repeat(2**octave, axis=2)


def _table(view, draws):
    """Means, intervals and findings from [repeat, measure] rows and a column a set."""
    rows = []
    for measure, values in draws.groupby("measure", sort=False):
        synthetic, floor, failure = (values[name].to_numpy() for name in SETS)
        row = {"view": view, "measure": measure}
        for name, found in (("value", synthetic), ("floor", floor), ("failure", failure)):
            row |= _interval(name, found, *_bounds(measure))
        ours, scale = synthetic - floor, failure - floor  # repeats share the reference patients
        place = _place(ours * _worse(measure, ours.mean()), scale * np.sign(scale.mean()))
        rows.append(row | {"finding": _finding(measure, ours, place["place_high"])} | place)
    table = pd.DataFrame(rows)
    return table.rename(columns={"value_low": "low", "value_high": "high"})


def _bounds(measure):
    lowest = -np.inf if measure == "kernel distance" else 0
    return lowest, 1 if measure in SHARES else np.inf


def _interval(name, values, lowest=-np.inf, highest=np.inf):
    """Mean of the repeats with t times their SD; see `audit_realism`."""
    reach = t.ppf(0.975, len(values) - 1) * values.std(ddof=1)
    mean = values.mean()
    low, high = np.clip([mean - reach, mean + reach], lowest, highest)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def _place(ours, scale):
    """0 at the floor, 1 as much worse as the failure is; from what each is worse, a repeat."""
    place = ratio_of_means(ours, scale, t.ppf(0.975, len(ours) - 1))
    return dict(zip(("place", "place_low", "place_high"), place, strict=True))


def _worse(measure, difference):
    """Sign of a change for the worse; of `ALIKE`, any change is."""
    if measure == ALIKE:
        return np.sign(difference)
    return -1 if measure in HIGH_IS_GOOD else 1


def _finding(measure, ours, place_high):
    """In words, from the differences from other patients and the upper end of `place`.

    Only a measure that tells spoilt patients from others can clear synthetic frames, and only where
    they surely lie less than half the way to them: a difference that is not clear may be large.
    """
    sign = _clear_sign(ours)
    if not sign:
        if np.isnan(place_high):
            return "not informative"
        return "like other patients" if place_high < CLEAR else "not shown"
    if measure == ALIKE:
        return "more alike than patients" if sign > 0 else "less alike than patients"
    worse = sign == _worse(measure, sign)
    return "worse than other patients" if worse else "nearer than other patients"


def _clear_sign(values):
    """1 or -1 where the interval of the mean lies above or below 0, else 0."""
    interval = _interval("mean", values)
    return int(interval["mean_low"] > 0) - int(interval["mean_high"] < 0)


def _verdict(view, table):
    """One sentence; nearer than other patients is no praise, see the memorisation audit."""
    found = table.groupby("finding", sort=False)["measure"].agg(list)
    words = {
        "not informative": "not to be judged",
        "not shown": "not shown to be like other patients",
    }
    said = [f"{words.get(finding, finding)} by {', '.join(m)}" for finding, m in found.items()]
    return f"{view}: synthetic frames are {'; '.join(said)}"
