"""Makes `import torchvision` work beside a CPU build of torch, for what imports it: ultralytics, features for FID.

The pip package of torchvision is built for CUDA. Beside a CPU build of torch its native library does not load, its
operators are missing, and its import ends in FAULT. `mend_torchvision` supplies the one operator that is wanted, nms.
See docs/decisions/0010-torchvision-on-a-cpu.md.
"""

import importlib
import sys
from typing import Any

import torch
from torch import Tensor

FAULT = "operator torchvision::nms does not exist"
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
BLOCK = 64
"""Boxes that are decided together: the fewer blocks, the fewer calls of torch."""


def mend_torchvision() -> bool:
    """Import torchvision, with an nms of our own where its import fails with FAULT; True if that was so.

    Call it before importing a package that imports torchvision. Does nothing where torchvision is absent or works.
    Any other error of the import is raised as it is.
    """
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
    except RuntimeError as error:
        if str(error) != FAULT:
            raise
        import_with_nms()
        return True
    return False


def import_with_nms() -> None:
    """Register what torchvision's import misses, and import it afresh."""
    for name in ("nms", "qnms"):  # the import wants both to exist; only the first can be called
        torch.library.define(f"torchvision::{name}", SCHEMA)
    torch.library.impl("torchvision::nms", "cpu", nms)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    importlib.import_module("torchvision")
    extension: Any = importlib.import_module("torchvision.extension")
    extension._has_ops = lambda: True  # asked before each call of nms


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: indices (K,) int64 of the boxes that stay, best score first, ties as they came.

    boxes: (N, 4) float, left, top, right, bottom; scores: (N,). A box goes if its overlap with a better one that stays
    is greater than iou_threshold. Raises RuntimeError for other shapes, as torchvision's own does.
    """
    if scores.ndim != 1 or boxes.shape != (len(scores), 4):
        raise RuntimeError(f"nms needs boxes (N, 4) and scores (N,), not {(*boxes.shape,)} and {(*scores.shape,)}")
    rest = scores.argsort(descending=True, stable=True)
    kept = [rest[:0]]
    while len(rest):
        block, rest = rest[:BLOCK], rest[BLOCK:]
        best = block[survivors(overlaps(boxes[block], boxes[block]) > iou_threshold)]
        kept.append(best)
        rest = rest[~(overlaps(boxes[best], boxes[rest]) > iou_threshold).any(dim=0)]
    return torch.cat(kept)


def survivors(suppresses: Tensor) -> Tensor:
    """(N,) bool, which of N boxes stay, the best first; suppresses: (N, N) bool, whether i takes j out if i stays."""
    stays = torch.ones(len(suppresses), dtype=torch.bool)
    for index, row in enumerate(suppresses):
        if stays[index]:
            stays[index + 1 :] &= ~row[index + 1 :]
    return stays


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (N, M) float64 of boxes (N, 4) with others (M, 4); NaN where both are empty."""
    boxes, others = boxes[:, None], others[None]
    sides = torch.minimum(boxes[..., 2:], others[..., 2:]) - torch.maximum(boxes[..., :2], others[..., :2])
    shared = sides.clamp(min=0).prod(dim=-1)
    ratio: Tensor = shared / (area(boxes) + area(others) - shared)
    return ratio.double()  # a threshold such as 0.7 is no float32 number


def area(boxes: Tensor) -> Tensor:
    """(...,) of boxes (..., 4)."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)
