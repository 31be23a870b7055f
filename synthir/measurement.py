"""Every method on one pair of pictures: what a row of the report is made of."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from . import metrics, object_metrics
from .dataset import Box
from .detector import Detector
from .features import Features, Float32
from .metrics import Grey
from .object_metrics import Detected
from .pairs import Pair, read_pair
from .validation import Method


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
