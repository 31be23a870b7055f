"""`synthir evaluate`: baselines have the numbers they must have, and nothing trained on is measured."""

import csv
import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from synthir import distribution, metrics, object_metrics
from synthir.errors import ConfigError
from synthir.evaluate import EvaluateConfig, Protocol, evaluate, evaluate_from, evaluate_pairs, open_instruments
from synthir.evaluate_report import DEFINITIONS, markdown
from synthir.layouts import find_pairs
from synthir.measurement import Instruments, Row, measure
from synthir.pairs import PairSource, read_pair
from synthir.totals import total
from tests import blob_detector, test_lpips, tiny
from tests.fake_engine import FakeEngine, red

TEST = PairSource("folders", "test/visible", "test/infrared")
TRAIN = PairSource("folders", "train/visible", "train/infrared")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two sets of drawn pairs and a box on the first disc of one picture."""
    for name, count in (("test", 3), ("train", 2)):
        tiny.draw_pairs(tmp_path / name, count)
    write_boxes(tmp_path / "boxes.json")
    return tmp_path


def write_boxes(path: Path) -> None:
    """A COCO file with one box on the second picture."""
    images = [{"id": 1, "file_name": "001.png", "width": 96, "height": 96}]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 20, 30, 30]}]
    entry = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "disc"}]}
    path.write_text(json.dumps(entry), encoding="utf-8")


def config(**changes: object) -> EvaluateConfig:
    """One protocol on the test pairs."""
    boxed = replace(TEST, boxes="boxes.json", boxes_images="test/visible")
    protocol = Protocol("P unseen", boxed, allow_shared_scenes=True, sheet=2)  # the drawn ones are all alike
    return EvaluateConfig(**{"protocols": (protocol,), "training": (TRAIN,), **changes})  # type: ignore[arg-type]


def rows(data: Path, **changes: object) -> list[Row]:
    return evaluate(config(**changes), FakeEngine(red), data, data / "out").rows


def same(one: metrics.Scores, other: metrics.Scores) -> bool:
    """Equal, figures that both have not included."""
    return asdict(one) == pytest.approx(asdict(other), rel=1e-12, nan_ok=True)


def test_every_method_is_measured_on_every_picture(data: Path) -> None:
    found = rows(data)
    assert [(row.method, row.picture) for row in found[:4]] == [
        (method, "000.png") for method in ("generator", "grayscale", "inverted", "constant")
    ]
    visible, real = read_pair(find_pairs(data, TEST)[0])
    by_method = {row.method: row for row in found[:4]}
    assert same(by_method["generator"].raw, metrics.score(visible[..., 0], real))
    assert same(by_method["generator"].aligned, metrics.score(metrics.align(visible[..., 0], real), real))
    assert by_method["grayscale"].raw.rmse == pytest.approx(metrics.score(visible[..., 0], real).rmse, abs=0.5)
    assert by_method["grayscale"].aligned.rmse == pytest.approx(by_method["inverted"].aligned.rmse)
    assert by_method["constant"].aligned.rmse == pytest.approx(real.std())


def test_contrast_is_measured_on_the_boxed_picture_alone(data: Path) -> None:
    boxed = [row for row in rows(data) if row.contrasts]
    assert {row.picture for row in boxed} == {"001.png"}
    grey, inverted = (next(r for r in boxed if r.method == method) for method in ("grayscale", "inverted"))
    assert grey.contrasts[0] == pytest.approx(-inverted.contrasts[0])
    real = read_pair(find_pairs(data, TEST)[1])[1]
    assert grey.real_contrasts == tuple(object_metrics.contrasts(real, [(20, 20, 30, 30)]))


def test_the_constant_is_the_mean_of_the_training_pictures(data: Path) -> None:
    level = np.mean([read_pair(pair)[1].mean() for pair in find_pairs(data, TRAIN)])
    (row, *_) = [r for r in rows(data) if r.method == "constant"]
    real = read_pair(find_pairs(data, TEST)[0])[1]
    assert same(row.raw, metrics.score(np.full(real.shape, round(level), np.uint8), real))


def test_pictures_that_were_trained_on_are_refused(data: Path) -> None:
    with pytest.raises(ConfigError, match="3 pictures were trained on"):
        rows(data, training=(TEST,))


def test_scenes_that_were_trained_on_are_refused_unless_allowed_and_then_noted(data: Path) -> None:
    with pytest.raises(ConfigError, match=r"scenes that are trained on .*allow_shared_scenes"):
        rows(data, protocols=(Protocol("P", TEST),))
    evaluation = evaluate(config(), FakeEngine(red), data, data / "out")
    assert "P unseen: scenes that were trained on are allowed." in evaluation.notes


TOML = """
[[training]]
layout = "folders"
visible = "train/visible"
infrared = "train/infrared"
[[protocols]]
name = "P unseen"
allow_shared_scenes = true
[protocols.pairs]
layout = "folders"
visible = "test/visible"
infrared = "test/infrared"
boxes = "boxes.json"
boxes_images = "test/visible"
"""


def cells(table: str, method: str) -> list[list[str]]:
    """The cells of a method's lines, one a table."""
    lines = [line for line in table.splitlines() if f"| {method} |" in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_and_files_hold_the_same_numbers(data: Path, small_engine: Path) -> None:
    (data / "protocol.toml").write_text(TOML, encoding="utf-8")
    table = evaluate_from(str(small_engine), data / "protocol.toml", data, data / "out")
    assert (data / "out/table.md").read_text(encoding="utf-8") == table
    with (data / "out/rows.csv").open(encoding="utf-8") as file:
        grey = [row for row in csv.DictReader(file) if row["method"] == "grayscale"]
    means = {
        name: np.mean([float(row[name]) for row in grey]) for name in ("psnr", "ssim", "mse", "uqi", "aligned_uqi")
    }
    first, second, third = cells(table, "grayscale")
    assert first[3].startswith(f"{means['psnr']:.2f} (") and first[4].startswith(f"{means['ssim']:.3f} (")
    assert second[2].startswith(f"{means['mse']:.0f} (")
    assert second[3] == f"{means['uqi']:.3f} ({means['aligned_uqi']:.3f})"
    assert first[9] in ("0.00", "1.00")  # of one object there is no interval
    assert len(grey) == 3 and first[7] == "1" and [row["boxes"] for row in grey] == ["0", "1", "0"]
    assert grey[0]["ms_ssim"] == "" and "MS-SSIM" not in table.split("\n- ")[0]
    assert "MS-SSIM: pictures under 176 pixels on the short side have none." in table
    low, high = metrics.block_interval([float(row["psnr"]) for row in grey], 1, np.random.default_rng(0))
    assert third[2].startswith(f"{low:.2f} to {high:.2f} (")


def test_the_json_holds_definitions_configuration_totals_and_rows(data: Path, small_engine: Path) -> None:
    (data / "protocol.toml").write_text(TOML, encoding="utf-8")
    evaluate_from(str(small_engine), data / "protocol.toml", data, data / "out")
    held = json.loads((data / "out/rows.json").read_bytes())
    assert held["definitions"] == DEFINITIONS and held["config"]["training"][0]["visible"] == "train/visible"
    assert len(held["rows"]) == 12 and held["rows"][0]["raw"]["ms_ssim"] is None
    grey = [row["aligned"]["ssim"] for row in held["rows"] if row["method"] == "grayscale"]
    (whole,) = [one for one in held["totals"] if one["method"] == "grayscale"]
    low, high = metrics.block_interval(grey, 1, np.random.default_rng(0))
    assert whole["aligned"]["ssim"] == pytest.approx({"value": np.mean(grey), "low": low, "high": high, "count": 3})
    assert whole["objects"]["sign"]["count"] == whole["objects"]["boxes"] == 1
    assert "Not measured, no file given: LPIPS, FID, KID, deletion, insertion." in held["notes"]


def test_the_sheet_shows_visible_real_and_synthetic(data: Path) -> None:
    rows(data)
    sheet = cv2.imread(str(data / "out/sheet-p-unseen.png"))
    assert sheet is not None
    visible, real = read_pair(find_pairs(data, TEST)[0])
    np.testing.assert_array_equal(sheet[:96, :96, ::-1], visible)
    np.testing.assert_array_equal(sheet[:96, 96:192, 0], real)
    np.testing.assert_array_equal(sheet[:96, 192:288, 0], visible[..., 0])


def test_a_table_without_boxes_leaves_the_column_empty(data: Path) -> None:
    evaluation = evaluate(
        config(protocols=(Protocol("P", TEST, allow_shared_scenes=True),)), FakeEngine(red), data, data / "out"
    )
    table = markdown(evaluation, "x")
    assert "| 0 | | |" in table and "sign flips" not in table
    widths = [[line.count("|") for line in part.split("\n")] for part in table.split("\n\n") if part[0] == "|"]
    assert len(widths) == 3 and all(len(set(width)) == 1 for width in widths)


def test_none_of_every_and_no_rows_are_faults() -> None:
    with pytest.raises(ValueError, match="every is 0"):
        config(every=0)
    with pytest.raises(ValueError, match="sheet is 0"):
        Protocol("P", TEST, sheet=0)
    with pytest.raises(ValueError, match="both lpips and lpips_backbone"):
        config(lpips="linear.pth")


def test_a_folder_of_pairs_needs_no_protocol(data: Path, small_engine: Path) -> None:
    write_boxes(data / "test/boxes.json")
    table = evaluate_pairs(str(small_engine), data / "test", data / "out")
    own = np.mean([read_pair(pair)[1].mean() for pair in find_pairs(data, TEST)])
    expected = [
        metrics.score(np.full((96, 96), round(own), np.uint8), read_pair(pair)[1]).psnr
        for pair in find_pairs(data, TEST)
    ]
    first = cells(table, "test mean")[0]
    assert first[0] == "test" and first[3].startswith(f"{np.mean(expected):.2f} (") and first[7] == "1"
    assert "| constant |" not in table and "it knows more than a constant may" in table


def test_lpips_of_the_files_given_is_in_every_row(data: Path) -> None:
    linear, backbone = test_lpips.draw("alexnet")
    files = test_lpips.write(data, linear, backbone)
    named = {"lpips": str(files[0]), "lpips_backbone": str(files[1])}
    evaluation = evaluate(config(every=2, **named), FakeEngine(red), data, data / "out")
    visible, real = read_pair(find_pairs(data, TEST)[0])
    expected = test_lpips.written_out(visible[..., 0], real, linear, backbone)
    assert evaluation.rows[0].raw.lpips == pytest.approx(expected, rel=1e-3)
    assert "| LPIPS |" in markdown(evaluation, "x") and evaluation.notes[0].startswith("LPIPS: backbone.pth (sha256 ")


def test_files_that_are_absent_stop_it_before_anything_is_measured(data: Path) -> None:
    for named in ({"lpips": "a", "lpips_backbone": "b"}, {"detector": "c.onnx"}):
        with pytest.raises(ConfigError, match="no such file"):
            rows(data, **named)
    assert not (data / "out").exists()


def test_deletion_and_insertion_with_a_detector(tmp_path: Path) -> None:
    """Bright cells of a 4x4 grid: two of three labelled ones are in the real picture, one of those in the other."""
    pictures = {"visible": np.zeros((64, 64), np.uint8), "infrared": np.zeros((64, 64), np.uint8)}
    for name, where in (("infrared", [(0, 0), (16, 0)]), ("visible", [(16, 0), (32, 32), (48, 48)])):
        for x, y in where:
            pictures[name][y : y + 16, x : x + 16] = 250
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), pictures[name])
    instruments = open_instruments(config(detector=str(blob_detector.build(tmp_path)), detector_score=0.9))
    (pair,) = find_pairs(tmp_path, PairSource("folders", "visible", "infrared"))
    boxes = [(0.0, 0.0, 16.0, 16.0), (16.0, 0.0, 16.0, 16.0), (48.0, 48.0, 16.0, 16.0)]
    methods = {"generator": lambda rgb: np.ascontiguousarray(rgb[..., 0])}
    (measured,) = measure("P", pair, methods, boxes, instruments)
    assert measured.row.detected == object_metrics.Detected((True, True, False), (False, True, True), 1)
    whole = total([measured], force_fid=False).objects
    assert whole is not None and whole.deletion is not None and whole.insertion is not None
    assert (whole.deletion.value, whole.deletion.count, whole.insertion.value) == (0.5, 2, 1.0)
    (unlabelled,) = measure("P", pair, methods, [], instruments)
    assert unlabelled.row.detected is None


