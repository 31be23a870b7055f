"""A detector whose every answer is known beforehand: it sees what is bright in each cell of a 4x4 grid."""

from pathlib import Path

import numpy as np

from synthir.backends.openvino import runtime

CELLS = 4
CELL = 16
"""Pixels a side; the input has 64."""


def build(folder: Path, classes: int = 1, *, transposed: bool = False) -> Path:
    """Write `blobs.xml`: input (1, 3, 64, 64) in [0, 1], output (1, 4 + classes, 16).

    A cell's box is the cell itself, its score of class 0 the mean brightness. Class 1 scores 1 less that.
    """
    openvino = runtime()
    from openvino import opset13 as op

    side = CELLS * CELL
    picture = op.parameter([1, 3, side, side], dtype=openvino.Type.f32, name="images")
    pooled = op.avg_pool(picture, [CELL, CELL], [0, 0], [0, 0], [CELL, CELL], exclude_pad=True)
    scores = op.reshape(op.reduce_mean(pooled, np.array([1]), True), np.array([1, 1, CELLS**2]), False)
    rows, columns = np.divmod(np.arange(CELLS**2), CELLS)
    size = np.full(CELLS**2, CELL)
    boxes = np.stack([CELL * (columns + 0.5), CELL * (rows + 0.5), size, size])[None].astype(np.float32)
    parts = [op.constant(boxes), scores, *([op.subtract(np.float32(1.0), scores)] if classes > 1 else [])]
    result = op.concat(parts, 1)
    if transposed:
        result = op.transpose(result, np.array([0, 2, 1]))
    openvino.save_model(openvino.Model([result], [picture], "blobs"), folder / "blobs.xml", compress_to_fp16=False)
    return folder / "blobs.xml"
