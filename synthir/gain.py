"""What each arm of training data was worth to a detector on real infrared: trials, intervals, differences, the gap.

An arm is a set of training pictures; a trial is one training of one arm with one seed. Arms are compared seed by seed.
Three intervals stand beside every difference in AP50: over seeds (t), which says how far another training would move
it, over test pictures (bootstrap of blocks of consecutive ones), which says how far other pictures of these places
would, and over both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from .files import write_atomic
from .intervals import NOTHING, paired_ratio, percentiles
from .intervals import Estimate as Estimate  # recipes find all of them here
from .intervals import mean_interval as mean_interval
from .intervals import paired_difference as paired_difference
from .metrics import Float64

FIGURES = ("map5095", "ap50", "recall")
"""Fields of Figures that are one number each."""
Drawn = Mapping[tuple[str, int], Float64]
"""(arm, seed) -> AP50 of each bootstrap draw of the test pictures (D,), the same draws for all."""


@dataclass(frozen=True)
class Figures:
    """Of one trained detector on the test set, each from 0 to 1; what has no objects in the set is left out."""

    map5095: float
    """Mean average precision over IoU 0.5 to 0.95 and classes."""
    ap50: float
    """Average precision at IoU 0.5, mean over classes."""
    recall: float
    """At IoU 0.5 and the fixed number of false positives per picture."""
    by_class: dict[str, float]
    """AP50 of each class."""
    by_size: dict[str, float]
    """Average precision over IoU 0.5 to 0.95 of `small`, `medium` and `large` objects."""
    recall_by_class: dict[str, float]
    """Recall of each class with its own threshold, at the same number of its own false positives per picture."""
    recall_by_size: dict[str, float] = field(default_factory=dict)
    """Recall of objects of each size at the threshold of `recall`."""


@dataclass(frozen=True)
class Point:
    """One point of a learning curve."""

    step: int
    loss: float
    ap50: float
    """On the validation pictures."""


@dataclass(frozen=True)
class Trial:
    """One training of one arm with one seed, measured on the test set."""

    arm: str
    seed: int
    steps: int
    """Of the optimiser."""
    pictures: int
    """Training pictures."""
    minutes: float
    weights_sha256: str
    """Of the initial weights."""
    figures: Figures
    curve: tuple[Point, ...]
    detections: str
    """The file of the detections, relative to the run's folder."""


@dataclass(frozen=True)
class Arm:
    """A set of training pictures and all its trials."""

    name: str
    words: str
    """What it is, in words."""
    trials: tuple[Trial, ...]
    line: str = ""
    """Which line of the few-shot curve it is on, such as `real only`; empty is none."""
    labels: int = 0
    """Labelled real pictures of the target domain it is trained on, its place there; such an arm wins nothing."""


@dataclass(frozen=True)
class Candidate:
    """A mixture of the search: compared with the others on the validation set."""

    name: str
    words: str
    """What it is, in words."""
    validation: Estimate
    """AP50 at the end of its curves, or at their best where that is judged, over seeds."""
    curves: tuple[tuple[Point, ...], ...]
    """One a seed."""


@dataclass(frozen=True)
class Rules:
    """What the verdict is held to. Names are of arms; an empty one has no such arm."""

    control: str = "grayscale"
    """What every arm must beat."""
    base: str = "grayscale"
    """The lower end of the gap."""
    real: str = "real"
    """The upper end of the gap: real infrared of the target domain."""
    visible: str = "rgb"
    """The pictures as they are; differences to it stand in the table."""
    least: float = 0.05
    """Least difference in AP50 that is claimed: the noise of the labels."""
    least_seeds: int = 3
    """Seeds, paired, under which nothing is proven."""
    rising: float = 0.02
    """Rise of the validation AP50 in the last quarter of a curve, from which on an arm is called undertrained."""
    false_positives: float = 1.0
    """Per picture in the mean, at which recall is measured."""


@dataclass(frozen=True)
class Comparison:
    """The figures of an arm less those of a control. The verdict is on AP50, the others have an interval over seeds."""

    arm: str
    control: str
    difference: Estimate
    """Of AP50, over seeds, paired, t interval."""
    pictures: Estimate
    """Of the mean over seeds, test pictures redrawn, both arms on the same draw."""
    both: Estimate
    """The same with the seeds redrawn too."""
    map5095: Estimate
    """Of mAP50-95, over seeds, paired, t interval."""
    recall: Estimate
    """Of the recall at the fixed number of false positives per picture, likewise."""


@dataclass(frozen=True)
class Gap:
    """The share of the gap that an arm closes: (arm - base) / (real - base), of AP50; 1 is as good as real infrared."""

    arm: str
    closed: Estimate
    """Over seeds, paired, Fieller's interval; NaN where there is no gap."""
    both: Estimate
    """Test pictures and seeds redrawn; NaN where there is no gap."""
    reason: str = ""
    """Why there is none; empty where there is one."""


