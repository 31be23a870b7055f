"""Differences of arms and the gap by hand; which arms are compared; a result is read back as it was written."""

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from synthir.gain import Rules, compare, gap_closed, read_result, write_result
from synthir.verdict import judge
from tests.trials import arm, draws, trial

RULES = Rules(control="grayscale", base="grayscale", real="real", visible="rgb", least=0.05, least_seeds=3)


def test_both_arms_are_on_the_same_draw() -> None:
    arms = [arm("mix", [0.5, 0.52, 0.51]), arm("grayscale", [0.4, 0.42, 0.41])]
    together = compare(arms[0], arms[1], draws(arms, {"mix": 0.0, "grayscale": 0.0}), np.random.default_rng(0))
    assert (together.pictures.low, together.pictures.high) == pytest.approx((0.1, 0.1))
    apart = compare(arms[0], arms[1], draws(arms, {"mix": 0.05, "grayscale": 0.0}), np.random.default_rng(0))
    assert apart.pictures.high - apart.pictures.low == pytest.approx(2 * 1.96 * 0.05, rel=0.15)


def test_redrawing_seeds_widens_by_what_they_vary() -> None:
    arms = [arm("mix", [0.4, 0.6, 0.5, 0.7]), arm("grayscale", [0.4] * 4)]
    found = compare(arms[0], arms[1], draws(arms, {"mix": 0.0, "grayscale": 0.0}, count=4000), np.random.default_rng(0))
    assert found.pictures.low == pytest.approx(found.pictures.high)
    spread = np.std([0.4, 0.6, 0.5, 0.7]) / 2
    assert found.both.high - found.both.low == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_differences_in_every_figure_are_paired_by_seed() -> None:
    mix, grey = arm("mix", [0.50, 0.31, 0.72]), arm("grayscale", [0.40, 0.20, 0.60])
    found = compare(mix, grey, draws([mix, grey]), np.random.default_rng(0))
    half = 4.30265 * 0.01 / math.sqrt(3)  # of 0.10 0.11 0.12, by hand
    for estimate, share in ((found.difference, 1.0), (found.map5095, 0.5), (found.recall, 0.9)):
        assert estimate.count == 3 and estimate.value == pytest.approx(0.11 * share)
        ends = (estimate.low - estimate.value, estimate.high - estimate.value)
        assert ends == pytest.approx((-half * share, half * share), abs=1e-6)
    alone = replace(grey, trials=(trial("grayscale", 9, 0.1),))
    apart = compare(mix, alone, {}, np.random.default_rng(0))
    assert (apart.map5095.count, apart.recall.count) == (0, 0)


def test_arms_are_compared_over_the_seeds_that_both_have() -> None:
    mix = arm("mix", [0.5, 0.6, 0.7])
    grey = replace(arm("grayscale", [0.1, 0.1, 0.1]), trials=tuple(trial("grayscale", seed, 0.1) for seed in (2, 1)))
    found = compare(mix, grey, draws([mix, grey]), np.random.default_rng(0))
    assert found.difference.value == pytest.approx(0.55) and found.difference.count == 2
    alone = replace(grey, trials=(trial("grayscale", 9, 0.1),))
    assert compare(mix, alone, {}, np.random.default_rng(0)).difference.count == 0


def test_the_gap_closed_is_a_share_of_paired_differences() -> None:
    arms = [arm("mix", [0.34, 0.36, 0.32]), arm("grayscale", [0.04, 0.02, 0.06]), arm("real", [0.44, 0.42, 0.46])]
    found = gap_closed(arms[0], arms[1], arms[2], draws(arms), np.random.default_rng(0))
    assert found.closed.value == pytest.approx(0.3 / 0.4)
    assert found.closed.low < 0.75 < found.closed.high
    assert found.both.low < 0.75 < found.both.high
    assert found.reason == ""


@pytest.mark.parametrize(
    ("real", "there"), [([0.50, 0.47, 0.53], True), ([0.50, 0.30, 0.75], False), ([0.2] * 3, False)]
)
def test_there_is_no_share_of_no_gap(real: list[float], there: bool) -> None:
    arms = [arm("mix", [0.5, 0.5, 0.5]), arm("grayscale", [0.4, 0.4, 0.4]), arm("real", real)]
    found = gap_closed(arms[0], arms[1], arms[2], draws(arms), np.random.default_rng(0))
    assert math.isnan(found.closed.value) is not there
    assert ("real is not above grayscale" in found.reason) is not there


def test_arms_without_a_control_are_not_compared() -> None:
    arms = [arm("mix", [0.5] * 3)]
    result = judge(arms, draws(arms), RULES)
    assert result.comparisons == () and result.gaps == ()
    assert result.verdict[0] == "There is nothing to compare with grayscale."


def test_every_arm_is_compared_with_grayscale_and_rgb() -> None:
    arms = [arm(name, [0.4, 0.41, 0.42]) for name in ("rgb", "grayscale", "mix", "real")]
    result = judge(arms, draws(arms), RULES)
    pairs = {(one.arm, one.control) for one in result.comparisons}
    names = ("rgb", "grayscale", "mix", "real")
    assert pairs == {(one, other) for one in names for other in ("grayscale", "rgb") if one != other}
    assert [gap.arm for gap in result.gaps] == ["rgb", "mix"]


def test_a_result_is_read_back_as_it_was(tmp_path: Path) -> None:
    arms = [arm(name, [0.4, 0.41, 0.42]) for name in ("rgb", "grayscale", "mix")]
    result = judge(arms, draws(arms), RULES, leakage="a", notes=["b"])
    write_result(tmp_path / "result.json", result)
    assert read_result(tmp_path / "result.json") == result
    lonely = judge(
        [arm("grayscale", [0.4]), arm("mix", [0.4])], draws([arm("grayscale", [0.4]), arm("mix", [0.4])]), RULES
    )
    write_result(tmp_path / "lonely.json", lonely)
    again = read_result(tmp_path / "lonely.json")
    assert math.isnan(again.comparisons[0].difference.low)
    assert msgspec.json.encode(again) == msgspec.json.encode(lonely)
    (tmp_path / "other.json").write_text('{"arms": 3}')
    with pytest.raises(msgspec.ValidationError):
        read_result(tmp_path / "other.json")
