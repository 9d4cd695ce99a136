import numpy as np
import pytest

from stylegrow.metrics.fidelity import (
    density_coverage,
    distances,
    frechet_distance,
    kernel_distance,
    polynomial_mmd,
    precision_recall,
    radii,
)


def gaussian(mean, covariance, count=400, seed=0):
    """Features [count, D] whose mean and unbiased covariance are exactly these."""
    drawn = np.random.RandomState(seed).standard_normal((count, len(mean)))
    drawn -= drawn.mean(axis=0)
    white = drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T))).T
    return white @ np.linalg.cholesky(np.array(covariance, float)).T + mean


def test_frechet_distance_of_diagonal_gaussians():
    a = gaussian([0.0, 1, -2], np.diag([1.0, 4, 9]))
    b = gaussian([3.0, 1, 0], np.diag([16.0, 1, 9]), count=150, seed=1)
    # |m - n|^2 + sum (s - t)^2
    assert frechet_distance(a, b) == pytest.approx(9 + 4 + (1 - 4) ** 2 + (2 - 1) ** 2, rel=1e-10)


def test_frechet_distance_of_covariances_that_do_not_commute():
    s, t = np.array([[2.0, 1], [1, 2]]), np.array([[3.0, 0], [0, 1]])
    # The root of a 2x2 product P has the trace sqrt(trace P + 2 sqrt(det P)).
    product = s @ t
    root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    assert frechet_distance(gaussian([0, 0], s), gaussian([0, 0], t)) == pytest.approx(4 + 4 - 2 * root, rel=1e-10)


def test_frechet_distance_with_fewer_features_than_dimensions():
    rng = np.random.RandomState(0)
    a, b = rng.standard_normal((12, 30)), rng.standard_normal((9, 30)) * 2 + 1
    root = np.sqrt(np.linalg.eigvals(np.cov(a.T) @ np.cov(b.T)).astype(complex)).real.sum()
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T)) + np.trace(np.cov(b.T)) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_equal_sets_and_of_a_shift():
    a = np.random.RandomState(0).standard_normal((50, 8)).astype(np.float32)
    assert abs(frechet_distance(a, a)) < 1e-10
    assert frechet_distance(a, a.astype(np.float64) + 2) == pytest.approx(8 * 4)


def test_kernel_distance_is_that_of_its_definition():
    rng = np.random.RandomState(0)
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((4, 3)) + 1

    def k(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / 3 + 1) ** 3

    same = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / 20
    other = sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / 12
    between = sum(k(a, b) for a in x for b in y) / 20
    assert polynomial_mmd(x, y) == pytest.approx(same + other - 2 * between, rel=1e-12)


def test_kernel_distance_of_points():
    x, y = np.zeros((4, 2)), np.full((3, 2), 2.0)
    # k(0, 0) = 1, k(y, y) = (8 / 2 + 1)^3, k(0, y) = 1.
    assert polynomial_mmd(x, y) == pytest.approx(1 + 125 - 2)


def test_kernel_distance_of_equal_distributions_is_unbiased():
    rng = np.random.RandomState(0)
    means = [kernel_distance(rng.standard_normal((40, 4)), rng.standard_normal((60, 4)), seed=i)[0] for i in range(200)]
    assert abs(np.mean(means)) < 4 * np.std(means) / np.sqrt(len(means))
    assert np.min(means) < 0 < np.max(means)  # a biased estimate would never be negative


def test_kernel_distance_splits():
    rng = np.random.RandomState(0)
    x, y = rng.standard_normal((100, 4)), rng.standard_normal((100, 4)) + 1
    mean, deviation = kernel_distance(x, y, seed=3)
    assert (mean, deviation) == kernel_distance(x, y, seed=3)
    assert (mean, deviation) != kernel_distance(x, y, seed=4)
    assert 0 < deviation < mean
    whole = polynomial_mmd(x, y)
    assert mean == pytest.approx(whole, abs=4 * deviation)
    with pytest.raises(ValueError, match="at least 20 features"):
        kernel_distance(x[:19], y)


def test_precision_and_recall_of_equal_and_disjoint_sets():
    a = np.random.RandomState(0).standard_normal((30, 5))
    assert precision_recall(a, a) == (1, 1)
    assert precision_recall(a, a + 100) == (0, 0)
    assert density_coverage(a, a + 100) == (0, 0)


def test_precision_and_recall_on_a_line():
    reals, fakes = np.array([[0.0], [1], [2], [10]]), np.array([[0.5], [2.5], [30]])
    # With k = 1 the reals' radii are 1, 1, 1, 8 and the fakes' 2, 2, 27.5.
    assert radii(reals, 1).tolist() == [1, 1, 1, 8]
    precision, recall = precision_recall(reals, fakes, k=1)
    assert precision == pytest.approx(2 / 3)  # 30 is 20 from 10
    assert recall == 1  # 0, 1, 2 by 0.5, and 10 by 30
    density, coverage = density_coverage(reals, fakes, k=1)
    assert density == pytest.approx((2 + 2) / 3)  # 0.5 lies in the balls of 0 and 1, 2.5 in those of 2 and 10
    assert coverage == 1


def test_missing_modes_lower_recall_and_coverage_only():
    rng = np.random.RandomState(0)
    reals = np.concatenate([rng.standard_normal((50, 4)), rng.standard_normal((50, 4)) + 50])
    fakes = rng.standard_normal((100, 4))
    precision, recall = precision_recall(reals, fakes)
    density, coverage = density_coverage(reals, fakes)
    assert precision > 0.8
    assert density > 0.8
    assert recall <= 0.5
    assert coverage <= 0.5


def test_density_and_coverage_of_equal_distributions():
    # Naeem 2020: density is 1 on average, and coverage 1 - (N-1)...(N-k) / ((2N-1)...(2N-k)).
    rng = np.random.RandomState(0)
    found = [density_coverage(rng.standard_normal((60, 3)), rng.standard_normal((60, 3))) for _ in range(40)]
    expected = 1 - np.prod([(60 - i) / (120 - i) for i in range(1, 6)])
    density, coverage = np.mean(found, axis=0)
    assert density == pytest.approx(1, abs=0.05)
    assert coverage == pytest.approx(expected, abs=0.01)


def test_large_sets_are_taken_in_blocks(monkeypatch):
    rng = np.random.RandomState(0)
    reals, fakes = rng.standard_normal((50, 3)), rng.standard_normal((40, 3)) + 0.5
    whole = precision_recall(reals, fakes), density_coverage(reals, fakes)
    monkeypatch.setattr("stylegrow.metrics.fidelity.BLOCK", 7)
    assert (precision_recall(reals, fakes), density_coverage(reals, fakes)) == whole


def test_distances_are_euclidean():
    rng = np.random.RandomState(0)
    x, y = rng.standard_normal((7, 5)), rng.standard_normal((6, 5))
    assert np.allclose(distances(x, y), np.linalg.norm(x[:, None] - y[None], axis=2))
