"""Pascal VOC: a folder with Annotations/*.xml, and pictures in JPEGImages/ or where --images says.

Carried as bytes: the xml files, ImageSets/ and the masks in SegmentationClass/ and SegmentationObject/.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

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
from ._voc_sheet import Sheet, drawn, parsed, spliced
from ._voc_twins import doubled

LOOKS_FOR = "a folder with Annotations/*.xml"
HOMES = ("JPEGImages", "images")
BESIDE = ("ImageSets", "SegmentationClass", "SegmentationObject")


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
            sheet = parsed(sheet_bytes(label), str(path))
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
    files = functools.partial(_files, carried, sheet_bytes, pictures)
    labels = LabelCarry(
        files,
        functools.partial(_boxes, source, pictures),
        objects=functools.partial(_objects, source, pictures),
        doubled=functools.partial(doubled, carried, sheet_bytes, pictures, files),
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


def _files(
    carried: Sequence[str], read: Callable[[str], bytes], pictures: Mapping[str, str], renames: Mapping[str, str]
) -> Mapping[str, bytes]:
    """Every label file by its place; of a renamed picture, the text of <filename> is replaced, and nothing else."""

    def one(place: str) -> bytes:
        new = renames.get(pictures.get(place, ""))
        return spliced(read(place), pictures[place], new, place) if new else read(place)

    return LabelFiles(carried, one)


def _carried(source: Path) -> Iterator[str]:
    """The places of all label files."""
    paths = (path for top in ("Annotations", *BESIDE) for path in walk_files(source / top))
    return (path.relative_to(source).as_posix() for path in paths)


def _boxes(source: Path, pictures: Mapping[str, str]) -> dict[str, list[Box]]:
    """xmin, ymin, xmax - xmin, ymax - ymin in pixels as the files have them; what is no number gives no box."""
    boxes: dict[str, list[Box]] = {place: [] for place in pictures.values()}
    for label, place in pictures.items():
        boxes[place] += (box for box, _ in drawn(parsed(label_bytes(source / label), label)))
    return boxes


def _objects(source: Path, pictures: Mapping[str, str]) -> dict[str, list[Object]]:
    """The same boxes with the names of their objects; difficult ones are not asked for. Raises BrokenLabels."""
    objects: dict[str, list[Object]] = {place: [] for place in pictures.values()}
    for label, place in pictures.items():
        for box, owner in drawn(parsed(label_bytes(source / label), label)):
            if not owner.get("name"):
                why, fix = f"no <name> beside the box {box}", "give the object a <name>"
                raise BrokenLabels("an object without a class", where=str(source / label), why=why, fix=fix)
            objects[place].append(Object(owner["name"], box, owner.get("difficult", "0") not in ("0", "")))
    return objects
