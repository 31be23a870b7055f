"""What was found of a YOLO dataset: its pictures, and the label files that belong to them."""

import functools
import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..dataset import (
    Box,
    Dataset,
    ImageRef,
    LabelCarry,
    LabelFiles,
    Object,
    TwinFiles,
    Twins,
    check_name,
    is_picture,
    label_bytes,
    pictures_below,
    split_names,
    steady,
)
from ..errors import LabelWithoutPicture, SynthIRError, UnsupportedPicture
from ._shelf import Shelf
from ._yolo_rows import boxes_in, boxes_of, first_labels, has_rows, label_place, objects_of


@dataclass(frozen=True)
class Carried:
    """A data.yaml or a list of pictures: what it says may have to change with its place and the names of pictures."""

    sha256: str
    """Of the file as it was read."""
    written: Callable[[Mapping[str, str], Mapping[str, str]], bytes]
    """Its bytes for the target, given the pictures that have other names, and those that have twins."""


@dataclass
class Found:
    """What was found so far: pictures by place, in order, and what was odd about them."""

    root: Path
    pictures: dict[str, Path] = field(default_factory=dict)
    refused: list[tuple[str, SynthIRError]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    label_tops: set[str] = field(default_factory=set)
    """Folders below which every label file belongs to the dataset."""
    splits: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Split -> the names of its pictures, also of those refused."""
    names: Callable[[], dict[int, str]] = dict
    """Number -> name of each class, read when it is asked for; empty where nothing names them."""

    def add_folder(self, folder: Path, prefix: str) -> set[str]:
        """Add every picture below a folder; prefix is the folder's place, `` or ending in `/`. Gives their names."""
        named = set()
        for name in sorted(pictures_below(folder)):
            place = prefix + name
            try:
                check_name(place)
                self.pictures.setdefault(place, folder / name)
                named.add(place)
            except UnsupportedPicture as error:
                self.refused.append((error.where, error))
                named.add(error.where)
        top = posixpath.dirname(label_place(f"{prefix}x.jpg"))
        self.label_tops |= {top} if top != prefix.rstrip("/") else set()
        return named


def dataset(
    found: Found, carried: Mapping[str, Carried], pose: bool = False, protected: tuple[Path, ...] = ()
) -> Dataset:
    """The pictures with the labels that belong to them; label files without a picture are refused."""
    shelf = Shelf(lambda folder: found.root / folder)
    labels = {place: label_place(place) for place in found.pictures}
    there = {place: label for place, label in labels.items() if shelf.has(label)}
    orphans, faults = split_names(_orphans(found, shelf, set(labels.values())))
    found.refused += faults
    found.notes[:0] = [] if there else _labels_elsewhere(found)
    if orphans and not there:
        why = f"e.g. {orphans[0]}; the folders below labels/ must be those below the folder of the pictures"
        raise LabelWithoutPicture(
            "no label belongs to a picture", where=str(found.root), why=why, fix="correct --images"
        )
    for label in orphans:
        why, fix = "no picture has its name", "put the picture there, or take the label out"
        error = LabelWithoutPicture("a label file without picture", where=label, why=why, fix=fix)
        found.refused.append((label, error))

    files = functools.partial(_files, carried, (*carried, *there.values(), *orphans), steady(found.root))
    doubled = functools.partial(_doubled, there, files)
    refs = tuple(ImageRef(place, path, place) for place, path in found.pictures.items())
    boxes = functools.partial(_boxes, found, there, pose)
    originals = {place: file.sha256 for place, file in carried.items()}
    counted, objects = functools.partial(_counted, found, there, pose), functools.partial(_objects, found, there, pose)
    carry = LabelCarry(functools.partial(files, {}, {}), boxes, counted, originals, objects=objects, doubled=doubled)
    tops = tuple(found.root / top for top in found.label_tops)
    odd = tuple(found.refused), tuple(found.notes)
    return Dataset("yolo", found.root, refs, carry, *odd, (*protected, *tops), found.splits)


def _files(
    carried: Mapping[str, Carried],
    places: Sequence[str],
    read: Callable[[str], bytes],
    twins: Mapping[str, str],
    made: Mapping[str, str],
    renames: Mapping[str, str],
) -> Mapping[str, bytes]:
    """data.yaml and lists as they must be written, all other label files as they are.

    twins: place of a picture -> place of its twin; made: label file of a twin -> that of its picture.
    """

    def one(place: str) -> bytes:
        return carried[place].written(renames, twins) if place in carried else read(made.get(place, place))

    return LabelFiles((*places, *made), one)


def _doubled(
    there: Mapping[str, str],
    files: Callable[[Mapping[str, str], Mapping[str, str], Mapping[str, str]], Mapping[str, bytes]],
    twins: Twins,
) -> TwinFiles:
    """A label file more for each twin whose picture has one, and a line in the lists."""
    made = {label_place(twin): there[place] for place, twin in twins.places.items() if place in there}
    return TwinFiles(functools.partial(files, twins.places, made), made=frozenset(made))


def _labels_elsewhere(found: Found) -> list[str]:
    """A note where no picture has a label, yet labels lie where nobody looks for them, or outside the root."""
    first, path = next(iter(found.pictures.items()))
    rows = next((path for path in first_labels(found.root) if has_rows(path)), None)
    outer = Path(label_place(str(path)))
    wanted = f"NO LABELS ARE CARRIED. That of {first} is looked for at {label_place(first)}"
    if found.root not in outer.parents and has_rows(outer):
        cure = "Move the dataset out of the folder named images, or its labels beside its pictures"
        return [f"{wanted}; trainers take {outer}, which is outside the dataset. {cure}."]
    if rows:
        cure = "Put the pictures below a folder named images, or give this folder as SOURCE and theirs with --images"
        return [f"{wanted}, but labels lie at {rows.relative_to(found.root).as_posix()}. {cure}."]
    return []


def _orphans(found: Found, shelf: Shelf, expected: set[str]) -> list[str]:
    """Label files that belong to no picture, listed or not."""
    folders = {f"{posixpath.dirname(label)}/".lstrip("/") for label in expected}
    for top in found.label_tops:
        below = (Path(base).relative_to(found.root).as_posix() for base, _, _ in os.walk(found.root / top))
        folders.update(f"{folder}/" for folder in below)
    beside = {f"{posixpath.dirname(place)}/".lstrip("/") for place in found.pictures}
    near = {folder + name for folder in beside for name in shelf.names(folder) if is_picture(name)}
    expected = expected | {label_place(picture) for picture in near}
    texts = (
        folder + name for folder in sorted(folders) for name in sorted(shelf.names(folder)) if name.endswith(".txt")
    )
    return [text for text in texts if text not in expected and has_rows(found.root / text)]


def _boxes(found: Found, labels: Mapping[str, str], pose: bool) -> dict[str, list[Box]]:
    """Boxes in pixels of every picture; those of segments and OBB are drawn around their points."""
    boxes: dict[str, list[Box]] = {place: [] for place in found.pictures}
    for place, label in labels.items():
        boxes[place] = boxes_of(label_bytes(found.root / label), found.pictures[place], pose)
    return boxes


def _objects(found: Found, labels: Mapping[str, str], pose: bool) -> dict[str, list[Object]]:
    """The objects of every picture. Raises BrokenLabels where a class has no name."""
    names, objects = found.names(), dict[str, list[Object]]((place, []) for place in found.pictures)
    for place, label in labels.items():
        path = found.root / label
        objects[place] = objects_of(label_bytes(path), found.pictures[place], pose, names, str(path))
    return objects


def _counted(found: Found, labels: Mapping[str, str], pose: bool) -> int:
    """The number of boxes; no picture is opened."""
    return sum(len(boxes_in(label_bytes(found.root / label), pose)) for label in labels.values())
