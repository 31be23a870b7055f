"""The figure of a drawn person: body, clothes and bag as planes of colour, heat and outline.

Drawn larger than needed and reduced, from the back to the front. See synthir.reid.rendered.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..images import UInt8

Float32 = NDArray[np.float32]
Colour = tuple[float, float, float]
PATTERNS = ("plain", "hoops", "stripes", "checks", "panel", "block")
FINE = 2
"""Drawn so many times larger, then reduced."""


@dataclass(frozen=True)
class Cloth:
    """A piece of clothing."""

    first: Colour
    second: Colour
    """RGB in 0 to 1."""
    warmth: float
    contrast: float
    """How far it is from the surroundings to skin in infrared, and how much the pattern changes that."""
    pattern: str
    period: float
    """Of the pattern, as a share of the body's height."""
    reach: float
    """How far down arms or legs it goes, 0 to 1."""


@dataclass(frozen=True)
class Person:
    """What stays the same of an identity; lengths as shares of the picture's height."""

    tall: float
    broad: float
    hips: float
    legs: float
    head: float
    hair: float
    """How much of the head is covered, 0 to 1."""
    skin: Colour
    hair_colour: Colour
    upper: Cloth
    lower: Cloth
    bag: int
    """0 none, 1 on the back, 2 at the side."""
    bag_colour: Colour


@dataclass(frozen=True)
class Layers:
    """A person drawn: what is where, at every pixel."""

    colour: Float32
    """(H, W, 3) in 0 to 1."""
    heat: Float32
    """(H, W): 0 as the surroundings, 1 as skin."""
    body: Float32
    """(H, W): 1 where the person is."""


def draw_layers(person: Person, height: int, width: int, rng: np.random.Generator) -> Layers:
    """A person in a pose of its own: where it stands, how it walks, which way it looks."""
    tall, wide = height * FINE, width * FINE
    canvas = Canvas(tall, wide)
    size = tall * float(rng.uniform(0.92, 1.06))
    draw_body(canvas, person, size, (wide / 2 + tall * float(rng.uniform(-0.04, 0.04)), tall * 0.97), rng)
    flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
    colour, heat, body = (
        np.asarray(cv2.resize(plane[:, flip], (width, height), interpolation=cv2.INTER_AREA), np.float32)
        for plane in canvas.all
    )
    return Layers(colour, heat, body)


class Canvas:
    """Planes that are painted together: colour, heat, body."""

    def __init__(self, height: int, width: int) -> None:
        self.all = [np.zeros(shape, np.float32) for shape in ((height, width, 3), (height, width), (height, width))]

    def paint(self, mask: UInt8, colour: Float32 | Colour, heat: Float32 | float) -> None:
        """Cover where the mask is set; colour and heat are values or planes."""
        inside = mask > 0
        for plane, value in zip(self.all, (colour, heat, 1.0), strict=True):
            plane[inside] = value[inside] if isinstance(value, np.ndarray) else value

    def limb(self, points: NDArray[np.floating], thick: float) -> UInt8:
        """The mask of a line with round joints; points (N, 2) as x, y in pixels."""
        mask = np.zeros(self.all[1].shape, np.uint8)
        cv2.polylines(mask, [np.rint(points).astype(np.int32)], False, 255, max(1, round(thick)))
        for x, y in points:
            cv2.circle(mask, (round(x), round(y)), max(1, round(thick / 2)), 255, -1)
        return mask

    def shape(self, points: NDArray[np.floating]) -> UInt8:
        """The mask of a filled outline."""
        mask = np.zeros(self.all[1].shape, np.uint8)
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 255)
        return mask


