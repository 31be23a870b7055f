"""Intervals against tables and simulations, differences and gaps by hand, verdicts on both sides of each boundary."""

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from synthir.gain import Comparison, Gap, Rules, compare, gap_closed, paired_difference, read_result, write_result
from synthir.intervals import (
    NOTHING,
    Estimate,
    block_weights,
    mean_interval,
    paired_ratio,
    percentiles,
    t_quantile,
    t_share,
)
from synthir.verdict import judge, rise, verdict
from tests.trials import FLAT, arm, draws, trial

RULES = Rules(control="grayscale", base="grayscale", real="real", visible="rgb", least=0.05, least_seeds=3)


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


def around(value: float, half: float, count: int = 5) -> Estimate:
    return Estimate(value, value - half, value + half, count)


def against(value: float, seeds: float, pictures: float, count: int = 5) -> Comparison:
    return Comparison("mix", "grayscale", around(value, seeds, count), around(value, pictures), around(value, pictures))


def said_of(one: Comparison, leakage: str = "") -> str:
    arms = [arm(name, [0.4] * one.difference.count) for name in ("mix", "grayscale")]
    return "\n".join(verdict(arms, [one], [], RULES, leakage))


@pytest.mark.parametrize(
    ("one", "word", "reason"),
    [
        (against(0.20, 0.199, 0.199), "gain over", ""),
        (against(0.20, 0.201, 0.199), "no measurable gain over", "over seeds includes zero"),
        (against(0.20, 0.199, 0.201), "no measurable gain over", "the interval over test pictures includes zero"),
        (against(0.051, 0.01, 0.01), "gain over", ""),
        (against(0.049, 0.01, 0.01), "no measurable gain over", "noise of the labels"),
        (against(-0.051, 0.01, 0.01), "worse than", ""),
        (against(-0.049, 0.01, 0.01), "no measurable gain over", "noise of the labels"),
        (against(-0.20, 0.201, 0.199), "no measurable gain over", "over seeds includes zero"),
        (against(-0.20, 0.199, 0.201), "no measurable gain over", "the interval over test pictures includes zero"),
        (against(-0.20, 0.199, 0.199), "worse than", ""),
        (against(0.0, 0.0, 0.0), "no measurable gain over", "noise of the labels"),
    ],
)
def test_a_claim_holds_over_seeds_and_pictures_and_is_no_noise(one: Comparison, word: str, reason: str) -> None:
    lines = said_of(one).splitlines()
    assert lines[1].startswith(f"mix: {word} grayscale, AP50 {one.difference.value:+.3f} (")
    assert reason in lines[1] and (bool(reason) or lines[1].endswith("pictures)."))
    heads = {
        "gain over": "Gain over grayscale: mix.",
        "worse than": "No measurable gain over grayscale. Worse than grayscale: mix.",
        "no measurable gain over": "No measurable gain over grayscale.",
    }
    assert lines[0] == heads[word]


@pytest.mark.parametrize(("seeds", "proven"), [(1, False), (2, False), (3, True)])
def test_under_three_seeds_prove_nothing(seeds: int, proven: bool) -> None:
    arms = [arm("mix", [0.5, 0.51, 0.52][:seeds]), arm("grayscale", [0.1, 0.11, 0.13][:seeds])]
    lines = judge(arms, draws(arms), RULES).verdict
    assert lines[0].startswith("This proves nothing") is not proven
    assert (f"mix has {seeds}" in lines[0]) is not proven
    assert ("Gain over grayscale: mix." in lines) is proven
    assert any(line.startswith("mix: not proven against grayscale, AP50 +0.") for line in lines) is not proven


def test_leakage_is_said_first() -> None:
    one = against(0.2, 0.01, 0.01, 1)
    assert said_of(one, "the generator saw 3 of the test pictures").splitlines()[0] == (
        "Leakage was allowed, so these figures are not of unseen pictures: the generator saw 3 of the test pictures."
    )
    assert "Leakage" not in said_of(one)


