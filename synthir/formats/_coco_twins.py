"""A COCO file in which pictures stand twice: each list gets, behind its last element, copies of those that are theirs.

A copy is the bytes of its original with another name and other ids; what is carried but not understood is copied, too.
"""

import functools
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from ..errors import BrokenLabels
from ._coco_json import KEYS, Edit, Key, Named, NewName, Other, address, edited, parse, quoted, renaming, replacing

LARGEST = 2**62
"""Ids that are larger leave no room for those of copies in 64 bits."""
Raw = msgspec.Raw
NULL = Raw(b"null")


class _File(msgspec.Struct):
    images: list[Raw]
    annotations: Raw = NULL
    annotation: Raw = NULL


class _Image(Named, gc=False):
    id: Raw = NULL


class _Annotation(msgspec.Struct, gc=False):
    id: Raw = NULL
    image_id: Raw = NULL


class _Numbered(msgspec.Struct, gc=False):
    id: Any = None


def copies(data: bytes, twin_name: NewName, mark: str, source: Path) -> list[Edit]:
    """The edits that add a copy of each picture that has a twin's name, and of its annotations.

    mark: what a copy's id has more where ids are texts; numbers go on after the largest. Raises BrokenLabels.
    """
    file = parse(data, _File, source)
    new_id = new_ids(file.images, mark, source)
    ids, images = dict[Key, bytes](), list[bytes]()
    for item in file.images:
        entry, start = msgspec.json.decode(item, type=_Image), address(item)
        renamed = renaming(entry, twin_name, start)
        if renamed:
            key = msgspec.json.decode(entry.id)
            ids[key] = ids.get(key) or new_id(entry.id)  # of two entries of one id the twins have one, too
            images.append(edited(bytes(item), [renamed, replacing(entry.id, ids[key], start)]))
    edits = added(data, file.images, images)
    for raw in (file.annotations, file.annotation):
        if ids and bytes(memoryview(raw)[:1]) == b"[":
            items = parse(raw, list[Raw], source)
            edits += added(data, items, annotations(items, ids, new_ids(items, mark, source)))
    return edits


def annotations(items: Iterable[Raw], ids: dict[Key, bytes], new_id: Callable[[Raw], bytes]) -> Iterable[bytes]:
    """A copy of each annotation of a picture that has a twin; ids: old -> new id of such a picture."""
    decoder = msgspec.json.Decoder(_Annotation)

    @functools.cache
    def twin_of(image: bytes) -> bytes | None:
        key = msgspec.json.decode(image)
        return ids.get(key) if type(key) in KEYS else None

    for item in items:
        if bytes(memoryview(item)[:1]) == b"{":
            one = decoder.decode(item)
            if twin := twin_of(bytes(one.image_id)):
                start = address(item)
                edits = [replacing(one.image_id, twin, start)]
                edits += [replacing(one.id, new_id(one.id), start)] if one.id != NULL else []
                yield edited(bytes(item), edits)


def new_ids(items: Iterable[Raw], mark: str, source: Path) -> Callable[[Raw], bytes]:
    """Gives an id that none of the items has, for that of one; what is neither number nor text stays as it is.

    Raises BrokenLabels where the largest number leaves no room.
    """
    decoder = msgspec.json.Decoder(_Numbered | Other)
    found = [one.id for one in map(decoder.decode, items) if isinstance(one, _Numbered)]
    largest = max((key for key in found if type(key) in (int, float)), default=0)
    if largest > LARGEST:
        fix = "number the ids anew"
        raise BrokenLabels("an id too large to count on from", where=str(source), why=f"id {largest}", fix=fix)
    numbers, taken = itertools.count(int(largest) + 1), {key for key in found if isinstance(key, str)}

    def new(raw: Raw) -> bytes:
        old = msgspec.json.decode(raw)
        if isinstance(old, str):
            text = next(text for n in itertools.count(1) if (text := old + mark * n) not in taken)
            taken.add(text)
            return quoted(text, bytes(raw))
        return str(next(numbers)).encode() if type(old) in (int, float) else bytes(raw)

    return new


def added(data: bytes, items: list[Raw], more: Iterable[bytes]) -> list[Edit]:
    """The edit that adds elements to a list, spaced as its last two are; none where there are none to add."""
    starts = [address(item) - address(data) for item in items[-2:]]
    if not starts:
        return []
    end = starts[-1] + len(memoryview(items[-1]))
    before = starts[0] + len(memoryview(items[-2])) if len(starts) > 1 else data.rindex(b"[", 0, starts[0]) + 1
    gap = data[before : starts[-1]]
    gap = gap if len(starts) > 1 else b"," + gap
    text = b"".join(gap + one for one in more)
    return [(end, end, text)] if text else []
