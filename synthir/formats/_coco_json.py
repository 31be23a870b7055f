"""The inside of a COCO file: image entries typed, everything else left as the bytes it is.

Annotations are never built as objects, which is why a file of a million of them is read in half a second.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from ..dataset import Box, Object
from ..errors import BrokenLabels

Key = int | float | str | None
"""What an image id may be: numbers in most files, strings in some."""
KEYS = (int, float, str, type(None))
T = TypeVar("T")
BOM = b"\xef\xbb\xbf"


class Entry(msgspec.Struct, gc=False):
    """One entry of `images`. Only ids are checked here; a bad name or size is the fault of one picture."""

    id: Key = None
    file_name: Any = None
    filename: Any = None
    width: Any = None
    height: Any = None

    @property
    def name(self) -> Any:
        """The picture's name; `filename` stands in where `file_name` is absent."""
        return self.filename if self.file_name is None else self.file_name


class CocoFile(msgspec.Struct):
    """A whole file; the two lists of annotations, one spelt oddly, stay raw."""

    images: list[Entry]
    annotations: msgspec.Raw = msgspec.Raw(b"")
    annotation: msgspec.Raw = msgspec.Raw(b"")
    categories: msgspec.Raw = msgspec.Raw(b"")


class Annotation(msgspec.Struct, gc=False):
    """What a figure needs of an annotation."""

    image_id: Any = None
    bbox: Any = None


class Classed(Annotation, gc=False):
    """What a detector needs of an annotation."""

    id: Any = None
    category_id: Any = None
    iscrowd: Any = None


class Category(msgspec.Struct, gc=False):
    """One entry of `categories`; other ids than these name nothing."""

    id: Key
    name: str


A = TypeVar("A", bound=Annotation)
Other = list[Any] | str | int | float | bool | None
"""What may stand in `annotations` and is no annotation."""


class Named(msgspec.Struct, gc=False):
    """The bytes of what an entry of `images` is called."""

    file_name: msgspec.Raw = msgspec.Raw(b"null")
    filename: msgspec.Raw = msgspec.Raw(b"null")


class _NamedFile(msgspec.Struct):
    images: list[Named]


Edit = tuple[int, int, bytes]
"""Start and end of bytes in a file, and what stands there instead."""
NewName = Callable[[str], str | None]
"""The new name of a picture for its old one, None to leave it."""


def parse(data: bytes | msgspec.Raw, kind: type[T], source: Path) -> T:
    """Decode JSON into a kind. Raises BrokenLabels that names line and column, or the odd entry."""
    text = memoryview(data)
    skipped = len(BOM) if text[:3] == BOM else 0
    try:
        return msgspec.json.decode(text[skipped:], type=kind)
    except msgspec.ValidationError as error:
        fix = "give a COCO file: an object with a list `images`; results and other lists are not datasets"
        raise BrokenLabels("not a COCO file", where=str(source), why=str(error), fix=fix) from error
    except RecursionError as error:
        why = "lists or objects are nested deeper than any COCO file needs"
        raise BrokenLabels("nested too deep", where=str(source), why=why, fix="write the file again") from error
    except ValueError as error:  # msgspec.DecodeError and UnicodeDecodeError
        raise _broken(bytes(text), skipped, error, source) from error


