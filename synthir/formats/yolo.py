"""YOLO: a data.yaml, or a folder with images/ and labels/. Rows of any kind, box, segment, pose, OBB, are not parsed.

The target mirrors the folder of the dataset, so labels stay where trainers look: images/1.jpg, labels/1.txt.
data.yaml and txt lists are rewritten only where they would not work after a move, or would lead back to the source.
"""

import functools
import re
from collections.abc import Mapping
from pathlib import Path

from ..dataset import Dataset, check_name, picture_folders, steady
from ..errors import EscapingPath, MissingPicture, SynthIRError, UnrecognisedDataset, UsageError
from ..files import names_in, sha256_bytes
from ._data_yaml import LIMIT, class_names, parsed
from ._picture_lists import PictureList
from ._shelf import Shelf
from ._yolo_labels import Carried, Found, dataset
from ._yolo_rows import first_labels, has_rows
from ._yolo_splits import base_of, moved_yaml, on_disk, root_of, searched

LOOKS_FOR = "a data.yaml with train/val and names, or a folder with labels/**/*.txt beside images/"
ENDINGS = (".yaml", ".yml")


def recognises(source: Path) -> bool:
    """True for a .yaml with a split and names or nc, for a folder with one, or with rows of numbers in labels/."""
    if source.is_file():
        return source.suffix.lower() in ENDINGS and _reads_like_data_yaml(source)
    return bool(_data_yamls(source)) or any(has_rows(path) for path in first_labels(source))


def read(source: Path, images: Path | None = None) -> Dataset:
    """Read a data.yaml, or a folder that has one, or a folder with labels/ and pictures in images/ or in `images`.

    Raises BrokenLabels for a data.yaml that is not one, MissingPicture where no picture is found at all, UsageError
    where `images` is given with a data.yaml. A missing picture, split or label's picture is refused alone.
    """
    if source.is_file():
        check_name(source.name)
        if images:
            fix = f"leave --images out, or give the folder {source.parent} as SOURCE"
            raise UsageError("--images goes with a folder", why="a data.yaml names its own folders", fix=fix)
        return _read_yaml(source)
    yamls = _data_yamls(source)
    if len(yamls) > 1 and not images:
        why = f"several describe a dataset: {', '.join(path.name for path in yamls)}"
        raise UnrecognisedDataset("which data.yaml?", where=str(source), why=why, fix="give one of them as SOURCE")
    return _read_yaml(yamls[0]) if yamls and not images else _read_folder(source, images)


def _reads_like_data_yaml(path: Path) -> bool:
    with path.open("rb") as file:
        text = file.read(LIMIT)
    return all(re.search(rb"\b(?:" + keys + rb")[\"']?\s*:", text) for keys in (rb"train|val", rb"names|nc"))


def _data_yamls(folder: Path) -> list[Path]:
    paths = [folder / name for name in sorted(names_in(folder)) if name.lower().endswith(ENDINGS)]
    return [path for path in paths if _reads_like_data_yaml(path)]


def _read_folder(source: Path, images: Path | None) -> Dataset:
    """A folder without data.yaml. Pictures given with `images` are written to images/, where trainers look."""
    found = Found(source)
    if images:
        found.add_folder(images, "images/")
        found.notes.append(f"Pictures of {images.name} are written to images/, where trainers look for them.")
        if yamls := _data_yamls(source):
            found.notes.append(f"{yamls[0].name} is not carried, because --images replaces the folders it names.")
    else:
        for folder in [source / "images", *sorted(source.glob("*/images"))]:
            found.add_folder(folder, f"{folder.relative_to(source).as_posix()}/")
    if not found.pictures:
        near = dict.fromkeys(str(source / name.partition("/")[0]) for name in picture_folders(source))
        fix = "give the folder of the pictures with --images" + (f", e.g. {' or '.join(near)}" if near else "")
        raise MissingPicture(
            "labels, but no pictures", where=str(source), why=f"looked in {images or 'images/'}", fix=fix
        )
    if not images:
        found.notes.append("There is no data.yaml, so none is written: a trainer needs one beside the result.")
    return dataset(found, {}, protected=(source, *([images] if images else [])))


def _read_yaml(source: Path) -> Dataset:
    """A data.yaml with all it names."""
    read = steady(source.parent)
    original = read(source.name)
    doc = parsed(original, str(source))
    base, note = base_of(doc, source)
    entries = {text: on_disk(base, text) for _, texts in doc.splits for text in texts}
    found = Found(root_of(base, source.parent, [path for path in entries.values() if path]), notes=note)
    shelf = Shelf(lambda folder: found.root / folder)
    found.names = functools.partial(class_names, doc, str(source))
    named = dict[str, set[str]]()
    lists: list[PictureList] = []
    for text, path in entries.items():
        where = f"{source.name} {text}"
        if path is None:
            why, fix = f"looked in {base}", f"put it there, or take it out of {source.name}"
            found.refused.append((text, MissingPicture(f"split {text!r} is not there", where=where, why=why, fix=fix)))
            named[text] = {text}
        elif path.is_dir():
            named[text] = _add_split(found, path, where)
        else:
            lists.append(PictureList(path, base, found.root, shelf))
            named[text] = _add_list(found, lists[-1], shelf)
    found.splits = {split: frozenset().union(*(named[text] for text in texts)) for split, texts in doc.splits}
    if not found.pictures:
        raise _nothing_found(found, source)
    if lists:
        found.notes += [
            *shelf.unlisted(found.pictures.keys()),
            *(note for listing in lists for note in listing.notes()),
        ]
    place, data, changes = moved_yaml(doc, source, entries, found.root)
    found.notes += changes

    def moved(renames: Mapping[str, str], twins: Mapping[str, str]) -> bytes:
        read(source.name)  # raises where it changed
        return data

    carried = {place: Carried(sha256_bytes(original), moved)}
    carried |= {listing.place: Carried(sha256_bytes(listing.data()), listing.written) for listing in lists}
    outside = () if found.root in source.parents else (source,)
    return dataset(found, carried, "kpt_shape" in doc.keys, (*outside, *searched(doc, source, base, found.root)))


def _add_split(found: Found, folder: Path, where: str) -> set[str]:
    """Add a split that is a folder; one outside the root is refused. Gives the names of its pictures."""
    if folder != found.root and found.root not in folder.parents:
        fix = "move all folders of the dataset below one folder, or convert this one on its own"
        why = f"{folder} is not in {found.root}"
        found.refused.append((str(folder), EscapingPath("a split outside the dataset", where=where, why=why, fix=fix)))
        return {str(folder)}
    inner = folder.relative_to(found.root).as_posix()
    return found.add_folder(folder, "" if inner == "." else f"{inner}/")


def _add_list(found: Found, listing: PictureList, shelf: Shelf) -> set[str]:
    """Add the pictures of a txt list; missing and escaping ones are refused. Gives the names of all."""
    named = set()
    for number, line in listing.names():
        where = f"{listing.path.name} line {number}"
        try:
            place = listing.picture(line, where)
            shelf.check(place, where)
            found.pictures.setdefault(place, found.root / place)
            named.add(place)
        except (EscapingPath, MissingPicture) as error:
            found.refused.append((line, error))
            named.add(line)
    return named


def _nothing_found(found: Found, source: Path) -> SynthIRError:
    """The error for a data.yaml that names no picture that is there."""
    why = f"{len(found.refused)} names lead nowhere, the first: {found.refused[0][1].what}" if found.refused else ""
    fix = "correct path: and the splits, or put the pictures there"
    return MissingPicture("no picture is there", where=str(source), why=why or "the folders are empty", fix=fix)
