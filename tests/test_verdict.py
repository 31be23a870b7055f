"""Verdicts on both sides of each boundary, and what stands in them."""

from dataclasses import replace

import pytest

from synthir.gain import Arm, Comparison, Gap, Rules
from synthir.intervals import NOTHING, Estimate
from synthir.verdict import judge, rise, verdict
from tests.trials import FLAT, arm, draws

RULES = Rules(control="grayscale", base="grayscale", real="real", visible="rgb", least=0.05, least_seeds=3)


def around(value: float, half: float, count: int = 5) -> Estimate:
    return Estimate(value, value - half, value + half, count)


def against(value: float, seeds: float, pictures: float, count: int = 5, *, both: float | None = None) -> Comparison:
    ends = (around(value, seeds, count), around(value, pictures), around(value, pictures if both is None else both))
    return Comparison("mix", "grayscale", *ends, NOTHING, NOTHING)


def said_of(one: Comparison, leakage: str = "") -> str:
    arms = [arm(name, [0.4] * one.difference.count) for name in ("mix", "grayscale")]
    return "\n".join(verdict(arms, [one], [], RULES, leakage))


@pytest.mark.parametrize(
    ("one", "word", "reason"),
    [
        (against(0.20, 0.199, 0.199), "gain over", ""),
        (against(0.20, 0.201, 0.199), "no measurable gain over", "over seeds includes zero"),
        (against(0.20, 0.199, 0.201), "no measurable gain over", "the interval over test pictures includes zero"),
        (against(0.20, 0.199, 0.199, both=0.201), "no measurable gain over", "the interval over both includes zero"),
        (against(-0.20, 0.1, 0.1, both=0.201), "no measurable gain over", "the interval over both includes zero"),
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
    assert reason in lines[1] and (bool(reason) or lines[1].endswith("over both)."))
    for over, interval in (("seeds", one.difference), ("test pictures", one.pictures), ("both", one.both)):
        assert f"{interval.low:+.3f} to {interval.high:+.3f} over {over}" in lines[1]
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


def worth_of(*arms: Arm) -> list[str]:
    """What the verdict says of the labels that arms of another line are worth, less the words that are always there."""
    alone = [
        arm("10 real", [0.2] * 3, line="alone", labels=10),
        arm("40 real", [0.4] * 3, line="alone", labels=40),
        arm("real", [0.6] * 3, line="alone", labels=160),
    ]
    said = [line for line in verdict([*alone, *arms], [], [], RULES) if "as good as" in line]
    return [line.replace(" real labelled pictures) is as good as ", ": ").removesuffix(" seeds.") for line in said]


@pytest.mark.parametrize(
    ("ap50", "count"),
    [
        ([0.26] * 3, "19"),  # 10 + 30 * 0.06 / 0.2
        ([0.5] * 3, "100"),
        ([0.29, 0.30, 0.31], "21 to 29"),  # 0.30 -+ 4.303 * 0.01 / root 3: 25 -+ 3.7
        ([0.19, 0.20, 0.22], "under 10 to 16"),  # 0.2033 + 0.0379: 10 + 30 * 0.0413 / 0.2
        ([0.61, 0.60, 0.58], "135 to over 160"),  # 0.5967 - 0.0379: 40 + 120 * 0.1588 / 0.2
        ([0.1, 0.4, 0.7], "under 10 to over 160"),
        ([0.10, 0.11, 0.12], "under 10"),
        ([0.70, 0.71, 0.72], "over 160"),
    ],
)
def test_how_many_labels_an_arm_is_worth(ap50: list[float], count: str) -> None:
    (said,) = worth_of(arm("mix", ap50, line="with", labels=5))
    assert said == f"mix (5: {count} of them alone, by its interval over 3"


def test_labels_are_worth_nothing_that_can_be_said() -> None:
    assert worth_of(arm("mix", [0.3, 0.31], line="with")) == [], "two seeds prove nothing"
    assert worth_of(arm("mix", [0.3] * 3)) == [], "it is of no line"
    assert worth_of(arm("20 real", [0.1] * 3, line="alone", labels=20), arm("mix", [0.3] * 3, line="with")) == []
    lone = [arm("10 real", [0.2], line="a", labels=10), arm("real", [0.6], line="a", labels=40)]
    mix = arm("mix", [0.3], line="with")
    assert "as good as" not in " ".join(verdict([*lone, mix], [], [], replace(RULES, least_seeds=1)))
    assert "as good as" not in " ".join(verdict([*lone, arm("mix", [0.3] * 3, line="with")], [], [], RULES))
