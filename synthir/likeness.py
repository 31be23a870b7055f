"""How alike the pictures of a generator and of a camera are, where none belongs to another: unpaired validation.

Two distributions are compared over all held-out pictures, that of grey levels and that of edges. They say whether the
results look like the camera's, never whether what is hot is right: no figure can without pairs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from . import object_metrics
from .dataset import Box
from .images import UInt8
from .metrics import Float64
from .pairs import Pair, read_loose
from .validation import Method, grayscale, in_grey, mean

LEVEL_BINS = np.arange(0.0, 257.0, 4.0)
"""Of grey levels, four each."""
EDGE_BINS = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 256.0])
"""Of gradient magnitudes in grey levels a pixel, octaves: most of a picture is smooth."""

LIKENESS_FIGURES, LIKENESS_OBJECT_FIGURES = ("levels", "edges", "likeness"), ("contrast",)
"""What a best model can be chosen by: more is better. That of objects is a number where there are boxes."""


@dataclass(frozen=True)
class Look:
    """What a set of pictures looks like."""

    levels: Float64
    """Share of the pixels in each of LEVEL_BINS."""
    edges: Float64
    """Share of the pixels in each of EDGE_BINS."""


@dataclass(frozen=True)
class HeldApart:
    """The held-out pictures of one source whose two sides have nothing to do with each other."""

    name: str
    pairs: tuple[Pair, ...]
    """Put side by side only."""
    boxes: dict[str, list[Box]]
    """Objects on the given pictures, by file name; none are known where those are infrared."""
    real: Look
    """The camera's."""
    grayscale: float
    """Likeness of the given pictures' own luma: what a generator has to beat."""

    def has_boxes(self) -> bool:
        """Whether there is an object on any of the pictures: without one, the figure of objects is NaN."""
        return any(self.boxes.get(pair.sides[0].name) for pair in self.pairs)

    def figures(self, method: Method) -> dict[str, float]:
        """Of what a method makes: overlap of levels, of edges, their mean, grayscale's, and its objects' contrast."""
        pictures = {pair.sides[0]: in_grey(method)(read_loose(pair)[0]) for pair in self.pairs}
        made = look_of(pictures.values())
        boxed = [(picture, self.boxes.get(path.name, [])) for path, picture in pictures.items()]
        contrasts = [one for picture, boxes in boxed if boxes for one in object_metrics.contrasts(picture, boxes)]
        return {
            f"{self.name}_levels": overlap(made.levels, self.real.levels),
            f"{self.name}_edges": overlap(made.edges, self.real.edges),
            f"{self.name}_likeness": likeness(made, self.real),
            f"{self.name}_grayscale_likeness": self.grayscale,
            f"{self.name}_contrast": mean(contrasts),
        }


def hold_apart(name: str, pairs: list[Pair], boxes: dict[str, list[Box]], most: int) -> HeldApart:
    """Choose `most` evenly spread pairs; boxes by the file names of visible pictures."""
    chosen = tuple(pairs[:: -(-len(pairs) // most)])
    pictures = [(pair, *read_loose(pair)) for pair in chosen]
    real = look_of({pair.sides[1]: wanted for pair, _, wanted in pictures}.values())
    plain = look_of({pair.sides[0]: grayscale(given) for pair, given, _ in pictures}.values())
    return HeldApart(name, chosen, {} if chosen[0].turned else boxes, real, likeness(plain, real))


def look_of(pictures: Iterable[UInt8]) -> Look:
    """Of all pixels of grey pictures, (H, W) each."""
    levels, edges = np.zeros(len(LEVEL_BINS) - 1), np.zeros(len(EDGE_BINS) - 1)
    for picture in pictures:
        levels += np.histogram(picture, LEVEL_BINS)[0]
        edges += np.histogram(gradient(picture), EDGE_BINS)[0]
    return Look(levels / max(levels.sum(), 1.0), edges / max(edges.sum(), 1.0))


def gradient(picture: UInt8) -> Float64:
    """(H, W) magnitudes in grey levels a pixel, by Sobel's operator, whose weights sum to eight."""
    across, down = (cv2.Sobel(picture, cv2.CV_64F, *order) for order in ((1, 0), (0, 1)))
    return np.asarray(np.hypot(across, down) / 8.0, np.float64)


def overlap(one: Float64, other: Float64) -> float:
    """Of two distributions over the same bins, 0 to 1: histogram intersection, Swain and Ballard 1991."""
    return float(np.minimum(one, other).sum())


def likeness(one: Look, other: Look) -> float:
    """Mean overlap of levels and edges, 0 to 1."""
    return (overlap(one.levels, other.levels) + overlap(one.edges, other.edges)) / 2.0
