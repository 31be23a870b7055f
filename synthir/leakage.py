"""May a test picture have been seen? By its bytes, name and boxes, scene, looks, and by what a generator saw.

Each finding is a sentence with numbers and an example; none is proof of the contrary: a generator without a record of
what it was trained on is named as unknown.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import ConfigError
from .files import sha256_file
from .labelled import LabelledPicture
from .manifest import MANIFEST
from .metrics import Float64
from .seen import BITS, Seen, hashes, seen_of, seen_pictures
from .verdict import SCENES_UNKNOWN

Roles = Mapping[str, Sequence[LabelledPicture]]
"""What the pictures are for -> the pictures; `test` among them."""
REAL = ("real", "elsewhere", "validation")
"""Infrared that is looked at for resemblance; the visible pictures cannot be compared with infrared test pictures."""
NONE = np.zeros((0, BITS), np.bool_)
SAME_PLACE = 0.005
"""Shares of a picture's sides by which two boxes may differ and still be one: formats round differently."""


@dataclass(frozen=True)
class Leakage:
    """What was looked for and found."""

    found: tuple[str, ...]
    """What may have been seen of the test pictures, a sentence each."""
    notes: tuple[str, ...]
    """What could not be looked for, and what was seen of other pictures, a sentence each."""


def leaks(by_role: Roles, generators: Mapping[str, str], datasets: Mapping[str, Path], scene: str) -> Leakage:
    """Look for test pictures among all others, and in what the generators have seen.

    generators: name -> shipped model, model folder or engine file; datasets: name -> labels of a set that may have been
    converted by a generator. scene: regular expression whose first group is the scene in a name, or empty. Raises
    PictureError, EngineUntrusted, ConfigError where the expression fits no test picture.
    """
    test = by_role["test"]
    found, notes = list[str](), scenes_known(test, scene)
    for role, pictures in by_role.items():
        if role != "test":
            found += [*same_bytes(role, pictures, test), *same_view(role, pictures, test)]
            found += same_scene(role, pictures, test, scene)
    for role in (*REAL, *datasets):
        known = Seen(NONE, hashes([one.path for one in by_role.get(role, ())], "infrared"))
        found += alike(f"one in {role}", known, by_role, "test")
    places = dict(generators) | {name: str(home) for name, place in datasets.items() if (home := manifest_above(place))}
    for name in (*generators, *datasets):
        seen = seen_of(places[name], tuple(generators.values())) if name in places else None
        if seen is None:
            notes.append(f"{name} has no record of what it was trained on: whether it saw test pictures is not known")
            continue
        found += alike(f"one that {name} was trained on", seen, by_role, "test")
        notes += alike(f"one that {name} was trained on", seen, by_role, "train")
        notes += alike(f"one that {name} was trained on", seen, by_role, "validation")
    return Leakage(tuple(found), tuple(notes))


def manifest_above(place: Path) -> Path | None:
    """The converted dataset that a label file or a folder is in; None where it is in none."""
    return next((folder for folder in (place, *place.parents) if (folder / MANIFEST).is_file()), None)


def scenes_known(test: Sequence[LabelledPicture], scene: str) -> list[str]:
    """What is to be said of test pictures whose scene is not known. Raises ConfigError where none is."""
    lost = [one.name for one in test if scene and not re.search(scene, one.name.rpartition("/")[2])]
    if scene and len(lost) == len(test):
        why, fix = f"scene {scene!r} does not fit e.g. {lost[0]}", "correct scene, or leave it empty"
        raise ConfigError("no test picture's name tells its scene", why=why, fix=fix)
    if lost:
        return [f"{len(lost)} of {len(test)} test pictures have names that tell no scene, e.g. {lost[0]}"]
    return [] if scene else [SCENES_UNKNOWN]


def alike(what: str, seen: Seen, by_role: Roles, role: str) -> list[str]:
    """Pictures of a role that look like one that was seen; visible ones of `train`, infrared ones of others."""
    pictures = by_role.get(role, ())
    matches = seen_pictures(seen, [one.path for one in pictures], "visible" if role == "train" else "infrared")
    if not matches:
        return []
    nearest = f"{matches[0].picture.name}, {matches[0].distance} of 256 bits apart"
    return [f"{len(matches)} of {len(pictures)} {role} pictures look like {what}, e.g. {nearest}"]


def same_bytes(role: str, pictures: Sequence[LabelledPicture], test: Sequence[LabelledPicture]) -> list[str]:
    """Test pictures that are, byte for byte, among others."""
    known = {sha256_file(picture.path): picture.name for picture in pictures}
    twins = [(known[sha], picture.name) for picture in test if (sha := sha256_file(picture.path)) in known]
    if not twins:
        return []
    return [f"{len(twins)} of {len(test)} test pictures are {role} pictures too, e.g. {twins[0][1]} is {twins[0][0]}"]


def same_view(role: str, pictures: Sequence[LabelledPicture], test: Sequence[LabelledPicture]) -> list[str]:
    """Test pictures that share a file name, without its ending, and every box with another: the view in two bands."""
    named = defaultdict[str, list[LabelledPicture]](list)
    for picture in pictures:
        named[picture.path.stem].append(picture)
    twins = [(one, other) for one in test for other in named[one.path.stem] if same_boxes(one, other)]
    count = len({one.name for one, _ in twins})
    if not twins:
        return []
    example = f"{twins[0][0].name} and {twins[0][1].name}, boxes: {len(twins[0][0].objects)}"
    return [f"{count} of {len(test)} test pictures have the file name and the boxes of one in {role}, e.g. {example}"]


def same_boxes(one: LabelledPicture, other: LabelledPicture) -> bool:
    """True where both have the same boxes of the same classes by shares of their sides; False where there is none."""
    if not one.objects or len(one.objects) != len(other.objects):
        return False
    near = (np.abs(boxes_of(one)[:, None] - boxes_of(other)) <= SAME_PLACE).all(axis=2)
    named = np.array([[mine.name == its.name for its in other.objects] for mine in one.objects])
    return bool((near & named).any(axis=1).all())


def boxes_of(picture: LabelledPicture) -> Float64:
    """Left, top, width and height of each object, in shares of the picture's sides: (N, 4)."""
    return np.array([thing.box for thing in picture.objects], np.float64) / ([picture.width, picture.height] * 2)


def same_scene(
    role: str, pictures: Sequence[LabelledPicture], test: Sequence[LabelledPicture], scene: str
) -> list[str]:
    """Test pictures of a scene that others show, as their names say."""
    if not scene:
        return []
    known = {scene_of(picture, scene): picture.name for picture in reversed(pictures)}
    shared = [picture for picture in test if scene_of(picture, scene) in known]
    if not shared:
        return []
    name = scene_of(shared[0], scene)
    example = f"{shared[0].name} and {known[name]}, both {name}"
    return [f"{len(shared)} of {len(test)} test pictures are of a scene in {role}, e.g. {example}"]


def scene_of(picture: LabelledPicture, scene: str) -> str:
    """The scene in a picture's file name; where the expression does not fit, something that matches no other."""
    fits = re.search(scene, picture.name.rpartition("/")[2])
    return fits[1] if fits else f"no scene in {picture.name}"
