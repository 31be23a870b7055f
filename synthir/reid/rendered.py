"""Identities that this project draws: persons of shapes and clothes, seen by visible and by infrared cameras.

    identity    body shape, hair, bag, clothes: cut, pattern, two colours, and how warm each shines through
    picture     the same person in another pose and place; a camera has its own light, colours, noise and background

In infrared skin is warm, clothes are between skin and surroundings, patterns show, and colours do not: how warm a cloth
looks is drawn independently of its hue. So a network that matches colours finds nobody. No pixel and no measure comes
from any picture of a real person.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..config import at_least
from ..files import write_atomic
from ..images import UInt8
from .figure import PATTERNS, Cloth, Colour, Float32, Layers, Person, draw_layers

DONE = "rendered.txt"
"""Written last; a folder without it is drawn again."""


@dataclass(frozen=True)
class Rendered:
    """Identities to draw."""

    identities: int = 120
    """How many persons; half of them are tested on."""
    visible: int = 3
    """Visible cameras."""
    infrared: int = 2
    """Infrared cameras."""
    each: int = 4
    """Pictures of a person by a camera."""
    height: int = 96
    width: int = 48
    """Of a picture, pixels."""
    seed: int = 7
    """Decides every pixel."""

    def __post_init__(self) -> None:
        at_least(1, visible=self.visible, infrared=self.infrared, each=self.each)
        at_least(32, height=self.height, width=self.width)
        at_least(4, identities=self.identities)
        at_least(0, seed=self.seed)


def draw_dataset(config: Rendered, folder: Path) -> None:
    """Write identity/camera/*.jpg; does nothing where all of it lies there already. Raises NoSpace."""
    if (folder / DONE).is_file():
        return
    for number in range(config.identities):
        for place, picture in pictures_of(config, number):
            data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
            write_atomic(folder / place, data, durable=False)
    write_atomic(folder / DONE, b"drawn by synthir.reid.rendered; nobody real\n")


def pictures_of(config: Rendered, number: int) -> Iterator[tuple[str, UInt8]]:
    """Names and pictures (H, W, 3) of one identity."""
    person = draw_person(np.random.default_rng((config.seed, number)))
    cameras = [(f"visible{i + 1}", False) for i in range(config.visible)]
    cameras += [(f"infrared{i + 1}", True) for i in range(config.infrared)]
    for camera, (name, heat) in enumerate(cameras):
        for shot in range(config.each):
            rng = np.random.default_rng((config.seed, number, camera, shot))
            view = np.random.default_rng((config.seed, 10**6, camera))
            layers = draw_layers(person, config.height, config.width, rng)
            picture = infrared_view(layers, view, rng) if heat else visible_view(layers, view, rng)
            yield f"{number:04d}/{name}/{shot + 1:04d}.jpg", picture


def draw_person(rng: np.random.Generator) -> Person:
    """An identity."""
    skin = float(rng.uniform(0.3, 0.9))
    return Person(
        tall=float(rng.uniform(0.78, 0.92)),
        broad=float(rng.uniform(0.075, 0.125)),
        hips=float(rng.uniform(0.06, 0.10)),
        legs=float(rng.uniform(0.42, 0.52)),
        head=float(rng.uniform(0.048, 0.062)),
        hair=float(rng.uniform(0.0, 1.0)),
        skin=(skin, 0.78 * skin, 0.62 * skin),
        hair_colour=colour(rng, 0.1, 0.5),
        upper=draw_cloth(rng),
        lower=draw_cloth(rng),
        bag=int(rng.integers(3)),
        bag_colour=colour(rng, 0.1, 0.9),
    )


def draw_cloth(rng: np.random.Generator) -> Cloth:
    """A piece of clothing; its colours and its warmth have nothing to do with each other."""
    return Cloth(
        first=colour(rng, 0.1, 0.95),
        second=colour(rng, 0.1, 0.95),
        warmth=float(rng.uniform(0.25, 0.8)),
        contrast=float(rng.choice((-1.0, 1.0)) * rng.uniform(0.15, 0.3)),
        pattern=str(rng.choice(PATTERNS)),
        period=float(rng.uniform(0.05, 0.12)),
        reach=float(rng.choice((0.35, 1.0))),
    )


def colour(rng: np.random.Generator, low: float, high: float) -> Colour:
    """Any colour between two brightnesses."""
    red, green, blue = rng.uniform(low, high, 3).tolist()
    return red, green, blue


def visible_view(layers: Layers, view: np.random.Generator, rng: np.random.Generator) -> UInt8:
    """What a visible camera makes of it, (H, W, 3). view: decides what is the camera's own; rng: of the picture."""
    body = layers.body[..., None]
    balance, light = view.uniform(0.75, 1.2, 3), float(view.uniform(0.7, 1.1) * rng.uniform(0.85, 1.15))
    tint, far = view.uniform(0.2, 0.7, 3), background(layers.body.shape, rng)[..., None]
    scene = layers.colour * body + (tint + 0.25 * far) * (1.0 - body)
    return levels(scene * balance * light, 0.02, rng)


def infrared_view(layers: Layers, view: np.random.Generator, rng: np.random.Generator) -> UInt8:
    """What an infrared camera makes of it, white-hot, (H, W, 3) with three equal planes."""
    offset, gain = view.uniform(0.08, 0.25) + rng.uniform(-0.03, 0.03), view.uniform(0.55, 0.75)
    cold = 0.35 * background(layers.body.shape, rng)
    heat = cv2.GaussianBlur(layers.heat * layers.body + cold * (1.0 - layers.body), (0, 0), 0.7)
    plane = levels(offset + gain * heat * rng.uniform(0.92, 1.08), 0.025, rng)
    return np.repeat(plane[..., None], 3, axis=2)


def background(shape: tuple[int, ...], rng: np.random.Generator) -> Float32:
    """Something blurred behind the person, (H, W) about 0 to 1."""
    rough = rng.random((shape[0] // 12 + 2, shape[1] // 12 + 2)).astype(np.float32)
    return np.asarray(cv2.resize(rough, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def levels(scene: Float32, noise: float, rng: np.random.Generator) -> UInt8:
    """A scene in 0 to 1, with noise, as uint8."""
    return np.rint(255.0 * np.clip(scene + rng.normal(0.0, noise, scene.shape), 0.0, 1.0)).astype(np.uint8)
