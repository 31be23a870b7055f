"""Arms: what a training does to the tones of its pictures, so that a network learns persons and not colours.

Everything else is the same in all arms of a seed: initial weights, identities and pictures of every batch, crops,
flips, erased places. Each visible picture of a batch draws one number in [0, 1); the arm's shares say what it means.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..config import refuse
from ..errors import ConfigError
from ..images import UInt8

BASELINE, CONTROL = "baseline", "channel augmentation"
"""Names of the two arms that every other one is compared with."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue, as television has them."""


@dataclass(frozen=True)
class Arm:
    """Shares of the visible pictures that are replaced, together at most 1; the rest stays as it is."""

    name: str
    grayscale: float = 0.0
    """Share of visible pictures that lose their colour."""
    channel: float = 0.0
    """Share of visible pictures of which one random channel is repeated."""
    synthetic: float = 0.0
    """Share of visible pictures that become the generator's infrared, as further pictures for the visible layers."""
    as_infrared: float = 0.0
    """Share of infrared pictures that become the generator's infrared of a visible picture of that identity."""
    generator: str = ""
    """Shipped model by name, or an engine file relative to the data folder; the configuration's if empty."""

    def __post_init__(self) -> None:
        shares = {n: getattr(self, n) for n in ("grayscale", "channel", "synthetic", "as_infrared")}
        faults = [f"{name} is {value}, expected 0 to 1" for name, value in shares.items() if not 0.0 <= value <= 1.0]
        if self.grayscale + self.channel + self.synthetic > 1.0 + 1e-9:
            faults.append("grayscale, channel and synthetic are together more than 1")
        refuse(*faults)

    @property
    def paints(self) -> bool:
        """Whether it needs a generator."""
        return self.synthetic > 0.0 or self.as_infrared > 0.0


@dataclass(frozen=True)
class Chance:
    """What is drawn for one place of a batch, in every arm alike."""

    tone: float
    """In [0, 1): which share of the arm the visible picture falls in."""
    channel: int
    """0 to 2, red to blue."""
    swap: float
    """In [0, 1): whether the infrared picture of the place becomes a synthetic one."""


def check_arms(arms: Sequence[Arm]) -> None:
    """Raises ConfigError unless names differ and both arms that all are compared with are there."""
    names = [arm.name for arm in arms]
    faults = [f"{name!r} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    faults += [f"no arm {name!r}" for name in (BASELINE, CONTROL) if name not in names]
    if faults:
        fix = "name every arm differently and keep the two controls"
        raise ConfigError("arms that cannot be compared", where="arms", why="; ".join(faults), fix=fix)


def visible_tone(arm: Arm, chance: Chance, picture: UInt8, synthetic: UInt8 | None) -> UInt8:
    """What a training sees of a visible picture (H, W, 3); synthetic: the same picture as infrared (H, W)."""
    if chance.tone < arm.grayscale:
        return grey(picture)
    if chance.tone < arm.grayscale + arm.channel:
        return repeat(picture[..., chance.channel])
    if chance.tone < arm.grayscale + arm.channel + arm.synthetic and synthetic is not None:
        return repeat(synthetic)
    return picture


def infrared_tone(arm: Arm, chance: Chance, picture: UInt8, synthetic: UInt8 | None) -> UInt8:
    """What a training sees of an infrared picture (H, W, 3); synthetic: infrared (H, W) of the same identity."""
    return repeat(synthetic) if chance.swap < arm.as_infrared and synthetic is not None else picture


def grey(picture: UInt8) -> UInt8:
    """A picture without its colours, (H, W, 3)."""
    return repeat(np.rint(picture @ LUMA).astype(np.uint8))


def repeat(plane: UInt8) -> UInt8:
    """A plane (H, W) three times, (H, W, 3)."""
    return np.repeat(plane[..., None], 3, axis=2)
