"""Where the pictures of a COCO file lie: the folders near it that are searched, and what the target mirrors of them."""

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..dataset import picture_folders
from ..errors import EscapingPath, MissingPicture
from ..files import contained, there
from ._shelf import Shelf

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


def find_folder(source: Path, names: Sequence[str]) -> Path:
    """The first folder near the json that holds most of some names; of all, where none of those is there."""
    usual = usual_folders(source)
    sample = _sample(names)
    found = [sum(there(folder / name) for name in sample) for folder in usual]
    if sample and not max(found):
        inside = [name for name in (_inside(name) for name in names) if name]
        found = [_held(folder, inside) for folder in usual]
        if not max(found):
            raise none_there(source, None, names)
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


def usual_folders(source: Path) -> list[Path]:
    """The folders near the json that are searched for pictures, in that order."""
    stems = (source.stem.rpartition("_")[2], source.stem)
    near, above = source.parent, source.parent.parent
    usual = [near / "images", near, above / "images"]
    return usual + [top / stem for stem in stems for top in (near, above, near / "images", above / "images")]


def none_there(source: Path, folder: Path | None, names: Sequence[str]) -> MissingPicture:
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


def layout_of(source: Path, folder: Path, names: Iterable[str], *, climbing: bool) -> Layout:
    """Mirror the nearest folder, at most two up, that json and pictures share; else `<name>.json` and `images/`."""
    upward = climbing and any(".." in name for name in names)
    for root in (source.parent, source.parent.parent)[upward:]:
        if root.parent != root and (folder == root or root in folder.parents):
            inner = folder.relative_to(root).as_posix()
            prefix = "" if inner == "." else f"{inner}/"
            return Layout(root, source.relative_to(root).as_posix(), prefix, str(root), 0, climbing)
    return Layout(folder, source.name, "images/", str(folder), len("images/"))
