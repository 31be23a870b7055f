"""A detector the user gives: an ONNX or OpenVINO file with YOLO's output, run by OpenVINO on the CPU.

Input (1, 3, H, W), RGB in [0, 1]; output (1, 4 + classes, N): centre x, centre y, width and height in pixels of the
input, then a score from 0 to 1 for each class. That is what YOLOv8, YOLO11 and their like are exported as.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from .backends.openvino import runtime
from .dataset import Box
from .errors import ConfigError
from .metrics import Grey
from .torchvision_cpu import nms

Detector = Callable[[Grey], list[Box]]
"""A grey picture (H, W) -> boxes x, y, width, height in its pixels, the best first."""

SUPPRESS = 0.7
"""Overlap with a better detection of the same class from which one is left out."""
GREY = 114
"""What fills the input around the picture."""
SIDE = 640
"""Input of a detector that takes any size."""
HOW = "export a detector without NMS, e.g. to ONNX, and give its .onnx file or OpenVINO's .xml"


def open_detector(path: Path, score: float, wanted: int = -1) -> Detector:
    """A detector that reports what scores `score` or more; of the class `wanted` alone unless that is -1.

    Raises ConfigError where the file is absent or no such detector.
    """
    if not path.is_file():
        raise ConfigError("no detector", where=str(path), why="no such file", fix=HOW)
    core = runtime().Core()
    try:
        model = core.read_model(path)
        height, width = input_size(model)
        model.reshape([1, 3, height, width])
        request = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    except (RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise ConfigError("a detector that cannot be opened", where=str(path), why=why, fix=HOW) from None

    def detect(picture: Grey) -> list[Box]:
        frame, scale, left, top = letterbox(picture, height, width)
        output = np.array(request.infer({0: frame})[0], np.float32)
        if output.ndim != 3 or len(output) != 1 or not 5 <= output.shape[1] < output.shape[2]:
            why = f"its output is {output.shape}, expected (1, 4 + classes, N)"
            raise ConfigError("a detector with another output", where=str(path), why=why, fix=HOW)
        if wanted >= output.shape[1] - 4:
            why = f"detector_class is {wanted}, it has {output.shape[1] - 4} classes from 0"
            raise ConfigError("a class the detector has not", where=str(path), why=why, fix="choose another class")
        boxes = decode(output[0], score, wanted)
        return [((x - left) / scale, (y - top) / scale, w / scale, h / scale) for x, y, w, h in boxes]

    return detect


def input_size(model: Any) -> tuple[int, int]:
    """Height and width of the model's input; SIDE where it takes any. Raises ValueError for another kind of input."""
    shape = model.inputs[0].partial_shape
    if len(model.inputs) != 1 or len(shape) != 4 or not (shape[1].is_dynamic or shape[1].get_length() == 3):
        raise ValueError(f"the input is {shape}, expected (1, 3, H, W)")
    height, width = (SIDE if shape[axis].is_dynamic else shape[axis].get_length() for axis in (2, 3))
    return height, width


def letterbox(picture: Grey, height: int, width: int) -> tuple[NDArray[np.float32], float, int, int]:
    """The picture as the detector sees it, (1, 3, height, width) in [0, 1], with its scale, left and top there.

    Its shape is kept: it is resized as a whole and lies in the middle of a grey frame. Values are clipped to 0 to 255.
    """
    scale = min(height / picture.shape[0], width / picture.shape[1])
    rows, columns = (max(1, round(side * scale)) for side in picture.shape)
    grey = np.clip(picture, 0, 255).astype(np.float32)
    resized = grey if grey.shape == (rows, columns) else cv2.resize(grey, (columns, rows))
    top, left = (height - rows) // 2, (width - columns) // 2
    frame = np.full((height, width), GREY, np.float32)
    frame[top : top + rows, left : left + columns] = resized
    return np.repeat(frame[None, None] / np.float32(255.0), 3, axis=1), scale, left, top


def decode(output: NDArray[np.float32], score: float, wanted: int) -> list[Box]:
    """Boxes x, y, width, height of an output (4 + classes, N) after non-maximum suppression in each class."""
    scores = output[4:] if wanted < 0 else output[4 + wanted : 5 + wanted]
    best, kinds = scores.max(axis=0), scores.argmax(axis=0)
    chosen = np.flatnonzero(best >= score)
    sizes = output[2:4, chosen].T
    corners = output[:2, chosen].T - sizes / 2.0
    spans = np.concatenate([corners, corners + sizes], axis=1) + kinds[chosen, None] * 1e5  # classes lie far apart
    kept = nms(torch.from_numpy(spans.astype(np.float64)), torch.from_numpy(best[chosen]), SUPPRESS)
    x, y, w, h = np.concatenate([corners, sizes], axis=1)[kept.numpy()].astype(np.float64).T
    return list(zip(x.tolist(), y.tolist(), w.tolist(), h.tolist(), strict=True))
