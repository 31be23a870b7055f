"""`--mix warmed`: every picture in infrared, and in grayscale with its labelled objects made warm."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from synthir import convert, folders
from synthir.cli import main
from synthir.convert import Options
from synthir.dataset import Object
from synthir.errors import BrokenLabels, UsageError
from synthir.files import sha256_tree
from synthir.formats import read
from synthir.images import decode, is_marked
from synthir.manifest import read_manifest
from synthir.specs import Polarity
from synthir.twins import marked
from synthir.warming import warmed
from tests.datasets import converted, picture, write_picture
from tests.fake_engine import FakeEngine, fake_spec
from tests.test_twins import golden

WARMED = Options(mix="warmed")
LABELLED = [name for name in folders.names("synthir.formats") if name not in ("folder", "coco")]
"""The golden dataset of COCO has objects without a class, of which nobody knows what they are."""


def decoded(path: Path) -> np.ndarray[Any, np.dtype[Any]]:
    """The levels of a picture as it lies."""
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found


def expected(path: Path, place: str, objects: list[Object]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture with the objects warm that have an area and are no crowd, as warm as its name says."""
    rng = np.random.default_rng(int(sha256(place.encode()).hexdigest()[:16], 16))
    boxes = [one.box for one in objects if not one.crowd]
    return warmed(decode(path.read_bytes(), ""), boxes, rng)


@pytest.mark.parametrize("name", LABELLED)
def test_each_half_is_what_it_should_be(tmp_path: Path, name: str) -> None:
    dataset, inner = golden(name, tmp_path)
    engine = FakeEngine()
    manifest = converted(dataset, tmp_path / "out", Options(mix="warmed", ext="png"), engine)
    converted(dataset, tmp_path / "infrared", Options(ext="png"))
    assert sum(shape[0] for shape in engine.shapes) == len(dataset.images), "a twin is none of the engine's"
    objects, changed = dataset.labels.objects(), 0
    for ref in dataset.images:
        place = str(Path(ref.place).with_suffix(".png"))
        infrared, warm = (tmp_path / "out" / one for one in (place, marked(place, "_warm")))
        assert infrared.read_bytes() == (tmp_path / "infrared" / place).read_bytes()
        made = decoded(warm)
        wanted = expected(ref.path, ref.place, objects.get(ref.place, []))
        np.testing.assert_array_equal(made, wanted)
        assert is_marked(warm.read_bytes()), "it is no photograph any more"
        changed += not np.array_equal(wanted, expected(ref.path, ref.place, []))
    assert changed
    count = len(dataset.images)
    assert manifest.counts["warmed"] == count and "grayscale" not in manifest.counts
    assert [(line.warmed, line.grayscale) for line in manifest.pictures] == [(False, False), (True, False)] * count
    once, boxes = dataset.labels.boxes(), read(tmp_path / "out" / inner).labels.boxes()
    assert len(boxes) == 2 * len(once) and sum(map(len, boxes.values())) == 2 * sum(map(len, once.values()))
    assert not convert.verify(tmp_path / "out", tmp_path / "source").problems


def test_black_hot_turns_both_halves(tmp_path: Path) -> None:
    dataset, _ = golden("yolo", tmp_path)
    for name, polarity in (("white", Polarity.WHITE_HOT), ("black", Polarity.BLACK_HOT)):
        converted(dataset, tmp_path / name, Options(mix="warmed", ext="png", polarity=polarity))
    places = [line.place for line in read_manifest(tmp_path / "white").pictures]
    assert any(place.endswith("_warm.png") for place in places)
    for place in (place for place in places if place.endswith("_warm.png")):
        white, black = (decoded(tmp_path / name / place) for name in ("white", "black"))
        np.testing.assert_array_equal(black, 255 - white)


def boxed(tmp_path: Path, annotations: list[dict[str, object]]) -> Path:
    """A COCO file of one picture with those annotations."""
    write_picture(tmp_path / "images/a.png", picture(3, 40, 60))
    images = [{"id": 1, "file_name": "a.png", "width": 60, "height": 40}]
    rows = [{"id": n, "image_id": 1, "category_id": 1, **row} for n, row in enumerate(annotations, 1)]
    file = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "a.json").write_text(json.dumps(file))
    return tmp_path / "a.json"


def test_objects_that_cannot_be_warm_cost_nothing(tmp_path: Path) -> None:
    boxes = [[10.0, 8.0, 12.0, 20.0], [300.0, 300.0, 9.0, 9.0], [40.0, 8.0, 0.0, 20.0], [1e300, 1e300, 1e300, 1e300]]
    rows: list[dict[str, object]] = [{"bbox": box} for box in boxes]
    source = boxed(tmp_path / "source", [*rows, {"bbox": [30.0, 8.0, 12.0, 20.0], "iscrowd": 1}])
    converted(read(source), tmp_path / "out", WARMED)
    made = decoded(tmp_path / "out/images/a_warm.png")
    np.testing.assert_array_equal(
        made, expected(tmp_path / "source/images/a.png", "images/a.png", [Object("person", (10.0, 8.0, 12.0, 20.0))])
    )


def test_a_box_that_is_no_number_costs_nothing(tmp_path: Path) -> None:
    rows = ["0 nan 0.5 0.2 0.5", "0 0.5 inf 0.2 0.5", "0 0.25 0.5 0.2 0.5"]
    write_picture(tmp_path / "source/images/a.png", picture(3, 40, 60))
    (tmp_path / "source/labels").mkdir()
    (tmp_path / "source/labels/a.txt").write_text("\n".join(rows))
    converted(read(tmp_path / "source", format="yolo"), tmp_path / "out", WARMED)
    wanted = expected(tmp_path / "source/images/a.png", "images/a.png", [Object("0", (9.0, 10.0, 12.0, 20.0))])
    np.testing.assert_array_equal(decoded(tmp_path / "out/images/a_warm.png"), wanted)


def test_stopped_and_resumed_it_is_the_same(tmp_path: Path) -> None:
    dataset, _ = golden("voc", tmp_path)
    converted(dataset, tmp_path / "whole", WARMED)
    planned = convert.plan(dataset, tmp_path / "out", fake_spec(), WARMED)

    def stop(done: int, refused: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert.run(planned, FakeEngine(), stop)
    converted(dataset, tmp_path / "out", WARMED)
    assert sha256_tree(tmp_path / "out") == sha256_tree(tmp_path / "whole")


def test_labels_without_boxes_or_classes_are_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "plain/a.png", picture(3, 40, 60))
    with pytest.raises(UsageError, match="no objects to make warm"):
        convert.plan(read(tmp_path / "plain"), tmp_path / "out", fake_spec(), WARMED)
    source = boxed(tmp_path, [{"bbox": [10.0, 8.0, 12.0, 20.0], "category_id": 7}])
    with pytest.raises(BrokenLabels):
        convert.plan(read(source), tmp_path / "out", fake_spec(), WARMED)
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], small_engine: Path) -> None:
    source = boxed(tmp_path, [{"bbox": [10.0, 8.0, 12.0, 20.0]}])
    words = ["convert", str(source), "--out", str(tmp_path / "out"), "--engine", str(small_engine), "--mix", "warmed"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--quiet"])
    assert ended.value.code == 0
    assert "1 infrared picture, 1 in grayscale with warm objects, 1 label file" in capsys.readouterr().out
