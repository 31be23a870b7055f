"""What the runs of a comparison come to: means with intervals, paired differences, and a verdict they support.

over seeds        95 % t interval; each value is the mean over gallery draws. With several splits, over splits.
over draws        95 % t interval over the gallery draws; each value is the mean over seeds
over identities   95 % bootstrap over the persons searched for; the difference of means over seeds
over both         the same with the seeds, or splits, redrawn too

A difference is claimed where the intervals over seeds, over persons and over both are on its side of zero.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..intervals import Estimate, mean_interval, paired_difference, percentiles
from ..metrics import Float64
from ..verdict import holds
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
    both: Estimate
    """The same with the interval over persons and seeds, both redrawn."""
    rank1: Estimate
    """Of rank 1, over seeds."""

    @property
    def proven(self) -> bool:
        """Whether it holds over seeds, over persons and over both."""
        enough = self.seeds.count >= LEAST_SEEDS
        return enough and all(holds(one, self.seeds.value) for one in (self.seeds, self.identities, self.both))


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


def unit_of(runs: Sequence[Run]) -> Literal["seed", "split"]:
    """What the independent values are of: splits if there are several."""
    return "split" if len({run.split for run in runs}) > 1 else "seed"


def units(runs: Sequence[Run], search: str, figure: str) -> list[float]:
    """The independent values of an arm, in the order of the runs: one a seed, or one a split if there are several."""
    by = unit_of(runs)
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
    spread, both = over_identities(search, arm, control, over[0].value)
    return Difference(arm[0].arm, control[0].arm, over[0], spread, both, over[1])


def over_identities(search: str, arm: Sequence[Run], control: Sequence[Run], value: float) -> tuple[Estimate, Estimate]:
    """A difference of mAP with its bootstrap intervals over the persons searched for, the same ones for both arms, and
    over persons and seeds (or splits)."""
    people = sorted({person for run in arm for person in run.found[search].precision})
    gain = precision(arm, search, people, 0) - precision(control, search, people, 0)
    counts = precision(arm, search, people, 1)
    rng = np.random.default_rng(0)
    persons, seeds = redrawn(len(people), rng), redrawn(len(gain), rng)
    over = [
        np.divide((times @ gain * persons).sum(1), np.maximum((times @ counts * persons).sum(1), 1.0))
        for times in (np.ones_like(seeds), seeds)
    ]
    return percentiles(value, over[0]), percentiles(value, over[1])


def redrawn(count: int, rng: np.random.Generator) -> Float64:
    """How often each of `count` is in each draw with replacement, (DRAWS, count)."""
    picks = rng.integers(count, size=(DRAWS, count))
    return np.stack([np.bincount(pick, minlength=count) for pick in picks]).astype(np.float64)


def precision(runs: Sequence[Run], search: str, people: Sequence[str], place: int) -> Float64:
    """Of each seed or split, and each person, the sum of precisions (place 0) or their number (1): (units, people).

    A person who is tested in several splits is one person.
    """
    by, column = unit_of(runs), {person: number for number, person in enumerate(people)}
    rows: dict[int, Float64] = {}
    for run in runs:
        row = rows.setdefault(getattr(run, by), np.zeros(len(people)))
        for person, pair in run.found[search].precision.items():
            row[column[person]] += pair[place]
    return np.stack(list(rows.values()))


def verdict(found: Sequence[Table], runs: Sequence[Run], *, rendered: bool) -> tuple[str, ...]:
    """Sentences, the weightiest first; the main search and mAP decide."""
    main = found[0]
    against = [one for one in main.differences if one.control == CONTROL and one.arm != BASELINE]
    unit = unit_of(runs)
    said = [headline(against, main.search), *on_units(runs, unit), *on_fairness(runs)]
    if rendered:
        said.append("The persons are drawn: this shows that the recipe works and tells nothing about real cameras.")
    said += [on_arm(one, unit) for one in sorted(against, key=lambda one: -one.seeds.value)]
    said += [on_arm(one, unit) for one in main.differences if one.control == BASELINE and one.arm == CONTROL]
    return (*said, "Intervals are 95 % each and not corrected for the number of arms.")


def headline(against: Sequence[Difference], search: str) -> str:
    """Which arms beat the control, and which it beats."""
    winners, losers = ([d.arm for d in against if d.proven and (d.seeds.value > 0) is up] for up in (True, False))
    first = f"Gain over {CONTROL} in {search}: {', '.join(winners)}." if winners else ""
    last = f" Worse than {CONTROL}: {', '.join(losers)}." if losers else ""
    return (first or f"No measurable gain over {CONTROL} in {search}.") + last


def on_units(runs: Sequence[Run], unit: str) -> list[str]:
    """Said where there are too few runs to claim anything, and of splits that share persons."""
    count = len({getattr(run, unit) for run in runs})
    few = f"{count} {unit} proves nothing" if count == 1 else f"{count} {unit}s prove nothing"
    said = [f"Not proven: {few}, {LEAST_SEEDS} are the least."] if count < LEAST_SEEDS else []
    shared = "The splits share persons and are not independent: intervals over splits are too narrow."
    return [*said, shared] if unit == "split" else said


def on_fairness(runs: Sequence[Run]) -> list[str]:
    """Said where arms of one seed did not begin with the same weights."""
    starts: dict[tuple[int, int], set[str]] = {}
    for run in runs:
        starts.setdefault((run.seed, run.split), set()).add(run.initial)
    return ["Not all arms of one seed began with the same weights."] if any(len(s) > 1 for s in starts.values()) else []


def on_arm(one: Difference, unit: str) -> str:
    """One arm against a control."""
    word = f"{'gain over' if one.seeds.value > 0 else 'worse than'}" if one.proven else "no measurable difference to"
    return (
        f"{one.arm}: {word} {one.control}, mAP {points(one.seeds.value)} points ({span(one.seeds)} over {unit}s, "
        f"{span(one.identities)} over persons, {span(one.both)} over both), "
        f"rank 1 {points(one.rank1.value)} ({span(one.rank1)} over {unit}s)."
    )


def points(value: float) -> str:
    """A difference of shares, in per cent of all."""
    return f"{100.0 * value:+.1f}"


def span(estimate: Estimate) -> str:
    """An interval in points, or that there is none."""
    return "no interval" if math.isnan(estimate.low) else f"{points(estimate.low)} to {points(estimate.high)}"