@pytest.mark.parametrize(("end", "named"), [(0.319, False), (0.321, True), (0.2, False)])
def test_an_arm_that_still_rises_is_named(end: float, named: bool) -> None:
    curve = (*FLAT[:6], end, end)
    arms = [arm("mix", [0.5] * 3, curve=curve), arm("grayscale", [0.4] * 3)]
    assert rise(arms[0]) == pytest.approx(end - 0.3)
    said = " ".join(judge(arms, draws(arms), RULES).verdict)
    assert (f"still rising in the last quarter: mix (+{end - 0.3:.3f})." in said) is named


def test_a_short_curve_says_nothing() -> None:
    arms = [arm("mix", [0.5] * 3, curve=FLAT[:7]), arm("grayscale", [0.4] * 3)]
    said = " ".join(judge(arms, draws(arms), RULES).verdict)
    assert "Curves too short to say whether training was long enough: mix." in said


def test_the_share_of_the_gap_is_said_of_the_arm_that_closes_most() -> None:
    arms = [
        arm("mix", [0.34, 0.36, 0.32]),
        arm("other", [0.14, 0.16, 0.12]),
        arm("grayscale", [0.04, 0.02, 0.06]),
        arm("real", [0.44, 0.42, 0.46]),
    ]
    lines = judge(arms, draws(arms), RULES).verdict
    assert any(line.startswith("Of the gap between grayscale and real, mix closes 75% (") for line in lines)
    gaps = [Gap("mix", Estimate(0.3, -0.1, 0.7, 3), Estimate(0.3, 0.1, 0.5, 400))]
    assert "includes zero" in " ".join(verdict(arms, [], gaps, RULES))
    none = [arms[0], arms[2], arm("real", [0.04, 0.05, 0.03])]
    assert any(
        "No gap to close: real is not above grayscale" in line for line in judge(none, draws(none), RULES).verdict
    )


def test_what_saw_real_labels_is_no_winner() -> None:
    arms = [arm("mix", [0.41, 0.40, 0.42]), arm("grayscale", [0.4, 0.41, 0.39]), arm("real", [0.8, 0.81, 0.79])]
    arms.append(arm("few", [0.7, 0.71, 0.69], line="real only", labels=20))
    lines = judge(arms, draws(arms), RULES).verdict
    assert lines[0] == "No measurable gain over grayscale."
    assert any(line.startswith("real: gain over grayscale") for line in lines)
    assert any(line.startswith("few: gain over grayscale") for line in lines)
    assert any("and real, mix closes " in line for line in lines)


def test_unequal_steps_or_weights_are_said() -> None:
    arms = [arm("mix", [0.5] * 3), arm("grayscale", [0.4] * 3)]
    assert "more than the pictures differs" not in " ".join(judge(arms, draws(arms), RULES).verdict)
    longer = replace(arms[0], trials=tuple(replace(one, steps=900) for one in arms[0].trials))
    assert "same number of steps" in " ".join(judge([longer, arms[1]], draws(arms), RULES).verdict)
    other = replace(arms[0], trials=tuple(replace(one, weights_sha256="x") for one in arms[0].trials))
    assert "same weights" in " ".join(judge([other, arms[1]], draws(arms), RULES).verdict)


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


def test_how_many_labels_an_arm_is_worth() -> None:
    arms = [
        arm("grayscale", [0.1] * 3),
        arm("10 real", [0.2] * 3, line="alone", labels=10),
        arm("40 real", [0.4] * 3, line="alone", labels=40),
        arm("real", [0.6] * 3, line="alone", labels=160),
        arm("synthetic", [0.26] * 3, line="with", labels=0),
        arm("10 and synthetic", [0.5] * 3, line="with", labels=10),
        arm("beyond", [0.7] * 3, line="with", labels=40),
    ]
    said = [line for line in judge(arms, draws(arms), RULES).verdict if "as good as" in line]
    assert said == [
        "synthetic (0 real labelled pictures) is as good as about 19 of them alone.",  # 10 + 30 * 0.06 / 0.2
        "10 and synthetic (10 real labelled pictures) is as good as about 100 of them alone.",
    ]
    falling = [*arms[:2], arm("40 real", [0.1] * 3, line="alone", labels=40), *arms[3:]]
    assert not [line for line in judge(falling, draws(falling), RULES).verdict if "as good as" in line]
