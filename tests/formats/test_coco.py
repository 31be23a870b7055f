"""COCO files as they are met in the wild."""

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from synthir.errors import BrokenLabels, EscapingPath, MissingPicture, SynthIRError, UnsupportedPicture
from synthir.formats import read
from synthir.summary import summarise

from .conftest import Make


def coco(*names: str, **more: Any) -> dict[str, Any]:
    """A COCO file with these pictures, 12x8 pixels."""
    images = [{"id": i, "file_name": name, "width": 12, "height": 8} for i, name in enumerate(names, 1)]
    return {"images": images, "annotations": [], **more}


def refusals(refused: tuple[tuple[str, SynthIRError], ...]) -> dict[str, type[SynthIRError]]:
    return {name: type(error) for name, error in refused}


@pytest.mark.parametrize(
    ("label", "folder", "place"),
    [
        ("ann.json", "images", "images/a.jpg"),
        ("ann.json", "", "a.jpg"),
        ("annotations/ann.json", "images", "images/a.jpg"),
        ("annotations/instances_val2017.json", "val2017", "val2017/a.jpg"),
        ("annotations/val.json", "val", "val/a.jpg"),
        ("annotations/instances_val2017.json", "images/val2017", "images/val2017/a.jpg"),
        ("instances_train.json", "train", "train/a.jpg"),
    ],
)
def test_pictures_are_found_near_the_json(make: Make, label: str, folder: str, place: str) -> None:
    root = make({label: coco("a.jpg"), f"{folder}/a.jpg".lstrip("/"): (12, 8)})
    dataset = read(root / label)
    assert [ref.place for ref in dataset.images] == [place]
    assert dataset.images[0].path == root / place
    assert dataset.images[0].where == f"{Path(label).name} images[0] id 1"
    assert list(dataset.labels.files({})) == [(root / label).relative_to(dataset.root).as_posix()]
    assert (dataset.root / place).is_file()


def test_the_folder_with_most_of_the_pictures_wins(make: Make) -> None:
    root = make({"ann.json": coco("a.jpg", "b.jpg"), "images/a.jpg": (12, 8), "a.jpg": (12, 8), "b.jpg": (12, 8)})
    assert [ref.place for ref in read(root / "ann.json").images] == ["a.jpg", "b.jpg"]


def test_a_partial_download_is_no_empty_one(make: Make) -> None:
    names = [f"{number:03d}.jpg" for number in range(100)]
    root = make({"ann.json": coco(*names), **{f"images/{name}": (8, 8) for name in names[20:]}})
    make(dict.fromkeys(names[:3], (8, 8)))
    dataset = read(root / "ann.json")
    assert [ref.place for ref in dataset.images] == [f"images/{name}" for name in names[20:]]
    assert [name for name, _ in dataset.refused] == names[:20]


def test_one_picture_of_a_thousand_is_found(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number % 7}/{number:04d}.jpg" for number in range(1000)]
    odd = ["/etc/hosts/a.jpg", "x\0.jpg", "../a.jpg", "", "http://example.org/a.jpg"]
    root = make({"annotations/ann.json": coco(*odd, *names), f"images/{names[777]}": (8, 8)})
    asked: list[Any] = []
    real = os.stat

    def counting(path: Any, **named: Any) -> os.stat_result:
        asked.append(path)
        return real(path, **named)

    monkeypatch.setattr(os, "stat", counting)
    dataset = read(root / "annotations/ann.json")
    assert [ref.place for ref in dataset.images] == [f"images/{names[777]}"]
    assert len(asked) < 500


def test_a_folder_with_the_pictures_is_shown_also_where_the_first_is_missing(make: Make) -> None:
    names = [f"{number}.jpg" for number in range(50)]
    root = make({"ann.json": coco(*names), "a/x.jpg": (8, 8), **{f"z/{name}": (8, 8) for name in names[20:]}})
    with pytest.raises(MissingPicture, match=r"none of 50 pictures is there.*e\.g\. [^ ]*/source/z$"):
        read(root / "ann.json")


