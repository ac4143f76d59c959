"""The range of every measure among reference patients, and how far a frame lies outside it."""

import numpy as np
import pandas as pd
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupKFold

from cmrkit.audit.anatomy import measure_anatomy
from cmrkit.audit.blocks import block_means

TYPICALITY_SIDE = 32  # pixels; coarse, since fine texture is told by sharpness
TYPICALITY_COMPONENTS = 32
LEAST_SD = 0.01  # of shares and logs: what hardly varies in patients may still vary this much
MEASURE_PIXELS = 2**26  # measured at a time; the measures need 16 bytes for each


class PatientRanges:
    """Ranges of all anatomy and image measures of one view.

    A value becomes z = (value - median) / SD, where the SD is taken on the value's side: from the
    median to the 2.5 % or 97.5 % quantile of patients, divided by 1.96.

    Choice: two one-sided SDs, since areas and shares are skewed; quantiles, since a single badly
    annotated patient frame must not widen a range.

    Args:
        reference: `Part` of one view, all of it patients.

    Raises:
        ValueError: fewer than two patients.
    """

    def __init__(self, reference):
        patients = reference.frames["patient_id"]
        if patients.nunique() < 2:
            raise ValueError(f"reference: {patients.nunique()} patient(s); give at least 2")
        self._typical = _TypicalImage(reference)
        measures = self._measure(reference)
        measures["image typicality"] = _out_of_fold(reference)
        low, self._median, high = (measures.quantile(q) for q in (0.025, 0.5, 0.975))
        self._sd_below = ((self._median - low) / 1.96).clip(lower=LEAST_SD)
        self._sd_above = ((high - self._median) / 1.96).clip(lower=LEAST_SD)

    def _measure(self, part):
        blocks = part.blocks(max(1, MEASURE_PIXELS // part.images.shape[1] ** 2))
        return pd.concat(map(self._measure_block, blocks), ignore_index=True)

    def _measure_block(self, part):
        measures = measure_anatomy(part)
        measures["image sharpness"] = _sharpness(part.images)
        measures["image typicality"] = self._typical.score(part.images)
        return measures

    def z_values(self, part):
        """Distance of every measure from the patients' median, in SD.

        Returns:
            DataFrame, a row a frame and a column a measure; NaN where it could not be measured.
        """
        difference = self._measure(part)[self._median.index] - self._median
        return (difference / self._sd_above).where(difference > 0, -difference / self._sd_below)

    def largest_z(self, part):
        """Each frame's most unusual measure.

        Returns:
            DataFrame `z, reason`, a row a frame; the reason is the measure's name.
        """
        z = self.z_values(part)
        return pd.DataFrame({"z": z.max(axis=1), "reason": z.idxmax(axis=1)})


class _TypicalImage:
    """Log-likelihood of a coarse, standardised frame under probabilistic PCA of patient frames.

    Source: Tipping and Bishop, J R Stat Soc B 1999;61:611.
    Choice: unlikely and too likely frames are both atypical, as blurred ones are too likely.
    """

    def __init__(self, part):
        count = min(TYPICALITY_COMPONENTS, len(part.images) // 4, part.images[0].size // 4)
        self._pca = PCA(max(1, count), svd_solver="full").fit(_standardised(part.images))

    def score(self, images):
        """[n] mean log-likelihood a pixel."""
        pixels = _standardised(images)
        return self._pca.score_samples(pixels) / pixels.shape[1]


def _out_of_fold(part):
    """Typicality of patient frames under models that have not seen the same patient."""
    patients = part.frames["patient_id"]
    score = np.empty(len(patients))
    for train, test in GroupKFold(min(5, patients.nunique())).split(patients, groups=patients):
        score[test] = _TypicalImage(part.take(train)).score(part.images[test])
    return score


def _standardised(images):
    coarse = block_means(images, TYPICALITY_SIDE).reshape(len(images), -1).astype(np.float64)
    coarse -= coarse.mean(axis=1, keepdims=True)
    return coarse / (coarse.std(axis=1, keepdims=True) + 1e-6)


def _sharpness(images):
    """Log of the Laplacian's variance over the frame's variance."""
    grey = images.astype(np.float32)
    edges = ndimage.laplace(grey, axes=(1, 2))
    return np.log((edges.var(axis=(1, 2)) + 1e-6) / (grey.var(axis=(1, 2)) + 1e-6))
