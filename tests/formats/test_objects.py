"""Objects with their classes: the same boxes as ever, each with a name, or a refusal that says which has none."""

from pathlib import Path

import pytest

from synthir.dataset import LabelCarry, Object
from synthir.errors import BrokenLabels, UnrecognisedDataset
from synthir.formats import read

from .conftest import Make
from .test_coco import coco
from .test_contract import GOLDEN, expected

LISTED = "train: images\nval: images\nnames: [person, car]\n"


def test_golden_datasets() -> None:
    assert read(GOLDEN / "voc/source").labels.objects() == {
        "JPEGImages/000001.jpg": [Object("person", (2, 1, 4, 6))],
        "JPEGImages/000002.jpg": [Object("person", (2, 1, 4, 6))],
    }
    yolo = read(GOLDEN / "yolo/source/data.yaml").labels.objects()
    assert [found.name for found in yolo.pop("images/train/a.jpg")] == ["person", "car"]
    assert yolo == {"images/train/background.png": [], "images/val/b.jpg": []}
    assert read(GOLDEN / "folder/source").labels.objects() == {}


@pytest.mark.parametrize("name", ["voc", "yolo"])
def test_objects_have_the_boxes_that_boxes_gives(name: str) -> None:
    labels = read(GOLDEN / name / expected(name)["source"]).labels
    assert {place: [found.box for found in some] for place, some in labels.objects().items()} == labels.boxes()


def test_both_labels_of_the_sample_name_the_same_objects(sample: Path) -> None:
    coco_file, yolo = (read(sample / source).labels.objects() for source in ("coco.json", "data.yaml"))
    assert [len(coco_file[place]) for place in sorted(coco_file)] == [5, 3, 4, 4, 3, 3]
    assert coco_file["images/day-1.jpg"][0] == Object("car", (119.25, 107.5, 49.75, 38.75))
    for place, found in coco_file.items():
        assert [thing.name for thing in yolo[place]] == [thing.name for thing in found]
        for thing, other in zip(found, yolo[place], strict=True):
            assert other.box == pytest.approx(thing.box, abs=0.01)


def test_a_format_of_boxes_alone_says_so() -> None:
    with pytest.raises(UnrecognisedDataset, match="no class names"):
        LabelCarry(lambda renames: {}, dict).objects()


def test_the_golden_coco_annotation_has_no_category() -> None:
    with pytest.raises(BrokenLabels) as caught:
        read(GOLDEN / "coco/source/annotations/instances_val.json").labels.objects()
    assert caught.value.where.endswith("instances_val.json annotation id 1")
    assert caught.value.why == "category_id is None"


def annotation(number: int, category: object, **more: object) -> dict[str, object]:
    return {"id": number, "image_id": 1, "bbox": [1, 2, 3, 4], "category_id": category, **more}


def test_coco_crowds_and_odd_annotations(make: Make) -> None:
    annotations = [
        annotation(4, 7),
        annotation(5, "x", iscrowd=1),
        annotation(6, 7, iscrowd=0),
        5,
        {"caption": "no box"},
    ]
    annotations += [{"id": 9, "image_id": 77, "bbox": [1, 2, 3, 4], "category_id": 5}]  # on no image, so nobody's
    categories = [
        {"id": 7, "name": "person"},
        {"id": "x", "name": "car", "supercategory": "v"},
        {"id": 8, "name": "car"},
    ]
    root = make({"a.json": coco("a.jpg", annotations=annotations, categories=categories), "images/a.jpg": (12, 8)})
    labels, box = read(root / "a.json").labels, (1, 2, 3, 4)
    wanted = [Object("person", box), Object("car", box, crowd=True), Object("person", box)]
    assert labels.objects() == {"images/a.jpg": wanted}
    assert labels.boxes() == {"images/a.jpg": [box] * 3}


@pytest.mark.parametrize("category", [8, None, "7", [7], {"id": 7}])
def test_coco_categories_that_are_unknown_name_the_annotation(make: Make, category: object) -> None:
    annotations = [annotation(4, 7), annotation(31, category)]
    file = coco("a.jpg", annotations=annotations, categories=[{"id": 7, "name": "person"}])
    labels = read(make({"a.json": file, "images/a.jpg": (12, 8)}) / "a.json").labels
    with pytest.raises(BrokenLabels, match="unknown category") as caught:
        labels.objects()
    assert caught.value.where.endswith("a.json annotation id 31") and repr(category) in caught.value.why
    assert len(labels.boxes()["images/a.jpg"]) == 2  # carried and counted as ever


BAD = [[{"id": 7}], [{"name": "person"}], [{"id": [7], "name": "x"}], 5, ["person"], {"7": "person"}]
BAD += [[{"id": 7, "name": "person"}, {"id": 7, "name": "car"}]]


