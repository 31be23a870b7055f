"""Labels where every picture stands twice: what was there stays, and the twin's say the same of another name."""

import json
from pathlib import Path
from typing import Any

import pytest

from synthir import folders
from synthir.dataset import Dataset, LabelCarry, Twins
from synthir.errors import UnrecognisedDataset
from synthir.files import sha256_bytes
from synthir.formats import read
from synthir.twins import doubled, marked
from tests.formats.conftest import Make, Tree
from tests.formats.test_coco_twins import PNG, images

GOLDEN = Path(__file__).parents[1] / "data"


def golden(name: str) -> Dataset:
    return read(GOLDEN / name / json.loads((GOLDEN / name / "expected.json").read_text("utf-8"))["source"])


@pytest.mark.parametrize("name", folders.names("synthir.formats"))
def test_each_picture_is_followed_by_its_twin_with_the_same_objects(name: str) -> None:
    dataset = golden(name)
    twice = doubled(dataset)
    assert [ref.place for ref in twice.images[::2]] == [ref.place for ref in dataset.images]
    assert twice.images[::2] == dataset.images
    for ref, twin in zip(twice.images[::2], twice.images[1::2], strict=True):
        assert (twin.twin_of, twin.file, twin.width, twin.height) == (ref.place, ref.file, ref.width, ref.height)
        assert twin.place == marked(ref.place, "_gray")
    boxes, once = twice.labels.boxes(), dataset.labels.boxes()
    assert twice.labels.count() == 2 * dataset.labels.count()
    assert boxes == once | {marked(place, "_gray"): found for place, found in once.items()}
    if name in ("yolo", "voc"):
        objects = twice.labels.objects()
        assert all(objects[ref.place] == objects[ref.twin_of] for ref in twice.images if ref.twin_of)
        assert sum(map(len, objects.values())) == twice.labels.count() > 0
    for split, names in dataset.splits.items():
        assert twice.splits[split] == names | {marked(place, "_gray") for place in names}


ROW = "0 0.5 0.5 0.25 0.5\n"
YOLO: Tree = {
    "data.yaml": "train: train.txt\nval: val.txt\nnames: [a]\n",
    "images/a.jpg": PNG,
    "images/b.jpg": PNG,
    "images/back.jpg": PNG,
    "labels/a.txt": ROW,
    "labels/b.txt": ROW * 2,
    "val.txt": "./images/b.jpg",
}


def test_yolo_twins_have_their_pictures_labels_and_lines(make: Make) -> None:
    root = make(YOLO | {"train.txt": "# all\r\n./images/a.jpg\r\n./images/back.jpg\r\n./images/gone.jpg\r\n"})
    labels = doubled(read(root)).labels
    files = labels.files({})
    assert {place: files[place] for place in files if place.startswith("labels/")} == {
        "labels/a.txt": ROW.encode(),
        "labels/a_gray.txt": ROW.encode(),
        "labels/b.txt": ROW.encode() * 2,
        "labels/b_gray.txt": ROW.encode() * 2,
    }
    assert labels.made == {"labels/a_gray.txt", "labels/b_gray.txt"}
    assert files["data.yaml"] == (root / "data.yaml").read_bytes()
    assert files["val.txt"] == b"./images/b.jpg\n./images/b_gray.jpg"
    lines = [b"# all", b"./images/a.jpg", b"./images/a_gray.jpg", b"./images/back.jpg", b"./images/back_gray.jpg"]
    assert files["train.txt"].splitlines() == [*lines, b"./images/gone.jpg"]
    assert files["train.txt"].count(b"\r\n") == 6
    assert labels.originals["val.txt"] == sha256_bytes(b"./images/b.jpg")
    renamed = labels.files({"images/b.jpg": "images/b.png", "images/b_gray.jpg": "images/b_gray.png"})
    assert renamed["val.txt"] == b"./images/b.png\n./images/b_gray.png"


def test_yolo_lists_that_lead_back_are_rewritten_for_twins_too(make: Make) -> None:
    root = make(YOLO | {"train.txt": "./images/a.jpg\n"})
    (root / "val.txt").write_text(f"{root}/images/b.jpg\n\nimages/back.jpg\n")
    lines = doubled(read(root)).labels.files({})["val.txt"].decode().splitlines()
    wanted = ["./images/b.jpg", "./images/b_gray.jpg", "", "./images/back.jpg", "./images/back_gray.jpg"]
    assert lines == wanted


def xml(name: str) -> str:
    return f"<a>\n <filename>{name}</filename><path>/x/{name}</path></a>\n"


