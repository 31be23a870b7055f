"""Labelled pictures for a detector: sizes, splits and patterns in numbers, and every fault a refusal."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthir.dataset import Object
from synthir.errors import BrokenLabels, ConfigError, MissingPicture, UnreadablePicture
from synthir.labelled import LabelSource, read_labelled
from tests.datasets import write_picture

ROW = "0 0.5 0.5 0.5 0.5\n"


def yolo(root: Path, yaml: str = "train: images/train\nval: images/val\nnames: [person]\n") -> Path:
    """Two pictures to train on, one to validate."""
    for place in ("train/010001", "train/020001", "val/010002"):
        write_picture(root / f"images/{place}.png", np.zeros((8, 16, 3), np.uint8))
        (root / f"labels/{place}.txt").parent.mkdir(parents=True, exist_ok=True)
        (root / f"labels/{place}.txt").write_text(ROW)
    (root / "data.yaml").write_text(yaml)
    return root


def places(root: Path, **said: Any) -> list[str]:
    return [picture.name for picture in read_labelled(root, LabelSource("data.yaml", **said))]


def test_the_sample_in_numbers(sample: Path) -> None:
    pictures = read_labelled(sample.parent, LabelSource("sample/coco.json"))
    assert [(picture.width, picture.height) for picture in pictures[2:]] == [(333, 250)] + [(320, 256)] * 2 + [
        (256, 320)
    ]
    assert pictures[0].name == "images/day-1.jpg" and pictures[0].path == sample / "images/day-1.jpg"
    assert pictures[0].objects[1] == Object("person", (41.0, 88.75, 20.75, 72.0))
    same = read_labelled(sample, LabelSource("data.yaml"))
    assert [(p.name, p.width, p.height) for p in same] == [(p.name, p.width, p.height) for p in pictures]


def test_splits_and_patterns(tmp_path: Path) -> None:
    root = yolo(tmp_path)
    train, val = ["images/train/010001.png", "images/train/020001.png"], ["images/val/010002.png"]
    assert places(root) == train + val
    assert places(root, split="train") == train
    assert places(root, split="val") == val
    assert places(root, pattern="01*") == [train[0], *val]
    assert places(root, pattern="*.png", split="val") == val
    (root / "val.txt").write_text("./images/train/020001.png\n./images/val/010002.png\n")
    (root / "data.yaml").write_text("train: [images/train, images/val]\nval: val.txt\ntest: images\nnames: [person]\n")
    assert places(root, split="val") == [train[1], *val]
    assert places(root, split="train") == places(root, split="test") == train + val


@pytest.mark.parametrize("said", [{"pattern": "03*"}, {"pattern": "02*", "split": "val"}])
def test_no_pictures(tmp_path: Path, said: dict[str, str]) -> None:
    with pytest.raises(MissingPicture, match="3 are there, none fits pattern"):
        places(yolo(tmp_path), **said)


def test_a_split_that_is_not_known(tmp_path: Path, sample: Path) -> None:
    with pytest.raises(ConfigError, match=r"no split 'test' .it has train, val"):
        places(yolo(tmp_path), split="test")
    with pytest.raises(ConfigError, match="coco labels name no splits"):
        read_labelled(sample, LabelSource("coco.json", split="val"))


def test_missing_pictures_are_counted_where_they_are_wanted(tmp_path: Path) -> None:
    root = yolo(tmp_path, "train: images/train\nval: val.txt\ntest: gone\nnames: [person]\n")
    (root / "val.txt").write_text("./images/val/010002.png\n./images/val/x.png\n./images/val/y.png\n")
    with pytest.raises(MissingPicture, match=r"3 entries cannot be used, the first \./images/val/x\.png"):
        places(root)
    with pytest.raises(MissingPicture, match=r"val\.txt line 2: 2 entries"):
        places(root, split="val")
    with pytest.raises(MissingPicture, match="1 entries cannot be used, the first gone"):
        places(root, split="test")
    assert len(places(root, split="train")) == 2
    assert len(places(root, pattern="0*")) == 3


def test_pictures_that_nothing_is_on_stay(tmp_path: Path) -> None:
    root = yolo(tmp_path)
    (root / "labels/train/020001.txt").unlink()
    (root / "labels/val/010002.txt").write_text("")
    assert [len(picture.objects) for picture in read_labelled(root, LabelSource("data.yaml"))] == [1, 0, 0]
    with pytest.raises(BrokenLabels, match=r"no boxes .none on any of 1 pictures"):
        places(root, split="val")
    with pytest.raises(BrokenLabels, match=r"no boxes .none on any of 3 pictures"):
        read_labelled(root, LabelSource("images"))


@pytest.mark.parametrize("box", [[1, 2, 0, 4], [1, 2, 3, -4]])
def test_boxes_without_area_are_counted(tmp_path: Path, box: list[float]) -> None:
    write_picture(tmp_path / "images/a.png", np.zeros((8, 16, 3), np.uint8))
    boxes = [[1, 2, 3, 4], box, box]
    file = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"id": n, "image_id": 1, "category_id": 1, "bbox": one} for n, one in enumerate(boxes)],
    }
    (tmp_path / "a.json").write_text(json.dumps(file))
    with pytest.raises(BrokenLabels, match=r"boxes without area .2 of 3, the first person .* on images/a\.png"):
        read_labelled(tmp_path, LabelSource("a.json"))


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_boxes_that_are_no_numbers(tmp_path: Path, number: str) -> None:
    (yolo(tmp_path) / "labels/train/020001.txt").write_text(f"0 0.5 0.5 {number} 0.5\n")
    with pytest.raises(BrokenLabels, match=r"boxes without area .1 of 3"):
        places(tmp_path)


def test_a_picture_without_a_size_is_refused(tmp_path: Path) -> None:
    root = yolo(tmp_path)
    (root / "images/train/020001.png").write_bytes(b"no picture")
    with pytest.raises(UnreadablePicture, match=r"020001\.png: no size in its header"):
        places(root)


CASES = [
    ("llvip256_labelled/boxes_train.json", "llvip256_labelled/visible/train", "01*", 156, 628),
    ("llvip256_labelled/boxes_train.json", "llvip256_labelled/infrared/train", "0[23]*", 54, 130),
    ("llvip256_labelled/boxes_test.json", "llvip256_labelled/infrared/test", "*", 110, 321),
    ("llvip_full", "llvip_full/infrared", "*", 9, 45),
]


@pytest.mark.parametrize(("source", "images", "pattern", "pictures", "objects"), CASES)
def test_the_lists_of_protocol_g1(
    data: Path, source: str, images: str, pattern: str, pictures: int, objects: int
) -> None:
    found = read_labelled(data, LabelSource(source, images, pattern=pattern))
    assert (len(found), sum(len(picture.objects) for picture in found)) == (pictures, objects)
    assert {thing.name for picture in found for thing in picture.objects} == {"person"}
    assert {(p.width, p.height) for p in found} == {(1280, 1024) if "full" in source else (256, 256)}