def test_fid_and_kid_are_of_raw_and_aligned_pictures_and_fid_is_refused_to_few(data: Path) -> None:
    def mean_and_spread(picture: metrics.Grey) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.array([picture.mean(), picture.std()], np.float32)

    methods = {"generator": lambda rgb: np.asarray(rgb[..., 0] // 2, np.uint8)}
    instruments = Instruments(features=mean_and_spread)
    measured = [one for pair in find_pairs(data, TEST) for one in measure("P", pair, methods, [], instruments)]
    refused, forced = (total(measured, force_fid=force).distances for force in (False, True))
    assert refused is not None and forced is not None
    assert np.isnan(refused.fid).all() and "3 pictures" in refused.refused and forced.refused == ""
    assert msgspec.json.decode(msgspec.json.encode(refused))["fid"] == [None, None]
    made, real = (
        np.array([[one.mean(), one.std()] for one in some])
        for some in zip(*[(v[..., 0] // 2, r) for v, r in map(read_pair, find_pairs(data, TEST))], strict=True)
    )
    (a, b), (c, d) = np.cov(made, rowvar=False), np.cov(real, rowvar=False)
    p, q = np.array([a, b]), np.array([c, d])
    root = np.sqrt(np.trace(p @ q) + 2 * np.sqrt(max(0.0, np.linalg.det(p) * np.linalg.det(q))))
    expected = np.square(made.mean(axis=0) - real.mean(axis=0)).sum() + np.trace(p) + np.trace(q) - 2 * root
    assert forced.fid[0] == pytest.approx(expected, rel=1e-4)
    aligned = [metrics.align(v[..., 0] // 2, r) for v, r in map(read_pair, find_pairs(data, TEST))]
    kid = distribution.kid(np.array([[one.mean(), one.std()] for one in aligned]), real, 1, np.random.default_rng(0))
    assert (forced.kid[1].value, forced.kid[1].low, forced.kid[1].high) == pytest.approx(kid, rel=1e-4)


def test_every_definition_is_documented() -> None:
    text = (Path(__file__).parents[1] / "docs/reference/figures.md").read_text(encoding="utf-8")
    assert [name for name, what in DEFINITIONS.items() if f"| {name} | {what} |" not in text] == []
    keys = [field.name for field in fields(EvaluateConfig) if field.name not in ("protocols", "training", "every")]
    assert [key for key in keys if f"| `{key}` |" not in text] == []
