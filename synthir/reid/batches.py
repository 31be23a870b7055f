"""From the places of a batch to what a network learns from: pictures decoded, in the tones of an arm, cropped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..errors import MissingPicture, UnreadablePicture
from ..images import UInt8, decode
from .arms import Arm, infrared_tone, visible_tone
from .augment import apply, fit, planes
from .data import Picture
from .sampling import Place


@dataclass(frozen=True)
class Trial:
    """What one run trains: an arm, a seed, the pictures, and the infrared that a generator made of them."""

    arm: Arm
    seed: int
    pictures: tuple[Picture, ...]
    synthetic: Mapping[Path, Path]
    """Visible picture -> its infrared; empty where the arm needs none."""


@dataclass
class Shelf:
    """Decoded pictures in the network's size, kept in memory up to a limit."""

    height: int
    width: int
    limit: int = 6 * 2**30
    """Bytes."""
    kept: dict[Path, UInt8] = field(default_factory=dict)

    def picture(self, path: Path) -> UInt8:
        """(H, W, 3). Raises UnreadablePicture, and what else is wrong with the file."""
        found = self.kept.get(path)
        if found is None:
            try:
                found = fit(decode(path.read_bytes(), str(path)), self.height, self.width)
            except OSError as error:
                why, fix = str(error), "put it back"
                raise UnreadablePicture("the file cannot be read", where=str(path), why=why, fix=fix) from None
            if (len(self.kept) + 1) * found.nbytes <= self.limit:
                self.kept[path] = found
        return found


@dataclass(frozen=True)
class Batch:
    """What a network learns from at a step."""

    visible: Tensor
    """(V, 3, H, W): P K pictures, and of a joint arm as many more, those that it replaces."""
    infrared: Tensor
    """(P K, 3, H, W)."""
    labels: Tensor
    """(V + P K,): of the visible and then of the infrared pictures."""


def load(places: Sequence[Place], trial: Trial, shelf: Shelf) -> Batch:
    """The pictures of a batch in the tones of an arm. Raises PictureError, MissingPicture for infrared not made."""
    plain, visible, infrared = [], [], []
    for place in places:
        synthetic = shelf.picture(made_of(trial, place.visible.path))[..., 0] if trial.arm.paints else None
        if trial.arm.joint:
            plain.append(apply(place.visible_geometry, shelf.picture(place.visible.path)))
        seen = visible_tone(trial.arm, place.chance, shelf.picture(place.visible.path), synthetic)
        heat = infrared_tone(trial.arm, place.chance, shelf.picture(place.infrared.path), synthetic)
        visible.append(apply(place.visible_geometry, seen))
        infrared.append(apply(place.infrared_geometry, heat))
    times = 3 if trial.arm.joint else 2
    labels = torch.tensor([place.label for place in places] * times)
    return Batch(torch.from_numpy(planes([*plain, *visible])), torch.from_numpy(planes(infrared)), labels)


def made_of(trial: Trial, visible: Path) -> Path:
    """Where the infrared of a visible picture lies. Raises MissingPicture where none was made."""
    if visible not in trial.synthetic:
        why, fix = f"arm {trial.arm.name} needs it", "run again; if it stays, report it"
        raise MissingPicture("no infrared was made of a picture", where=str(visible), why=why, fix=fix)
    return trial.synthetic[visible]
