"""A dataset, seen only as far as a conversion must see it: which pictures, and the label files as bytes.

Formats (`synthir/formats/`) make a Dataset; `synthir.convert` reads it. Nothing here knows a format.
Places are POSIX paths relative to the source root, and mean the same below the target.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from .errors import BrokenLabels, SynthIRError, UnrecognisedDataset, UnsupportedPicture

PICTURE_ENDINGS = frozenset(
    (
        *(".avif", ".bmp", ".dng", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
        *(".mpo", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
    )
)
"""Endings, lower case, that make a file a picture; one that cannot be decoded is refused later, never passed over."""

Box = tuple[float, float, float, float]
"""x, y, width, height of an object in pixels of its picture, from the top left corner."""


class Object(NamedTuple):
    """An object with its class, as a detector is trained and judged on it."""

    name: str
    """Of its class."""
    box: Box
    crowd: bool = False
    """A crowd, or one too difficult to ask for: neither finding nor missing it counts."""


class ImageRef(msgspec.Struct, frozen=True, gc=False):
    """One picture to convert. A struct, because a hundred thousand dataclasses keep the garbage collector busy."""

    place: str
    """Where it lies below the target, e.g. `val2017/000139.jpg`."""
    file: str | Path
    """Where its bytes are read; text costs less than a Path where there are a hundred thousand of them."""
    where: str
    """What to name in a message, e.g. `val.json images[3] id 139`."""
    width: int = 0
    """Declared width in pixels; 0 where the labels declare none."""
    height: int = 0
    """Declared height in pixels; 0 where the labels declare none."""
    twin_of: str = ""
    """Place of the picture that this one is the grayscale copy of; empty where it is none."""

    @property
    def path(self) -> Path:
        """Where its bytes are read."""
        return Path(self.file)

    @property
    def folder(self) -> str:
        """The folder that its file is in."""
        return str(self.file).rpartition(os.sep)[0] or os.path.split(self.file)[0]


class Twins(NamedTuple):
    """Pictures that stand twice: place -> place of the twin; `mark` is what its name has more, and no other name."""

    places: Mapping[str, str]
    mark: str


class TwinFiles(NamedTuple):
    """LabelCarry's files, originals and made where pictures stand twice."""

    files: Callable[[Mapping[str, str]], Mapping[str, bytes]]
    originals: Mapping[str, str] = MappingProxyType({})
    made: frozenset[str] = frozenset()


def _no_twins(twins: Twins) -> TwinFiles:
    """Stands in for formats that cannot name a copy. Raises UnrecognisedDataset."""
    fix = "leave --mix out, or write the labels as COCO, YOLO or VOC"
    raise UnrecognisedDataset("pictures that stand twice", why="this format cannot name copies", fix=fix)


def _no_objects() -> dict[str, list[Object]]:
    """Stands in for formats that know boxes alone. Raises UnrecognisedDataset."""
    fix = "write the labels as COCO, YOLO or VOC"
    raise UnrecognisedDataset("objects without classes", why="this format gives boxes, but no class names", fix=fix)


@dataclass(frozen=True)
class LabelCarry:
    """The label files of a dataset, carried, never translated.

    `files({})` gives each label file as it was read: relative place -> the same bytes. With renames (old place -> new
    place of a picture, e.g. another extension) only the file names inside are spliced; every other byte stays.
    Asking for the bytes of one may read it (LabelFiles): take them one by one, and hold no more than one. Reading one
    again raises BrokenLabels where it is not what it was.
    `boxes()` gives the objects of each picture by the picture's place, for pictures and figures; it may be slow.
    `counted()` is their number, for formats that can count without opening pictures.
    `objects()` gives the same boxes with their classes. Slow; BrokenLabels where a box has a class without a name.
    """

    files: Callable[[Mapping[str, str]], Mapping[str, bytes]]
    boxes: Callable[[], dict[str, list[Box]]]
    counted: Callable[[], int] | None = None
    originals: Mapping[str, str] = field(default_factory=dict)
    """Place -> sha256 of the source file, of those that even `files({})` gives rewritten, or for a twin."""
    oddities: Callable[[], tuple[str, ...]] = tuple
    """Sentences on objects that cannot be counted; it may be slow."""
    objects: Callable[[], dict[str, list[Object]]] = _no_objects
    doubled: Callable[[Twins], TwinFiles] = _no_twins
    """The label files where pictures stand twice. BrokenLabels where they cannot."""
    made: frozenset[str] = frozenset()
    """Places of label files that the source does not have: those of twins."""

    def count(self) -> int:
        """The number of objects with a box, in all pictures."""
        return self.counted() if self.counted else sum(map(len, self.boxes().values()))


