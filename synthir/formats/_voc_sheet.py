"""One xml of Pascal VOC: what is read of it, and its bytes with another name of the picture."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

from ..dataset import Box
from ..errors import BrokenLabels

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


def parsed(data: bytes, where: str) -> Sheet:
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


def spliced(data: bytes, old: str, new: str, where: str) -> bytes:
    """The xml with another <filename>, if it named the picture as it was; a name without ending stays."""
    sheet = parsed(data, where)
    before, after = old.rpartition("/")[2], new.rpartition("/")[2]
    if not sheet.name.endswith(before) or sheet.start < 0:
        return data
    encoding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(data[:2], "utf-8")
    raw = data[sheet.start : sheet.end]
    try:
        text = raw.decode(encoding)
        text = text.replace(escape(before), escape(after)) if escape(before) in text else escape(after)
    except UnicodeDecodeError:  # another one-byte encoding: where the names differ they are ASCII in all of them
        same = len(posixpath.commonprefix((before, after)))
        head, tail = before[same:].encode(), after[same:].encode()
        return data[: sheet.start] + tail.join(raw.rsplit(head, 1)) + data[sheet.end :]
    return data[: sheet.start] + text.encode(encoding) + data[sheet.end :]


def drawn(sheet: Sheet) -> Iterator[tuple[Box, dict[str, str]]]:
    """The boxes of one xml, and what the object of each says besides."""
    for corners, owner in zip(sheet.corners, sheet.owners, strict=True):
        try:
            left, top, right, bottom = (float(corners[corner]) for corner in CORNERS)
        except (KeyError, ValueError):
            continue
        yield (left, top, right - left, bottom - top), owner
