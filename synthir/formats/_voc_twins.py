"""Pascal VOC in which pictures stand twice: an xml and masks of their own for the twins, and a line in ImageSets."""

import posixpath
from collections.abc import Callable, Mapping, Sequence

from ..dataset import LabelFiles, TwinFiles, Twins
from ..files import sha256_bytes
from ..twins import marked
from ._voc_sheet import spliced

BOM = b"\xef\xbb\xbf"


def doubled(
    carried: Sequence[str],
    read: Callable[[str], bytes],
    pictures: Mapping[str, str],
    files: Callable[[Mapping[str, str]], Mapping[str, bytes]],
    twins: Twins,
) -> TwinFiles:
    """The label files with those of the twins. pictures: place of an xml -> place of its picture."""
    ids = {id_of(label) for label, place in pictures.items() if place in twins.places}
    lists = [place for place in carried if place.startswith("ImageSets/") and place.endswith(".txt")]
    sources = {marked(place, twins.mark): place for place in carried if place not in lists and id_of(place) in ids}

    def written(renames: Mapping[str, str]) -> Mapping[str, bytes]:
        usual = files(renames)

        def one(place: str) -> bytes:
            source = sources.get(place, place)
            if source in pictures and source != place:
                twin = twins.places[pictures[source]]
                return spliced(read(source), pictures[source], renames.get(twin, twin), source)
            return with_twins(usual[source], ids, twins.mark) if place in lists else usual[source]

        return LabelFiles((*usual, *sources), one)

    other = {place: sha256_bytes(read(sources.get(place, place))) for place in (*lists, *sources)}
    return TwinFiles(written, other, frozenset(sources))


def id_of(label: str) -> str:
    """What ImageSets call the picture of an xml or a mask: its place below the top folder, without ending."""
    return posixpath.splitext(label.partition("/")[2])[0]


def with_twins(data: bytes, ids: set[str], mark: str) -> bytes:
    """A list with a line more after each line that begins with one of the ids; what else the line says is the twin's.

    It may be an id with blanks, one with a number behind it, or one with more.
    """
    lines = list[bytes]()
    for line in data.removeprefix(BOM).splitlines(keepends=True):
        lines.append(line)
        text = line.decode("utf-8", "replace").strip()
        name = next((name for name in (text, *text.rsplit(maxsplit=1)[:1], *text.split()[:1]) if name in ids), None)
        if name is not None:
            ended = line.splitlines() != [line]
            lines.append((b"" if ended else b"\n") + line.replace(name.encode(), f"{name}{mark}".encode(), 1))
    return data[: len(data) - len(data.removeprefix(BOM))] + b"".join(lines)
