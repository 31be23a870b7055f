"""`synthir evaluate`: baselines have the numbers they must have, and nothing trained on is measured."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir import metrics
from synthir.errors import ConfigError
from synthir.evaluate import EvaluateConfig, Protocol, evaluate, evaluate_from, markdown
from synthir.pairs import PairSource, find_pairs, read_pair
from tests import tiny
from tests.fake_engine import FakeEngine, red

TEST = PairSource("folders", "test/visible", "test/infrared")
TRAIN = PairSource("folders", "train/visible", "train/infrared")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two sets of drawn pairs and a box on the first disc of one picture."""
    for name, count in (("test", 3), ("train", 2)):
        tiny.draw_pairs(tmp_path / name, count)
    images = [{"id": 1, "file_name": "001.png", "width": 96, "height": 96}]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 20, 30, 30]}]
    entry = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "disc"}]}
    (tmp_path / "boxes.json").write_text(json.dumps(entry), encoding="utf-8")
    return tmp_path


def config(**changes: object) -> EvaluateConfig:
    """One protocol on the test pairs."""
    boxed = replace(TEST, boxes="boxes.json", boxes_images="test/visible")
    protocol = Protocol("P unseen", boxed, sheet=2)
    return EvaluateConfig(**{"protocols": (protocol,), "training": (TRAIN,), **changes})  # type: ignore[arg-type]


def test_every_method_is_measured_on_every_picture(data: Path) -> None:
    rows = evaluate(config(), FakeEngine(red), data, data / "out")
    assert [(row.method, row.picture) for row in rows[:4]] == [
        (method, "000.png") for method in ("generator", "grayscale", "inverted", "constant")
    ]
    visible, real = read_pair(find_pairs(data, TEST)[0])
    by_method = {row.method: row for row in rows[:4]}
    assert by_method["generator"].raw == metrics.score(visible[..., 0], real)
    assert by_method["grayscale"].raw.rmse == pytest.approx(metrics.score(visible[..., 0], real).rmse, abs=0.5)
    assert by_method["grayscale"].aligned.rmse == pytest.approx(by_method["inverted"].aligned.rmse)
    assert by_method["constant"].aligned.rmse == pytest.approx(real.std())


def test_contrast_is_measured_on_the_boxed_picture_alone(data: Path) -> None:
    rows = evaluate(config(), FakeEngine(red), data, data / "out")
    boxed = [row for row in rows if row.contrasts]
    assert {row.picture for row in boxed} == {"001.png"}
    grey, inverted = (next(r for r in boxed if r.method == method) for method in ("grayscale", "inverted"))
    assert grey.contrasts[0] == pytest.approx(-inverted.contrasts[0])
    assert grey.real_contrasts == tuple(metrics.contrasts(read_pair(find_pairs(data, TEST)[1])[1], [(20, 20, 30, 30)]))


def test_the_constant_is_the_mean_of_the_training_pictures(data: Path) -> None:
    level = np.mean([read_pair(pair)[1].mean() for pair in find_pairs(data, TRAIN)])
    (row, *_) = [r for r in evaluate(config(), FakeEngine(red), data, data / "out") if r.method == "constant"]
    real = read_pair(find_pairs(data, TEST)[0])[1]
    assert row.raw == metrics.score(np.full(real.shape, round(level), np.uint8), real)


def test_pictures_that_were_trained_on_are_refused(data: Path) -> None:
    with pytest.raises(ConfigError, match="3 pictures were trained on"):
        evaluate(config(training=(TEST,)), FakeEngine(red), data, data / "out")


def test_the_table_and_files_hold_the_same_numbers(data: Path, small_engine: Path) -> None:
    toml = """
[[training]]
layout = "folders"
visible = "train/visible"
infrared = "train/infrared"
[[protocols]]
name = "P unseen"
[protocols.pairs]
layout = "folders"
visible = "test/visible"
infrared = "test/infrared"
boxes = "boxes.json"
boxes_images = "test/visible"
"""
    (data / "protocol.toml").write_text(toml, encoding="utf-8")
    table = evaluate_from(str(small_engine), data / "protocol.toml", data, data / "out")
    assert (data / "out/table.md").read_text(encoding="utf-8") == table
    with (data / "out/rows.csv").open(encoding="utf-8") as file:
        grey = [row for row in csv.DictReader(file) if row["method"] == "grayscale"]
    mean = np.mean([float(row["ssim"]) for row in grey])
    line = next(line for line in table.splitlines() if "| grayscale |" in line)
    assert line.split("|")[5].strip().startswith(f"{mean:.3f}")
    assert len(grey) == 3 and "| 1 |" in line


def test_the_sheet_shows_visible_real_and_synthetic(data: Path) -> None:
    evaluate(config(), FakeEngine(red), data, data / "out")
    sheet = cv2.imread(str(data / "out/sheet-p-unseen.png"))
    assert sheet is not None
    visible, real = read_pair(find_pairs(data, TEST)[0])
    np.testing.assert_array_equal(sheet[:96, :96, ::-1], visible)
    np.testing.assert_array_equal(sheet[:96, 96:192, 0], real)
    np.testing.assert_array_equal(sheet[:96, 192:288, 0], visible[..., 0])


def test_a_table_without_boxes_leaves_the_column_empty(data: Path) -> None:
    protocol = Protocol("P", TEST)
    rows = evaluate(config(protocols=(protocol,)), FakeEngine(red), data, data / "out")
    assert "| 0 | | |" in markdown(rows, "x")


def test_none_of_every_and_no_rows_are_faults() -> None:
    with pytest.raises(ValueError, match="every is 0"):
        config(every=0)
    with pytest.raises(ValueError, match="sheet is 0"):
        Protocol("P", TEST, sheet=0)
