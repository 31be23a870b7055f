"""Intervals against tables and simulations, and by hand."""

import math

import numpy as np
import pytest

from synthir.intervals import (
    NOTHING,
    Estimate,
    block_weights,
    mean_interval,
    paired_difference,
    paired_ratio,
    percentiles,
    t_quantile,
    t_share,
)


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    # 97.5 % points as printed in tables of Student's t
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (10, 2.228), (29, 2.045), (120, 1.980)],
)
def test_t_quantile_is_that_of_the_tables(degrees: int, quantile: float) -> None:
    assert t_quantile(0.975, degrees) == pytest.approx(quantile, abs=5e-4)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 30])
def test_t_share_is_the_integral_of_the_density(degrees: int) -> None:
    torch = pytest.importorskip("torch")
    places = torch.linspace(0, 2.5, 200_001, dtype=torch.float64)
    density = torch.distributions.StudentT(torch.tensor(float(degrees), dtype=torch.float64)).log_prob(places).exp()
    assert t_share(2.5, degrees) == pytest.approx(0.5 + float(torch.trapezoid(density, places)), abs=1e-9)


def test_mean_and_interval_by_hand() -> None:
    found = mean_interval([0.3, 0.5, 0.4, 0.4])
    deviation = math.sqrt((0.01 + 0.01) / 3)
    assert found.value == pytest.approx(0.4)
    assert found.high - 0.4 == pytest.approx(3.18245 * deviation / 2, abs=1e-6)
    assert 0.4 - found.low == pytest.approx(found.high - 0.4)
    assert found.count == 4


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    one = mean_interval([0.25])
    assert (one.value, one.count) == (0.25, 1)
    assert math.isnan(one.low) and math.isnan(one.high)
    assert mean_interval([]) is NOTHING


def test_a_difference_is_paired() -> None:
    # the seeds vary much, the difference little
    found = paired_difference([0.50, 0.31, 0.72], [0.40, 0.20, 0.60])
    assert found.value == pytest.approx(0.11)
    assert found.high - found.value == pytest.approx(4.30265 * 0.01 / math.sqrt(3), abs=1e-6)
    with pytest.raises(ValueError, match="zip"):
        paired_difference([0.5], [0.4, 0.3])


def test_fiellers_interval_ends_where_the_t_interval_touches_zero() -> None:
    above, below = [0.30, 0.28, 0.37, 0.33], [0.40, 0.37, 0.42, 0.45]
    found = paired_ratio(above, below)
    assert found.value == pytest.approx(sum(above) / sum(below))
    assert found.low < found.value < found.high
    for end in (found.low, found.high):
        at = mean_interval([a - end * b for a, b in zip(above, below, strict=True)])
        assert min(abs(at.low), abs(at.high)) == pytest.approx(0.0, abs=1e-12)


def test_fiellers_interval_holds_the_ratio_19_times_of_20() -> None:
    rng = np.random.default_rng(7)
    inside = [
        found.low <= 0.6 <= found.high
        for gap in rng.normal(0.4, 0.05, (2000, 5))
        for found in [paired_ratio((0.6 * gap + rng.normal(0.0, 0.03, 5)).tolist(), gap.tolist())]
    ]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_a_ratio_needs_something_below() -> None:
    assert math.isnan(paired_ratio([0.1, 0.2, 0.3], [0.1, -0.1, 0.1]).value)
    assert math.isnan(paired_ratio([0.1, 0.2, 0.3], [-0.4, -0.41, -0.42]).value)
    assert not math.isnan(paired_ratio([0.1, 0.2, 0.3], [0.4, 0.41, 0.42]).value)


def test_blocks_of_consecutive_pictures_are_drawn_whole() -> None:
    weights = block_weights(10, 4, 500, np.random.default_rng(0))
    assert weights.shape == (500, 10)
    assert (weights[:, :4] == weights[:, :1]).all() and (weights[:, 8:] == weights[:, 8:9]).all()
    blocks = weights[:, [0, 4, 8]]
    assert (blocks.sum(axis=1) == 3).all()
    assert blocks.mean(axis=0) == pytest.approx([1.0] * 3, abs=0.1)
    assert np.isnan(block_weights(4, 4, 2, np.random.default_rng(0))).all()  # one block can only be itself


def test_percentiles_leave_out_what_is_not_measured() -> None:
    found = percentiles(5.0, np.array([*range(101), math.nan]))
    assert found == Estimate(5.0, 2.5, 97.5, 101)
    assert math.isnan(percentiles(5.0, np.array([math.nan])).low)
