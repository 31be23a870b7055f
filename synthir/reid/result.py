"""What the runs of a comparison come to: means with intervals, paired differences, and a verdict they support.

over seeds        95 % t interval; each value is the mean over gallery draws. With several splits, over splits.
over draws        95 % t interval over the gallery draws; each value is the mean over seeds
over identities   95 % bootstrap over the persons searched for; the difference of means over seeds
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..intervals import Estimate, mean_interval, paired_difference, percentiles
from .arms import BASELINE, CONTROL
from .protocol import FIGURES
from .runs import Run

LEAST_SEEDS = 3
"""Under so many seeds, or splits, nothing is claimed."""
DRAWS = 2000
"""Of the bootstrap."""


@dataclass(frozen=True)
class Difference:
    """mAP of an arm less that of a control."""

    arm: str
    control: str
    seeds: Estimate
    identities: Estimate
    """The same difference with its interval over the persons searched for."""
    rank1: Estimate
    """Of rank 1, over seeds."""

    @property
    def proven(self) -> bool:
        """Whether it holds over seeds and over persons."""
        enough = self.seeds.count >= LEAST_SEEDS
        return enough and all(e.low > 0.0 or e.high < 0.0 for e in (self.seeds, self.identities))


@dataclass(frozen=True)
class Line:
    """One arm in one search."""

    arm: str
    figures: dict[str, Estimate]
    """By name, with intervals over seeds."""
    draws: dict[str, Estimate]
    """The same with intervals over gallery draws; no interval where there is one gallery."""


@dataclass(frozen=True)
class Table:
    """One search."""

    search: str
    queries: float
    """Mean number that had a right answer."""
    left_out: float
    lines: tuple[Line, ...]
    differences: tuple[Difference, ...]


def tables(runs: Sequence[Run]) -> tuple[Table, ...]:
    """Of every search, the main one first."""
    arms = list(dict.fromkeys(run.arm for run in runs))
    return tuple(table(name, arms, runs) for name in runs[0].found)


def table(search: str, arms: Sequence[str], runs: Sequence[Run]) -> Table:
    """All arms in a search."""
    grouped = {arm: [run for run in runs if run.arm == arm] for arm in arms}
    lines = tuple(line(arm, search, own) for arm, own in grouped.items())
    differences = [
        difference(search, grouped[arm], grouped[control])
        for control in (CONTROL, BASELINE)
        for arm in arms
        if arm != control and control in grouped
    ]
    scores = [score for run in runs for score in run.found[search].scores]
    queries, left_out = (float(np.mean([getattr(one, name) for one in scores])) for name in ("queries", "left_out"))
    return Table(search, queries, left_out, lines, tuple(differences))


def line(arm: str, search: str, runs: Sequence[Run]) -> Line:
    """One arm in one search."""
    figures = {name: mean_interval(units(runs, search, name)) for name in FIGURES}
    return Line(arm, figures, {name: mean_interval(by_draw(runs, search, name)) for name in FIGURES})


def units(runs: Sequence[Run], search: str, figure: str) -> list[float]:
    """The independent values of an arm, in the order of the runs: one a seed, or one a split if there are several."""
    by = "split" if len({run.split for run in runs}) > 1 else "seed"
    groups: dict[int, list[float]] = {}
    for run in runs:
        mean = float(np.mean([getattr(score, figure) for score in run.found[search].scores]))
        groups.setdefault(getattr(run, by), []).append(mean)
    return [float(np.mean(values)) for values in groups.values()]


def by_draw(runs: Sequence[Run], search: str, figure: str) -> list[float]:
    """The mean over runs of each gallery draw."""
    rows = [[getattr(score, figure) for score in run.found[search].scores] for run in runs]
    return [float(value) for value in np.mean(rows, axis=0)]


def difference(search: str, arm: Sequence[Run], control: Sequence[Run]) -> Difference:
    """An arm and a control, paired by seed and split."""
    over = [paired_difference(*(units(runs, search, name) for runs in (arm, control))) for name in ("map", "rank1")]
    spread = over_identities(search, arm, control, over[0].value)
    return Difference(arm[0].arm, control[0].arm, over[0], spread, over[1])


def over_identities(search: str, arm: Sequence[Run], control: Sequence[Run], value: float) -> Estimate:
    """A difference of mAP with its bootstrap interval over the persons searched for, the same ones for both arms."""
    sums, counts = (precision(runs, search, 0) for runs in (arm, control)), precision(arm, search, 1)
    ours, theirs = sums
    rng = np.random.default_rng(0)
    picks = rng.integers(len(counts), size=(DRAWS, len(counts)))
    drawn = (ours[picks].sum(1) - theirs[picks].sum(1)) / np.maximum(counts[picks].sum(1), 1.0)
    return percentiles(value, drawn)


def precision(runs: Sequence[Run], search: str, place: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Of each person, of a split of its own where there are several, the sum over seeds of precisions or counts."""
    sums: dict[tuple[int, str], float] = {}
    for run in runs:
        for identity, pair in run.found[search].precision.items():
            key = (run.split, identity)
            sums[key] = sums.get(key, 0.0) + pair[place]
    return np.array([value for _, value in sorted(sums.items())])


