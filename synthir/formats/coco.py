"""COCO: one .json file whose `images` name the pictures. It is carried as bytes; annotations never become objects.

Where json and pictures share a folder, the target mirrors it: annotations/instances.json and val2017/1.jpg stay as they
lie. Otherwise the target holds <name>.json and images/<file_name>.
"""

import functools
import mmap
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..dataset import (
    Box,
    Dataset,
    ImageRef,
    LabelCarry,
    Object,
    TwinFiles,
    Twins,
    changed,
    check_name,
    label_bytes,
)
from ..errors import BrokenLabels, EscapingPath, MissingPicture, SynthIRError, UnrecognisedDataset
from ..files import sha256_bytes
from ._coco_json import CocoFile, Entry, boxes_by_id, edited, new_names, objects_by_id, parse
from ._coco_layout import Layout, find_folder, layout_of, none_there, usual_folders
from ._coco_twins import copies
from ._shelf import Shelf

LOOKS_FOR = "a .json file with a list `images`"
NUMBERS = (int, float)


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
    layout = layout_of(source, images or find_folder(source, names), names, climbing=images is not None)
    refs, refused, notes = _pictures(entries, layout, source.name)
    if names and not refs:
        raise (
            none_there(source, Path(layout.on_disk(layout.prefix)), names) if _all_missing(refused) else refused[0][1]
        )
    surveyed = functools.cache(functools.partial(_surveyed, source, layout, stamp))  # a pass for both of what it gives
    files = functools.partial(_files, source, layout, stamp)
    objects = functools.partial(_objects, source, layout, stamp)
    doubled = functools.partial(_doubled, source, layout, stamp)
    labels = LabelCarry(files, lambda: surveyed()[0], oddities=lambda: surveyed()[1], objects=objects, doubled=doubled)
    outside = () if layout.root in source.parents else (source,)
    searched = [images] if images else usual_folders(source)  # a target there could be found the next time
    around = {layout.root, *layout.root.parents}
    protected = (*outside, *(folder for folder in searched if folder not in around))
    return Dataset("coco", layout.root, tuple(refs), labels, tuple(refused), (*notes, *odd_keys), protected)


def _all_missing(refused: Iterable[tuple[str, SynthIRError]]) -> bool:
    return all(isinstance(error, MissingPicture) for _, error in refused)


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
    edits = new_names(data, lambda old: _renamed(old, layout, renames), source) if renames else []
    return {layout.label: edited(data, edits) if edits else data}


def _doubled(source: Path, layout: Layout, stamp: tuple[int, int], twins: Twins) -> TwinFiles:
    """The file with a copy of each picture's entry and annotations. Raises BrokenLabels where a picture has no id."""
    data = _unchanged(source, stamp)
    for entry in parse(data, CocoFile, source).images:
        if entry.id is None and _place(entry.name, layout) in twins.places:
            where, why = f"{source} {entry.name}", "annotations could not say which of the two they are of"
            raise BrokenLabels("an image without an id cannot stand twice", where=where, why=why, fix="give it an id")

    def files(renames: Mapping[str, str]) -> dict[str, bytes]:
        whole = _unchanged(source, stamp)
        named = {place: renames.get(twin, twin) for place, twin in twins.places.items()}
        edits = copies(whole, lambda old: _renamed(old, layout, named), twins.mark, source)
        edits += new_names(whole, lambda old: _renamed(old, layout, renames), source) if renames else []
        return {layout.label: edited(whole, edits)}

    return TwinFiles(files, {layout.label: sha256_bytes(data)})


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


def _surveyed(source: Path, layout: Layout, stamp: tuple[int, int]) -> tuple[dict[str, list[Box]], tuple[str, ...]]:
    """The boxes of every picture, and sentences on the annotations that no reader can draw."""
    file = parse(_unchanged(source, stamp), CocoFile, source)
    boxes, odd = boxes_by_id(file, source)
    places = {_place(entry.name, layout): boxes[entry.id] for entry in file.images}
    said = (f"{source.name}: {number} x {what}. Carried as it is, not counted." for what, number in odd.items())
    return {place: found for place, found in places.items() if place}, tuple(said)


def _objects(source: Path, layout: Layout, stamp: tuple[int, int]) -> dict[str, list[Object]]:
    """The objects of every picture."""
    file = parse(_unchanged(source, stamp), CocoFile, source)
    objects = objects_by_id(file, source)
    places = {_place(entry.name, layout): objects[entry.id] for entry in file.images}
    return {place: found for place, found in places.items() if place}