def test_voc_twins_have_an_xml_masks_and_lines(make: Make) -> None:
    tree: Tree = {f"JPEGImages/{name}.jpg": PNG for name in ("1", "my 2", "é")}
    tree |= {"Annotations/1.xml": xml("1.jpg"), "Annotations/my 2.xml": xml("my 2"), "Annotations/3.xml": "<broken"}
    latin = f'<?xml version="1.0" encoding="iso-8859-1"?>{xml("é.jpg")}'.encode("latin-1")
    tree |= {"Annotations/é.xml": latin, "SegmentationClass/1.png": b"mask", "SegmentationClass/8.png": b"other"}
    tree |= {
        "ImageSets/Main/all.txt": "1\r\nmy 2\r\n3\r\n",
        "ImageSets/Main/cat.txt": b"\xef\xbb\xbf1 -1\n3  1\n1 4 -1\nmy 2  1",
    }
    dataset = doubled(read(make(tree)))
    labels, before = dataset.labels, read(make({})).labels.files({})
    files = labels.files({})
    lists = {"ImageSets/Main/all.txt", "ImageSets/Main/cat.txt"}
    assert {place: files[place] for place in before if place not in lists} == {
        place: data for place, data in before.items() if place not in lists
    }
    assert files["ImageSets/Main/all.txt"] == b"1\r\n1_gray\r\nmy 2\r\nmy 2_gray\r\n3\r\n"
    assert (
        files["ImageSets/Main/cat.txt"]
        == b"\xef\xbb\xbf1 -1\n1_gray -1\n3  1\n1 4 -1\n1_gray 4 -1\nmy 2  1\nmy 2_gray  1"
    )
    assert {place: files[place] for place in files if place not in before} == {
        "Annotations/1_gray.xml": xml("1.jpg").replace(">1.jpg", ">1_gray.jpg").encode(),
        "Annotations/my 2_gray.xml": xml("my 2").encode(),
        "Annotations/é_gray.xml": latin.replace(b">\xe9.jpg", b">\xe9_gray.jpg"),
        "SegmentationClass/1_gray.png": b"mask",
    }
    assert labels.made == set(files) - set(before)
    source = {place.replace("_gray", ""): place for place in [*lists, *labels.made]}
    assert labels.originals == {place: sha256_bytes(before[old]) for old, place in source.items()}
    renamed = labels.files({"JPEGImages/1.jpg": "JPEGImages/1.png", "JPEGImages/1_gray.jpg": "JPEGImages/1_gray.png"})
    assert b">1_gray.png<" in renamed["Annotations/1_gray.xml"] and b">1.png<" in renamed["Annotations/1.xml"]


@pytest.mark.parametrize(
    ("tree", "source", "taken"),
    [
        ({"a.jpg": PNG, "A_GRAY.png": PNG}, "", "a picture of another ending and case"),
        ({"images/a.jpg": PNG, "labels/a_gray.txt": ROW, "labels/a.txt": ROW}, "", "a label without picture"),
        (
            {
                "JPEGImages/a.jpg": PNG,
                "JPEGImages/b.jpg": PNG,
                "Annotations/x.xml": xml("a.jpg"),
                "Annotations/x_gray.xml": xml("b.jpg"),
            },
            "",
            "an xml of another picture",
        ),
        ({"ann.json": {"images": images(1, 2)}, "images/a.jpg": PNG}, "ann.json", "nothing"),
        (
            {"ann.json": {"images": [*images(1), {"file_name": "a_gray.jpg", "id": 2}]}, "images/a.jpg": PNG},
            "ann.json",
            "a missing picture",
        ),
    ],
)
def test_no_twin_takes_a_name_that_is_there(make: Make, tree: dict[str, Any], source: str, taken: str) -> None:
    twice = doubled(read(make(tree) / source))
    mark = "_gray" if taken == "nothing" else "_gray2"
    twins = [ref for ref in twice.images if ref.twin_of]
    assert twins and all(ref.place == marked(ref.twin_of, mark) for ref in twins)
    places = [ref.place for ref in twice.images]
    assert len(set(places)) == len(places) == 2 * len(twins)


def test_a_twin_whose_name_is_too_long_is_refused_alone(make: Make) -> None:
    name = "n" * 250
    root = make({f"images/{name}.jpg": PNG, f"labels/{name}.txt": ROW, "images/a.jpg": PNG, "labels/a.txt": ROW})
    twice = doubled(read(root))
    ((place, error),) = twice.refused
    assert place == f"images/{name}_gray.jpg" and error.code == "SIR302" and "in grayscale" in error.where
    assert [ref.place for ref in twice.images] == ["images/a.jpg", "images/a_gray.jpg", f"images/{name}.jpg"]
    assert set(twice.labels.files({})) == {"labels/a.txt", "labels/a_gray.txt", f"labels/{name}.txt"}


def test_a_format_that_cannot_name_copies_says_so() -> None:
    with pytest.raises(UnrecognisedDataset, match="stand twice"):
        LabelCarry(lambda renames: {}, dict).doubled(Twins({}, "_gray"))
