"""YOLO: a data.yaml, or a folder with images/ and labels/. Rows of any kind, box, segment, pose, OBB, are not parsed.

The target mirrors the folder of the dataset, so labels stay where trainers look: images/1.jpg, labels/1.txt.
data.yaml and txt lists are rewritten only where they would not work after a move, or would lead back to the source.
"""

import functools
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..dataset import (
    Box,
    Dataset,
    ImageRef,
    LabelCarry,
    LabelFiles,
    check_name,
    is_picture,
    label_bytes,
    picture_folders,
    pictures_below,
    split_names,
    steady,
)
from ..errors import (
    EscapingPath,
    LabelWithoutPicture,
    MissingPicture,
    SynthIRError,
    UnrecognisedDataset,
    UnsupportedPicture,
    UsageError,
)
from ..files import names_in, there, walk_files
from ._data_yaml import LIMIT, DataYaml, parsed, rewritten
from ._picture_lists import PictureList
from ._shelf import Shelf
from ._yolo_rows import boxes_in, boxes_of, has_rows, label_place

LOOKS_FOR = "a data.yaml with train/val and names, or a folder with labels/**/*.txt beside images/"
ENDINGS = (".yaml", ".yml")
Written = Callable[[Mapping[str, str]], bytes]
"""The bytes of data.yaml or of a list, given the pictures that have other names."""


