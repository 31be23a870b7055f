"""txt lists of pictures, as splits of a data.yaml name them: one path a line, `./` meaning the folder of the list."""

import functools
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..dataset import is_picture, steady
from ..errors import BrokenLabels, EscapingPath
from ..files import HARMLESS
from ._shelf import Shelf

NONE = MappingProxyType[str, str]({})


@dataclass(frozen=True)
class PictureList:
    """One list. Places are relative to root; plain lines are relative to base, or else to the list."""

    path: Path
    base: Path
    root: Path
    shelf: Shelf

    @functools.cached_property
    def inside(self) -> bool:
        """True where the list lies below the root."""
        return self.root in self.path.parents

    @functools.cached_property
    def place(self) -> str:
        """Where the list lies below the target: where it lies below the root, or at its top."""
        return self.path.relative_to(self.root).as_posix() if self.inside else self.path.name

    @functools.cached_property
    def folder(self) -> str:
        """The place of the folder that `./` means, `` or ending in `/`."""
        return f"{posixpath.dirname(self.place)}/".lstrip("/")

    @functools.cached_property
    def read(self) -> Callable[[str], bytes]:
        """Reads the list by its name. Raises BrokenLabels where it is not what it was before."""
        return steady(self.path.parent)

    def data(self) -> bytes:
        """The bytes of the list. Raises BrokenLabels where it is not what it was before."""
        return self.read(self.path.name)

    def text(self, data: bytes) -> str:
        """Its bytes as text. Raises BrokenLabels where they are not UTF-8."""
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            fix = "save the list as UTF-8"
            raise BrokenLabels("not a list of pictures", where=str(self.path), why=str(error), fix=fix) from error

    def names(self) -> Iterator[tuple[int, str]]:
        """Line number from 1 and text of every line that names a picture."""
        for number, line in enumerate(self.text(self.data()).splitlines(), 1):
            if is_picture(line.strip().replace("\\", "/")):
                yield number, line.strip()

    def picture(self, line: str, where: str) -> str:
        """The place of a picture. Raises EscapingPath where it is outside the root."""
        name = line.replace("\\", "/")
        if self._simple(name):
            return self.folder + name[2:]
        tops = [self.path.parent] if name.startswith("./") else [self.base, self.path.parent]
        paths = [os.path.normpath(f"{top}/{name}" if name[0] != "/" else name) for top in tops if "\0" not in name]
        inner = [path.removeprefix(f"{self.root}/") for path in paths if path.startswith(f"{self.root}/")]
        if not inner:
            fix = "move all pictures of the dataset below one folder, or correct the line"
            why = f"it is not in {self.root}"
            raise EscapingPath(f"picture {line!r} is outside the dataset", where=where, why=why, fix=fix)
        return next((place for place in inner if self.shelf.has(place)), inner[0])

    def written(self, renames: Mapping[str, str], twins: Mapping[str, str] = NONE) -> bytes:
        """The list for the target: bytes as read, but for lines that would lead back to the source or are renamed.

        twins: place -> place of the twin, which gets a line after the picture's.
        """
        data = self.data()
        lines = self.text(data).splitlines(keepends=True)
        twin_places = {place: renames.get(twin, twin) for place, twin in twins.items()}
        new = [self._line(line, renames) + self._twin_line(line, twin_places) for line in lines]
        return data if new == lines else "".join(new).encode()

    def notes(self) -> list[str]:
        """What a person should know of how the list was rewritten."""
        if self.written({}) == self.data():
            return []
        lines = [line for _, line in self.names() if not line.startswith("./")]
        why = "other lines are read from the folder a trainer is started in, or lead back to the visible pictures"
        return [f"{self.place}: {len(lines)} lines are rewritten to `./` and relative paths: {why}."]

    def _simple(self, name: str) -> bool:
        """True for `./a/b.jpg` in a list below the root, which needs no second look: nearly all lines are so."""
        return name[:2] == "./" and HARMLESS.fullmatch(name, 2) is not None and self.inside

    def _twin_line(self, line: str, twin_places: Mapping[str, str]) -> str:
        """The line of a twin, empty where the line's picture has none; after a line without end it begins with one."""
        name = line.strip()
        try:
            old = self.picture(name, "") if twin_places and is_picture(name.replace("\\", "/")) else ""
        except EscapingPath:
            return ""
        twin = self._line(line, twin_places) if old in twin_places else ""
        return f"\n{twin}" if twin and line.splitlines() == [line] else twin

    def _line(self, line: str, renames: Mapping[str, str]) -> str:
        name = line.strip()
        if not is_picture(name.replace("\\", "/")):
            return line
        try:
            old = self.picture(name, "")
        except EscapingPath:
            return line.replace(name, posixpath.basename(name.replace("\\", "/")))
        new = renames.get(old, old)
        if new == old and self._simple(name):
            return line
        relative = posixpath.relpath(new, self.folder or ".")
        wanted = new if relative.startswith("../") else f"./{relative}"
        kept = new == old and name.startswith("./") and posixpath.normpath(name) == relative
        return line if kept else line.replace(name, wanted)
