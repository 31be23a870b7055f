"""The pictures on disk, each folder listed once: cheaper than asking for a hundred thousand files one by one."""

import functools
import unicodedata
from collections.abc import Callable, Set
from pathlib import Path

from ..dataset import is_picture
from ..errors import MissingPicture
from ..files import names_in


class Shelf:
    """Which files there are, by place. `path_of` turns the place of a folder (`` or ending in `/`) into its path."""

    def __init__(self, path_of: Callable[[str], Path]) -> None:
        self.path_of = path_of
        self.names: Callable[[str], frozenset[str]] = functools.cache(self._listed)
        self.folded = functools.cache(lambda folder: {_fold(name): name for name in self.names(folder)})
        self.folders: set[str] = set()

    def has(self, place: str) -> bool:
        """True where a file lies at a place; its folder counts as read from now on."""
        start = place.rfind("/") + 1
        return place[start:] in self.names(place[:start])

    def _listed(self, folder: str) -> frozenset[str]:
        self.folders.add(folder)
        return names_in(self.path_of(folder))

    def check(self, place: str, where: str) -> None:
        """Raises MissingPicture where there is no such file, and says which one was probably meant."""
        if self.has(place):
            return
        folder, slash, name = place.rpartition("/")
        near = self.folded(folder + slash).get(_fold(name))
        why, fix = f"no such file in {folder or 'the folder of the dataset'}", "put it there, or take its entry out"
        if near:
            same = unicodedata.normalize("NFC", near) == unicodedata.normalize("NFC", name)
            kind = "the same letters in another Unicode form (NFC, NFD)" if same else "other capitals"
            why, fix = f"the folder has {near!r}: {kind}", "rename the file to what the label says"
        raise MissingPicture(f"picture {place!r} is not there", where=where, why=why, fix=fix)

    def unlisted(self, places: Set[str]) -> tuple[str, ...]:
        """A note on pictures that lie in the folders read and that no label names."""
        count = sum(folder + n not in places and is_picture(n) for folder in self.folders for n in self.names(folder))
        return (f"Pictures in the folders read that no label names, not converted: {count}.",) if count else ()


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