@dataclass(frozen=True)
class Result:
    """All that a comparison of arms came to: what result.json holds."""

    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    gaps: tuple[Gap, ...]
    rules: Rules
    verdict: tuple[str, ...] = ()
    """Sentences, see `verdict.verdict`."""
    leakage: str = ""
    """What the generator or the training has seen of the test set, where the user allowed it."""
    notes: tuple[str, ...] = ()
    """What else a reader must know."""
    search: tuple[Candidate, ...] = ()
    """Candidates, the best one first: it is among the arms, the others were never judged on the test set."""


def seeds_of(*arms: Arm) -> list[int]:
    """The seeds that all of the arms have, in order; none without arms."""
    sets = [{trial.seed for trial in arm.trials} for arm in arms]
    return sorted(set.intersection(*sets)) if sets else []


def values(arm: Arm, seeds: Sequence[int], figure: str = "ap50") -> list[float]:
    """A figure of an arm at each of the seeds. Raises KeyError for a seed it has not."""
    found = {trial.seed: float(getattr(trial.figures, figure)) for trial in arm.trials}
    return [found[seed] for seed in seeds]


def summary(arm: Arm, figure: str = "ap50") -> Estimate:
    """Mean of a figure over all seeds of an arm, with its t interval."""
    return mean_interval(values(arm, seeds_of(arm), figure))


def part_summary(arm: Arm, part: str, name: str) -> Estimate:
    """The same of one class or size; part: `by_class`, `by_size`, `recall_by_class`. Seeds without it are left out."""
    parts = [getattr(trial.figures, part) for trial in arm.trials]
    return mean_interval([float(found[name]) for found in parts if name in found])


def compare(arm: Arm, control: Arm, drawn: Drawn, rng: np.random.Generator) -> Comparison:
    """The difference of two arms over the seeds that both have; all NaN without any. Draws are those of `drawn`."""
    seeds = seeds_of(arm, control)
    if not seeds:
        return Comparison(arm.name, control.name, *[NOTHING] * 5)
    difference, *others = (
        paired_difference(values(arm, seeds, figure), values(control, seeds, figure))
        for figure in ("ap50", "map5095", "recall")
    )
    one, other = (stacked(drawn, which.name, seeds) for which in (arm, control))
    pictures = percentiles(difference.value, (one - other).mean(axis=0))
    both = percentiles(difference.value, redrawn(one - other, seed_picks(one.shape, rng)))
    return Comparison(arm.name, control.name, difference, pictures, both, *others)


def gap_closed(arm: Arm, base: Arm, real: Arm, drawn: Drawn, rng: np.random.Generator) -> Gap:
    """The share of the gap between `base` and `real` that an arm closes, over the seeds that all three have.

    There is none, with the reason, where real - base is not above zero with its interval over seeds.
    """
    seeds = seeds_of(arm, base, real)
    low, high = (values(which, seeds) for which in (base, real))
    gap = paired_difference(high, low)
    if not gap.low > 0.0:
        why = f"{real.name} is not above {base.name} with its interval over seeds ({len(seeds)})"
        return Gap(arm.name, NOTHING, NOTHING, f"no gap to close: {why}")
    above = [value - floor for value, floor in zip(values(arm, seeds), low, strict=True)]
    closed = paired_ratio(above, [ceiling - floor for ceiling, floor in zip(high, low, strict=True)])
    arms, bases, reals = (stacked(drawn, which.name, seeds) for which in (arm, base, real))
    picks = seed_picks(arms.shape, rng)
    over, under = redrawn(arms - bases, picks), redrawn(reals - bases, picks)
    shares = np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0.0)
    return Gap(arm.name, closed, percentiles(closed.value, shares))


def stacked(drawn: Drawn, arm: str, seeds: Sequence[int]) -> Float64:
    """The draws of an arm, (seeds, D)."""
    return np.stack([drawn[arm, seed] for seed in seeds])


def seed_picks(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int64]:
    """Which seeds are in each draw, with replacement: (seeds, D) of the same shape."""
    return rng.integers(shape[0], size=shape)


def redrawn(rows: Float64, picks: NDArray[np.int64]) -> Float64:
    """Mean over the picked seeds of each draw: (seeds, D) and (seeds, D) to (D,)."""
    return np.asarray(np.take_along_axis(rows, picks, axis=0).mean(axis=0), np.float64)


def write_result(path: Path, result: Result) -> None:
    """Write result.json; what was not measured is null."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


def read_result(path: Path) -> Result:
    """Read what write_result wrote. Raises msgspec.ValidationError for anything else."""
    return msgspec.convert(measured(msgspec.json.decode(path.read_bytes())), Result)


def measured(tree: object) -> object:
    """Plain JSON with NaN where null stands: no field of a result may be None."""
    if isinstance(tree, dict):
        return {key: measured(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [measured(value) for value in tree]
    return float("nan") if tree is None else tree
