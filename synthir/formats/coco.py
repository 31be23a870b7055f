"""COCO: one .json file whose `images` name the pictures. It is carried as bytes; annotations never become objects.

Where json and pictures share a folder, the target mirrors it: annotations/instances.json and val2017/1.jpg stay as they
lie. Otherwise the target holds <name>.json and images/<file_name>.
"""

import functools
import mmap
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..dataset import Box, Dataset, ImageRef, LabelCarry, changed, check_name, label_bytes, picture_folders
from ..errors import BrokenLabels, EscapingPath, MissingPicture, SynthIRError, UnrecognisedDataset
from ..files import contained, there
from ._coco_json import Annotation, CocoFile, Entry, parse, spliced
from ._shelf import Shelf

LOOKS_FOR = "a .json file with a list `images`"
NUMBERS = (int, float)
SAMPLE = 20
"""Names that are tried first to find the folder of the pictures."""


@dataclass(frozen=True)
class Layout:
    """Where things lie below the target, and on disk."""

    root: Path
    label: str
    """Place of the json."""
    prefix: str
    """Place of the folder of the pictures, `` or ending in `/`."""
    base: str
    skip: int
    """A place without its first `skip` letters is a path relative to base: none where the source is mirrored."""
    climbing: bool = False
    """The user named the folder, so `../` in a name is honest as long as it stays inside the root."""

    def place(self, name: str, where: str) -> str:
        """The place of a picture. Raises EscapingPath."""
        if self.climbing and ".." in name:
            return contained(posixpath.normpath(posixpath.join(self.prefix, name.replace("\\", "/"))), where)
        return self.prefix + contained(name, where)

    def on_disk(self, place: str) -> str:
        """The path of a picture or of a folder of pictures."""
        return f"{self.base}/{place[self.skip :]}"


def recognises(source: Path) -> bool:
    """True for a .json file that has the word "images" in it, or that is UTF-16: read() refuses that with a reason."""
    if source.suffix.lower() != ".json" or not source.is_file() or source.stat().st_size < 2:
        return False
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = bytes(data[:64]).removeprefix(b"\xef\xbb\xbf").lstrip()
        return start.startswith((b"\xff\xfe", b"\xfe\xff")) or (start[:1] == b"{" and data.find(b'"images"') >= 0)


def read(source: Path, images: Path | None = None) -> Dataset:
    """Read a COCO file; `images` is the folder its names are relative to, looked for near the file if not given.

    Raises BrokenLabels where it is no COCO JSON, MissingPicture where no picture is found at all. An entry whose
    picture is missing or whose name escapes is refused alone.
    """
    if not source.is_file():
        fix = "give the .json in it as SOURCE, or leave --format out"
        raise UnrecognisedDataset("a folder is no COCO file", where=str(source), fix=fix)
    check_name(source.name)
    stamp = _stamp(source)
    entries, odd_keys = _entries(source)
    names = [entry.name for entry in entries if isinstance(entry.name, str)]
    layout = _layout(source, images or _find_folder(source, names), names, climbing=images is not None)
    refs, refused, notes = _pictures(entries, layout, source.name)
    if names and not refs:
        raise (
            _none_there(source, Path(layout.on_disk(layout.prefix)), names) if _all_missing(refused) else refused[0][1]
        )
    labels = LabelCarry(
        functools.partial(_files, source, layout, stamp), functools.partial(_boxes, source, layout, stamp)
    )
    outside = () if layout.root in source.parents else (source,)
    searched = [images] if images else _usual(source)  # a target there could be found the next time
    around = {layout.root, *layout.root.parents}
    protected = (*outside, *(folder for folder in searched if folder not in around))
    return Dataset("coco", layout.root, tuple(refs), labels, tuple(refused), (*notes, *odd_keys), protected)


def _find_folder(source: Path, names: Sequence[str]) -> Path:
    """The first folder near the json that holds most of some names; of all, where none of those is there."""
    usual = _usual(source)
    sample = _sample(names)
    found = [sum(there(folder / name) for name in sample) for folder in usual]
    if sample and not max(found):
        inside = [name for name in (_inside(name) for name in names) if name]
        found = [_held(folder, inside) for folder in usual]
        if not max(found):
            raise _none_there(source, None, names)
    return usual[found.index(max(found))]


