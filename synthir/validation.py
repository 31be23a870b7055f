"""How a generator does on pairs held out of its training, each source by itself, beside grayscale on the same ones.

Weights and settings are chosen by these figures and never by a test list. Definitions are those of synthir.metrics,
after a gain and offset per picture.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import nn

from . import metrics, object_metrics
from .dataset import Box
from .frames import from_network, to_network
from .images import UInt8
from .pairs import Pair, read_pair

Method = Callable[[UInt8], UInt8]

FIGURES, OBJECT_FIGURES = ("ssim",), ("contrast", "sign")
"""What a best model of pairs can be chosen by: more is better. Those of objects are numbers where there are boxes."""


@dataclass(frozen=True)
class HeldOut:
    """The held-out pairs of one source."""

    name: str
    """What its figures are called after."""
    pairs: tuple[Pair, ...]
    boxes: dict[str, list[Box]]
    """Objects by picture name."""
    grayscale_ssim: float
    """Of the given pictures' own luma: what a generator has to beat."""

    def has_boxes(self) -> bool:
        """Whether there is an object on any of the pictures: without one, the figures of objects are NaN."""
        return any(self.boxes.get(pair.name) for pair in self.pairs)

    def figures(self, method: Method) -> dict[str, float]:
        """Aligned SSIM, grayscale's, and of the objects contrast, real contrast, share of equal signs; else NaN."""
        grey = in_grey(method)
        made, real = contrasts(self, grey)
        return {
            f"{self.name}_ssim": mean(ssim(pair, grey) for pair in self.pairs),
            f"{self.name}_grayscale_ssim": self.grayscale_ssim,
            f"{self.name}_contrast": mean(made),
            f"{self.name}_real_contrast": mean(real),
            f"{self.name}_sign": object_metrics.sign_agreement(made, real),
        }


def hold_out(name: str, pairs: list[Pair], boxes: dict[str, list[Box]], most: int) -> HeldOut:
    """Choose `most` evenly spread pairs and all that have boxes."""
    spread = set(pairs[:: max(1, len(pairs) // most)])
    chosen = tuple(pair for pair in pairs if pair in spread or pair.name in boxes)
    return HeldOut(name, chosen, boxes, mean(ssim(pair, grayscale) for pair in chosen))


class Validation(Protocol):
    """Pictures that validate: figures by name, of a function from visible to infrared pictures."""

    def figures(self, method: Method) -> dict[str, float]:
        """Of what the method makes."""
        ...


def validate(network: nn.Module, held_out: Iterable[Validation], stride: int) -> dict[str, float]:
    """The figures of each source."""
    network.eval()
    method = painter(network, stride)
    return {name: figure for source in held_out for name, figure in source.figures(method).items()}


def painter(network: nn.Module, stride: int) -> Method:
    """The network as a function of a picture, on the device it is on."""
    device = next(network.parameters(), torch.empty(0)).device

    def paint(rgb: UInt8) -> UInt8:
        with torch.no_grad():
            made = network(torch.from_numpy(to_network(rgb, stride)[None]).to(device))[0].cpu().numpy()
        return from_network(made, *rgb.shape[:2]).astype(np.uint8)

    return paint


def in_grey(method: Method) -> Method:
    """The method with the luma of what it makes, where that is a colour picture."""

    def made(rgb: UInt8) -> UInt8:
        picture = method(rgb)
        return picture if picture.ndim == 2 else grayscale(picture)

    return made


def grayscale(rgb: UInt8) -> UInt8:
    """ITU-R BT.601 luma."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def ssim(pair: Pair, method: Method) -> float:
    """Aligned SSIM of what a method makes of one pair."""
    visible, real = read_pair(pair)
    return metrics.ssim(metrics.align(method(visible), real), real)


def contrasts(source: HeldOut, method: Method) -> tuple[list[float], list[float]]:
    """Of every object of a source, made and real."""
    made: list[float] = []
    real: list[float] = []
    for pair in source.pairs:
        boxes = source.boxes.get(pair.name, [])
        visible, infrared = read_pair(pair)
        if boxes:
            made += object_metrics.contrasts(method(visible), boxes)
            real += object_metrics.contrasts(infrared, boxes)
    return made, real


def mean(values: Iterable[float]) -> float:
    """Of the finite ones; NaN without any."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan
