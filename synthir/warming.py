"""The control that uses the labels alone: a picture's luma, with each labelled object warmer than what is around it.

Nothing is learned. Where an object is, is known from its box; that people and engines are warm is known too, though a
picture taken by night does not show it. So this is what a generator has to beat. The shape of an object in its box is
found by GrabCut (Rother, Kolmogorov and Blake 2004).
"""

from collections.abc import Iterable, Sequence
from math import isfinite

import cv2
import numpy as np

from .dataset import Box, Object
from .images import UInt8
from .metrics import Float64
from .object_metrics import window

WARMTH = (20.0, 160.0)
"""Grey levels by which an object is warmer than what is around it, drawn evenly: by night much, by day little."""
DETAIL = 0.8
"""Of an object's own texture, this share stays."""
SIDE = 128
"""Pixels of the longer side of a box while its object is cut out."""
SURE, PERHAPS, AROUND = 0.45, 1.0, 1.25
"""Radii, in half boxes: inside the first all is object, up to the second likely, up to the third hardly, then none."""
RIM = 0.05
"""An object's soft rim are the pixels that are more than this its own, and more than this what is around it."""
LEAST = 0.1
"""Share of the ellipse in its box that an object fills at least; with less, GrabCut took it for its surroundings."""


def boxes_of(objects: Iterable[Object]) -> list[Box]:
    """The boxes of the objects that can be made warm: crowds are many, and what is no number is nowhere."""
    return [one.box for one in objects if not one.crowd and all(map(isfinite, one.box))]


def warmed(rgb: UInt8, boxes: Sequence[Box], rng: np.random.Generator) -> UInt8:
    """The luma (H, W) of a picture (H, W, 3) with the objects in `boxes` made warm; rng decides how warm each is."""
    made = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float64)
    for box in boxes:
        place, warmth = window(box, 0.5, made.shape), rng.uniform(*WARMTH)
        piece = made[place]
        if piece.size:
            shape = cut_out(rgb[place], box, place)
            inner, outer = (mean(piece, np.where(sure, 1.0, 1e-6)) for sure in (shape > 1.0 - RIM, shape < RIM))
            made[place] += shape * (outer + warmth + DETAIL * (piece - inner) - piece)
    return np.asarray(np.clip(np.rint(made), 0.0, 255.0), np.uint8)


def cut_out(piece: UInt8, box: Box, place: tuple[slice, slice]) -> Float64:
    """How much of each pixel of a piece (h, w, 3) is the object, 0 to 1; place: its rows and columns in the picture."""
    scale = SIDE / max(box[2], box[3], 1.0)
    size = tuple(max(1, round(length * scale)) for length in (piece.shape[1], piece.shape[0]))
    radius = radii(box, place, size)
    ellipse = (radius <= PERHAPS).astype(np.uint8)
    shape = grab(brightened(piece, size), radius)
    if shape.sum() < LEAST * ellipse.sum():
        shape = ellipse
    soft = cv2.GaussianBlur(shape.astype(np.float64), (0, 0), max(0.6 * scale, 0.6))
    resized = cv2.resize(soft, (piece.shape[1], piece.shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.float64)


def radii(box: Box, place: tuple[slice, slice], size: tuple[int, ...]) -> Float64:
    """(h, w) distance of each pixel of a piece from the middle of its box, in half boxes; size: width and height."""
    x, y, width, height = box
    rows, columns = (
        side.start + (np.arange(count) + 0.5) * (side.stop - side.start) / count
        for side, count in zip(place, reversed(size), strict=True)
    )
    down, across = (rows - y - height / 2.0) / (height / 2.0), (columns - x - width / 2.0) / (width / 2.0)
    return np.asarray(np.hypot(down[:, None], across[None, :]), np.float64)


def brightened(piece: UInt8, size: tuple[int, ...]) -> UInt8:
    """A piece at that width and height, its dark tones pulled apart: by night objects differ by few grey levels."""
    bright = np.asarray(np.rint(np.sqrt(piece / 255.0) * 255.0), np.uint8)
    return cv2.resize(bright, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def grab(piece: UInt8, radius: Float64) -> UInt8:
    """1 where the object is; radius: of each pixel, see SURE."""
    mask = np.select(
        [radius <= SURE, radius <= PERHAPS, radius <= AROUND],
        [cv2.GC_FGD, cv2.GC_PR_FGD, cv2.GC_PR_BGD],
        cv2.GC_BGD,
    ).astype(np.uint8)
    if not (mask == cv2.GC_FGD).any() or not (mask == cv2.GC_BGD).any():  # nothing to learn a side from
        return (radius <= PERHAPS).astype(np.uint8)
    cv2.setRNGSeed(0)  # its clusters start at random; the rectangle is not used
    cv2.grabCut(piece, mask, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    return np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)


def mean(values: Float64, weights: Float64) -> float:
    """By weights."""
    return float((values * weights).sum() / weights.sum())
