"""Frames within patients: how alike they are, and estimates that know it."""

import warnings
from dataclasses import dataclass

import numpy as np
import statsmodels.formula.api as smf
from scipy import stats

BOOTSTRAP_SAMPLES = 5000
FEWEST_TO_RESAMPLE = 6  # patients; five give only 126 different samples
SMALLEST_RESIDUAL = 1e-4  # share of the SD; below, statsmodels stops off the optimum or is singular


@dataclass(frozen=True)
class Clustering:
    """How much frames of one patient have in common, and what that costs.

    `icc` is the share of the variance that lies between patients, `design_effect` the factor by
    which the variance of the mean grows over independent frames, `effective_frames` the number of
    independent frames that would tell as much.
    """

    patients: int
    frames: int
    icc: float
    design_effect: float
    effective_frames: float


def clustering(values, patients):
    """Intraclass correlation and design effect of frames within patients.

    Args:
        values: [n] float, one a frame, e.g. differences between two arms.
        patients: [n], the patient of each frame.

    Returns:
        `Clustering`; NaN where there is one patient, one frame a patient or no spread at all.

    Source: one-way analysis of variance, ICC(1,1) of Shrout and Fleiss 1979; design effect of
    Kish 1965 for unequal numbers of frames. Choice: a negative ICC costs nothing (effect 1).
    """
    values = np.asarray(values, float)
    _, codes, sizes = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    groups, count = len(sizes), len(values)
    if groups < 2 or count == groups or np.ptp(values) == 0:
        return Clustering(groups, count, np.nan, np.nan, np.nan)
    means = np.bincount(codes, values) / sizes
    between = np.sum(sizes * (means - values.mean()) ** 2) / (groups - 1)
    within = np.sum((values - means[codes]) ** 2) / (count - groups)
    typical = (count - np.sum(sizes**2) / count) / (groups - 1)
    icc = (between - within) / (between + (typical - 1) * within)
    effect = 1 + (np.sum(sizes**2) / count - 1) * max(icc, 0)
    return Clustering(groups, count, float(icc), float(effect), float(count / effect))


def mixed_model_shift(pairs, confidence):
    """Mean difference between two arms, with random effects of patient and training seed.

    With one seed, difference = shift + patient + residual, one observation a frame. With several,
    difference = shift + patient + seed + residual, one observation a patient and seed: the mean
    over the patient's frames.

    Args:
        pairs: rows of one view and label, see `stats.pairs.pair_scores`.
        confidence: e.g. 0.95.

    Returns:
        (shift, low, high); NaN where there are fewer than two patients; the shift alone, as both
        ends, where all differences are equal.

    Choice: restricted likelihood, and t intervals with Satterthwaite's degrees of freedom from the
    fitted components, since the normal intervals of statsmodels are too short for 24 patients and
    far too short for a handful of seeds. The same frames recur under every seed; taken as
    independent they would hide how much the seeds scatter, so they are averaged first, which loses
    nothing where patients have equally many frames. Where nothing is left for the residual (one
    score a patient and seed, repeated on each frame) the likelihood has no maximum, and the
    variances are those of the patients' and of the seeds' means: with one seed, or equal ones, the
    paired t interval of patients.
    """
    table = pairs.dropna(subset=["arm", "reference"])
    table = table.assign(difference=np.round(table["arm"] - table["reference"], 12))
    if table["patient_id"].nunique() < 2:
        return np.nan, np.nan, np.nan
    values = table["difference"].to_numpy()
    if np.ptp(values) == 0:
        return (float(values[0]),) * 3
    if table["seed"].nunique() > 1:
        table = table.groupby(["patient_id", "seed"], as_index=False)["difference"].mean()
    # Scores differ in the third decimal; optimisers want numbers near one.
    unit = values.std()
    table = table.assign(difference=table["difference"] / unit)
    shift, error, freedom = _fit(table) or _from_means(table)
    half = unit * error * stats.t.ppf((1 + confidence) / 2, freedom)
    return float(unit * shift), float(unit * shift - half), float(unit * shift + half)


