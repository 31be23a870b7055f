"""Pascal VOC: a folder with Annotations/*.xml, and pictures in JPEGImages/ or where --images says.

Carried as bytes: the xml files, ImageSets/ and the masks in SegmentationClass/ and SegmentationObject/.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape

from ..dataset import (
    PICTURE_ENDINGS,
    Box,
    Dataset,
    ImageRef,
    LabelCarry,
    LabelFiles,
    Object,
    check_name,
    label_bytes,
    picture_folders,
    split_names,
    steady,
)
from ..errors import (
    BrokenLabels,
    DatasetError,
    LabelWithoutPicture,
    MissingPicture,
    SynthIRError,
    UnrecognisedDataset,
    UnsupportedPicture,
)
from ..files import contained, walk_files
from ._shelf import Shelf

LOOKS_FOR = "a folder with Annotations/*.xml"
HOMES = ("JPEGImages", "images")
BESIDE = ("ImageSets", "SegmentationClass", "SegmentationObject")
CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass
class Sheet:
    """What one xml says. `start` and `end` are the bytes that hold the text of <filename>; -1 where there is none."""

    values: dict[str, str] = field(default_factory=dict)
    corners: list[dict[str, str]] = field(default_factory=list)
    owners: list[dict[str, str]] = field(default_factory=list)
    """Of each box, what its object says besides: `name`, `difficult`."""
    start: int = -1
    end: int = -1

    @property
    def name(self) -> str:
        """The text of <filename>, empty where there is none."""
        return self.values.get("filename", "").strip()

    def pixels(self, side: str) -> int:
        """Declared width or height in pixels, 0 where there is none."""
        text = self.values.get(side, "").strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def recognises(source: Path) -> bool:
    """True for a folder with at least one .xml below Annotations/."""
    return next(_sheets(source), None) is not None


def read(source: Path, images: Path | None = None) -> Dataset:
    """Read a VOC folder; `images` is where its pictures lie, if not in JPEGImages/.

    The target mirrors the folder; pictures from outside it go to JPEGImages/. Raises MissingPicture where no picture is
    found at all. A broken xml, or one whose picture is missing, is refused alone.
    """
    if not source.is_dir():
        fix = "give the folder with Annotations/ in it as SOURCE, or leave --format out"
        raise UnrecognisedDataset("a file is no VOC folder", where=str(source), fix=fix)
    folder = images or next((source / home for home in HOMES if (source / home).is_dir()), None)
    if folder is None:
        raise _none_there(source, "there is no JPEGImages/")
    within = source in folder.parents
    prefix = f"{folder.relative_to(source).as_posix()}/" if within else "" if folder == source else "JPEGImages/"
    shelf = Shelf(lambda inner: folder / inner)
    refs: dict[str, ImageRef] = {}
    refused: list[tuple[str, SynthIRError]] = []
    pictures: dict[str, str] = {}
    sheet_bytes = steady(source)
    for path in _sheets(source):
        label = path.relative_to(source).as_posix()
        try:
            check_name(label)
            sheet = _parsed(sheet_bytes(label), str(path))
            place = prefix + _picture(sheet, path.relative_to(source / "Annotations"), shelf, label)
        except (DatasetError, UnsupportedPicture) as error:
            refused.append((error.where if isinstance(error, UnsupportedPicture) else label, error))
            continue
        pictures[label] = place
        at = folder / place.removeprefix(prefix)
        refs.setdefault(place, ImageRef(place, at, label, sheet.pixels("width"), sheet.pixels("height")))
    if not refs:
        lost = all(isinstance(error, LabelWithoutPicture) for _, error in refused)
        raise _none_there(source, f"looked in {folder}") if lost else refused[0][1]
    known = {label for label, _ in refused}
    carried, unnamed = split_names(_carried(source))
    refused += [line for line in unnamed if line[0] not in known]
    notes = shelf.unlisted({place.removeprefix(prefix) for place in refs})
    labels = LabelCarry(
        functools.partial(_files, carried, sheet_bytes, pictures),
        functools.partial(_boxes, source, pictures),
        objects=functools.partial(_objects, source, pictures),
    )
    home = () if folder == source else (folder,)
    read_too = tuple(source / name for name in ("Annotations", *BESIDE, *(() if images else HOMES)))
    return Dataset("voc", source, tuple(refs.values()), labels, tuple(refused), notes, (*home, *read_too))


def _sheets(source: Path) -> Iterator[Path]:
    """The xml files of a VOC folder, sorted by name."""
    return (path for path in walk_files(source / "Annotations") if path.suffix.lower() == ".xml")


def _none_there(source: Path, why: str) -> MissingPicture:
    """The error for a folder none of whose pictures is found."""
    near = [str(source / name) for name in picture_folders(source) if name.partition("/")[0] not in BESIDE][:5]
    fix = "give the folder of the pictures with --images" + (f", e.g. {' or '.join(near)}" if near else "")
    return MissingPicture("no picture of Annotations/ is there", where=str(source), why=why, fix=fix)


def _picture(sheet: Sheet, xml: Path, shelf: Shelf, label: str) -> str:
    """The picture of an xml, relative to the folder of pictures: by <filename>, else by the name of the xml.

    Raises EscapingPath, LabelWithoutPicture.
    """
    inner = xml.parent.as_posix()
    named = contained(sheet.name, f"{label} <filename>") if sheet.name else xml.name
    tries = [named] if inner == "." else [f"{inner}/{named}", named]
    stem = xml.with_suffix("").as_posix()
    tries += [stem + ending for ending in sorted(PICTURE_ENDINGS)]
    tries += [stem + ending.upper() for ending in sorted(PICTURE_ENDINGS)]
    found = next((name for name in tries if shelf.has(name)), None)
    if found:
        return found
    try:
        shelf.check(tries[0], label)
    except MissingPicture as error:
        fix = f"{error.fix}; or give the folder of the pictures with --images"
        raise LabelWithoutPicture(error.what, where=label, why=error.why, fix=fix) from None
    return tries[0]


def _parsed(data: bytes, where: str) -> Sheet:
    """Read one xml. Raises BrokenLabels, also for any document type: labels need none, and entities can explode."""
    sheet, path, text = Sheet(), [], [""]
    parser = expat.ParserCreate()
    owner = dict[str, str]()

    def opened(tag: str, _: dict[str, str]) -> None:
        nonlocal owner
        path.append(tag)
        text[0] = ""
        if path[1:] == ["object"]:
            owner = {}
        if tag == "bndbox":
            sheet.corners.append({})
            sheet.owners.append(owner)

    def heard(piece: str) -> None:
        if path[1:] == ["filename"] and sheet.start < 0:
            sheet.start = parser.CurrentByteIndex
        text[0] += piece

    def closed(tag: str) -> None:
        if path[1:] == ["filename"]:
            sheet.end = parser.CurrentByteIndex if sheet.end < 0 else sheet.end
        if path[1:] in (["filename"], ["size", tag]):
            sheet.values.setdefault(tag, text[0])
        if path[1:-1] == ["object", "bndbox"]:
            sheet.corners[-1][tag] = text[0]
        if len(path) == 3 and path[1] == "object":
            owner[tag] = text[0].strip()
        path.pop()

    def typed(name: str, *_: object) -> None:
        why = "the file declares a document type, which labels do not need and attacks do"
        raise BrokenLabels("not read", where=where, why=why, fix="take the <!DOCTYPE> out")

    parser.StartElementHandler, parser.CharacterDataHandler, parser.EndElementHandler = opened, heard, closed
    parser.StartDoctypeDeclHandler = typed
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise BrokenLabels("broken XML", where=where, why=str(error), fix="write the file again") from error
    return sheet


def _files(
    carried: Sequence[str], read: Callable[[str], bytes], pictures: Mapping[str, str], renames: Mapping[str, str]
) -> Mapping[str, bytes]:
    """Every label file by its place; of a renamed picture, the text of <filename> is replaced, and nothing else."""

    def one(place: str) -> bytes:
        new = renames.get(pictures.get(place, ""))
        return _spliced(read(place), pictures[place], new, place) if new else read(place)

    return LabelFiles(carried, one)


def _carried(source: Path) -> Iterator[str]:
    """The places of all label files."""
    paths = (path for top in ("Annotations", *BESIDE) for path in walk_files(source / top))
    return (path.relative_to(source).as_posix() for path in paths)


def _spliced(data: bytes, old: str, new: str, where: str) -> bytes:
    """The xml with another <filename>, if it named the picture as it was; a name without ending stays."""
    sheet = _parsed(data, where)
    before, after = old.rpartition("/")[2], new.rpartition("/")[2]
    if not sheet.name.endswith(before) or sheet.start < 0:
        return data
    encoding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(data[:2], "utf-8")
    raw = data[sheet.start : sheet.end]
    try:
        text = raw.decode(encoding)
        text = text.replace(escape(before), escape(after)) if escape(before) in text else escape(after)
    except UnicodeDecodeError:  # another one-byte encoding: the ending is ASCII in all of them
        head, tail = before.rpartition(".")[2].encode(), after.rpartition(".")[2].encode()
        return data[: sheet.start] + tail.join(raw.rsplit(head, 1)) + data[sheet.end :]
    return data[: sheet.start] + text.encode(encoding) + data[sheet.end :]


def _boxes(source: Path, pictures: Mapping[str, str]) -> dict[str, list[Box]]:
    """xmin, ymin, xmax - xmin, ymax - ymin in pixels as the files have them; what is no number gives no box."""
    boxes: dict[str, list[Box]] = {place: [] for place in pictures.values()}
    for label, place in pictures.items():
        boxes[place] += (box for box, _ in _drawn(_parsed(label_bytes(source / label), label)))
    return boxes


def _objects(source: Path, pictures: Mapping[str, str]) -> dict[str, list[Object]]:
    """The same boxes with the names of their objects; difficult ones are not asked for. Raises BrokenLabels."""
    objects: dict[str, list[Object]] = {place: [] for place in pictures.values()}
    for label, place in pictures.items():
        for box, owner in _drawn(_parsed(label_bytes(source / label), label)):
            if not owner.get("name"):
                why, fix = f"no <name> beside the box {box}", "give the object a <name>"
                raise BrokenLabels("an object without a class", where=str(source / label), why=why, fix=fix)
            objects[place].append(Object(owner["name"], box, owner.get("difficult", "0") not in ("0", "")))
    return objects


def _drawn(sheet: Sheet) -> Iterator[tuple[Box, dict[str, str]]]:
    """The boxes of one xml, and what the object of each says besides."""
    for corners, owner in zip(sheet.corners, sheet.owners, strict=True):
        try:
            left, top, right, bottom = (float(corners[corner]) for corner in CORNERS)
        except (KeyError, ValueError):
            continue
        yield (left, top, right - left, bottom - top), owner
