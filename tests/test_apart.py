"""Reading a dataset again gives what it gave before, also when the target lies in it: else it is refused."""

import os
from pathlib import Path

import pytest
from PIL import Image

from synthir import convert
from synthir.dataset import Dataset
from synthir.errors import SynthIRError, TargetInsideSource
from synthir.formats import read
from synthir.target import default_target
from tests.fake_engine import FakeEngine, fake_spec

ROW = "0 0.5 0.5 0.5 0.5\n"
YAML = "train: images\nval: images\nnc: 1\n"
COCO = '{"images": [{"id": 1, "file_name": "%s", "width": 16, "height": 8}], "annotations": []}'
XML = "<annotation><filename>a.png</filename></annotation>"
TREES: dict[str, tuple[str, dict[str, str]]] = {
    "coco": ("coco.json", {"coco.json": COCO % "a.png", "images/a.png": ""}),
    "coco in folders": ("coco.json", {"coco.json": COCO % "val/a.png", "val/a.png": ""}),
    "coco apart": ("annotations/val.json", {"annotations/val.json": COCO % "a.png", "val/a.png": ""}),
    "coco loose": ("coco.json", {"coco.json": COCO % "a.png", "a.png": ""}),
    "yolo": ("data.yaml", {"data.yaml": YAML, "images/a.png": "", "labels/a.txt": ROW}),
    "yolo folder": ("", {"data.yaml": YAML, "images/a.png": "", "labels/a.txt": ROW}),
    "yolo without yaml": ("", {"train/images/a.png": "", "train/labels/a.txt": ROW}),
    "yolo of everything": ("data.yaml", {"data.yaml": "train: .\nval: .\nnc: 1\n", "p/a.png": "", "p/a.txt": ROW}),
    "yolo with a split to come": (
        "data.yaml",
        {"data.yaml": "train: p\nval: p\ntest: new\nnc: 1\n", "p/a.png": "", "p/a.txt": ROW},
    ),
    "yolo with a path to come": (
        "data.yaml",
        {"data.yaml": "path: new\ntrain: p\nval: p\nnc: 1\n", "p/a.png": "", "p/a.txt": ROW},
    ),
    "yolo without labels": ("data.yaml", {"data.yaml": YAML, "images/a.png": ""}),
    "voc": ("", {"Annotations/a.xml": XML, "images/a.png": ""}),
    "folder": ("", {"a/a.png": ""}),
}
NAMES = ("new", "images", "labels", "JPEGImages", "ImageSets", "val", "coco", "coco-ir", "train")
DEEP = ("new/er", "images/new", "labels/new", "val/new", "Annotations/new", "p/new")


def made(root: Path, name: str) -> Path:
    """Write a tree, and give its source."""
    return planted(root, *TREES[name])


def planted(root: Path, source: str, tree: dict[str, str]) -> Path:
    """Write these files and pictures, and give the source among them."""
    for place, text in tree.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if place.endswith(".png"):
            Image.new("RGB", (16, 8), (9, 99, 199)).save(path)
        else:
            path.write_text(text, "utf-8")
    return root / source


def seen(dataset: Dataset) -> object:
    """What a second reading must find again."""
    pictures = [(ref.place, ref.path, ref.path.read_bytes()) for ref in dataset.images]
    return pictures, dataset.labels.files({}), [name for name, _ in dataset.refused]


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("out", NAMES + DEEP)
def test_no_target_is_ever_read_as_source(tmp_path: Path, name: str, out: str) -> None:
    source = made(tmp_path / "ds", name)
    dataset = read(source)
    before = seen(dataset)
    target = tmp_path / "ds" / out
    try:
        convert.run(convert.plan(dataset, target, fake_spec()), FakeEngine())
    except SynthIRError as error:
        assert error.code in ("SIR401", "SIR402")
    assert seen(read(source)) == before


INSIDE = {"coco": True, "coco in folders": True, "yolo": True, "voc": True, "coco loose": False, "folder": False}
INSIDE |= {"yolo without yaml": False, "yolo of everything": False}