def draw_body(canvas: Canvas, person: Person, size: float, foot: tuple[float, float], rng: np.random.Generator) -> None:
    """Legs, torso, arms, head and bag, from the back to the front. foot: x, y between the feet; size: pixels."""
    x, ground = foot
    hip = ground - size * person.tall * person.legs
    neck = ground - size * person.tall + size * person.head * 2.2
    stride, swing = float(rng.uniform(0.02, 0.10)) * size, float(rng.uniform(-0.10, 0.10)) * size
    upper, lower = (cloth_planes(c, canvas.all[1].shape, size, (x, neck)) for c in (person.upper, person.lower))
    broad, hips = size * person.broad, size * person.hips
    if person.bag == 1:
        canvas.paint(canvas.shape(box(x + broad * 0.8, neck + size * 0.02, broad, size * 0.17)), person.bag_colour, 0.1)
    for side in (-1.0, 1.0):
        leg = np.array([[x + side * hips * 0.5, hip], [x + side * (hips * 0.5 + stride), ground]])
        limb(canvas, leg, hips * 0.95, person.lower.reach, lower, person.skin)
    torso = np.array([[x - broad, neck], [x + broad, neck], [x + hips, hip], [x - hips, hip]])
    canvas.paint(canvas.shape(torso), *upper)
    for side in (-1.0, 1.0):
        hand = [x + side * (broad + size * 0.02) + side * swing, neck + size * 0.30]
        limb(
            canvas,
            np.array([[x + side * broad * 0.95, neck + size * 0.02], hand]),
            size * 0.045,
            person.upper.reach,
            upper,
            person.skin,
        )
    if person.bag == 2:
        canvas.paint(
            canvas.shape(box(x - broad - hips, hip - size * 0.06, hips * 1.3, size * 0.10)), person.bag_colour, 0.1
        )
    draw_head(canvas, person, size, (x, neck))


def limb(
    canvas: Canvas,
    ends: NDArray[np.floating],
    thick: float,
    reach: float,
    cloth: tuple[Float32, Float32],
    skin: Colour,
) -> None:
    """An arm or a leg: skin, then the cloth as far as it reaches."""
    canvas.paint(canvas.limb(ends, thick * 0.8), skin, 1.0)
    covered = np.array([ends[0], ends[0] + (ends[1] - ends[0]) * reach])
    canvas.paint(canvas.limb(covered, thick), *cloth)


def draw_head(canvas: Canvas, person: Person, size: float, neck: tuple[float, float]) -> None:
    """Head and hair."""
    x, y = neck
    radius = size * person.head
    middle = y - radius * 1.05
    canvas.paint(canvas.limb(np.array([[x, middle], [x, y]]), radius), person.skin, 1.0)
    for share, tone, heat in ((1.0, person.skin, 1.0), (person.hair, person.hair_colour, 0.45)):
        mask = np.zeros(canvas.all[1].shape, np.uint8)
        cv2.ellipse(mask, (round(x), round(middle)), (round(radius * 0.8), round(radius)), 0, 0, 360, 255, -1)
        mask[round(middle - radius + 2 * radius * share) + 1 :] = 0
        canvas.paint(mask, tone, heat)


def box(x: float, y: float, wide: float, high: float) -> NDArray[np.floating]:
    """A rectangle around x, from y down."""
    return np.array([[x - wide / 2, y], [x + wide / 2, y], [x + wide / 2, y + high], [x - wide / 2, y + high]])


def cloth_planes(
    cloth: Cloth, shape: tuple[int, ...], size: float, origin: tuple[float, float]
) -> tuple[Float32, Float32]:
    """Colour (H, W, 3) and heat (H, W) of a cloth if it covered the picture; the pattern hangs at the origin."""
    rows, columns = np.indices(shape[:2], np.float32)
    across, down = (columns - origin[0]) / size, (rows - origin[1]) / size
    where = pattern(cloth, across, down).astype(np.float32)
    tint = np.array(cloth.first, np.float32) * (1 - where[..., None]) + np.array(cloth.second) * where[..., None]
    return tint.astype(np.float32), (cloth.warmth + cloth.contrast * (where - 0.5)).astype(np.float32)


def pattern(cloth: Cloth, across: Float32, down: Float32) -> NDArray[np.bool_]:
    """Where a cloth has its second colour; across and down from the neck, as shares of the body's height."""
    hoops, stripes = (np.floor(2.0 * axis / cloth.period) % 2 == 1 for axis in (down, across))
    found = {
        "plain": np.zeros_like(hoops),
        "hoops": hoops,
        "stripes": stripes,
        "checks": hoops ^ stripes,
        "panel": np.abs(across) < 0.3 * cloth.period,
        "block": down > 1.5 * cloth.period,
    }
    return np.asarray(found[cloth.pattern])
