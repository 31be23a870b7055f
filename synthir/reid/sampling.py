"""Batches of persons, as many visible as infrared pictures of each: decided by seed and step, the same in every arm.

places of a batch       identity 1, picture 1 | identity 1, picture 2 | ... | identity P, picture K
each place              a visible and an infrared picture of its identity, and what is drawn for it
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from .arms import Chance
from .augment import Geometry, draw_geometry
from .data import Picture


@dataclass(frozen=True)
class Place:
    """One place of a batch."""

    label: int
    """Number of the identity."""
    visible: Picture
    infrared: Picture
    chance: Chance
    visible_geometry: Geometry
    infrared_geometry: Geometry


@dataclass(frozen=True)
class PersonSampler:
    """Draws P identities and K visible and K infrared pictures of each."""

    pictures: tuple[Picture, ...]
    identities: int
    """P."""
    each: int
    """K, of each modality."""
    seed: int

    def __post_init__(self) -> None:
        there = len(self.labels)
        if there < self.identities:
            why, fix = f"a batch has {self.identities}, the training part {there}", f"set identities = {there} or less"
            raise ConfigError("too few identities for a batch", where="training", why=why, fix=fix)

    @property
    def labels(self) -> list[str]:
        """The identities, sorted; the place of one is its number."""
        return sorted({picture.identity for picture in self.pictures})

    def groups(self) -> list[tuple[list[Picture], list[Picture]]]:
        """Visible and infrared pictures of each identity, by its number."""
        number = {identity: place for place, identity in enumerate(self.labels)}
        found: list[tuple[list[Picture], list[Picture]]] = [([], []) for _ in number]
        for picture in self.pictures:
            found[number[picture.identity]][picture.infrared].append(picture)
        return found

    def batch(
        self, step: int, groups: Sequence[tuple[list[Picture], list[Picture]]], erase: float, pad: int
    ) -> list[Place]:
        """The places of a step, P x K of them. groups: what `groups` gives. erase, pad: see synthir.reid.augment."""
        rng = np.random.default_rng((self.seed, step))
        places = []
        for label in rng.choice(len(groups), self.identities, replace=False).tolist():
            visible, infrared = (take(pictures, self.each, rng) for pictures in groups[label])
            for pair in zip(visible, infrared, strict=True):
                chance = Chance(float(rng.random()), int(rng.integers(3)), float(rng.random()))
                places.append(Place(label, *pair, chance, *(draw_geometry(erase, pad, rng) for _ in range(2))))
        return places


def take(pictures: Sequence[Picture], count: int, rng: np.random.Generator) -> list[Picture]:
    """So many pictures: all differ where there are enough."""
    return [pictures[i] for i in rng.choice(len(pictures), count, replace=len(pictures) < count).tolist()]
