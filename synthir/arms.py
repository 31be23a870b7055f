"""What an arm of a comparison is trained on: parts of picture sets, and the list of pictures of a round of training.

All arms draw equally many pictures a round, so that equally many steps mean equally many pictures seen. Which pictures
are chosen is decided by the seed alone: with one seed, two arms with ten real pictures have the same ten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .config import at_least, below, refuse

BASE_KINDS = ("rgb", "grayscale", "inverted", "analytic", "warmed", "real", "elsewhere")
"""What every comparison can make; further kinds are its generators and datasets by name."""
SEED = 0x5EED
"""Sets the choice of pictures apart from other uses of the same seed."""


@dataclass(frozen=True)
class Part:
    """Some pictures of one kind."""

    of: str
    """The kind: `rgb`, `grayscale`, `inverted`, `analytic`, `warmed`, `real`, `elsewhere`, a generator or a dataset by
    name; or kinds layered into their mean picture: `grayscale+mine`."""
    share: float = 1.0
    """Of the pictures."""
    count: int = 0
    """That many pictures in place of a share."""
    variants: int = 0
    """So many stylised variants of each picture, in place of the picture itself."""
    weight: float = 0.0
    """Share of the draws, relative to the other parts; all parts have one or none, then it is as they have pictures."""

    def __post_init__(self) -> None:
        faults = [] if 0.0 < self.share <= 1.0 else [f"share is {self.share}, expected more than 0, at most 1"]
        faults += [f"of is {self.of!r}: say variants = N"] if "~" in self.of else []
        refuse(*faults)
        at_least(0, count=self.count, variants=self.variants, weight=self.weight)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The sets it takes pictures of."""
        return tuple(f"{self.of}~{number + 1}" for number in range(self.variants)) or (self.of,)

    @property
    def words(self) -> str:
        """What it is, in words."""
        amount = f"{self.count} of " if self.count else f"{self.share:.0%} of " if self.share < 1.0 else ""
        layers = self.of.split("+")
        what = f"the mean of {' and '.join(layers)}" if len(layers) > 1 else self.of
        variants = f", in {self.variants} stylised variants" if self.variants else ""
        weight = f", drawn with weight {self.weight:g}" if self.weight else ""
        return f"{amount}{what}{variants}{weight}"


@dataclass(frozen=True)
class Mix:
    """One arm."""

    name: str
    parts: tuple[Part, ...]
    split: bool = False
    """Each picture stands in one part alone: the shares follow one another."""
    line: str = ""
    """Which line of the curve over numbers of real labels it is on; empty is none."""
    polarity: float | None = None
    """Share of its pictures that are shown inverted, if not that of the comparison."""
    seeds: int = 0
    """Trained with so many of the seeds, the first ones; 0 is all."""
    candidate: bool = False
    """Judged on the validation set; only the best candidate is judged on the test set, once."""

    def __post_init__(self) -> None:
        faults = [] if self.parts else ["parts are missing, expected at least one"]
        if self.split and sum(part.share for part in self.parts) > 1.0 + 1e-9:
            faults.append("the shares of a split are more than 1 together")
        weights = [part.weight > 0.0 for part in self.parts]
        if any(weights) and not all(weights):
            faults.append("some parts have a weight and some have none")
        if self.polarity is not None and not 0.0 <= self.polarity <= 1.0:
            faults.append(f"polarity is {self.polarity}, expected 0 to 1")
        if self.candidate and self.seeds:
            faults.append("a candidate has all seeds, or the choice would not be fair")
        faults += below(0, seeds=self.seeds)
        refuse(*faults)

    @property
    def words(self) -> str:
        """What it is, in words."""
        joint = " + ".join(part.words for part in self.parts)
        joint += ", each picture in one part" if self.split else ""
        return joint if self.polarity is None else f"{joint}, {self.polarity:.0%} shown inverted"


def round_of(mix: Mix, sets: Mapping[str, Sequence[Path]], seed: int, draws: int) -> list[Path]:
    """The pictures of a round of training, `draws` of them, in no order; sets: kind -> files.

    A part's pictures come equally often, as far as that comes out. Raises KeyError for a kind that has no set.
    """
    pools = [pool_of(mix, number, sets, seed) for number in range(len(mix.parts))]
    rng = np.random.default_rng([SEED, seed, 1])
    counts = draws_of(mix, [len(pool) for pool in pools], draws)
    return [path for pool, count in zip(pools, counts, strict=True) for path in repeated(pool, count, rng)]


def draws_of(mix: Mix, pools: Sequence[int], draws: int) -> list[int]:
    """How many of the draws of a round each part gets; pools: different pictures of each part."""
    weights = [part.weight or pool for part, pool in zip(mix.parts, pools, strict=True)]
    ends = np.rint(np.cumsum(weights) / max(sum(weights), 1e-9) * draws).astype(int)
    return [int(count) for count in np.diff(ends, prepend=0)]


def sizes_of(mix: Mix, sizes: Mapping[str, int]) -> list[int]:
    """How many different pictures each part of an arm has; sizes: kind -> pictures there are."""
    return [len(part.kinds) * (part.count or round(part.share * sizes[part.kinds[0]])) for part in mix.parts]


def labels_of(mix: Mix, sizes: Mapping[str, int]) -> int:
    """How many labelled real pictures of the target domain an arm has."""
    pools = zip(mix.parts, sizes_of(mix, sizes), strict=True)
    return sum(pool // len(part.kinds) for part, pool in pools if part.of == "real")


def pool_of(mix: Mix, number: int, sets: Mapping[str, Sequence[Path]], seed: int) -> list[Path]:
    """The different pictures of a part of an arm."""
    part = mix.parts[number]
    total = len(sets[part.kinds[0]])
    order = np.random.default_rng([SEED, seed]).permutation(total)
    before = sum(other.share for other in mix.parts[:number]) if mix.split else 0.0
    first, last = round(before * total), round((before + part.share) * total)
    chosen = sorted(order[: part.count] if part.count else order[first:last])
    return [sets[kind][index] for kind in part.kinds for index in chosen]


def repeated(pool: Sequence[Path], count: int, rng: np.random.Generator) -> list[Path]:
    """`count` pictures of a pool, each as often as any other or once more."""
    if not pool:
        return []
    more = rng.permutation(len(pool))[: count % len(pool)]
    return [*pool] * (count // len(pool)) + [pool[index] for index in sorted(more)]
