"""How near a set of synthetic pictures is to the set of real ones, by the features a network sees: FID and KID.

Features are (N, D) float64, one row a picture, made and real in the same order. DEFINITIONS says what each figure is.
"""

import math

import numpy as np

from .errors import ConfigError
from .metrics import Float64

DEFINITIONS = {
    "FID": "Heusel et al. 2017: squared Frechet distance of two Gaussians fitted to the features, float64, covariance "
    "over N - 1. Under 1,000 pictures only if force_fid is set; no interval, a bootstrap would shift it. Compare it "
    "only among equal features and equally many pictures.",
    "KID": "Binkowski et al. 2018: unbiased squared MMD with the kernel (x.y / D + 1)^3 over all pairs of pictures "
    "instead of random subsets, times 1000. The two pictures of one pair are not compared (Gretton et al. 2012, "
    "eq. 4): they are not independent.",
    "features": "Pooled features before the last layer of the network that is named; aligned pictures are clipped to 0 "
    "to 255, grey levels stand in all three planes, resized to the network's size, ImageNet's mean and deviation.",
}

LEAST = 1000
"""Pictures from which an FID says something."""


def fid(made: Float64, real: Float64, *, force: bool = False) -> float:
    """Frechet distance of two sets of features. Raises ConfigError under 1,000 pictures unless forced.

    The trace of the root of the product of two covariances X'X and Y'Y is the sum of the singular values of X Y'.
    """
    few = min(len(made), len(real))
    if few < max(2, LEAST * (not force)):
        why = f"{few} pictures; the fit of a covariance to so few is mostly noise, and biased upwards"
        raise ConfigError("no FID", why=why, fix=f"measure {LEAST} or more, read KID instead, or set force_fid = true")
    factors = [triangle(features) for features in (made, real)]
    traces = sum(float(np.square(factor).sum()) for factor in factors)
    shared = float(np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum())
    return float(np.square(made.mean(axis=0) - real.mean(axis=0)).sum()) + traces - 2.0 * shared


def triangle(features: Float64) -> Float64:
    """A matrix R with R'R the covariance of the features: of at most as many rows as pictures or features."""
    centred = (features - features.mean(axis=0)) / math.sqrt(len(features) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r") if len(features) > features.shape[1] else centred, np.float64)


def kid(
    made: Float64, real: Float64, block: int, rng: np.random.Generator, draws: int = 1000
) -> tuple[float, float, float]:
    """Kernel distance times 1000 and its 95 % interval over blocks of consecutive pictures; NaN under 2 pictures.

    A picture drawn twice is not compared with itself, so a draw is as unbiased as the whole.
    """
    if len(made) < 2:
        return math.nan, math.nan, math.nan
    sums = block_kernels(made, real, block)
    sizes = np.diff([*range(0, len(made), block), len(made)]).astype(np.float64)
    pairs = np.outer(sizes, sizes) - np.diag(sizes)
    picks = rng.integers(len(sizes), size=(draws, len(sizes)))
    weights = np.stack([np.bincount(pick, minlength=len(sizes)) for pick in picks]).astype(np.float64)
    total = np.einsum("di,ij,dj->d", weights, pairs, weights)
    values = np.einsum("di,ij,dj->d", weights, sums, weights)[total > 0] / total[total > 0]
    low, high = np.percentile(values, [2.5, 97.5])
    return 1000.0 * float(sums.sum() / pairs.sum()), 1000.0 * float(low), 1000.0 * float(high)


def block_kernels(made: Float64, real: Float64, block: int) -> Float64:
    """Sums (B, B) of k(x, x') + k(y, y') - k(x, y') - k(y, x') of two blocks, each pair's own left out."""
    starts = np.arange(0, len(made), block)
    rows = []
    for start in starts:
        x, y = made[start : start + block], real[start : start + block]
        terms = kernel(x, made) + kernel(y, real) - kernel(x, real) - kernel(y, made)
        terms[np.arange(len(x)), start + np.arange(len(x))] = 0.0
        rows.append(np.add.reduceat(terms.sum(axis=0), starts))
    return np.stack(rows)


def kernel(x: Float64, y: Float64) -> Float64:
    """The cubic polynomial kernel (N, M) of features (N, D) and (M, D)."""
    return np.asarray((x @ y.T / x.shape[1] + 1.0) ** 3, np.float64)
