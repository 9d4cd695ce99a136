"""Numbers of two sets of features [N, D], real and generated: FD, KID, precision and recall, density and coverage.

All are computed in float64.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from stylegrow.sampling import generation

SPLITS = 10
BLOCK = 1024  # rows of a matrix of distances at once


def compare_features(
    name: str, reals: np.ndarray, fakes: np.ndarray, seed: int
) -> dict[str, tuple[float, float | None]]:
    """The results of a metric of features by their names, each with its deviation over splits where there are any."""
    match name:
        case "fd":
            return {"fd": (frechet_distance(reals, fakes), None)}
        case "kid":
            return {"kid": kernel_distance(reals, fakes, seed)}
        case "pr":
            precision, recall = precision_recall(reals, fakes)
            return {"precision": (precision, None), "recall": (recall, None)}
    density, coverage = density_coverage(reals, fakes)
    return {"density": (density, None), "coverage": (coverage, None)}


def frechet_distance(reals: np.ndarray, fakes: np.ndarray) -> float:
    """Frechet distance of the Gaussians fitted to two sets (Heusel 2017, eq. 6).

    With covariances S = A'A and T = B'B, the trace of the root of ST is the sum of the singular values of AB', which
    needs no root of a matrix and stays exact where there are fewer features than dimensions.
    """
    mean, spread = _gaussian(reals)
    other_mean, other_spread = _gaussian(fakes)
    root = np.linalg.svd(spread @ other_spread.T, compute_uv=False).sum()
    return float(((mean - other_mean) ** 2).sum() + (spread**2).sum() + (other_spread**2).sum() - 2 * root)


def _gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean [D] and a matrix A [min(N, D), D] with A'A the unbiased covariance."""
    features = np.asarray(features, np.float64)
    mean = features.mean(axis=0)
    spread = (features - mean) / np.sqrt(len(features) - 1)
    # The triangle of the QR decomposition has the same A'A and fewer rows.
    return mean, np.asarray(np.linalg.qr(spread, mode="r")) if len(spread) > spread.shape[1] else spread


def kernel_distance(reals: np.ndarray, fakes: np.ndarray, seed: int = 0, splits: int = SPLITS) -> tuple[float, float]:
    """(mean, standard deviation) over `splits` of the squared maximum mean discrepancy (Binkowski 2018, KID).

    The kernel is (x.y / D + 1)^3 and the estimate unbiased, so that equal distributions give 0 on average. Each set is
    divided, in an order drawn from the seed, into disjoint splits; ValueError for fewer than 2 features in one.
    """
    if min(len(reals), len(fakes)) < 2 * splits:
        raise ValueError(f"{splits} splits need at least {2 * splits} features of each kind")
    rng = np.random.default_rng(seed)
    parts = [np.array_split(rng.permutation(len(features)), splits) for features in (reals, fakes)]
    values = [
        polynomial_mmd(reals[own].astype(np.float64), fakes[other].astype(np.float64))
        for own, other in zip(*parts, strict=True)
    ]
    return float(np.mean(values)), float(np.std(values, ddof=1))


def polynomial_mmd(x: np.ndarray, y: np.ndarray, degree: int = 3) -> float:
    """Unbiased squared maximum mean discrepancy of x [N, D] and y [M, D] (Gretton 2012, eq. 3).

    The kernel is (x.y / D + 1)^degree.
    """

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        base = a @ b.T / a.shape[1] + 1
        return reduce(np.multiply, [base] * degree)  # many times faster than powers

    def within(a: np.ndarray) -> float:
        matrix = kernel(a, a)
        return float((matrix.sum() - np.trace(matrix)) / (len(a) * (len(a) - 1)))

    return within(x) + within(y) - 2 * float(kernel(x, y).mean())


def precision_recall(reals: np.ndarray, fakes: np.ndarray, k: int = 3) -> tuple[float, float]:
    """(precision, recall): fraction of fakes in the reals' manifold, of reals in the fakes' (Kynkaanniemi 2019).

    A manifold is the union of balls around its features that reach to each one's k-th nearest neighbour (eq. 1-2).
    """
    return float((balls_around(fakes, reals, k) > 0).mean()), float((balls_around(reals, fakes, k) > 0).mean())


def density_coverage(reals: np.ndarray, fakes: np.ndarray, k: int = 5) -> tuple[float, float]:
    """(density, coverage) of Naeem 2020, eq. 5 and 8.

    Density counts how many real balls hold each fake, over k, and may exceed 1; coverage is the fraction of real balls
    that hold a fake.
    """
    own = radii(reals, k)
    covered = [
        (distances(reals[part], fakes) <= own[part, None]).any(axis=1) for part in generation.parts(len(reals), BLOCK)
    ]
    return float(balls_around(fakes, reals, k).mean() / k), float(np.concatenate(covered).mean())


def balls_around(points: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """How many of the balls around the features [M, D] that reach to their k-th nearest hold each point: int [N]."""
    own = radii(features, k)
    counts = [
        (distances(points[part], features) <= own[None, :]).sum(axis=1) for part in generation.parts(len(points), BLOCK)
    ]
    return np.concatenate(counts)


def radii(features: np.ndarray, k: int) -> np.ndarray:
    """The distance [N] of each feature to its k-th nearest neighbour, itself not counted."""
    found = []
    for part in generation.parts(len(features), BLOCK):
        own = distances(features[part], features)
        own[np.arange(len(own)), np.arange(part.start, part.stop)] = np.inf
        found.append(np.partition(own, k - 1, axis=1)[:, k - 1])
    return np.concatenate(found)


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean distances [N, M] between the rows of x [N, D] and y [M, D], float64."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    squared = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None, :] - 2 * (x @ y.T)
    return np.sqrt(np.maximum(squared, 0))