@pytest.mark.parametrize("name", INSIDE)
def test_a_new_folder_inside_only_where_labels_name_the_pictures(tmp_path: Path, name: str) -> None:
    source = made(tmp_path / "ds", name)
    dataset = read(source)
    for out in ("out", "deep/er/out"):
        if INSIDE[name]:
            assert convert.plan(dataset, tmp_path / "ds" / out, fake_spec()).places
        else:
            with pytest.raises(TargetInsideSource):
                convert.plan(dataset, tmp_path / "ds" / out, fake_spec())
    for out in ("ds", "."):  # the root, and what holds it
        with pytest.raises(TargetInsideSource):
            convert.plan(dataset, tmp_path / out, fake_spec())
    chosen = default_target(source, dataset, tmp_path / "ds")
    assert chosen.parent == (tmp_path / "ds" if INSIDE[name] else tmp_path)
    assert convert.plan(dataset, chosen, fake_spec()).places


def test_a_json_elsewhere_protects_the_folder_of_its_pictures(tmp_path: Path) -> None:
    made(tmp_path / "pics", "coco loose")
    (tmp_path / "far" / "er").mkdir(parents=True)
    (tmp_path / "pics" / "coco.json").rename(tmp_path / "far" / "er" / "coco.json")
    dataset = read(tmp_path / "far" / "er" / "coco.json", tmp_path / "pics")
    assert [ref.place for ref in dataset.images] == ["images/a.png"]
    for out in ("pics/out", "pics/images"):
        with pytest.raises(TargetInsideSource):
            convert.plan(dataset, tmp_path / out, fake_spec())


def test_a_home_folder_that_is_not_searched_holds_any_target(tmp_path: Path) -> None:
    source = made(tmp_path / "me", "coco apart")
    dataset = read(source)
    before = seen(dataset)
    assert dataset.root == tmp_path / "me"
    (tmp_path / "me" / "work").mkdir()
    assert default_target(source, dataset, tmp_path / "me" / "work") == tmp_path / "me" / "work" / "val-ir"
    convert.run(convert.plan(dataset, tmp_path / "me" / "work" / "ir", fake_spec()), FakeEngine())
    assert seen(read(source)) == before
    for out in ("val", "val/ir", "val/a.png/ir", "annotations", "images", "images/ir"):
        with pytest.raises(TargetInsideSource):
            convert.plan(dataset, tmp_path / "me" / out, fake_spec())


@pytest.mark.parametrize(
    ("source", "images", "tree"),
    [
        ("ann/coco.json", "rgb", {"ann/coco.json": COCO % "x/a.png", "rgb/x/a.png": ""}),
        ("", "rgb", {"Annotations/x/a.xml": XML, "rgb/x/a.png": ""}),
        ("", "rgb", {"labels/x/a.txt": ROW, "rgb/x/a.png": ""}),
    ],
)
def test_the_folder_given_with_images_holds_no_target(
    tmp_path: Path, source: str, images: str, tree: dict[str, str]
) -> None:
    dataset = read(planted(tmp_path / "ds", source, tree), tmp_path / "ds" / images)
    assert [ref.path for ref in dataset.images] == [tmp_path / "ds/rgb/x/a.png"]
    for out in ("rgb", "rgb/new", "rgb/x/new"):
        with pytest.raises(TargetInsideSource):
            convert.plan(dataset, tmp_path / "ds" / out, fake_spec())


def test_one_picture_may_have_its_target_beside_it(tmp_path: Path) -> None:
    source = made(tmp_path / "ds", "folder") / "a" / "a.png"
    assert default_target(source, read(source), source.parent) == source.parent / "a-ir"
    assert convert.plan(read(source), source.parent / "a-ir", fake_spec()).places


def test_a_hundred_thousand_pictures_are_few_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = read(made(tmp_path / "ds", "coco"))
    asked: list[str] = []
    real = os.path.realpath

    def counting(path: str) -> str:
        asked.append(path)
        return real(path)

    monkeypatch.setattr(os.path, "realpath", counting)
    many = Dataset("coco", dataset.root, dataset.images * 1000, dataset.labels)
    assert convert.plan(many, tmp_path / "out", fake_spec()).refused
    assert len(asked) < 20
