"""The verdict on arms of training data, in sentences that the numbers support, also when the answer is no.

What is claimed holds over seeds, over test pictures and over both (all three 95 % intervals on one side of zero) and is
no smaller than the noise of the labels. The order of the sentences is that of their weight: leakage first, too few
seeds, scenes that were not compared, then which arms gain, the gap they close, what was not trained to its end, and
each arm by itself.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import numpy as np

from .gain import Arm, Comparison, Drawn, Gap, Result, Rules, compare, gap_closed, seeds_of, summary
from .intervals import Estimate

GAIN, NONE, WORSE = "gain", "no measurable gain", "worse"
LEAST_POINTS = 8
"""Points of a learning curve from which on its end can be judged."""
SCENES_UNKNOWN = "scenes were not compared by name: pictures.scene is empty"
"""The note that is weighty enough to be a sentence of the verdict."""


def judge(arms: Sequence[Arm], drawn: Drawn, rules: Rules, *, leakage: str = "", notes: Sequence[str] = ()) -> Result:
    """Compare every arm with the control and with the visible pictures, and say what that comes to.

    drawn: for every trial the AP50 of the same draws of test pictures. leakage: what was seen, where that is allowed.
    """
    known = {arm.name: arm for arm in arms}
    rng = np.random.default_rng(0)
    controls = [known[name] for name in dict.fromkeys((rules.control, rules.visible)) if name in known]
    comparisons = tuple(compare(a, control, drawn, rng) for control in controls for a in arms if a != control)
    gaps = gaps_of(known, drawn, rules, rng)
    said = verdict(arms, comparisons, gaps, rules, leakage, scenes=SCENES_UNKNOWN not in notes)
    others = tuple(note for note in notes if note != SCENES_UNKNOWN)
    return Result(tuple(arms), comparisons, gaps, rules, said, leakage, others)


def gaps_of(known: Mapping[str, Arm], drawn: Drawn, rules: Rules, rng: np.random.Generator) -> tuple[Gap, ...]:
    """Of every arm but the two ends; none where one of the ends is missing."""
    if rules.base not in known or rules.real not in known:
        return ()
    base, real = known[rules.base], known[rules.real]
    return tuple(gap_closed(arm, base, real, drawn, rng) for arm in known.values() if arm not in (base, real))


def verdict(
    arms: Sequence[Arm],
    comparisons: Sequence[Comparison],
    gaps: Sequence[Gap],
    rules: Rules,
    leakage: str = "",
    *,
    scenes: bool = True,
) -> tuple[str, ...]:
    """Sentences, the weightiest first. Only the comparisons with `rules.control` are spoken of.

    scenes: whether the scenes of the test pictures were compared with those of the others.
    """
    against = [one for one in comparisons if one.control == rules.control]
    ranked = sorted(against, key=lambda one: -one.difference.value if one.difference.count else math.inf)
    barred = {rules.real} | {arm.name for arm in arms if arm.labels}
    sentences = [*on_leakage(leakage), *on_seeds(arms, rules), *on_fairness(arms), *on_scenes(scenes)]
    sentences += [headline(ranked, rules, barred), *on_gaps([gap for gap in gaps if gap.arm not in barred], rules)]
    sentences += [*on_curves(arms, rules), *on_labels(arms, rules)]
    return (*sentences, *(on_arm(one, rules) for one in ranked))


def on_leakage(leakage: str) -> list[str]:
    """What the user allowed."""
    if not leakage:
        return []
    return [f"Leakage was allowed, so these figures are not of unseen pictures: {leakage.rstrip('.')}."]


def on_seeds(arms: Sequence[Arm], rules: Rules) -> list[str]:
    """Said where an arm has too few seeds to prove anything."""
    few = {arm.name: len(seeds_of(arm)) for arm in arms if len(seeds_of(arm)) < rules.least_seeds}
    if not few:
        return []
    count = ", ".join(f"{name} has {number}" for name, number in few.items())
    return [f"This proves nothing where there are fewer than {rules.least_seeds} seeds: {count}."]


def on_fairness(arms: Sequence[Arm]) -> list[str]:
    """Said where arms had unequal steps, or one seed unequal initial weights."""
    trials = [trial for arm in arms for trial in arm.trials]
    said = []
    if len({trial.steps for trial in trials}) > 1:
        said.append("Not all trials had the same number of steps, so more than the pictures differs.")
    if len({(trial.seed, trial.weights_sha256) for trial in trials}) > len({trial.seed for trial in trials}):
        said.append("Not all arms of one seed began with the same weights, so more than the pictures differs.")
    return said


def on_scenes(compared: bool) -> list[str]:
    """Said where nobody has looked for scenes of the test pictures among the others."""
    if compared:
        return []
    return [f"These figures may be of places that were seen in training: {SCENES_UNKNOWN}."]


def headline(against: Sequence[Comparison], rules: Rules, barred: Collection[str]) -> str:
    """Which arms gain over the control, first of all; `barred` are those that saw real labels of the target."""
    arms = [one for one in against if one.arm not in barred]
    if not arms:
        return f"There is nothing to compare with {rules.control}."
    kinds = {one.arm: kind_of(one, rules) for one in arms}
    winners, losers = ([name for name, kind in kinds.items() if kind == which] for which in (GAIN, WORSE))
    first = f"Gain over {rules.control}: {', '.join(winners)}." if winners else ""
    last = f" Worse than {rules.control}: {', '.join(losers)}." if losers else ""
    return (first or f"No measurable gain over {rules.control}.") + last


def kind_of(one: Comparison, rules: Rules) -> str:
    """GAIN or WORSE where the difference holds over seeds, pictures and both and is no label noise, else NONE."""
    if one.difference.count < rules.least_seeds or doubts(one, rules):
        return NONE
    return GAIN if one.difference.value > 0.0 else WORSE


def doubts(one: Comparison, rules: Rules) -> list[str]:
    """What speaks against a difference; nothing where it may be claimed."""
    said = []
    if not holds(one.difference, one.difference.value):
        said.append("the interval over seeds includes zero")
    if not holds(one.pictures, one.difference.value):
        said.append("the interval over test pictures includes zero")
    if not holds(one.both, one.difference.value):
        said.append("the interval over both includes zero")
    if abs(one.difference.value) < rules.least:
        said.append(f"it is under the {rules.least:.2f} that the noise of the labels allows to claim")
    return said


def holds(estimate: Estimate, value: float) -> bool:
    """True where the whole interval is on the side of zero that the value is on; one without an interval holds not."""
    return estimate.low > 0.0 if value > 0.0 else estimate.high < 0.0


def on_arm(one: Comparison, rules: Rules) -> str:
    """One arm against the control."""
    if not one.difference.count:
        return f"{one.arm}: not compared with {one.control}, they share no seed."
    measured = f"AP50 {signed(one.difference.value)} ({span(one.difference)} over seeds, "
    measured += f"{span(one.pictures)} over test pictures, {span(one.both)} over both)"
    if one.difference.count < rules.least_seeds:
        return f"{one.arm}: not proven against {one.control}, {measured}: {seeds_word(one.difference.count)}."
    kind = kind_of(one, rules)
    if kind == NONE:
        reasons = ", ".join(doubts(one, rules))
        return f"{one.arm}: no measurable gain over {one.control}, {measured}: {reasons}."
    return f"{one.arm}: {'gain over' if kind == GAIN else 'worse than'} {one.control}, {measured}."


def on_gaps(gaps: Sequence[Gap], rules: Rules) -> list[str]:
    """What share of the gap the best arm closes, or why there is none."""
    there = [gap for gap in gaps if not gap.reason and gap.closed.count >= rules.least_seeds]
    if not there:
        return sorted({f"{gap.reason[0].upper()}{gap.reason[1:]}." for gap in gaps if gap.reason})
    best = max(there, key=lambda gap: gap.closed.value)
    if not best.closed.value > 0.0:
        return [f"No arm closes any of the gap between {rules.base} and {rules.real}."]
    share = f"{best.closed.value:.0%} ({best.closed.low:.0%} to {best.closed.high:.0%} over seeds"
    share += f", {best.both.low:.0%} to {best.both.high:.0%} with test pictures)" if best.both.count else ")"
    ends = f"between {rules.base} and {rules.real}"
    proven = "" if best.closed.low > 0.0 and best.both.low > 0.0 else "; not proven, an interval includes zero"
    among = f", the most of {len(there)} arms on these test pictures" if len(there) > 1 else ""
    return [f"Of the gap {ends}, {best.arm} closes {share}{among}{proven}."]


def on_labels(arms: Sequence[Arm], rules: Rules) -> list[str]:
    """How many labelled real pictures alone are as good as each arm of another line: from the low to the high end of
    its interval over seeds, each read off between the means.

    Alone is the line of the arm `rules.real`; beyond its ends nothing is known. Arms of too few seeds are left out.
    """
    means = {arm.name: summary(arm) for arm in arms}
    enough = [arm for arm in arms if means[arm.name].count >= max(2, rules.least_seeds)]
    alone = next((arm.line for arm in enough if arm.name == rules.real), "")
    points = sorted((arm.labels, means[arm.name].value) for arm in enough if alone and arm.line == alone)
    if len(points) < 2 or any(low[1] >= high[1] for low, high in pairwise(points)):
        return []
    said = []
    for arm in (arm for arm in enough if arm.line not in ("", alone)):
        mean = means[arm.name]
        count = " to ".join(dict.fromkeys(worth(end, points) for end in (mean.low, mean.high)))
        over = f"by its interval over {mean.count} seeds"
        said.append(f"{arm.name} ({arm.labels} real labelled pictures) is as good as {count} of them alone, {over}.")
    return said


def worth(value: float, points: Sequence[tuple[int, float]]) -> str:
    """The count at which a rising line of (count, AP50) reaches a value; `under` or `over` beyond the line's ends."""
    counts, reached = zip(*points, strict=True)
    if value < reached[0]:
        return f"under {counts[0]}"
    return f"over {counts[-1]}" if value > reached[-1] else str(round(float(np.interp(value, reached, counts))))