@pytest.mark.parametrize("categories", BAD)
def test_coco_categories_that_are_none(make: Make, categories: object) -> None:
    file = coco("a.jpg", annotations=[annotation(4, 7)], categories=categories)
    labels = read(make({"a.json": file, "images/a.jpg": (12, 8)}) / "a.json").labels
    with pytest.raises(BrokenLabels, match="categories") as caught:
        labels.objects()
    assert "categories" in caught.value.where and caught.value.fix


def test_a_coco_file_without_boxes_needs_no_categories(make: Make) -> None:
    file = coco("a.jpg", annotations=[{"id": 1, "image_id": 1, "caption": "x"}])
    assert read(make({"a.json": file, "images/a.jpg": (12, 8)}) / "a.json").labels.objects() == {"images/a.jpg": []}


NAMES = [
    ("names: [person, car]", ["car", "person"]),
    ("names:\n  0: person\n  1: 'car, big'  # comment", ["car, big", "person"]),
    ("names: {1: car, 0: person}", ["car", "person"]),
    ("names: [0, yes]", ["yes", "0"]),
    ("nc: 2", ["class 1", "class 0"]),
    ("names:\nnc: 2", ["class 1", "class 0"]),
]


@pytest.mark.parametrize(("said", "wanted"), NAMES, ids=[said for said, _ in NAMES])
def test_yolo_names(make: Make, said: str, wanted: list[str]) -> None:
    tree = {"images/a.png": (16, 8), "labels/a.txt": "1 0.5 0.5 0.5 0.5\n0.0 0.5 0.5 0.5 0.5 0.5 0.25\n"}
    root = make({**tree, "data.yaml": f"train: images\nval: images\n{said}\n"})
    found = read(root / "data.yaml").labels.objects()["images/a.png"]
    assert [thing.name for thing in found] == wanted
    assert list(found[0].box) == [4, 2, 8, 4]
    (root / "data.yaml").unlink()
    plain = read(root).labels.objects()["images/a.png"]
    assert [thing.name for thing in plain] == ["class 1", "class 0"]


@pytest.mark.parametrize("said", ["person", "{person: 0}", "[[a], b]", "{0: a, 0: b}", "{0: {a: b}}", "[]", "{-1: a}"])
def test_yolo_names_that_are_none_are_said_when_asked_for(make: Make, said: str) -> None:
    tree = {"images/a.png": (16, 8), "labels/a.txt": "0 0.5 0.5 0.5 0.5\n"}
    dataset = read(make({**tree, "data.yaml": f"train: images\nval: images\nnames: {said}\n"}) / "data.yaml")
    assert dataset.labels.boxes() == {"images/a.png": [(4, 2, 8, 4)]}
    with pytest.raises(BrokenLabels, match=r"data.yaml line 3: `names:`"):
        dataset.labels.objects()


@pytest.mark.parametrize("column", ["2", "-1", "person", "0.5", "nan", "1e3"])
def test_a_yolo_class_without_a_name_names_file_and_line(make: Make, column: str) -> None:
    rows = f"0 0.5 0.5 0.5 0.5\n\n{column} 0.5 0.5 0.5 0.5\n"
    dataset = read(make({"data.yaml": LISTED, "images/a.png": (16, 8), "labels/a.txt": rows}) / "data.yaml")
    with pytest.raises(BrokenLabels, match=rf"labels/a.txt line 3: no class is '{column}'"):
        dataset.labels.objects()


def thing(inside: str) -> str:
    return f"<object>{inside}</object>"


CORNERS = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>4</xmax><ymax>6</ymax></bndbox>"


def test_voc_names_difficult_ones_and_parts(make: Make) -> None:
    part = f"<part><name>head</name>{CORNERS}</part>"
    objects = thing(f"{CORNERS}<name> person </name><difficult>1</difficult>{part}") + thing(
        f"<name>car</name>{CORNERS}"
    )
    objects += thing("<name>no box</name>") + thing(f"<difficult>0</difficult><name>car</name>{CORNERS}")
    xml = f"<annotation><filename>a.jpg</filename>{objects}</annotation>"
    labels = read(make({"Annotations/a.xml": xml, "JPEGImages/a.jpg": (12, 8)})).labels
    box = (1, 2, 3, 4)
    wanted = [Object("person", box, crowd=True), Object("car", box), Object("car", box)]
    assert labels.objects() == {"JPEGImages/a.jpg": wanted}
    assert labels.boxes() == {"JPEGImages/a.jpg": [box] * 3}


@pytest.mark.parametrize("name", ["", "<name></name>", "<part><name>head</name></part>"])
def test_a_voc_object_without_a_name(make: Make, name: str) -> None:
    xml = f"<annotation><filename>a.jpg</filename>{thing(name + CORNERS)}</annotation>"
    labels = read(make({"Annotations/a.xml": xml, "JPEGImages/a.jpg": (12, 8)})).labels
    with pytest.raises(BrokenLabels, match=r"Annotations/a.xml: an object without a class"):
        labels.objects()