def _sample(names: Sequence[str]) -> list[str]:
    """Some of the names, from the first to the last: a download that broke off lacks some in a row."""
    return [names[at * len(names) // SAMPLE].replace("\\", "/") for at in range(SAMPLE)] if names else []


def _inside(name: str) -> str:
    """A name as a path below the folder of the pictures, empty where it leads out of it."""
    try:
        return contained(name, "")
    except EscapingPath:
        return ""


def _held(folder: Path, names: Iterable[str]) -> int:
    """How many of the names lie in a folder; it is listed once, not asked for each. None where it may not be read."""
    shelf = Shelf(lambda inner: folder / inner)
    try:
        return sum(map(shelf.has, names))
    except PermissionError:
        return 0


def _usual(source: Path) -> list[Path]:
    """The folders near the json that are searched for pictures, in that order."""
    stems = (source.stem.rpartition("_")[2], source.stem)
    near, above = source.parent, source.parent.parent
    usual = [near / "images", near, above / "images"]
    return usual + [top / stem for stem in stems for top in (near, above, near / "images", above / "images")]


def _none_there(source: Path, folder: Path | None, names: Sequence[str]) -> MissingPicture:
    """The error for a file none of whose pictures is found."""
    places = f"in {folder}" if folder else f"in images/, beside {source.name} or in a folder named like it"
    near = [source.parent / name for name in picture_folders(source.parent)]
    near += [folder.parent] if folder else []  # one level too deep: `val/1.jpg` looked for in `val`
    sample = _sample(names)
    near = [path for path in near if any(there(path / name) for name in sample)] or near
    shown = " or ".join(str(path) for path in near[:3])
    fix = "give the folder that file_name is relative to with --images" + (f", e.g. {shown}" if near else "")
    why = f"looked {places} for {names[0]!r} and others"
    return MissingPicture(f"none of {len(names)} pictures is there", where=str(source), why=why, fix=fix)


def _all_missing(refused: Iterable[tuple[str, SynthIRError]]) -> bool:
    return all(isinstance(error, MissingPicture) for _, error in refused)


def _layout(source: Path, folder: Path, names: Iterable[str], *, climbing: bool) -> Layout:
    """Mirror the nearest folder, at most two up, that json and pictures share; else `<name>.json` and `images/`."""
    upward = climbing and any(".." in name for name in names)
    for root in (source.parent, source.parent.parent)[upward:]:
        if root.parent != root and (folder == root or root in folder.parents):
            inner = folder.relative_to(root).as_posix()
            prefix = "" if inner == "." else f"{inner}/"
            return Layout(root, source.relative_to(root).as_posix(), prefix, str(root), 0, climbing)
    return Layout(folder, source.name, "images/", str(folder), len("images/"))


def _pictures(
    entries: Sequence[Entry], layout: Layout, source: str
) -> tuple[list[ImageRef], list[tuple[str, SynthIRError]], list[str]]:
    """A reference for each picture that is there, a refusal for each that is not, and notes on what looked odd."""
    shelf = Shelf(lambda folder: Path(layout.on_disk(folder)))
    refs: dict[str, ImageRef] = {}
    refused: list[tuple[str, SynthIRError]] = []
    again = 0
    for index, entry in enumerate(entries):
        where = f"{source} images[{index}] id {entry.id}"
        try:
            place = layout.place(_name(entry, where), where)
            if place in refs:
                again += 1
                continue
            shelf.check(place, where)
        except (BrokenLabels, EscapingPath, MissingPicture) as error:
            refused.append((str(entry.name), _with_cure(error, str(entry.name))))
            continue
        size = _pixels(entry.width), _pixels(entry.height)
        refs[place] = ImageRef(place, layout.on_disk(place), where, *size)
    ids = [entry.id for entry in entries]
    odd = {
        "duplicate id": len(ids) - len(set(ids)),
        "id that is no number": sum(not isinstance(key, NUMBERS) for key in ids),
        "width or height that is no size, so that of the picture is not checked": sum(
            not (ref.width and ref.height) for ref in refs.values()
        ),
        "picture that is listed before, so it is converted once": again,
    }
    notes = [f"{source}: {number} x {what}. Carried as it is." for what, number in odd.items() if number]
    return list(refs.values()), refused, [*notes, *shelf.unlisted(refs.keys())]


def _name(entry: Entry, where: str) -> str:
    """The picture's name. Raises BrokenLabels where it is no text, EscapingPath where it is a web address."""
    name = entry.name
    if not isinstance(name, str):
        why, fix = f"file_name is {name!r}", "give the entry a file_name"
        raise BrokenLabels("an image without a name", where=where, why=why, fix=fix)
    if "://" in name:
        fix = "download the pictures, and make file_name the path relative to the folder given with --images"
        raise EscapingPath(f"file name {name!r} is a web address", where=where, why="nothing is downloaded", fix=fix)
    return name


def _with_cure(error: SynthIRError, name: str) -> SynthIRError:
    """The error; where a name escapes, with the way out that fits it."""
    if not isinstance(error, EscapingPath) or "://" in name:
        return error
    fix = "make file_name relative to the folder that all pictures are in, and give that folder with --images"
    if name.startswith(".."):
        fix = "give the folder that names are relative to with --images; they may climb one folder above the json's"
    return EscapingPath(error.what, where=error.where, why=error.why, fix=fix)


def _pixels(size: object) -> int:
    """A declared width or height in pixels, 0 where it is none."""
    if type(size) is float and size.is_integer():
        size = int(size)
    return size if type(size) is int and 0 < size < 2**31 else 0


def _entries(source: Path) -> tuple[list[Entry], list[str]]:
    """The entries of `images`, and notes on what other readers may not know; the bytes of the file are let go."""
    file = parse(label_bytes(source), CocoFile, source)
    notes = []
    if file.images and file.images[0].file_name is None and file.images[0].filename is not None:
        notes.append("The images have `filename` where COCO has `file_name`. Read so, carried as it is.")
    if bytes(file.annotation):
        notes.append("The file has `annotation` where COCO has `annotations`. Carried so; other readers may fail.")
    if b'"segments_info"' in bytes(memoryview(file.annotations)[:65536]):
        notes.append("Panoptic labels: the JSON is carried, the mask pictures it names are not. Copy their folder.")
    return file.images, notes


def _stamp(source: Path) -> tuple[int, int]:
    """Changes when the file does, or goes."""
    try:
        state = source.stat()
    except OSError:
        return -1, 0
    return state.st_size, state.st_mtime_ns


def _unchanged(source: Path, stamp: tuple[int, int]) -> bytes:
    """The bytes of the file that was read, not held in memory meanwhile. Raises BrokenLabels if it changed."""
    data = label_bytes(source)
    if _stamp(source) != stamp:
        raise changed(source)
    return data


def _files(source: Path, layout: Layout, stamp: tuple[int, int], renames: Mapping[str, str]) -> dict[str, bytes]:
    data = _unchanged(source, stamp)
    return {layout.label: spliced(data, lambda old: _renamed(old, layout, renames), source) if renames else data}


def _renamed(old: str, layout: Layout, renames: Mapping[str, str]) -> str | None:
    """The new name of a picture as the json must say it, None where it stays."""
    place = _place(old, layout)
    new = renames.get(place)
    if new is None:
        return None
    if new.rpartition("/")[0] == place.rpartition("/")[0]:  # keep `./`, `../` and the like
        return old[: max(old.rfind("/"), old.rfind("\\")) + 1] + new.rpartition("/")[2]
    return posixpath.relpath(new, layout.prefix or ".")


def _place(name: object, layout: Layout) -> str:
    """The place of a picture, empty where its name is none."""
    try:
        return layout.place(name, "") if isinstance(name, str) else ""
    except EscapingPath:
        return ""


def _boxes(source: Path, layout: Layout, stamp: tuple[int, int]) -> dict[str, list[Box]]:
    """The boxes of every picture, x, y, width, height in pixels as COCO has them; annotations without one give none."""
    file = parse(_unchanged(source, stamp), CocoFile, source)
    raw = next((raw for raw in (file.annotations, file.annotation) if bytes(raw) not in (b"", b"null")), b"")
    boxes: dict[Any, list[Box]] = {entry.id: [] for entry in file.images}
    for item in parse(raw, list[Annotation], source) if bytes(raw) else []:
        box = item.bbox if isinstance(item.bbox, list) else []
        if len(box) == 4 and all(isinstance(value, int | float) for value in box) and item.image_id in boxes:
            boxes[item.image_id].append((box[0], box[1], box[2], box[3]))
    places = {_place(entry.name, layout): boxes[entry.id] for entry in file.images}
    return {place: found for place, found in places.items() if place}