def verdict(found: Sequence[Table], runs: Sequence[Run], *, rendered: bool) -> tuple[str, ...]:
    """Sentences, the weightiest first; the main search and mAP decide."""
    main = found[0]
    against = [one for one in main.differences if one.control == CONTROL and one.arm != BASELINE]
    said = [headline(against, main.search), *on_seeds(runs), *on_fairness(runs)]
    if rendered:
        said.append("The persons are drawn: this shows that the recipe works and tells nothing about real cameras.")
    said += [on_arm(one) for one in sorted(against, key=lambda one: -one.seeds.value)]
    said += [on_arm(one) for one in main.differences if one.control == BASELINE and one.arm == CONTROL]
    return (*said, "Intervals are 95 % each and not corrected for the number of arms.")


def headline(against: Sequence[Difference], search: str) -> str:
    """Which arms beat the control, and which it beats."""
    winners, losers = ([d.arm for d in against if d.proven and (d.seeds.value > 0) is up] for up in (True, False))
    first = f"Gain over {CONTROL} in {search}: {', '.join(winners)}." if winners else ""
    last = f" Worse than {CONTROL}: {', '.join(losers)}." if losers else ""
    return (first or f"No measurable gain over {CONTROL} in {search}.") + last


def on_seeds(runs: Sequence[Run]) -> list[str]:
    """Said where there are too few runs to claim anything."""
    count = max(len({run.seed for run in runs}), len({run.split for run in runs}))
    few = f"{count} seed proves nothing" if count == 1 else f"{count} seeds prove nothing"
    return [f"Not proven: {few}, {LEAST_SEEDS} are the least."] if count < LEAST_SEEDS else []


def on_fairness(runs: Sequence[Run]) -> list[str]:
    """Said where arms of one seed did not begin with the same weights."""
    starts: dict[tuple[int, int], set[str]] = {}
    for run in runs:
        starts.setdefault((run.seed, run.split), set()).add(run.initial)
    return ["Not all arms of one seed began with the same weights."] if any(len(s) > 1 for s in starts.values()) else []


def on_arm(one: Difference) -> str:
    """One arm against a control."""
    word = f"{'gain over' if one.seeds.value > 0 else 'worse than'}" if one.proven else "no measurable difference to"
    return (
        f"{one.arm}: {word} {one.control}, mAP {points(one.seeds.value)} points ({span(one.seeds)} over seeds, "
        f"{span(one.identities)} over persons), rank 1 {points(one.rank1.value)} ({span(one.rank1)} over seeds)."
    )


def points(value: float) -> str:
    """A difference of shares, in per cent of all."""
    return f"{100.0 * value:+.1f}"


def span(estimate: Estimate) -> str:
    """An interval in points, or that there is none."""
    return "no interval" if math.isnan(estimate.low) else f"{points(estimate.low)} to {points(estimate.high)}"
