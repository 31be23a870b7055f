"""Label files of YOLO: where they lie, whether a text file is one, and the boxes in it (for figures and detectors)."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..dataset import Box, Object
from ..errors import BrokenLabels, SynthIRError
from ..files import walk_files
from ..images import FAULTS, TURNS, open_header

BOX_COLUMNS = 5
"""class, centre x, centre y, width, height; the last four relative to the picture."""
HEADER = 1 << 18
"""Bytes of a picture in which its size is looked for, before all of it is read."""


def label_place(picture: str) -> str:
    """The label of a picture, as trainers look for it: the last `images` folder becomes `labels`, the ending .txt."""
    head, found, tail = f"/{picture}".rpartition("/images/")
    return f"{head}/labels/{tail}"[1:].rpartition(".")[0] + ".txt" if found else picture.rpartition(".")[0] + ".txt"


def has_rows(path: Path) -> bool:
    """True where the first line is five numbers or more, or the file is empty: a picture without objects."""
    try:
        with path.open("rb") as file:
            head = file.read(4096).split(b"\n", 1)[0].split()
    except OSError:
        return False
    numbers = [re.fullmatch(rb"[-+]?[\d.]+(?:[eE][-+]?\d+)?", column) for column in head[:BOX_COLUMNS]]
    return path.name != "classes.txt" and all(numbers) and len(numbers) in (0, BOX_COLUMNS)


def first_labels(source: Path) -> Iterator[Path]:
    """A few label files of a folder without data.yaml: enough to see whether they are."""
    inner = next(os.walk(source), ("", [], []))[1]
    for top in (source / "labels", *(source / name / "labels" for name in sorted(inner))):
        texts = (path for path in walk_files(top) if path.suffix == ".txt")
        yield from (path for path, _ in zip(texts, range(5), strict=False))


def boxes_in(label: bytes, pose: bool) -> list[Box]:
    """The boxes of one label file, relative to the picture's size; rows that are none give none.

    Five or an even number of columns begin with a box, as do all rows of a pose dataset; other rows are points.
    """
    return [box for _, _, box in rows_in(label, pose)]


def rows_in(label: bytes, pose: bool) -> Iterator[tuple[int, str, Box]]:
    """The same boxes, each with the number of its line from 1 and the first column, its class."""
    for number, row in enumerate(label.decode("utf-8", "replace").splitlines(), 1):
        columns = row.split()
        try:
            values = [float(column) for column in columns[1:]]
        except ValueError:
            continue
        if len(values) == 4 or (len(values) > 4 and (pose or len(values) % 2)):
            x, y, w, h = values[:4]
            yield number, columns[0], (x - w / 2, y - h / 2, w, h)
        elif len(values) >= 6:
            xs, ys = values[::2], values[1::2]
            yield number, columns[0], (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def boxes_of(label: bytes, picture: Path, pose: bool) -> list[Box]:
    """The boxes of one label file in pixels; none where the size of the picture cannot be read."""
    relative = boxes_in(label, pose)
    width, height = size_of(picture) if relative else (0, 0)
    return [(x * width, y * height, w * width, h * height) for x, y, w, h in relative] if width else []


def objects_of(label: bytes, picture: Path, pose: bool, names: Mapping[int, str], where: str) -> list[Object]:
    """The same boxes as boxes_of gives, with their classes; without any names they are `class 0`, `class 1` and so on.

    Raises BrokenLabels where a class is no number, or has no name although others have.
    """
    rows = list(rows_in(label, pose))
    width, height = size_of(picture) if rows else (0, 0)
    objects = []
    for number, column, (x, y, w, h) in rows:
        key = int(float(column)) if re.fullmatch(r"[0-9]{1,9}(?:\.0*)?", column) else -1
        if key < 0 or (names and key not in names):
            known = f"data.yaml names {len(names)}, from {min(names)} to {max(names)}" if names else ""
            fix = "correct the row, or add the class to names: in data.yaml"
            raise BrokenLabels(f"no class is {column!r}", where=f"{where} line {number}", why=known, fix=fix)
        box = (x * width, y * height, w * width, h * height)
        objects.append(Object(names.get(key, f"class {key}"), box))
    return objects if width else []


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height in pixels of the upright picture, from its header; 0, 0 where there is none to be read."""
    try:
        with picture.open("rb") as file:
            data = file.read(HEADER)
            try:
                return _upright(data)
            except (SynthIRError, *FAULTS):  # the header goes on
                return _upright(data + file.read())
    except (SynthIRError, *FAULTS):
        return 0, 0


def _upright(data: bytes) -> tuple[int, int]:
    image = open_header(data, "")
    in_header = image.format != "PNG" or "exif" in image.info  # of others Pillow would decode all pixels to find it
    turned = image.format != "TIFF" and in_header and image.getexif().get(0x0112) in list(TURNS)[3:]
    return (image.height, image.width) if turned else (image.width, image.height)
