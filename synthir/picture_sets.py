"""Sets of training pictures made of one labelled set: as they are, grey, stylised, converted, layered, each on disk.

A kind names what a set shows: a base kind such as `rgb`, `grayscale` or a generator; `a+b` is the mean picture of
two kinds; `a~2` is the second stylised variant of a kind. A set lies in `<kind>-<key>/images` and `labels` as YOLO has
them; the key is made of all that shapes it, so that a set is made once, and again where anything changed.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np

from . import warming
from .files import sha256_file, write_atomic
from .generators import analytic
from .images import UInt8, decode
from .labelled import LabelledPicture
from .validation import Method, grayscale, painter

EVERY = 500
"""Pictures of a set after which is written down which are done."""
Paint = Callable[[int], UInt8]
"""Number of a picture -> the picture (H, W) or (H, W, 3)."""


@dataclass(frozen=True)
class Maker:
    """How the pictures of a base kind are made."""

    pictures: Sequence[LabelledPicture]
    paint: Paint
    key: str
    """All that shapes the pictures besides their sources, e.g. the sha256 of weights."""


@dataclass(frozen=True)
class PictureSet:
    """A set on disk."""

    pictures: Sequence[LabelledPicture]
    files: tuple[Path, ...]
    """Of each picture, in their order."""
    key: str


def make_set(kind: str, makers: Mapping[str, Maker], classes: Mapping[str, int], folder: Path) -> PictureSet:
    """The set of a kind below `folder`; what lies there already, as it was written, is left.

    classes: class name -> number in the label files; objects of other classes and crowds are left out.
    Raises PictureError.
    """
    maker = maker_of(kind, makers, classes, folder)
    key = key_of(maker, classes)
    place = folder / f"{re.sub('[^a-z0-9]+', '-', kind.lower())}-{key[:12]}"
    files = tuple(place / "images" / f"{number:05d}.png" for number in range(len(maker.pictures)))
    known = read_hashes(place / "set.json")
    hashes: dict[str, str] = {}
    for number, (path, picture) in enumerate(zip(files, maker.pictures, strict=True)):
        label, rows = place / "labels" / f"{path.stem}.txt", yolo_rows(picture, classes).encode()
        if not label.is_file() or label.read_bytes() != rows:
            write_atomic(label, rows)
        if not path.is_file() or known.get(path.name) != sha256_file(path):
            write_atomic(path, png(maker.paint(number)))
        hashes[path.name] = sha256_file(path)
        if number % EVERY == EVERY - 1 and known != hashes:  # a kill costs no more than these
            write_atomic(place / "set.json", msgspec.json.encode(known | hashes))
    if known != hashes:
        write_atomic(place / "set.json", msgspec.json.encode(hashes))
    return PictureSet(maker.pictures, files, key)


def maker_of(kind: str, makers: Mapping[str, Maker], classes: Mapping[str, int], folder: Path) -> Maker:
    """The maker of a kind; layers and variants are made of the sets they name."""
    base, _, variant = kind.partition("~")
    if variant:
        made = make_set(base, makers, classes, folder)
        method = stylised(int(variant))
        return Maker(
            made.pictures, lambda number: method(read_rgb(made.files[number])), f"{made.key} variant {variant}"
        )
    layers = base.split("+")
    if len(layers) == 1:
        return makers[base]
    sets = [make_set(layer, makers, classes, folder) for layer in layers]
    key = " + ".join(one.key for one in sets)
    return Maker(sets[0].pictures, lambda number: mean_picture([one.files[number] for one in sets]), key)


def base_kinds(kind: str) -> list[str]:
    """The base kinds that a kind is made of."""
    return kind.partition("~")[0].split("+")


def stylised(seed: int) -> Method:
    """An analytic stylisation, the one of that seed: RGB (H, W, 3) -> grey (H, W)."""
    return painter(analytic.build(analytic.Settings(seed=seed)).eval(), analytic.STRIDE)


def from_sources(pictures: Sequence[LabelledPicture], method: Method, key: str) -> Maker:
    """A maker that reads each source and applies a method to its RGB. key: names the method.

    Its paint raises SizeMismatch where a picture has not the size that its boxes were drawn on.
    """

    def paint(number: int) -> UInt8:
        one = pictures[number]
        return method(decode(one.path.read_bytes(), str(one.path), (one.width, one.height)))

    return Maker(pictures, paint, key)


def from_labels(pictures: Sequence[LabelledPicture]) -> Maker:
    """A maker of the pictures' luma with their labelled objects made warm. Its paint raises SizeMismatch."""

    def paint(number: int) -> UInt8:
        one = pictures[number]
        rgb = decode(one.path.read_bytes(), str(one.path), (one.width, one.height))
        return warming.warmed(rgb, warming.boxes_of(one.objects), np.random.default_rng(number))

    settings = (warming.WARMTH, warming.DETAIL, warming.SIDE, warming.SURE, warming.PERHAPS, warming.AROUND)
    return Maker(pictures, paint, f"warmed {settings}")


def from_files(pictures: Sequence[LabelledPicture], files: Sequence[Path], key: str) -> Maker:
    """A maker that takes pictures made elsewhere, in grey."""
    return Maker(pictures, lambda number: grayscale(read_rgb(files[number])), key)


def read_rgb(path: Path) -> UInt8:
    """RGB (H, W, 3) of a file. Raises PictureError."""
    return decode(path.read_bytes(), str(path))


def mean_picture(files: Sequence[Path]) -> UInt8:
    """The mean of several grey pictures of one size, rounded."""
    layers = np.stack([grayscale(read_rgb(path)) for path in files]).astype(np.float32)
    return np.asarray(np.rint(layers.mean(axis=0)), np.uint8)


def key_of(maker: Maker, classes: Mapping[str, int]) -> str:
    """A sha256 of everything that shapes a set: sources, labels, classes and the way it is made."""
    digest = hashlib.sha256(repr((maker.key, sorted(classes.items()))).encode())
    for picture in maker.pictures:
        digest.update(repr((sha256_file(picture.path), picture.objects)).encode())
    return digest.hexdigest()


def yolo_rows(picture: LabelledPicture, classes: Mapping[str, int]) -> str:
    """A label file: class, centre and size of each object as shares of the picture, cut at its borders."""
    rows = []
    for one in picture.objects:
        x, y, width, height = one.box
        left, right = max(0.0, x) / picture.width, min(picture.width, x + width) / picture.width
        top, bottom = max(0.0, y) / picture.height, min(picture.height, y + height) / picture.height
        if one.name in classes and not one.crowd and right > left and bottom > top:
            centre = f"{(left + right) / 2:.6f} {(top + bottom) / 2:.6f}"
            rows.append(f"{classes[one.name]} {centre} {right - left:.6f} {bottom - top:.6f}\n")
    return "".join(rows)


def read_hashes(path: Path) -> dict[str, str]:
    """What a set held when it was made: file name -> sha256; nothing where it was not finished."""
    if not path.is_file():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except msgspec.DecodeError:
        return {}


def png(picture: UInt8) -> bytes:
    """A picture as PNG, without the mark of a synthetic one: a set may hold real ones."""
    return cv2.imencode(".png", picture if picture.ndim == 2 else picture[..., ::-1])[1].tobytes()