def _fit(table):
    """Shift, standard error and degrees of freedom by statsmodels; None where it finds none."""
    if _residuals(table).abs().max() < SMALLEST_RESIDUAL:
        return None
    crossed = table["seed"].nunique() > 1
    design = {"groups": "patient_id"}
    if crossed:  # statsmodels wants crossed effects as variance components of one group
        components = {"patient": "0 + C(patient_id)", "seed": "0 + C(seed)"}
        design = {"groups": np.ones(len(table)), "re_formula": "0", "vc_formula": components}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance of zero is a result, and warned of
        try:
            # Powell, since the gradient methods stop short of the optimum at a variance of zero.
            fit = smf.mixedlm("difference ~ 1", table, **design).fit(reml=True, method="powell")
        except np.linalg.LinAlgError:
            return None
    if not fit.converged:
        return None
    patient_variance, seed_variance = fit.vcomp if crossed else (fit.cov_re.iloc[0, 0], 0.0)
    shares = [table[c].value_counts(normalize=True).to_numpy() for c in ("patient_id", "seed")]
    between = patient_variance * np.sum(shares[0] ** 2) + fit.scale / len(table)
    trained = seed_variance * np.sum(shares[1] ** 2)
    freedom = _satterthwaite(between, len(shares[0]), trained, len(shares[1]))
    return fit.fe_params.iloc[0], fit.bse_fe.iloc[0], freedom


def _residuals(table):
    """What is left of the differences without their patients' and their seeds' means."""
    values = table["difference"]
    values = values - values.groupby(table["patient_id"]).transform("mean")
    return values - values.groupby(table["seed"]).transform("mean")


def _from_means(table):
    """Shift, standard error and degrees of freedom from the means of patients and of seeds."""
    patients, seeds = (table.groupby(c)["difference"].mean() for c in ("patient_id", "seed"))
    # Patients' means carry the residual too, but for the case that they are all alike.
    between = max(patients.var() / len(patients), _residuals(table).var() / len(table))
    trained = seeds.var() / len(seeds) if len(seeds) > 1 else 0.0
    freedom = _satterthwaite(between, len(patients), trained, len(seeds))
    return patients.mean(), np.sqrt(between + trained), freedom


def _satterthwaite(between, patients, trained, seeds):
    """Degrees of freedom of the mean: patients less one, fewer where seeds scatter.

    `between` and `trained` are what patients and seeds add to the variance of the mean.
    """
    spread = between**2 / (patients - 1)
    if trained > 0:
        spread += trained**2 / (seeds - 1)
    return (between + trained) ** 2 / spread


def cluster_bootstrap(differences, frames, confidence, rng):
    """Mean difference over frames, with an interval from resampling whole patients.

    Args:
        differences: [n] float, mean difference of each patient.
        frames: [n] int, frames of each patient; ones give every patient the same weight.
        confidence: e.g. 0.95.
        rng: numpy Generator.

    Returns:
        (mean, low, high); the ends are NaN below six patients, and the mean where all are equal.

    Source: Davison and Hinkley, Bootstrap Methods, 1997, section 3.8. Choice: bias-corrected and
    accelerated (BCa), since Dice differences are skewed, and expanded for few patients, since
    resampling takes their spread for the population's (Hesterberg, Am Stat 2015;69:371, 4.1).
    """
    differences, frames = np.asarray(differences, float), np.asarray(frames, float)

    def mean(sums, counts, axis=-1):
        return np.sum(sums, axis=axis) / np.sum(counts, axis=axis)

    if not len(differences):
        return np.nan, np.nan, np.nan
    centre = float(mean(differences * frames, frames))
    if len(differences) < FEWEST_TO_RESAMPLE:
        return centre, np.nan, np.nan
    if np.ptp(differences) == 0:
        return centre, centre, centre
    interval = stats.bootstrap(
        (differences * frames, frames), mean, paired=True, vectorized=True, method="BCa",
        confidence_level=_expanded(confidence, len(differences)),
        n_resamples=BOOTSTRAP_SAMPLES, rng=rng,
    ).confidence_interval  # fmt: skip
    return centre, float(interval.low), float(interval.high)


def _expanded(confidence, count):
    """Bootstrap confidence whose quantiles are those of t with the unbiased variance."""
    quantile = stats.t.ppf((1 + confidence) / 2, count - 1) * np.sqrt(count / (count - 1))
    return 1 - 2 * stats.norm.sf(quantile)
