"""Every method on one pair of pictures: what a row of the report is made of; the plain baselines among the methods.

And which of the pairs the model has seen.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from . import metrics, object_metrics
from .audit import THRESHOLDS, Bits, Modality, nearest
from .dataset import Box
from .detector import Detector
from .features import Features, Float32
from .images import UInt8
from .metrics import Grey
from .object_metrics import Detected
from .pairs import Pair, read_pair
from .seen import Seen, mean_level, pair_hashes
from .validation import Method, grayscale

TEST_MEAN = "test mean"
"""The constant where nobody says what was trained on: the mean level of the very infrared that is measured."""


@dataclass(frozen=True)
class Instruments:
    """What needs files the user gives; None is not measured."""

    lpips: Callable[[Grey, Grey], float] | None = None
    features: Features | None = None
    detector: Detector | None = None


@dataclass(frozen=True)
class Row:
    """One method on one picture."""

    protocol: str
    method: str
    picture: str
    raw: metrics.Scores
    aligned: metrics.Scores
    contrasts: tuple[float, ...]
    real_contrasts: tuple[float, ...]
    detected: Detected | None = None


@dataclass(frozen=True)
class Measured:
    """A row, and what a network sees in the picture as it is, aligned, and in the real one, (D,) each."""

    row: Row
    features: tuple[Float32, Float32, Float32] | None


def measure(
    protocol: str, pair: Pair, methods: Mapping[str, Method], boxes: list[Box], instruments: Instruments
) -> Iterator[Measured]:
    """Every method on one pair, in their order. The detector looks only where there are boxes. Raises PictureError."""
    visible, real = read_pair(pair)
    contrasts = tuple(object_metrics.contrasts(real, boxes))
    look, sees = (instruments.detector if boxes else None), instruments.features
    found, seen = (look(real) if look else []), (sees(real) if sees else None)
    for name, method in methods.items():
        made = method(visible)
        aligned = metrics.align(made, real)
        row = Row(
            protocol,
            name,
            pair.name,
            metrics.score(made, real, instruments.lpips),
            metrics.score(aligned, real, instruments.lpips),
            tuple(object_metrics.contrasts(made, boxes)),
            contrasts,
            object_metrics.compare(look(made), found, boxes) if look else None,
        )
        yield Measured(row, (sees(made), sees(aligned), seen) if sees and seen is not None else None)


def baselines(training: float, pairs: list[Pair]) -> dict[str, Method]:
    """Grayscale, inverted grayscale, and one grey level: the mean of the training infrared, `constant`.

    Where that is NaN, not known, it is the mean of the measured infrared itself, `test mean`.
    """
    mean = {TEST_MEAN: constant(mean_level(pairs))} if math.isnan(training) else {"constant": constant(training)}
    return {"grayscale": grayscale, "inverted": inverted} | mean


def inverted(rgb: UInt8) -> UInt8:
    """255 - luma."""
    return np.asarray(255 - grayscale(rgb), dtype=np.uint8)


def constant(level: float) -> Method:
    """One grey level everywhere."""
    return lambda rgb: np.full(rgb.shape[:2], round(level), np.uint8)


def known_pictures(pairs: list[Pair], seen: Seen) -> str:
    """How many pairs show what the model has seen, in visible or infrared, and an example; empty where none does."""
    apart: dict[str, int] = {}
    records: tuple[tuple[Modality, Bits], ...] = (("visible", seen.visible), ("infrared", seen.infrared))
    for modality, known in records:
        if len(known):
            for row, _, bits in nearest(pair_hashes(pairs, modality), known, THRESHOLDS[modality]):
                apart[pairs[row].name] = min(bits, apart.get(pairs[row].name, bits))
    if not apart:
        return ""
    example, same = min(apart, key=lambda name: (apart[name], name)), list(apart.values()).count(0)
    alike = f"{len(apart)} of {len(pairs)} look like pictures the model was trained on or validated with"
    return f"{alike}, e.g. {example}, {apart[example]} of 256 bits apart; {same} of them are such a picture itself"