def test_a_folder_given_one_level_too_deep_is_told(make: Make) -> None:
    root = make({"x/ann.json": coco("cam/a.jpg"), "photos/cam/a.jpg": (8, 8)})
    with pytest.raises(MissingPicture, match=r"file_name is relative to with --images, e\.g\. [^ ]*/photos$"):
        read(root / "x/ann.json", root / "photos/cam")


def test_pictures_far_away_go_to_images(make: Make, tmp_path: Path) -> None:
    root = make({"x/y/z/ann.json": coco("d/a.jpg"), "far/away/d/a.jpg": (12, 8)})
    dataset = read(root / "x/y/z/ann.json", root / "far/away")
    assert [ref.place for ref in dataset.images] == ["images/d/a.jpg"]
    assert dataset.images[0].path == root / "far/away/d/a.jpg"
    assert dataset.root == root / "far/away"
    assert dataset.protected == (root / "x/y/z/ann.json",)
    assert dataset.labels.files({}) == {"ann.json": (root / "x/y/z/ann.json").read_bytes()}
    renamed = dataset.labels.files({"images/d/a.jpg": "images/d/a.png"})
    assert json.loads(renamed["ann.json"])["images"][0]["file_name"] == "d/a.png"


def test_no_picture_at_all(make: Make) -> None:
    root = make({"ann.json": coco("a.jpg"), "elsewhere/b.jpg": (12, 8), "infrared/x.jpg": (12, 8)})
    with pytest.raises(MissingPicture) as caught:
        read(root / "ann.json")
    assert f"--images, e.g. {root}/elsewhere or {root}/infrared" in caught.value.fix
    make({"infrared/a.jpg": (12, 8)})
    with pytest.raises(MissingPicture, match=r"e\.g\. .*/source/infrared$"):
        read(root / "ann.json")
    with pytest.raises(MissingPicture):
        read(root / "ann.json", root / "elsewhere")


def test_names_with_folders_spaces_and_letters_of_the_world(make: Make) -> None:
    names = ["a b/c d.jpg", "ü/日本.jpg", "x.y.jpg", "dir.jpg/z.JPG", "Case.jpg", "case.jpg"]
    root = make({"ann.json": coco(*names), **{f"images/{name}": (12, 8) for name in names}})
    assert [ref.place for ref in read(root / "ann.json").images] == [f"images/{name}" for name in names]


def test_windows_names_are_found(make: Make) -> None:
    root = make({"ann.json": coco("d\\a.jpg", ".\\b.jpg"), "images/d/a.jpg": (12, 8), "images/b.jpg": (12, 8)})
    assert [ref.place for ref in read(root / "ann.json").images] == ["images/d/a.jpg", "images/b.jpg"]


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("../secret.jpg", "give the folder that names are relative to with --images"),
        ("a/../../secret.jpg", "give that folder with --images"),
        ("/etc/secret.jpg", "make file_name relative"),
        ("C:\\data\\x.jpg", "make file_name relative"),
        ("http://example.org/x.jpg", "download the picture"),
        ("x\0.jpg", "make file_name relative"),
        ("", "make file_name relative"),
        (".", "make file_name relative"),
    ],
)
def test_names_that_escape_are_refused_alone(make: Make, name: str, fix: str) -> None:
    root = make({"set/ann.json": coco(name, "a.jpg"), "set/images/a.jpg": (12, 8), "secret.jpg": (12, 8)})
    dataset = read(root / "set/ann.json")
    assert [ref.place for ref in dataset.images] == ["images/a.jpg"]
    error = dataset.refused[0][1]
    assert isinstance(error, EscapingPath) and "images[0] id 1" in error.where
    assert fix in error.fix


def test_honest_climbing_names_are_read_where_images_says(make: Make) -> None:
    names = ("../images/a.jpg", "../../outside.jpg", "/etc/../images/a.jpg")
    root = make({"s/annotations/ann.json": coco(*names), "s/images/a.jpg": (12, 8), "outside.jpg": (12, 8)})
    assert refusals(read(root / "s/annotations/ann.json", root / "s/images").refused).keys() == set(names[1:])
    dataset = read(root / "s/annotations/ann.json", root / "s/annotations")
    assert [ref.place for ref in dataset.images] == ["images/a.jpg"]
    assert dataset.images[0].path == root / "s/images/a.jpg"
    assert refusals(dataset.refused) == dict.fromkeys(names[1:], EscapingPath)
    renamed = dataset.labels.files({"images/a.jpg": "images/a.png"})["annotations/ann.json"]
    assert renamed == (root / "s/annotations/ann.json").read_bytes().replace(b"images/a.jpg", b"images/a.png", 1)


