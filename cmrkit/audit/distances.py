"""Distances between two sets of features: Frechet, kernel, precision, recall, density, coverage."""

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import polynomial_kernel

NEIGHBOURS = 5  # Naeem et al. 2020


def frechet_distance(one, other):
    """Squared Frechet distance between the Gaussians of two sets of features.

    The trace of (S1 S2)^(1/2) is the sum of singular values of A'B, where S1 = AA' and S2 = BB'.
    So it is exact with fewer frames than features too, where the matrix root of other
    implementations (MONAI, torchmetrics) is that of a singular matrix.

    Args:
        one, other: [n, D], [m, D].

    Source: Heusel et al., NeurIPS 2017; Dowson and Landau, J Multivar Anal 1982;12:450.
    """
    a, b = (_centred(x) for x in (one, other))
    shift = one.mean(axis=0) - other.mean(axis=0)
    spread = (a**2).sum() + (b**2).sum() - 2 * np.linalg.norm(a @ b.T, "nuc")
    return float(shift @ shift + spread)


def _centred(x):
    return (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)


def kernel_distance(one, other, owners):
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / D + 1)^3.

    0 in the mean for two sets of one distribution, so it may fall below 0. Choice: within a set
    only frames of different patients are compared. Frames of one patient resemble each other, and
    with them a set of few patients would be farther away than as many independent frames.

    Args:
        one, other: [n, D], [m, D].
        owners: ([n], [m]) whose frame each one is.

    Returns:
        distance; NaN where all frames of a set are of one patient.

    Source: Binkowski et al., ICLR 2018, section 4 (kernel inception distance).
    """
    within = 0.0
    for x, own in zip((one, other), owners, strict=True):
        unlike = own[:, None] != own
        if not unlike.any():
            return np.nan
        within += _kernel(x, x)[unlike].mean()
    return float(within - 2 * _kernel(one, other).mean())


def _kernel(x, y):
    return polynomial_kernel(x, y, degree=3)  # gamma 1 / D, coef0 1


def precision_recall(synthetic, patients, owners, neighbours=NEIGHBOURS):
    """How many frames lie among the other set's: precision, recall, density and coverage.

    A ball around each frame reaches to the k-th nearest frame of its own set. Choice: frames of its
    own patient do not count, or the balls of a cine's frames would reach to its other phases and no
    further.

    Args:
        synthetic, patients: [n, D], [m, D].
        owners: ([n], [m]) whose frame each one is.
        neighbours: k.

    Returns:
        dict: `precision`, synthetic frames in a patient's ball; `recall`, patient frames in a
        synthetic ball; `density`, patient balls that a synthetic frame lies in, over k; `coverage`,
        patient balls with a synthetic frame inside. All 0 to 1, but density, which may exceed 1.
        NaN where a frame whose ball is needed has no more than k frames of other owners in its set:
        its ball would hold the whole set.

    Source: Kynkaanniemi et al., NeurIPS 2019; Naeem et al., ICML 2020, equations 4 and 6.
    """
    between = cdist(patients, synthetic)
    of_synthetic, of_patients = (
        _reach(x, own, neighbours) for x, own in zip((synthetic, patients), owners, strict=True)
    )
    inside = between <= of_patients[:, None]
    measures = {
        "precision": inside.any(axis=0).mean(),
        "recall": (between <= of_synthetic).any(axis=1).mean(),
        "density": inside.sum(axis=0).mean() / neighbours,
        "coverage": (between.min(axis=1) <= of_patients).mean(),
    }
    return {
        name: float(x) if np.isfinite(of_synthetic if name == "recall" else of_patients).all()
        else np.nan
        for name, x in measures.items()
    }  # fmt: skip


def _reach(x, owner, neighbours):
    """[n] radius of each frame's ball; infinite where too few frames are of other owners."""
    own = owner[:, None] == owner
    distance = np.where(own, np.inf, cdist(x, x))
    reach = np.partition(distance, neighbours - 1, axis=1)[:, neighbours - 1]
    return np.where((~own).sum(axis=1) > neighbours, reach, np.inf)