def _broken(data: bytes, skipped: int, error: ValueError, source: Path) -> BrokenLabels:
    """BrokenLabels that names the place where the JSON stops being JSON."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        fix = f"save it as UTF-8: iconv -f UTF-16 -t UTF-8 {source.name}"
        return BrokenLabels("not UTF-8", where=str(source), why="the file is UTF-16; JSON is UTF-8", fix=fix)
    found = re.search(r"byte (\d+)", str(error))
    at = int(found[1]) + skipped if found else len(data) if "truncated" in str(error) else 0
    line = data.count(b"\n", 0, at) + 1
    column = at - data.rfind(b"\n", 0, at)
    where = f"{source} line {line} column {column} (byte {at})" if found or at else str(source)
    if data.startswith((b"NaN", b"Infinity"), at):
        why = "NaN and Infinity are not JSON, and no reader agrees on them"
        return BrokenLabels("a number that is none", where=where, why=why, fix="replace it by null or a number")
    return BrokenLabels("broken JSON", where=where, why=str(error), fix=f"check it: python -m json.tool {source.name}")


def boxes_by_id(file: CocoFile, source: Path) -> tuple[dict[Key, list[Box]], Counter[str]]:
    """Boxes of every image, x, y, width, height in pixels as COCO has them, and how often something odd stands there.

    An annotation without a box, a caption say, is not odd.
    """
    boxes: dict[Key, list[Box]] = {entry.id: [] for entry in file.images}
    odd = Counter[str]()
    for item in drawn(file, list[Annotation | Other], odd, source):
        boxes[item.image_id].append((item.bbox[0], item.bbox[1], item.bbox[2], item.bbox[3]))
    return boxes, odd


def objects_by_id(file: CocoFile, source: Path) -> dict[Key, list[Object]]:
    """The same boxes with their classes. Raises BrokenLabels for a box whose category has no name."""
    names, objects = category_names(file, source), dict[Key, list[Object]]((entry.id, []) for entry in file.images)
    for item in drawn(file, list[Classed | Other], Counter(), source):
        name = names.get(item.category_id) if type(item.category_id) in KEYS else None
        if name is None:
            where, why = f"{source} annotation id {item.id}", f"category_id is {item.category_id!r}"
            fix = "add the category with its name to `categories`, or correct category_id"
            raise BrokenLabels("an object of an unknown category", where=where, why=why, fix=fix)
        box = (item.bbox[0], item.bbox[1], item.bbox[2], item.bbox[3])
        objects[item.image_id].append(Object(name, box, bool(item.iscrowd)))
    return objects


def category_names(file: CocoFile, source: Path) -> dict[Key, str]:
    """Category id -> name. Raises BrokenLabels where `categories` is no list of those, or an id has two names."""
    raw = file.categories if bytes(file.categories) not in (b"", b"null") else b"[]"
    fix = "give each category one id and one name"
    try:
        categories = msgspec.json.decode(raw, type=list[Category])
    except (ValueError, RecursionError) as error:
        where = f"{source} categories"
        raise BrokenLabels("categories without id and name", where=where, why=str(error), fix=fix) from error
    names = dict[Key, str]()
    for category in categories:
        if names.setdefault(category.id, category.name) != category.name:
            why = f"{names[category.id]!r} and {category.name!r}"
            where = f"{source} categories id {category.id}"
            raise BrokenLabels("two categories of one id", where=where, why=why, fix=fix)
    return names


def drawn(file: CocoFile, kind: type[list[A | Other]], odd: Counter[str], source: Path) -> Iterator[A]:
    """The annotations that have a box on an image; what is odd about others is counted in `odd`."""
    raw = next((raw for raw in (file.annotations, file.annotation) if bytes(raw) not in (b"", b"null")), b"[]")
    if bytes(memoryview(raw)[:1]) != b"[":
        odd["`annotations` that is no list"] += 1
        return
    ids = {entry.id for entry in file.images}
    for item in parse(raw, kind, source):
        if not isinstance(item, Annotation):
            odd["annotation that is no object"] += 1
        elif item.bbox:
            box = item.bbox if isinstance(item.bbox, list) else []
            if len(box) != 4 or not all(isinstance(value, int | float) for value in box):
                odd["bbox that is not four numbers"] += 1
            elif type(item.image_id) not in KEYS or item.image_id not in ids:
                odd["bbox whose image_id is no image"] += 1
            else:
                yield item


def new_names(data: bytes, new_name: NewName, source: Path) -> list[Edit]:
    """The edits that replace the names of some pictures. Names in annotations are not looked at."""
    entries, start = parse(data, _NamedFile, source).images, address(data)
    return [edit for entry in entries if (edit := renaming(entry, new_name, start))]


def renaming(entry: Named, new_name: NewName, start: int) -> Edit | None:
    """The edit that renames the picture of an entry, None where it keeps its name; start: see replacing."""
    raw = entry.filename if bytes(entry.file_name) == b"null" else entry.file_name
    old = msgspec.json.decode(raw)
    new = new_name(old) if isinstance(old, str) else None
    return None if new is None else replacing(raw, quoted(new, bytes(raw)), start)


def replacing(raw: msgspec.Raw, new: bytes, start: int) -> Edit:
    """The edit that replaces a part of JSON; start: address of the bytes it was decoded from, as a Raw is a view."""
    at = address(raw) - start
    return at, at + len(memoryview(raw)), new


def edited(data: bytes, edits: Iterable[Edit]) -> bytes:
    """The bytes with edits made, and every other byte as it was."""
    whole, pieces, done = memoryview(data), list[memoryview | bytes](), 0
    for start, end, new in sorted(edits):
        pieces += [whole[done:start], new]
        done = end
    return b"".join([*pieces, whole[done:]])


def address(part: bytes | msgspec.Raw) -> int:
    """Where bytes lie in memory."""
    return int(np.frombuffer(memoryview(part), np.uint8).__array_interface__["data"][0])


def quoted(name: str, before: bytes) -> bytes:
    """A JSON string, escaped beyond ASCII where the one before it was pure ASCII."""
    return json.dumps(name, ensure_ascii=before.isascii()).encode()