@dataclass
class Found:
    """What was found so far: pictures by place, in order, and what was odd about them."""

    root: Path
    pictures: dict[str, Path] = field(default_factory=dict)
    refused: list[tuple[str, SynthIRError]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    label_tops: set[str] = field(default_factory=set)
    """Folders below which every label file belongs to the dataset."""

    def add_folder(self, folder: Path, prefix: str) -> None:
        """Add every picture below a folder; prefix is the folder's place, `` or ending in `/`."""
        for name in sorted(pictures_below(folder)):
            place = prefix + name
            try:
                check_name(place)
                self.pictures.setdefault(place, folder / name)
            except UnsupportedPicture as error:
                self.refused.append((error.where, error))
        top = posixpath.dirname(label_place(f"{prefix}x.jpg"))
        self.label_tops |= {top} if top != prefix.rstrip("/") else set()


def recognises(source: Path) -> bool:
    """True for a .yaml with a split and names or nc, for a folder with one, or with rows of numbers in labels/."""
    if source.is_file():
        return source.suffix.lower() in ENDINGS and _reads_like_data_yaml(source)
    return bool(_data_yamls(source)) or any(has_rows(path) for path in _first_labels(source))


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


def _first_labels(source: Path) -> Iterator[Path]:
    """A few label files of a folder without data.yaml: enough to see whether they are."""
    inner = next(os.walk(source), ("", [], []))[1]
    for top in (source / "labels", *(source / name / "labels" for name in sorted(inner))):
        texts = (path for path in walk_files(top) if path.suffix == ".txt")
        yield from (path for path, _ in zip(texts, range(5), strict=False))


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
    return _dataset(found, {}, protected=(source, *([images] if images else [])))


def _read_yaml(source: Path) -> Dataset:
    """A data.yaml with all it names."""
    read = steady(source.parent)
    doc = parsed(read(source.name), str(source))
    base, note = _base(doc, source)
    entries = {text: _on_disk(base, text) for _, texts in doc.splits for text in texts}
    found = Found(_root(base, source.parent, [path for path in entries.values() if path]), notes=note)
    shelf = Shelf(lambda folder: found.root / folder)
    lists: list[PictureList] = []
    for text, path in entries.items():
        where = f"{source.name} {text}"
        if path is None:
            why, fix = f"looked in {base}", f"put it there, or take it out of {source.name}"
            found.refused.append((text, MissingPicture(f"split {text!r} is not there", where=where, why=why, fix=fix)))
        elif path.is_dir():
            _add_split(found, path, where)
        else:
            lists.append(PictureList(path, base, found.root, shelf))
            _add_list(found, lists[-1], shelf)
    if not found.pictures:
        raise _nothing_found(found, source)
    if lists:
        found.notes += [
            *shelf.unlisted(found.pictures.keys()),
            *(note for listing in lists for note in listing.notes()),
        ]
    place, data, changes = _moved(doc, source, entries, found.root)
    found.notes += changes

    def moved(renames: Mapping[str, str]) -> bytes:
        read(source.name)  # raises where it changed
        return data

    carried = {place: moved} | {listing.place: listing.written for listing in lists}
    outside = () if found.root in source.parents else (source,)
    return _dataset(found, carried, "kpt_shape" in doc.keys, (*outside, *_searched(doc, source, base, found.root)))


def _bases(doc: DataYaml, source: Path) -> list[Path]:
    """What splits may be relative to: `path:` seen from the yaml, from here, from above the yaml; else its folder."""
    home, path = source.parent, doc.path.replace("\\", "/")
    tries = [home / path, Path.cwd() / path, home.parent / path, home]
    return [Path(os.path.normpath(folder)) for folder in tries]


def _searched(doc: DataYaml, source: Path, base: Path, root: Path) -> tuple[Path, ...]:
    """Where splits lie or would be looked for, and where their labels would: a target there would be read as source."""
    texts = [text for _, texts in doc.splits for text in texts]
    bases = _bases(doc, source)
    bases = bases[: bases.index(base) + 1]
    splits = dict.fromkeys(path for folder in bases for text in texts for path in _tries(folder, text))
    labels = (Path(label_place(f"{path}/x.jpg")).parent for path in splits)
    return tuple(path for path in (*splits, *labels) if path not in root.parents)


def _base(doc: DataYaml, source: Path) -> tuple[Path, list[str]]:
    """The first of the folders that splits may be relative to in which one of them is."""
    bases = _bases(doc, source)
    texts = [text for _, texts in doc.splits for text in texts]
    base = next((base for base in bases if any(_on_disk(base, text) for text in texts)), None)
    if base is None:
        why = f"looked for {', '.join(texts[:3])} in {', '.join(map(str, dict.fromkeys(bases)))}"
        fix = "put the folders there, or correct path: and the splits"
        raise MissingPicture("none of the splits is there", where=str(source), why=why, fix=fix)
    note = (
        [] if base == bases[0] else [f"path: {doc.path} is not beside {source.name}; the splits were found in {base}."]
    )
    return base, note


def _tries(base: Path, text: str) -> list[Path]:
    """Where a split is looked for. As trainers do, `../train` also as `train`: some exports write it so."""
    text = text.replace("\\", "/")
    return [Path(os.path.normpath(base / entry)) for entry in (text, text.removeprefix("../"))]


def _on_disk(base: Path, text: str) -> Path | None:
    """A split's folder or list."""
    return next((path for path in _tries(base, text) if there(path)), None)


def _root(base: Path, home: Path, paths: list[Path]) -> Path:
    """The folder that is mirrored: that of the dataset, or one around it that also holds the labels and every split."""
    above = [base.parent] if base.name == "images" else []
    for root in (*above, base, home, home.parent, base.parent):
        if root.parent != root and all(root == path or root in path.parents for path in paths):
            return root
    return base


def _add_split(found: Found, folder: Path, where: str) -> None:
    """Add a split that is a folder; one outside the root is refused."""
    if folder != found.root and found.root not in folder.parents:
        fix = "move all folders of the dataset below one folder, or convert this one on its own"
        why = f"{folder} is not in {found.root}"
        found.refused.append((str(folder), EscapingPath("a split outside the dataset", where=where, why=why, fix=fix)))
        return
    inner = folder.relative_to(found.root).as_posix()
    found.add_folder(folder, "" if inner == "." else f"{inner}/")


def _add_list(found: Found, listing: PictureList, shelf: Shelf) -> None:
    """Add the pictures of a txt list; missing and escaping ones are refused."""
    for number, line in listing.names():
        where = f"{listing.path.name} line {number}"
        try:
            place = listing.picture(line, where)
            shelf.check(place, where)
            found.pictures.setdefault(place, found.root / place)
        except (EscapingPath, MissingPicture) as error:
            found.refused.append((line, error))


def _nothing_found(found: Found, source: Path) -> SynthIRError:
    """The error for a data.yaml that names no picture that is there."""
    why = f"{len(found.refused)} names lead nowhere, the first: {found.refused[0][1].what}" if found.refused else ""
    fix = "correct path: and the splits, or put the pictures there"
    return MissingPicture("no picture is there", where=str(source), why=why or "the folders are empty", fix=fix)


def _moved(
    doc: DataYaml, source: Path, entries: Mapping[str, Path | None], root: Path
) -> tuple[str, bytes, tuple[str, ...]]:
    """Place and bytes of data.yaml below the target, and a note on what was changed."""
    inside = root in source.parents
    place = source.relative_to(root).as_posix() if inside else source.name
    new = {text: _moved_entry(text, path, root, posixpath.dirname(place)) for text, path in entries.items()}
    same = all(os.path.normpath(text) == os.path.normpath(new[text]) for text in new)
    if same and not doc.path and "download" not in doc.keys:
        return place, doc.text.encode(), ()
    changed = [f"`{old}` is `{made}`" for old, made in new.items() if os.path.normpath(old) != os.path.normpath(made)]
    reasons = {"path": "`path:` is left out: it would lead back", "download": "`download:` is left out: it is executed"}
    said = "; ".join([why for key, why in reasons.items() if key in doc.keys] + changed)
    return (
        place,
        rewritten(doc, new, str(source)),
        (f"{source.name} is rewritten so that it works where it is: {said}.",),
    )


def _moved_entry(text: str, path: Path | None, root: Path, folder: str) -> str:
    """A split as the moved data.yaml must say it: relative to itself. What leads nowhere keeps leading nowhere."""
    if path is None:
        outward = re.match(r"[/\\]|\w:|\.\.", text)
        return "/".join(re.split(r"[/\\]", text)[-2:]).lstrip("./") or "missing" if outward else text
    inside = path == root or root in path.parents
    return posixpath.relpath(path.relative_to(root).as_posix() if inside else path.name, folder or ".")


def _dataset(
    found: Found, carried: Mapping[str, Written], pose: bool = False, protected: tuple[Path, ...] = ()
) -> Dataset:
    """The pictures with the labels that belong to them; label files without a picture are refused."""
    shelf = Shelf(lambda folder: found.root / folder)
    labels = {place: label_place(place) for place in found.pictures}
    there = {place: label for place, label in labels.items() if shelf.has(label)}
    orphans, faults = split_names(_orphans(found, shelf, set(labels.values())))
    found.refused += faults
    found.notes[:0] = [] if there else _labels_elsewhere(found)
    if orphans and not there:
        why = f"e.g. {orphans[0]}; the folders below labels/ must be those below the folder of the pictures"
        raise LabelWithoutPicture(
            "no label belongs to a picture", where=str(found.root), why=why, fix="correct --images"
        )
    for label in orphans:
        why, fix = "no picture has its name", "put the picture there, or take the label out"
        error = LabelWithoutPicture("a label file without picture", where=label, why=why, fix=fix)
        found.refused.append((label, error))

    files = functools.partial(_files, carried, (*carried, *there.values(), *orphans), steady(found.root))
    refs = tuple(ImageRef(place, path, place) for place, path in found.pictures.items())
    boxes = functools.partial(_boxes, found, there, pose)
    carry = LabelCarry(files, boxes, functools.partial(_counted, found, there, pose))
    tops = tuple(found.root / top for top in found.label_tops)
    return Dataset("yolo", found.root, refs, carry, tuple(found.refused), tuple(found.notes), (*protected, *tops))


def _files(
    carried: Mapping[str, Written], places: Sequence[str], read: Callable[[str], bytes], renames: Mapping[str, str]
) -> Mapping[str, bytes]:
    """data.yaml and lists as they must be written, all other label files as they are."""
    return LabelFiles(places, lambda place: carried[place](renames) if place in carried else read(place))


def _labels_elsewhere(found: Found) -> list[str]:
    """A note where no picture has a label, yet labels lie where nobody looks for them, or outside the root."""
    first, path = next(iter(found.pictures.items()))
    rows = next((path for path in _first_labels(found.root) if has_rows(path)), None)
    outer = Path(label_place(str(path)))
    wanted = f"NO LABELS ARE CARRIED. That of {first} is looked for at {label_place(first)}"
    if found.root not in outer.parents and has_rows(outer):
        cure = "Move the dataset out of the folder named images, or its labels beside its pictures"
        return [f"{wanted}; trainers take {outer}, which is outside the dataset. {cure}."]
    if rows:
        cure = "Put the pictures below a folder named images, or give this folder as SOURCE and theirs with --images"
        return [f"{wanted}, but labels lie at {rows.relative_to(found.root).as_posix()}. {cure}."]
    return []


def _orphans(found: Found, shelf: Shelf, expected: set[str]) -> list[str]:
    """Label files that belong to no picture, listed or not."""
    folders = {f"{posixpath.dirname(label)}/".lstrip("/") for label in expected}
    for top in found.label_tops:
        below = (Path(base).relative_to(found.root).as_posix() for base, _, _ in os.walk(found.root / top))
        folders.update(f"{folder}/" for folder in below)
    beside = {f"{posixpath.dirname(place)}/".lstrip("/") for place in found.pictures}
    near = {folder + name for folder in beside for name in shelf.names(folder) if is_picture(name)}
    expected = expected | {label_place(picture) for picture in near}
    texts = (
        folder + name for folder in sorted(folders) for name in sorted(shelf.names(folder)) if name.endswith(".txt")
    )
    return [text for text in texts if text not in expected and has_rows(found.root / text)]


def _boxes(found: Found, labels: Mapping[str, str], pose: bool) -> dict[str, list[Box]]:
    """Boxes in pixels of every picture; those of segments and OBB are drawn around their points."""
    boxes: dict[str, list[Box]] = {place: [] for place in found.pictures}
    for place, label in labels.items():
        boxes[place] = boxes_of(label_bytes(found.root / label), found.pictures[place], pose)
    return boxes


def _counted(found: Found, labels: Mapping[str, str], pose: bool) -> int:
    """The number of boxes; no picture is opened."""
    return sum(len(boxes_in(label_bytes(found.root / label), pose)) for label in labels.values())