class LabelFiles(Mapping[str, bytes]):
    """Label files by place, each read anew whenever it is asked for, so that only its names are held in memory."""

    def __init__(self, places: Iterable[str], read: Callable[[str], bytes]) -> None:
        self.places, self.read = dict.fromkeys(places), read

    def __getitem__(self, place: str) -> bytes:
        """The bytes of one. Raises KeyError for another place, and what reading it raises, BrokenLabels mostly."""
        if place not in self.places:
            raise KeyError(place)
        return self.read(place)

    def __contains__(self, place: object) -> bool:
        return place in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True)
class Dataset:
    """What a format read: pictures in the order of the labels, labels kept whole."""

    format: str
    root: Path
    """The folder that is read and never touched; its hash before a conversion equals its hash after."""
    images: tuple[ImageRef, ...]
    labels: LabelCarry
    refused: tuple[tuple[str, SynthIRError], ...] = ()
    """Pictures that cannot be converted, known from the labels alone: (place or name, the reason)."""
    notes: tuple[str, ...] = field(default=())
    """Sentences a person should read, e.g. what was rewritten in data.yaml and why."""
    protected: tuple[Path, ...] = field(default=())
    """Further source files and folders that the target must not contain or lie in, also those that are not there yet
    but would be read if they were. The root is among them where it is searched: what is written there would be read."""
    splits: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Of a format that names splits: split -> the names of its pictures, refused ones also."""


def is_picture(name: str) -> bool:
    """True where the ending of a file name is that of a picture; hidden files (`._a.jpg`) are none."""
    last = name.rpartition("/")[2]
    return last[:1] != "." and f".{last.rpartition('.')[2].lower()}" in PICTURE_ENDINGS and "." in last


def pictures_below(folder: Path) -> Iterator[str]:
    """The pictures below a folder as POSIX names relative to it; links are followed once, hidden folders are not."""
    seen: set[str] = set()
    for base, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(base)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        if real not in seen:
            inner = "" if base == str(folder) else f"{Path(base).relative_to(folder).as_posix()}/"
            yield from (inner + name for name in files if is_picture(name))
        seen.add(real)


def picture_folders(folder: Path) -> list[str]:
    """Names of the folders, at most two levels down, that hold pictures: what a person may mean by --images.

    Those whose names speak of infrared come last, because a conversion wants the visible ones.
    """
    near = [path for pattern in ("*", "*/*") for path in sorted(folder.glob(pattern)) if path.is_dir()]
    held = (path for path in near if any(is_picture(entry.name) for entry in path.iterdir()))
    names = (path.relative_to(folder).as_posix() for path in held)
    return sorted(names, key=lambda name: any(word in name.lower() for word in ("infrared", "thermal", "lwir")))


def label_bytes(path: Path) -> bytes:
    """The bytes of a label file. Raises BrokenLabels where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BrokenLabels("the label file cannot be read", where=str(path), why=why, fix="check its rights") from error


def steady(root: Path) -> Callable[[str], bytes]:
    """A function that reads label files by place below root, and remembers of each a hash.

    It raises BrokenLabels where one cannot be read, or has other bytes than when it was first read.
    """
    seen: dict[str, int] = {}

    def read(place: str) -> bytes:
        data = label_bytes(root / place)
        if seen.setdefault(place, hash(data)) != hash(data):
            raise changed(root / place)
        return data

    return read


def changed(path: Path) -> BrokenLabels:
    """The error for a label file that is not what it was when it was read."""
    fix = "run the same command again"
    return BrokenLabels("the label file changed during the conversion", where=str(path), fix=fix)


def is_text(place: str) -> bool:
    """True where a name is Unicode, as nearly all are."""
    return place.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in place)


def check_name(place: str) -> None:
    """Raises UnsupportedPicture for a name that is no Unicode: neither labels nor a manifest could name it."""
    if not is_text(place):
        shown = place.encode("utf-8", "backslashreplace").decode()
        why = "the bytes of the name are not UTF-8"
        raise UnsupportedPicture("a name that is not text", where=shown, why=why, fix="rename the file")


def split_names(places: Iterable[str]) -> tuple[list[str], list[tuple[str, SynthIRError]]]:
    """Places of label files that can be named, and a refusal for each that cannot."""
    named, refused = [], list[tuple[str, SynthIRError]]()
    for place in places:
        try:
            check_name(place)
            named.append(place)
        except UnsupportedPicture as error:
            refused.append((error.where, error))
    return named, refused
