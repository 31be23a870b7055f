"""How a generator does on pairs held out of its training, each source by itself, beside grayscale on the same ones.

Weights and settings are chosen by these figures and never by a test list. Definitions are those of synthir.metrics,
after a gain and offset per picture.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

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


def hold_out(name: str, pairs: list[Pair], boxes: dict[str, list[Box]], most: int) -> HeldOut:
    """Choose `most` evenly spread pairs and all that have boxes."""
    spread = set(pairs[:: max(1, len(pairs) // most)])
    chosen = tuple(pair for pair in pairs if pair in spread or pair.name in boxes)
    return HeldOut(name, chosen, boxes, mean(ssim(pair, grayscale) for pair in chosen))


def validate(network: nn.Module, held_out: Iterable[HeldOut], stride: int) -> dict[str, float]:
    """Of each source: aligned SSIM, grayscale's, and of its objects contrast, real contrast, share of equal signs.

    A source without objects has NaN there.
    """
    network.eval()
    figures: dict[str, float] = {}
    for source in held_out:
        method = in_grey(painter(network, stride))
        made, real = contrasts(source, method)
        figures |= {
            f"{source.name}_ssim": mean(ssim(pair, method) for pair in source.pairs),
            f"{source.name}_grayscale_ssim": source.grayscale_ssim,
            f"{source.name}_contrast": mean(made),
            f"{source.name}_real_contrast": mean(real),
            f"{source.name}_sign": object_metrics.sign_agreement(made, real),
        }
    return figures


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
