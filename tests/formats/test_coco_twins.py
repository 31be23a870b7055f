"""COCO where every picture stands twice, on files of all kinds: what was there stays, the rest are copies."""

import json
import posixpath
import random
from pathlib import Path
from typing import Any

import pytest

from synthir.errors import BrokenLabels, SynthIRError
from synthir.files import sha256_bytes
from synthir.formats import read
from synthir.twins import doubled, marked
from tests.formats.conftest import Make
from tests.formats.test_mutations import damaged

GOLDEN = Path(__file__).parents[1] / "data"
PNG = (12, 8)
BOX = {"bbox": [1.5, 2, 3, 4], "category_id": 3}


def parsed(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data.decode("utf-8-sig", "replace"))
    return found


def check_coco(old: bytes, new: bytes) -> None:
    """What was there is there, in order; the rest are copies with names and ids that nothing else has."""
    before, after = parsed(old), parsed(new)
    assert list(before) == list(after)
    ids = dict[Any, Any]()
    images = [row for row in before["images"] if name_of(row) in TWINS]
    for row, copy in zip(images, added("images", before, after), strict=True):
        key = "filename" if row.get("file_name") is None else "file_name"
        assert copy == {**row, key: TWINS[name_of(row)], "id": copy["id"]} and list(copy) == list(row)
        assert ids.setdefault(row["id"], copy["id"]) == copy["id"]
    assert len({*ids, *ids.values()}) == 2 * len(ids)
    for name in before.keys() - {"images"}:
        if name.startswith("annotation") and isinstance(before[name], list):
            check_annotations(before[name], added(name, before, after), ids)
        else:
            assert before[name] == after[name]


def check_annotations(rows: list[Any], copies: list[Any], ids: dict[Any, Any]) -> None:
    """The copies are those of the pictures that have twins, ids: picture -> twin."""
    theirs = [row for row in rows if isinstance(row, dict) and kind(row.get("image_id")) and row["image_id"] in ids]
    taken = [row["id"] for row in theirs if kind(row.get("id"))]
    for row, copy in zip(theirs, copies, strict=True):
        assert copy == {**row, "image_id": ids[row["image_id"]], **({"id": copy["id"]} if "id" in row else {})}
        assert list(copy) == list(row)
        if kind(row.get("id")):
            assert copy["id"] not in taken
            taken.append(copy["id"])
        else:
            assert copy.get("id") == row.get("id")


def kind(key: object) -> bool:
    """What can be an id."""
    return type(key) in (int, float, str)


def name_of(row: dict[str, Any]) -> Any:
    return row.get("filename") if row.get("file_name") is None else row["file_name"]


def added(name: str, before: dict[str, Any], after: dict[str, Any]) -> list[Any]:
    """What a list has more than before, at its end."""
    count = len(before[name])
    assert after[name][:count] == before[name]
    more: list[Any] = after[name][count:]
    return more


def without(new: bytes, old: bytes) -> bytes:
    """The new bytes without what is not in the old ones, if what was added lies in at most two runs."""
    head = len(posixpath.commonprefix((old, new)))
    tail = len(posixpath.commonprefix((old[head:][::-1], new[head:][::-1])))
    between = old[head : len(old) - tail]
    assert between in new[head : len(new) - tail]
    return new[:head] + between + new[len(new) - tail :]


def images(*ids: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"file_name": f"{'abcd'[n]}.jpg", "id": key, **more} for n, key in enumerate(ids)]


def boxed(*pairs: tuple[Any, Any]) -> list[dict[str, Any]]:
    return [{"id": key, "image_id": image, **BOX} for key, image in pairs]


RLE = {"counts": [3, 5, 88], "size": [8, 12]}
HARD: dict[str, Any] = {
    "plain": {"images": images(1, 2), "annotations": boxed((1, 1), (2, 2), (3, 1)), "categories": []},
    "annotations first": {"annotations": boxed((9, 2)), "images": images(1, 2)},
    "no annotations": {"images": images(1, 2)},
    "null annotations": {"images": images(1), "annotations": None},
    "annotations of another kind": {"images": images(1), "annotations": {"1": []}},
    "no objects among them": {"images": images(1), "annotations": [5, None, "x", [{"image_id": 1}], *boxed((1, 1))]},
    "empty annotations": {"images": images(1), "annotations": []},
    "annotation": {"images": images(1), "annotation": boxed((4, 1))},
    "both": {"images": images(1), "annotations": boxed((4, 1)), "annotation": boxed((4, 1))},
    "filename": {"images": [{"filename": "a.jpg", "id": 3}], "annotations": boxed((1, 3))},
    "texts": {"images": images("x", "x_gray"), "annotations": boxed(("q", "x"), ("q_gray", "x_gray"))},
    "mixed": {"images": images("7", 7), "annotations": boxed((1, "7"), ("1", 7), (2.5, 7), (-3, 7))},
    "duplicates": {"images": images(5, 5), "annotations": boxed((1, 5), (1, 5))},
    "a picture twice": {"images": [*images(1), *images(2)], "annotations": boxed((1, 1), (2, 2))},
    "sparse and negative": {"images": images(-5, 10**12), "annotations": boxed((-1, -5), (10**15, 10**12))},
    "floats": {"images": images(1.0, 2.5), "annotations": boxed((1.5, 1), (2.0, 2.5))},
    "odd annotation ids": {"images": images(1), "annotations": boxed((True, 1), (None, 1), ([1], 1), (8, True))},
    "no annotation ids": {"images": images(1), "annotations": [{"image_id": 1, "caption": "é"}, {"caption": "x"}]},
    "of no image": {"images": images(1), "annotations": boxed((1, 99), (2, None), (3, [1]), (4, 1))},
    "all kinds": {
        "images": images(1, license=4, date_captured="x", coco_url="http://x/a.jpg"),
        "annotations": [
            {**boxed((1, 1))[0], "segmentation": [[1.0, 2, 3.5, 4, 5, 6]], "keypoints": [1, 2, 2], "num_keypoints": 1},
            {**boxed((2, 1))[0], "segmentation": RLE, "iscrowd": 1, "image_id": 1},
            {"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 77, "image_id": 1}]},
        ],
    },
    "named beyond ASCII": {"images": [{"file_name": "日 本.jpg", "id": 1}], "annotations": boxed((1, 1))},
    "not all there": {"images": [*images(1, 2), {"file_name": "gone.jpg", "id": 3}], "annotations": boxed((1, 3))},
}
STYLES = {
    "indented": lambda file: json.dumps(file, indent=2).encode(),
    "tight": lambda file: json.dumps(file, separators=(",", ":"), ensure_ascii=False).encode(),
    "windows": lambda file: b"\xef\xbb\xbf" + json.dumps(file, indent="\t").replace("\n", "\r\n").encode() + b"\r\n",
}
NAMES = ("a.jpg", "b.jpg", "日 本.jpg")
TWINS = {name: marked(name, "_gray") for name in NAMES}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", HARD)
def test_coco_is_what_it_was_and_copies(make: Make, name: str, style: str) -> None:
    data = STYLES[style](HARD[name])
    source = make({"ann.json": data, **{f"images/{picture}": PNG for picture in NAMES}}) / "ann.json"
    twice = doubled(read(source))
    boxes, new = twice.labels.boxes(), twice.labels.files({})["ann.json"]
    check_coco(data, new)
    assert name == "both" or without(new, data) == data
    assert twice.labels.originals == {"ann.json": sha256_bytes(data)} and not twice.labels.made
    make({"ann.json": new, **{f"images/{picture}": PNG for picture in TWINS.values()}})
    again = read(source)
    assert {ref.place for ref in again.images} == {ref.place for ref in twice.images}
    assert {place: again.labels.boxes()[place] for place in boxes} == boxes


def test_coco_follows_new_extensions(make: Make) -> None:
    data = json.dumps(HARD["plain"]).encode()
    dataset = doubled(read(make({"ann.json": data, "images/a.jpg": PNG, "images/b.jpg": PNG}) / "ann.json"))
    renames = {ref.place: ref.place.replace(".jpg", ".png") for ref in dataset.images}
    names = [entry["file_name"] for entry in parsed(dataset.labels.files(renames)["ann.json"])["images"]]
    assert names == ["a.png", "b.png", "a_gray.png", "b_gray.png"]
    assert dataset.labels.files(renames)["ann.json"] == dataset.labels.files({})["ann.json"].replace(b".jpg", b".png")


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ({"images": [{"file_name": "a.jpg"}]}, "an image without an id"),
        ({"images": images(2**63)}, "an id too large"),
        ({"images": images(1), "annotations": boxed((1e300, 1))}, "an id too large"),
    ],
)
def test_coco_that_cannot_stand_twice_is_refused(make: Make, file: dict[str, Any], what: str) -> None:
    dataset = read(make({"ann.json": file, "images/a.jpg": PNG}) / "ann.json")
    with pytest.raises(BrokenLabels, match=what):
        doubled(dataset).labels.files({})


def test_damaged_coco_is_refused_or_doubled_whole(make: Make) -> None:
    whole = (GOLDEN / "coco/source/annotations/instances_val.json").read_bytes()
    source = make({"ann.json": whole, "images/one.png": PNG, "images/b/two.jpg": PNG}) / "ann.json"
    chance, read_well = random.Random(7), 0
    for _ in range(400):
        data = damaged(whole, chance)
        source.write_bytes(data)
        try:
            twice = doubled(read(source, format="coco"))
            new = twice.labels.files({})["ann.json"]
        except SynthIRError as error:
            assert str(error).isprintable() and error.what
            continue
        more = len(parsed(new)["images"]) - len(parsed(data)["images"])
        assert more >= len(twice.images) / 2 and (more > 0) == bool(twice.images)
        read_well += 1
    assert read_well > 20
