"""FID of Gaussians whose distance is known, KID against the sums written out, and when FID is refused."""

import math

import numpy as np
import pytest

from synthir.distribution import fid, kid
from synthir.errors import ConfigError
from synthir.metrics import Float64


def gaussian(mean: Float64, root: Float64, count: int, seed: int) -> Float64:
    """`count` features whose sample mean is `mean` and whose sample covariance is root root', to rounding."""
    noise = np.random.default_rng(seed).normal(size=(count, len(mean)))
    noise -= noise.mean(axis=0)
    white = np.linalg.qr(noise)[0] * math.sqrt(count - 1)
    return np.asarray(white @ root.T + mean, np.float64)


def test_fid_of_gaussians_with_axes_in_line_is_worked_out_by_hand() -> None:
    made = gaussian(np.array([1.0, 2.0, 0.0]), np.diag([1.0, 2.0, 3.0]), 1000, 0)
    real = gaussian(np.array([0.0, 0.0, 0.0]), np.diag([2.0, 2.0, 0.5]), 1200, 1)
    assert fid(made, real) == pytest.approx(1 + 4 + 1 + 0 + 6.25, rel=1e-9)
    assert fid(real, real) == pytest.approx(0.0, abs=1e-9)


def test_fid_of_gaussians_that_do_not_commute() -> None:
    """The root of a 2x2 matrix with positive eigenvalues has the trace sqrt(trace + 2 sqrt(determinant))."""
    roots = [np.array([[2.0, 0.0], [1.0, 0.5]]), np.array([[1.0, 0.7], [-0.4, 1.5]])]
    a, b = (root @ root.T for root in roots)
    shared = math.sqrt(np.trace(a @ b) + 2 * math.sqrt(np.linalg.det(a @ b)))
    made, real = (gaussian(np.zeros(2), root, 1000, seed) for seed, root in enumerate(roots))
    assert fid(made, real) == pytest.approx(np.trace(a) + np.trace(b) - 2 * shared, rel=1e-9)


def test_fid_with_fewer_pictures_than_features_is_that_of_the_covariances() -> None:
    rng = np.random.default_rng(0)
    made, real = rng.normal(size=(12, 30)), 2.0 * rng.normal(size=(15, 30)) + 0.3
    a, b = np.cov(made, rowvar=False), np.cov(real, rowvar=False)
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0.0)).sum()
    means = np.square(made.mean(axis=0) - real.mean(axis=0)).sum()
    assert fid(made, real, force=True) == pytest.approx(means + np.trace(a) + np.trace(b) - 2 * shared, rel=1e-6)


def test_fid_of_few_pictures_is_refused_unless_forced() -> None:
    made, real = np.random.default_rng(0).normal(size=(2, 999, 3))
    with pytest.raises(ConfigError, match=r"no FID \(999 pictures; .* noise.* force_fid = true"):
        fid(made, real)
    assert math.isfinite(fid(made, real, force=True))
    with pytest.raises(ConfigError, match="no FID"):
        fid(made[:1], real[:1], force=True)


def written_out(made: Float64, real: Float64) -> float:
    """KID pair by pair."""

    def k(x: Float64, y: Float64) -> float:
        return float((sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1.0) ** 3)

    n = range(len(made))
    terms = [
        k(made[i], made[j]) + k(real[i], real[j]) - k(made[i], real[j]) - k(made[j], real[i])
        for i in n
        for j in n
        if i != j
    ]
    return 1000.0 * float(np.mean(terms))


@pytest.mark.parametrize("block", [1, 3, 7])
def test_kid_is_the_sum_over_pairs_whatever_the_blocks(block: int) -> None:
    rng = np.random.default_rng(0)
    made, real = rng.normal(size=(7, 4)), rng.normal(0.5, 1.0, size=(7, 4))
    value, low, high = kid(made, real, block, np.random.default_rng(0))
    assert value == pytest.approx(written_out(made, real))
    assert low <= high


def test_kid_by_hand() -> None:
    made, real = np.array([[1.0], [2.0]]), np.array([[0.0], [1.0]])
    # k(1,2) 27, k(0,1) 1, k(1,1) 8, k(2,0) 1, counted both ways
    assert kid(made, real, 1, np.random.default_rng(0))[0] == pytest.approx(1000.0 * (27 + 1 - 8 - 1))
    assert math.isnan(kid(made[:1], real[:1], 1, np.random.default_rng(0))[0])


def test_kid_of_equal_distributions_is_around_nought_and_its_interval_covers_it() -> None:
    covered, values = [], []
    for seed in range(40):
        made, real = np.random.default_rng(seed).normal(size=(2, 50, 3))
        value, low, high = kid(made, real, 1, np.random.default_rng(seed), draws=200)
        values.append(value)
        covered.append(low <= 0.0 <= high)
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(len(values))
    assert np.mean(covered) > 0.8


def test_kid_and_its_interval_are_over_nought_for_others() -> None:
    made, real = np.random.default_rng(0).normal(size=(60, 3)) + 1.0, np.random.default_rng(1).normal(size=(60, 3))
    value, low, high = kid(made, real, 5, np.random.default_rng(0))
    assert 0.0 < low < value < high