def test_missing_pictures_are_refused_alone(make: Make) -> None:
    tree = {"ann.json": coco("a.jpg", "gone.jpg", "b.jpg"), "images/a.jpg": (12, 8), "images/b.jpg": (12, 8)}
    dataset = read(make(tree) / "ann.json")
    assert [ref.place for ref in dataset.images] == ["images/a.jpg", "images/b.jpg"]
    assert refusals(dataset.refused) == {"gone.jpg": MissingPicture}
    assert str(dataset.refused[0][1]).startswith(
        "SIR204 ann.json images[1] id 2: picture 'images/gone.jpg' is not there"
    )


def test_other_capitals_and_other_unicode_are_named(make: Make) -> None:
    composed, split = (unicodedata.normalize(form, "café.jpg") for form in ("NFC", "NFD"))
    root = make({"ann.json": coco("A.JPG", composed, "b.jpg")})
    make({"images/a.jpg": (12, 8), f"images/{split}": (12, 8), "images/b.jpg": (12, 8)})
    dataset = read(root / "ann.json")
    reasons = {name: error.why for name, error in dataset.refused}
    assert "'a.jpg': other capitals" in reasons["A.JPG"]
    assert "another Unicode form" in reasons[composed]


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (12, 8, (12, 8)),
        (12.0, 8.0, (12, 8)),
        (None, 8, (0, 8)),
        (0, -8, (0, 0)),
        ("12", "8", (0, 0)),
        (True, [8], (0, 0)),
        (1.5, 1e300, (0, 0)),
        (2**31, 10**30, (0, 0)),
    ],
)
def test_declared_sizes(make: Make, width: object, height: object, size: tuple[int, int]) -> None:
    file = {"images": [{"id": 1, "file_name": "a.jpg", "width": width, "height": height}]}
    dataset = read(make({"ann.json": file, "images/a.jpg": (12, 8)}) / "ann.json")
    assert (dataset.images[0].width, dataset.images[0].height) == size
    assert any("no size" in note for note in dataset.notes) == (0 in size)


def test_odd_ids_and_repeated_pictures_are_carried_with_a_note(make: Make) -> None:
    file = coco("a.jpg", "b.jpg", "a.jpg", "./a.jpg", "c.jpg")
    file["images"][1]["id"] = 1
    file["images"][4]["id"] = "five"
    root = make({"ann.json": file, **{f"images/{n}.jpg": (12, 8) for n in "abcd"}})
    dataset = read(root / "ann.json")
    assert [ref.place for ref in dataset.images] == ["images/a.jpg", "images/b.jpg", "images/c.jpg"]
    assert dataset.labels.files({})["ann.json"] == (root / "ann.json").read_bytes()
    notes = " ".join(dataset.notes)
    assert "1 x duplicate id" in notes and "1 x id that is no number" in notes
    assert "2 x picture that is listed before" in notes
    assert "no label names, not converted: 1." in notes


@pytest.mark.parametrize("name", [None, 5, ["a.jpg"], {"x": 1}])
def test_an_entry_without_a_name_is_refused_alone(make: Make, name: object) -> None:
    file = coco("a.jpg")
    file["images"].append({"id": 2, "file_name": name})
    dataset = read(make({"ann.json": file, "images/a.jpg": (12, 8)}) / "ann.json")
    assert len(dataset.images) == 1
    assert isinstance(dataset.refused[0][1], BrokenLabels) and "images[1]" in dataset.refused[0][1].where


@pytest.mark.parametrize("missing", ["annotations", "categories", "info"])
def test_a_file_with_pictures_alone_is_enough(make: Make, missing: str) -> None:
    file = {key: value for key, value in coco("a.jpg", categories=[], info={}).items() if key != missing}
    dataset = read(make({"ann.json": file, "images/a.jpg": (12, 8)}) / "ann.json")
    assert dataset.labels.boxes() == {"images/a.jpg": []}


