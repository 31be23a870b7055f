"""Detectors: boxes come back in the pixels of the picture, doubles go, and what is no detector is refused."""

from pathlib import Path

import numpy as np
import pytest

from synthir.detector import decode, input_size, letterbox, open_detector
from synthir.errors import ConfigError
from tests import blob_detector


def test_bright_cells_are_found_the_best_first(tmp_path: Path) -> None:
    detect = open_detector(blob_detector.build(tmp_path), 0.5)
    picture = np.zeros((64, 64), np.uint8)
    picture[16:32, 32:48] = 200
    picture[48:64, 0:16] = 255
    picture[0:16, 0:16] = 120  # under the score
    assert detect(picture) == [(0.0, 48.0, 16.0, 16.0), (32.0, 16.0, 16.0, 16.0)]
    assert detect(np.zeros((64, 64), np.uint8)) == []


def test_boxes_are_in_the_pixels_of_a_picture_of_another_shape(tmp_path: Path) -> None:
    """128x64 at half size is the rows 16 to 48 of the input; 64x128 the columns."""
    detect = open_detector(blob_detector.build(tmp_path), 0.9)
    picture = np.zeros((64, 128))
    picture[32:64, 96:128] = 300.0  # clipped to 255
    assert detect(picture) == [(96.0, 32.0, 32.0, 32.0)]
    tall = np.zeros((128, 64), np.uint8)
    tall[96:128, 32:64] = 255
    assert detect(tall) == [(32.0, 96.0, 32.0, 32.0)]


def test_the_frame_around_the_picture_is_grey() -> None:
    frame, scale, left, top = letterbox(np.full((10, 20), 255, np.uint8), 40, 40)
    assert (scale, left, top) == (2.0, 0, 10)
    assert frame.shape == (1, 3, 40, 40)
    np.testing.assert_array_equal(frame[0, :, 10:30], 1.0)
    np.testing.assert_array_equal(frame[0, :, :10], np.float32(114 / 255))


def test_one_class_or_all(tmp_path: Path) -> None:
    place = blob_detector.build(tmp_path, classes=2)
    picture = np.zeros((64, 64), np.uint8)
    picture[:16, :16] = 255
    assert open_detector(place, 0.9, 0)(picture) == [(0.0, 0.0, 16.0, 16.0)]
    assert len(open_detector(place, 0.9, 1)(picture)) == 15
    assert len(open_detector(place, 0.9)(picture)) == 16
    with pytest.raises(ConfigError, match="detector_class is 2, it has 2 classes"):
        open_detector(place, 0.9, 2)(picture)


def test_doubles_go_within_a_class_only() -> None:
    """Centre x, y, width, height; overlaps with the first: 0.9 and 0.6 (9 and 7.5 of 10 rows in common)."""
    boxes = np.array([[5, 5, 10, 10], [5, 4.5, 10, 9], [5, 7.5, 10, 10], [5, 5, 10, 10]], np.float32).T
    one = np.array([[0.9, 0.8, 0.7, 0.0], [0.0, 0.0, 0.0, 0.6]], np.float32)
    assert decode(np.concatenate([boxes, one]), 0.5, -1) == [(0, 0, 10, 10), (0, 2.5, 10, 10), (0, 0, 10, 10)]
    assert decode(np.concatenate([boxes, one]), 0.5, 0) == [(0, 0, 10, 10), (0, 2.5, 10, 10)]
    assert decode(np.concatenate([boxes, one]), 0.95, -1) == []


def test_a_detector_of_any_size_sees_640_pixels() -> None:
    from openvino import opset13

    from synthir.backends.openvino import runtime

    openvino = runtime()
    visible = opset13.parameter([-1, 3, -1, -1], dtype=openvino.Type.f32)
    assert input_size(openvino.Model([opset13.relu(visible)], [visible], "any")) == (640, 640)
    flat = opset13.parameter([1, 3, 640], dtype=openvino.Type.f32)
    with pytest.raises(ValueError, match=r"expected \(1, 3, H, W\)"):
        input_size(openvino.Model([opset13.relu(flat)], [flat], "flat"))


def test_what_is_no_detector_is_refused(tmp_path: Path, small_engine: Path) -> None:
    with pytest.raises(ConfigError, match=r"no detector \(no such file\).*onnx"):
        open_detector(tmp_path / "none.onnx", 0.5)
    (tmp_path / "text.onnx").write_text("a detector")
    with pytest.raises(ConfigError, match="cannot be opened"):
        open_detector(tmp_path / "text.onnx", 0.5)
    picture = np.zeros((64, 64), np.uint8)
    with pytest.raises(ConfigError, match=r"its output is \(1, 1, 640, 640\)"):
        open_detector(small_engine, 0.5)(picture)
    with pytest.raises(ConfigError, match=r"its output is \(1, 16, 5\)"):
        open_detector(blob_detector.build(tmp_path, transposed=True), 0.5)(picture)
