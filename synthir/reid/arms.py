"""Arms: what a training does to the tones of its pictures, so that a network learns persons and not colours.

Everything else is the same in all arms of a seed: initial weights, identities and pictures of every batch, crops,
flips, erased places. Each visible picture of a batch draws one number in [0, 1); the arm's shares say what it means.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..config import refuse
from ..images import UInt8

BASELINE, CONTROL = "baseline", "channel augmentation"
CONTROLS = (BASELINE, CONTROL)
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
    joint: bool = False
    """Whether visible pictures are in the batch twice, as they are and replaced: half as many pictures more a step."""
    generator: str = ""
    """Shipped model by name, or an engine file relative to the data folder; the configuration's if empty."""

    def __post_init__(self) -> None:
        shares = {n: getattr(self, n) for n in ("grayscale", "channel", "synthetic", "as_infrared")}
        faults = [f"{name} is {value}, expected 0 to 1" for name, value in shares.items() if not 0.0 <= value <= 1.0]
        if self.replaces > 1.0 + 1e-9:
            faults.append("grayscale, channel and synthetic are together more than 1")
        if self.joint and not self.replaces:
            faults.append("joint is for arms that replace visible pictures")
        refuse(*faults)

    @property
    def replaces(self) -> float:
        """Share of the visible pictures that are replaced."""
        return self.grayscale + self.channel + self.synthetic

    @property
    def words(self) -> str:
        """What it sees."""
        shares = {"in grey": self.grayscale, "one channel": self.channel, "synthetic": self.synthetic}
        said = [f"{share:.0%} of visible pictures {what}" for what, share in shares.items() if share]
        said += [f"{self.as_infrared:.0%} of infrared pictures synthetic"] if self.as_infrared else []
        said += ["all of them beside the pictures as they are"] if self.joint else []
        return ", ".join(said) or "pictures as they are"

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


def arm_faults(arms: Sequence[Arm]) -> list[str]:
    """What is wrong with a list of arms: names twice, and controls that are missing or are not what their name says."""
    names = [arm.name for arm in arms]
    faults = [f"arm {name!r} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    faults += [f"no arm {name!r}, which all others are compared with" for name in CONTROLS if name not in names]
    known = {arm.name: arm for arm in reversed(arms)}
    if BASELINE in known and known[BASELINE] != Arm(BASELINE):
        faults.append(f"arm {BASELINE!r} is the pictures as they are and has no shares")
    control = known.get(CONTROL, Arm(CONTROL, channel=1.0))
    if control != Arm(CONTROL, channel=control.channel) or not control.channel:
        faults.append(f"arm {CONTROL!r} has channel above 0 and nothing else")
    return faults


def visible_tone(arm: Arm, chance: Chance, picture: UInt8, synthetic: UInt8 | None) -> UInt8:
    """What a training sees of a visible picture (H, W, 3); synthetic: the same picture as infrared (H, W)."""
    if chance.tone < arm.grayscale:
        return grey(picture)
    if chance.tone < arm.grayscale + arm.channel:
        return repeat(picture[..., chance.channel])
    if synthetic is not None and chance.tone < arm.replaces:
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
