"""Labelled pictures to train and judge a detector on: a dataset of any format, with classes, all faults told at once.

A conversion leaves single faults behind and goes on; a measurement must not, so here every fault is a refusal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isfinite
from pathlib import Path

from . import formats
from .dataset import Dataset, ImageRef, Object
from .errors import BrokenLabels, ConfigError, MissingPicture, UnreadablePicture
from .formats._yolo_rows import size_of


@dataclass(frozen=True)
class LabelSource:
    """Where labelled pictures lie, relative to the data folder given on the command line."""

    source: str
    """A COCO file, a data.yaml, a YOLO or VOC folder."""
    images: str = ""
    """The folder of the pictures, if not where the format has them."""
    format: str = ""
    """The format by name, where several fit; empty lets the source decide."""
    pattern: str = "*"
    """Only pictures whose file name matches, in the way of a shell, e.g. `01*`."""
    split: str = ""
    """Only this split of a data.yaml, e.g. `val`; empty takes all pictures."""


@dataclass(frozen=True)
class LabelledPicture:
    """One picture and what is on it."""

    name: str
    """Its place in the dataset, e.g. `images/val/1.jpg`."""
    path: Path
    width: int
    """Pixels, as the labels say or else as the header of the file does, turned upright."""
    height: int
    objects: tuple[Object, ...]
    """Boxes in pixels of this picture; none where nothing is on it."""


def read_labelled(data: Path, source: LabelSource) -> list[LabelledPicture]:
    """The pictures of a source with their objects, in the order of the labels; no pixel is decoded.

    Raises ConfigError for a split that is not known, MissingPicture where no picture is left or some are not there,
    the error of what else the labels have that cannot be used, BrokenLabels for objects without a class, boxes without
    area or no box at all, UnreadablePicture for a file without a size, and what reading the format raises.
    """
    images = data / source.images if source.images else None
    dataset = formats.read(data / source.source, images, source.format or None)
    where = str(data / source.source)
    wanted = names_of_split(dataset, source.split, where)
    refuse_faults(dataset, source.pattern, wanted, where)
    refs = [ref for ref in dataset.images if chosen(ref.place, source.pattern, wanted)]
    if not refs:
        asked = f"pattern {source.pattern!r}" + (f", split {source.split}" if source.split else "")
        why = f"{len(dataset.images)} are there, none fits {asked}"
        raise MissingPicture("no pictures", where=where, why=why, fix="correct source, pattern and split in the TOML")
    objects = dataset.labels.objects()
    pictures = [sized(ref, tuple(objects.get(ref.place, ()))) for ref in refs]
    refuse_boxes(pictures, where)
    return pictures


def names_of_split(dataset: Dataset, split: str, where: str) -> frozenset[str] | None:
    """The names of the pictures of a split; None where all are meant. Raises ConfigError where it is not known."""
    if not split:
        return None
    if split not in dataset.splits:
        known = (
            f"it has {', '.join(dataset.splits)}" if dataset.splits else f"{dataset.format} labels name no splits here"
        )
        fix = "name one of those" if dataset.splits else "leave split out, and choose by pattern or with another source"
        raise ConfigError(f"no split {split!r}", where=where, why=known, fix=fix)
    return dataset.splits[split]


def chosen(name: str, pattern: str, wanted: frozenset[str] | None) -> bool:
    """True where a name is in the split, and its last part fits the pattern."""
    return (wanted is None or name in wanted) and fnmatchcase(name.rpartition("/")[2], pattern)


def refuse_faults(dataset: Dataset, pattern: str, wanted: frozenset[str] | None, where: str) -> None:
    """Raises the first fault of the pictures that are wanted, with the number of all."""
    faults = [
        (name, error)
        for name, error in dataset.refused
        if (wanted is None or name in wanted) and (pattern == "*" or chosen(name, pattern, None))
    ]
    if faults:
        name, first = faults[0]
        what = f"{len(faults)} entries cannot be used, the first {name}: {first.what}"
        raise type(first)(what, where=f"{where}, {first.where}", why=first.why, fix=first.fix)


def sized(ref: ImageRef, objects: tuple[Object, ...]) -> LabelledPicture:
    """A picture with its size. Raises UnreadablePicture where neither labels nor file tell it."""
    width, height = (ref.width, ref.height) if ref.width and ref.height else size_of(ref.path)
    if not width:
        fix = "replace it by a good copy, or take it out of the dataset"
        raise UnreadablePicture("no size in its header", where=str(ref.path), fix=fix)
    return LabelledPicture(ref.place, ref.path, width, height, objects)


def refuse_boxes(pictures: Sequence[LabelledPicture], where: str) -> None:
    """Raises BrokenLabels where a box has no area, counting all, or where there is no box."""
    objects = [(picture.name, thing) for picture in pictures for thing in picture.objects]
    if not objects:
        fix = "give labels with boxes; a folder of pictures has none"
        raise BrokenLabels("no boxes", where=where, why=f"none on any of {len(pictures)} pictures", fix=fix)
    flat = [pair for pair in objects if not all(map(isfinite, pair[1].box)) or min(pair[1].box[2:]) <= 0]
    if flat:
        why = f"{len(flat)} of {len(objects)}, the first {flat[0][1].name} {flat[0][1].box} on {flat[0][0]}"
        raise BrokenLabels("boxes without area", where=where, why=why, fix="correct them or take them out")
