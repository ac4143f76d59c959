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


def kernel_distance(one, other):
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / D + 1)^3.

    0 in the mean for two sets of one distribution, so it may fall below 0.

    Args:
        one, other: [n, D], [m, D].

    Source: Binkowski et al., ICLR 2018, section 4 (kernel inception distance).
    """
    n, m = len(one), len(other)
    within_one, within_other, between = (
        polynomial_kernel(x, y, degree=3)  # gamma 1 / D, coef0 1
        for x, y in ((one, one), (other, other), (one, other))
    )
    return float(
        (within_one.sum() - np.trace(within_one)) / (n * (n - 1))
        + (within_other.sum() - np.trace(within_other)) / (m * (m - 1))
        - 2 * between.mean()
    )


def precision_recall(synthetic, patients, owners, neighbours=NEIGHBOURS):
    """How many frames lie among the other set's: precision, recall, density and coverage.

    A ball around each frame reaches to the k-th nearest frame of its own set. Choice: frames of its
    own patient do not count, or the balls of a cine's frames would reach to its other phases and no
    further.

    Args:
        synthetic, patients: [n, D], [m, D].
        owners: ([n], [m]) whose frame each one is.
        neighbours: k, fewer than the frames of other owners.

    Returns:
        dict: `precision`, synthetic frames in a patient's ball; `recall`, patient frames in a
        synthetic ball; `density`, patient balls that a synthetic frame lies in, over k; `coverage`,
        patient balls with a synthetic frame inside. All 0 to 1, but density, which may exceed 1.

    Source: Kynkaanniemi et al., NeurIPS 2019; Naeem et al., ICML 2020, equations 4 and 6.
    """
    between = cdist(patients, synthetic)
    of_synthetic, of_patients = (
        _reach(x, own, neighbours) for x, own in zip((synthetic, patients), owners, strict=True)
    )
    inside = between <= of_patients[:, None]
    return {
        "precision": float(inside.any(axis=0).mean()),
        "recall": float((between <= of_synthetic).any(axis=1).mean()),
        "density": float(inside.sum(axis=0).mean() / neighbours),
        "coverage": float((between.min(axis=1) <= of_patients).mean()),
    }


def _reach(x, owner, neighbours):
    distance = cdist(x, x)
    distance[owner[:, None] == owner] = np.inf
    return np.partition(distance, neighbours - 1, axis=1)[:, neighbours - 1]