def test_panoptic_masks_are_spoken_of(make: Make) -> None:
    segments = {"annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 1}]}]}
    dataset = read(make({"ann.json": coco("a.jpg") | segments, "images/a.jpg": (12, 8)}) / "ann.json")
    assert any("mask pictures" in note for note in dataset.notes)


BROKEN = [
    (b'{"images": [],\n  "annotations": [{"area": NaN}]}', "line 2 column 28", "NaN and Infinity"),
    (b'{"images": [],\n "annotations": [{"area": -Infinity}]}', "line 2 column", "NaN and Infinity"),
    (b'{"images": [],\n\n  oops}', "line 3 column 3 (byte 18)", "malformed"),
    (b'\xef\xbb\xbf{"images": [],\n\n  oops}', "line 3 column 3 (byte 21)", "malformed"),
    (b'{"images": [', "line 1 column 13", "truncated"),
    (b'{"images": [{"id": [1]}]}', "", "$.images[0].id"),
    (b'{"images": 3}', "", "$.images"),
    (b'{"pictures": "images", "images" : {}}', "", "$.images"),
    (b'{"images": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "", "nested deeper"),
    ('{"images": []}'.encode("utf-16"), "", "UTF-16"),
    (b'{"images": [{"file_name": "\xff\xfe.jpg"}]}', "", ""),
    (b'{"images": [{"file_name": "\\ud800.jpg"}]}', "", ""),
]


@pytest.mark.parametrize(("data", "place", "why"), BROKEN, ids=[str(why or data) for data, _, why in BROKEN])
def test_broken_files_say_where(make: Make, data: bytes, place: str, why: str) -> None:
    with pytest.raises(BrokenLabels) as caught:
        read(make({"ann.json": data}) / "ann.json")
    assert place in caught.value.where and "ann.json" in caught.value.where
    assert why in caught.value.why and caught.value.fix


def test_a_byte_order_mark_is_carried(make: Make) -> None:
    data = b"\xef\xbb\xbf" + json.dumps(coco("a.jpg")).encode()
    dataset = read(make({"ann.json": data, "images/a.jpg": (12, 8)}) / "ann.json")
    assert dataset.labels.files({})["ann.json"] == data
    assert dataset.labels.files({"images/a.jpg": "images/a.png"})["ann.json"] == data.replace(b".jpg", b".png")


WILD = rb"""{ "annotations":[{"image_id":1,"file_name":"a.jpg","bbox":[1.0 ,2.50,3e0,4],"counts":"\\\"a.jpg"},
	{"image_id":1,"bbox":null},{"image_id":"x","bbox":[1,2,3,4]}] ,"other":{"images":[{"file_name":"a.jpg"}]},
  "images" : [ {"note":"file_name","file_name" :"a.jpg","title":"a.jpg", "id":1} ,{"file\u005fname":"caf\u00e9.jpg",
"filename":"a.jpg","id":2},{"file_name":"file_name.jpg","id":3,"deep":{"file_name":"a.jpg"}},
{"file_name":"old","file_name":"s\/b.jpg","id":4}, {"filename":"only.jpg","id":5}, {"id":6}] }
"""


def test_only_picture_names_are_spliced(make: Make) -> None:
    names = ["a.jpg", "café.jpg", "file_name.jpg", "s/b.jpg", "only.jpg"]
    root = make({"ann.json": WILD, **{f"images/{name}": (12, 8) for name in names}})
    dataset = read(root / "ann.json")
    assert [ref.place for ref in dataset.images] == [f"images/{name}" for name in names]
    assert dataset.labels.files({})["ann.json"] == WILD
    renames = {ref.place: ref.place.replace(".jpg", ".png") for ref in dataset.images}
    wanted = WILD
    for old, new in [
        (b'"file_name" :"a.jpg"', b'"file_name" :"a.png"'),
        (rb'"caf\u00e9.jpg"', rb'"caf\u00e9.png"'),
        (b'"file_name":"file_name.jpg"', b'"file_name":"file_name.png"'),
        (rb'"s\/b.jpg"', b'"s/b.png"'),
        (b'"only.jpg"', b'"only.png"'),
    ]:
        assert wanted.count(old) == 1
        wanted = wanted.replace(old, new)
    assert dataset.labels.files(renames)["ann.json"] == wanted
    assert dataset.labels.files({"images/nothing.jpg": "x"})["ann.json"] == WILD
    assert dataset.labels.boxes()["images/a.jpg"] == [(1.0, 2.5, 3.0, 4.0)]


def test_names_beyond_ascii_stay_readable_where_they_were(make: Make) -> None:
    data = '{"images": [{"id": 1, "file_name": "日本.jpg"}]}'.encode()
    dataset = read(make({"ann.json": data, "images/日本.jpg": (12, 8)}) / "ann.json")
    assert dataset.labels.files({"images/日本.jpg": "images/日本.png"})["ann.json"] == data.replace(b".jpg", b".png")


def test_a_file_that_changes_meanwhile_is_not_carried(make: Make) -> None:
    root = make({"ann.json": coco("a.jpg"), "images/a.jpg": (12, 8)})
    dataset = read(root / "ann.json")
    (root / "ann.json").write_bytes(b"{}")
    with pytest.raises(BrokenLabels, match="changed during the conversion"):
        dataset.labels.files({})


@pytest.mark.parametrize("key", ["annotations", "annotation"])
def test_annotations_that_are_null_are_none(make: Make, key: str) -> None:
    root = make({"images/a.jpg": (8, 8), "s.json": f'{{"images": [{{"id": 1, "file_name": "a.jpg"}}], "{key}": null}}'})
    dataset = read(root / "s.json")
    assert dataset.labels.boxes() == {"images/a.jpg": []} and summarise(dataset).boxes == 0


def test_annotations_that_are_odd_are_carried_and_the_others_counted(make: Make) -> None:
    good = [{"image_id": 1, "bbox": [1, 2, 3, 4]}, {"image_id": 1}, {"image_id": 1, "caption": "x", "bbox": []}]
    none = [1, "x", None, True, 2.5, [good[0]], 10**30]
    no_box = [{"image_id": 1, "bbox": box} for box in ([1, 2, 3], [1, 2, 3, "4"], {"x": 1}, 5)]
    lost = [{"image_id": key, "bbox": [1, 2, 3, 4]} for key in (9, "1", True, None, [1], {"id": 1})]
    file = coco("a.jpg", annotations=[*none, *no_box, *lost, *good])
    root = make({"images/a.jpg": (12, 8), "ann.json": file})
    dataset = read(root / "ann.json")
    assert dataset.labels.files({})["ann.json"] == (root / "ann.json").read_bytes()
    assert dataset.labels.boxes() == {"images/a.jpg": [(1, 2, 3, 4)]}
    seen = summarise(dataset)
    assert seen.boxes == 1 and seen.notes == (
        "ann.json: 7 x annotation that is no object. Carried as it is, not counted.",
        "ann.json: 4 x bbox that is not four numbers. Carried as it is, not counted.",
        "ann.json: 6 x bbox whose image_id is no image. Carried as it is, not counted.",
    )


@pytest.mark.parametrize("odd", [{}, {"1": []}, 5, "x", True])
def test_annotations_that_are_no_list_are_said(make: Make, odd: object) -> None:
    dataset = read(make({"ann.json": coco("a.jpg", annotations=odd), "images/a.jpg": (12, 8)}) / "ann.json")
    seen = summarise(dataset)
    assert seen.boxes == 0 and dataset.labels.boxes() == {"images/a.jpg": []}
    assert seen.notes == ("ann.json: 1 x `annotations` that is no list. Carried as it is, not counted.",)


def test_a_file_name_that_is_not_text_is_refused(make: Make) -> None:
    root = make({"images/a.jpg": (8, 8)})
    source = Path(os.fsdecode(os.fsencode(root) + b"/\xff.json"))
    try:
        source.write_text('{"images": [{"id": 1, "file_name": "a.jpg"}]}', encoding="utf-8")
    except OSError:
        pytest.skip("this disk has no such names")
    with pytest.raises(UnsupportedPicture, match="not text"):
        read(source)
