"""What becomes of objects in a synthetic infrared picture: are they as hot as in the real one, and are they there?

Pictures are (H, W), grey levels 0 to 255; boxes are x, y, width, height in pixels. DEFINITIONS says what each is.
All are of the picture as it is, without gain and offset.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .dataset import Box
from .metrics import Float64, Grey, block_sums

DEFINITIONS = {
    "contrast": "Of an object: mean in its box less the mean of the ring around it, over the standard deviation of the "
    "picture. The ring reaches half a box width and height further; all boxes are cut out of it.",
    "sign": "Share of objects whose contrast has the sign it has in the real picture: hot stays hot; the rest are sign "
    "flips. A contrast of 0 counts as cold.",
    "contrast correlation": "Pearson's r of the contrasts of all objects, synthetic against real; none where one of "
    "them does not vary.",
    "deletion": "Of the labelled objects that the detector finds in the real infrared, the share it does not find in "
    "the synthetic. Found: some detection overlaps the box with an IoU of 0.5 or more.",
    "insertion": "Detections in the synthetic picture that overlap neither a label nor a detection in the real "
    "infrared with an IoU of 0.5 or more; mean over the pictures that have labels.",
}

OVERLAP = 0.5
"""Intersection over union from which two boxes are of one object."""


def contrasts(picture: Grey, boxes: Sequence[Box]) -> list[float]:
    """The contrast of each box against the ring around it, in standard deviations of the picture.

    The ring reaches half a box width and half a box height further on each side; all boxes are cut out of it. NaN where
    nothing of a box or its ring is in the picture.
    """
    values = picture.astype(np.float64)
    occupied = np.zeros(values.shape, bool)
    for box in boxes:
        occupied[window(box, 0.0, values.shape)] = True
    deviation = max(float(values.std()), 1e-6)
    return [contrast_of(values, box, occupied) / deviation for box in boxes]


def contrast_of(values: Float64, box: Box, occupied: NDArray[np.bool_]) -> float:
    """Mean in the box less mean of its ring, in grey levels."""
    inner, outer = window(box, 0.0, values.shape), window(box, 0.5, values.shape)
    ring = ~occupied[outer]
    if not ring.any() or values[inner].size == 0:
        return math.nan
    return float(values[inner].mean() - values[outer][ring].mean())


def window(box: Box, margin: float, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a box enlarged by margin times its width and height, cut at the borders of the picture."""
    x, y, width, height = box
    down, across = margin * height, margin * width
    top, bottom = max(0, round(y - down)), min(shape[0], round(y + height + down))
    left, right = max(0, round(x - across)), min(shape[1], round(x + width + across))
    return slice(top, max(top, bottom)), slice(left, max(left, right))


def signs(made: Sequence[float], real: Sequence[float]) -> list[float]:
    """1 for each object whose contrast has the sign of the real one, else 0; those without a contrast are left out."""
    return [float((m > 0) == (r > 0)) for m, r in zip(made, real, strict=True) if math.isfinite(m) and math.isfinite(r)]


def sign_agreement(made: Sequence[float], real: Sequence[float]) -> float:
    """Share of objects whose contrast has the sign of the real one; NaN without objects."""
    agree = signs(made, real)
    return float(np.mean(agree)) if agree else math.nan


def correlation(
    made: Sequence[float], real: Sequence[float], block: int, rng: np.random.Generator, draws: int = 1000
) -> tuple[float, float, float]:
    """Pearson's r of the contrasts and its 95 % interval over blocks of consecutive objects; NaN where it has none."""
    x, y = np.asarray(made, np.float64), np.asarray(real, np.float64)
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 2:
        return math.nan, math.nan, math.nan
    x, y = x[both] - x[both].mean(), y[both] - y[both].mean()
    moments = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    drawn = pearson(block_sums(moments, block, rng, draws))
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) and len(x) > block else (math.nan, math.nan)
    return float(pearson(moments.sum(axis=0)[None])[0]), float(low), float(high)


def pearson(sums: Float64) -> Float64:
    """Pearson's r of each row of sums (D, 6) of 1, x, y, xx, yy, xy; NaN where x or y does not vary."""
    n, x, y, xx, yy, xy = sums.T
    spread = (xx - x * x / n) * (yy - y * y / n)
    varies = spread > 1e-18 * n**2
    return np.where(varies, (xy - x * y / n) / np.sqrt(np.where(varies, spread, 1.0)), math.nan)


@dataclass(frozen=True)
class Detected:
    """What a detector made of the labelled objects of one picture, real and synthetic."""

    real: tuple[bool, ...]
    """Of each labelled object, whether it is found in the real infrared."""
    made: tuple[bool, ...]
    """Of each labelled object, whether it is found in the synthetic one."""
    inserted: int
    """Detections in the synthetic one of what is neither labelled nor detected in the real one."""


def compare(made: Sequence[Box], real: Sequence[Box], labels: Sequence[Box]) -> Detected:
    """Match the detections in the synthetic and the real picture with the labels and with each other."""
    known = [*labels, *real]
    found = [tuple(bool(row.any()) for row in overlap(labels, boxes) >= OVERLAP) for boxes in (real, made)]
    return Detected(found[0], found[1], int((~(overlap(made, known) >= OVERLAP).any(axis=1)).sum()))


def overlap(boxes: Sequence[Box], others: Sequence[Box]) -> Float64:
    """Intersection over union (N, M) of boxes with others; 0 where both are empty."""
    shared = intersection(boxes, others)
    union = areas(boxes)[:, None] + areas(others)[None] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float64)


def intersection(boxes: Sequence[Box], others: Sequence[Box]) -> Float64:
    """Area (N, M) that boxes share with others, in square pixels."""
    a, b = (np.asarray(list(some), np.float64).reshape(-1, 4) for some in (boxes, others))
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    return np.asarray(np.prod(np.maximum(high - low, 0.0), axis=2), np.float64)


def areas(boxes: Sequence[Box]) -> Float64:
    """Area (N,) of boxes, in square pixels."""
    return np.asarray([width * height for _, _, width, height in boxes], np.float64)


def deletion(pictures: Sequence[Detected]) -> list[float]:
    """1 for each object that is found in the real infrared and not in the synthetic, 0 for one found in both."""
    pairs = [pair for picture in pictures for pair in zip(picture.real, picture.made, strict=True)]
    return [float(not made) for real, made in pairs if real]
