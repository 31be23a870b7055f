"""A figure with its 95 % interval: over seeds by Student's t, over pictures by a bootstrap of blocks.

The t quantile comes from the finite sums for whole degrees of freedom, so that no further package is needed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from .metrics import Float64

LEVEL = 0.95
"""Of every interval."""


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95 % interval, and of how many pictures, objects or seeds it is; NaN is not measured."""

    value: float
    low: float
    high: float
    count: int


NOTHING = Estimate(math.nan, math.nan, math.nan, 0)
"""What was not measured."""


def mean_interval(values: Sequence[float]) -> Estimate:
    """Mean and 95 % t interval of independent values, one a seed; a single one has no interval, none has no mean."""
    array = np.asarray(values, np.float64)
    if not len(array):
        return NOTHING
    mean, half = float(array.mean()), half_width(array)
    return Estimate(mean, mean - half, mean + half, len(array))


def half_width(values: Float64) -> float:
    """Half of the 95 % t interval of the mean of values (N,); NaN under two."""
    count = len(values)
    if count < 2:
        return math.nan
    return t_quantile(0.5 + LEVEL / 2.0, count - 1) * float(values.std(ddof=1)) / math.sqrt(count)


def paired_difference(arm: Sequence[float], control: Sequence[float]) -> Estimate:
    """Mean of arm - control and its 95 % t interval; values at one place are of one seed. Raises ValueError."""
    return mean_interval([a - c for a, c in zip(arm, control, strict=True)])


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> Estimate:
    """Mean of `above` over mean of `below`, paired by seed, with Fieller's 95 % interval; all NaN unless `below` is
    more than zero with its own t interval.

    The interval holds each r for which the t interval of mean(above - r below) includes zero. It is exact for normal
    values also of three seeds, where a bootstrap over seeds is much too narrow.
    """
    x, y = np.asarray(above, np.float64), np.asarray(below, np.float64)
    if not mean_interval(below).low > 0.0:
        return Estimate(math.nan, math.nan, math.nan, len(x))
    scale = t_quantile(0.5 + LEVEL / 2.0, len(x) - 1) ** 2 / len(x)
    covariance = np.cov(x, y) * scale
    # (mean x - r mean y)^2 = t^2 var(x - r y) / n, a quadratic in r: a r^2 - 2 b r + c = 0
    a = float(y.mean() ** 2 - covariance[1, 1])
    b = float(x.mean() * y.mean() - covariance[0, 1])
    c = float(x.mean() ** 2 - covariance[0, 0])
    root = math.sqrt(max(b * b - a * c, 0.0))
    return Estimate(float(x.mean() / y.mean()), (b - root) / a, (b + root) / a, len(x))


def percentiles(value: float, drawn: Float64) -> Estimate:
    """A figure with the 95 % percentile interval of its bootstrap draws (D,); draws without a figure are left out."""
    finite = drawn[np.isfinite(drawn)]
    if not len(finite):
        return Estimate(value, math.nan, math.nan, 0)
    low, high = np.percentile(finite, [50.0 - 50.0 * LEVEL, 50.0 + 50.0 * LEVEL])
    return Estimate(value, float(low), float(high), len(finite))


def block_weights(count: int, block: int, draws: int, rng: np.random.Generator) -> Float64:
    """How often each of `count` pictures is in each draw of blocks of consecutive ones: (draws, count).

    NaN where all are one block, so that nothing drawn from it has an interval.
    """
    blocks = -(-count // block)
    if blocks < 2:
        return np.full((draws, count), math.nan)
    picks = rng.integers(blocks, size=(draws, blocks))
    times = np.stack([np.bincount(pick, minlength=blocks) for pick in picks])
    return np.asarray(np.repeat(times, block, axis=1)[:, :count], np.float64)


@cache
def t_quantile(share: float, degrees: int) -> float:
    """Student's t below which lies `share` of the distribution, 0.5 <= share < 1, degrees of freedom at least 1."""
    low, high = 0.0, 1.0
    while t_share(high, degrees) < share:
        low, high = high, 2.0 * high
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if t_share(middle, degrees) < share else (low, middle)
    return 0.5 * (low + high)


def t_share(t: float, degrees: int) -> float:
    """Share of Student's t distribution below t >= 0: the finite sum for whole degrees of freedom.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for power in range(2 + odd, degrees + 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (power - 1) / power
    inside = math.sin(angle) * total
    return 0.5 + 0.5 * (2.0 / math.pi * (angle + inside) if odd else inside)