def on_curves(arms: Sequence[Arm], rules: Rules) -> list[str]:
    """Which arms were not trained to their end, and which cannot be judged."""
    rises = {arm.name: rise(arm) for arm in arms}
    rising = [f"{name} (+{value:.3f})" for name, value in rises.items() if value > rules.rising]
    unknown = [name for name, value in rises.items() if math.isnan(value)]
    said = []
    if rising:
        said.append(f"Undertrained, validation AP50 still rising in the last quarter: {', '.join(rising)}.")
    if unknown:
        said.append(f"Curves too short to say whether training was long enough: {', '.join(unknown)}.")
    return said


def rise(arm: Arm) -> float:
    """How much higher the mean validation AP50 of the last quarter of the curve is than that of the quarter before.

    Mean over seeds; NaN where a curve has under LEAST_POINTS points, or there are none.
    """
    rises = []
    for trial in arm.trials:
        curve, quarter = [point.ap50 for point in trial.curve], len(trial.curve) // 4
        if len(curve) < LEAST_POINTS:
            return math.nan
        rises.append(float(np.mean(curve[-quarter:]) - np.mean(curve[-2 * quarter : -quarter])))
    return float(np.mean(rises)) if rises else math.nan


def seeds_word(count: int) -> str:
    """How many seeds there are, in words that say it is too few."""
    return "one seed proves nothing" if count == 1 else f"{count} seeds prove nothing"


def signed(value: float) -> str:
    """A difference."""
    return f"{value:+.3f}"


def span(estimate: Estimate) -> str:
    """An interval, or that there is none."""
    return "no interval" if math.isnan(estimate.low) else f"{estimate.low:+.3f} to {estimate.high:+.3f}"
