"""Draws the sample dataset: six small streets with people and cars, by day and by night, with COCO and YOLO labels.

    python examples/sample/make_sample.py

Everything is computed here from seeds, so the sample belongs to the project and anyone may use it (Apache-2.0).
A scene is painted in daylight, lit by lamps, then seen through a slightly soft and noisy camera.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
"""(H, W, 3) RGB, 0 to 1."""
CATEGORIES = ("person", "car")
FINE = 4
"""Scenes are painted this many times larger and averaged down, so that edges are smooth."""


@dataclass(frozen=True)
class Scene:
    """One picture: its size in pixels, its light and what stands in it."""

    name: str
    width: int
    height: int
    light: float
    """1 at noon, 0.1 at night with lamps."""
    people: tuple[tuple[float, float], ...]
    """(x, depth) of each: x from 0 at the left to 1; depth from 0 at the horizon to 1 at the lower border."""
    cars: tuple[tuple[float, float], ...]


SCENES = (
    Scene("day-1", 320, 256, 1.0, ((0.16, 0.34), (0.24, 0.38), (0.83, 0.55)), ((0.45, 0.25), (0.66, 0.5))),
    Scene("day-2", 320, 256, 0.8, ((0.3, 0.5), (0.74, 0.3)), ((0.4, 0.12),)),
    Scene("dusk-1", 333, 250, 0.4, ((0.12, 0.6), (0.27, 0.3), (0.5, 0.22)), ((0.62, 0.36),)),
    Scene("night-1", 320, 256, 0.12, ((0.16, 0.42), (0.3, 0.3), (0.86, 0.4)), ((0.52, 0.3),)),
    Scene("night-2", 320, 256, 0.09, ((0.4, 0.55), (0.47, 0.55), (0.9, 0.25)), ()),
    Scene("night-3", 256, 320, 0.14, ((0.3, 0.35), (0.84, 0.5)), ((0.45, 0.2),)),
)
HORIZON = 0.42
Labels = list[tuple[str, tuple[float, float, float, float]]]
"""(category, (x, y, width, height) in pixels)."""


def render(scene: Scene) -> tuple[NDArray[np.uint8], Labels]:
    """The picture of a scene, uint8 (H, W, 3) RGB, and the boxes of what was drawn."""
    random = np.random.default_rng(sum(scene.name.encode()))
    canvas = backdrop(scene, random)
    things = sorted([(d, x, "person") for x, d in scene.people] + [(d, x, "car") for x, d in scene.cars])
    labels: Labels = []
    lamps = np.zeros(canvas.shape, np.float32)
    for depth, x, category in things:
        shadow = 0.02 + 0.05 * depth if category == "person" else 0.05 + 0.14 * depth
        disc(canvas, (x, HORIZON + depth * 0.58), (shadow, 0.012), (0.12, 0.12, 0.12))
        before = canvas.copy()
        (person if category == "person" else car)(canvas, lamps, x, depth, random)
        labels.append((category, box_of((canvas != before).any(axis=2))))
    lit = shine(canvas, lamps, scene)
    small = np.asarray(cv2.resize(lit, (scene.width, scene.height), interpolation=cv2.INTER_AREA))
    seen = cv2.GaussianBlur(small, (0, 0), 0.5) + random.normal(0, 0.008, small.shape)
    return np.round(np.clip(seen, 0, 1) * 255).astype(np.uint8), labels


def backdrop(scene: Scene, random: np.random.Generator) -> Picture:
    """Sky, buildings, trees, pavement and road, in daylight."""
    height, width = scene.height * FINE, scene.width * FINE
    ground = int(height * HORIZON)
    canvas = np.zeros((height, width, 3), np.float32)
    down = np.linspace(0, 1, ground, dtype=np.float32)[:, None, None]
    canvas[:ground] = np.array([0.45, 0.62, 0.85]) * (1 - down) + np.array([0.8, 0.85, 0.9]) * down
    clouds = grain(random, (height, width), 64)
    canvas[:ground] += 0.25 * np.clip(clouds[:ground, :, None] - 0.1, 0, 1)
    for left in np.arange(0.0, 1.0, 0.17):
        building(canvas, scene, float(left), random)
    paint(canvas, block(0.5, 0.5, HORIZON, 1), (0.52, 0.5, 0.47))
    paint(canvas, block(0.5, 0.06, HORIZON, 1, 0.62), (0.31, 0.31, 0.33))
    for start in (0.02, 0.14, 0.32, 0.58):
        far, near, half = HORIZON + start * 0.58, HORIZON + (start * 1.25 + 0.03) * 0.58, 0.004 + 0.012 * start
        paint(canvas, block(0.5, half, far, near, half * 1.4), (0.8,) * 3)
    for x, size in ((0.05, 0.3), (0.7, 0.16), (0.95, 0.34)):
        tree(canvas, x, size, random)
    texture = 0.6 * grain(random, (height, width), 6) + 0.4 * grain(random, (height, width), 24)
    return np.clip(canvas * (1 + 0.1 * texture[:, :, None]), 0, 1).astype(np.float32)


def building(canvas: Picture, scene: Scene, left: float, random: np.random.Generator) -> None:
    """One house front with rows of windows, some of them lit in the evening."""
    top, half = HORIZON * float(random.uniform(0.1, 0.6)), float(random.uniform(0.07, 0.095))
    wall = random.uniform(0.35, 0.7) * np.array([1.0, 0.9, 0.8]) * random.uniform(0.9, 1.1, 3)
    paint(canvas, block(left + half, half, top, HORIZON), tuple(wall))
    for y in np.arange(top + 0.03, HORIZON - 0.05, 0.07):
        for x in np.arange(left + 0.024, left + 2 * half - 0.016, 0.035):
            shut = random.uniform() > 0.3 or scene.light > 0.5
            glass = (0.2, 0.24, 0.3) if shut else (4.0, 3.2, 1.8)  # brighter than white: it glows at night
            paint(canvas, block(float(x), 0.009, float(y), float(y) + 0.04), glass)


def tree(canvas: Picture, x: float, size: float, random: np.random.Generator) -> None:
    """A trunk and a crown of overlapping leaves."""
    foot = HORIZON + 0.05
    paint(canvas, block(x, 0.006, foot - size, foot, 0.01), (0.25, 0.18, 0.12))
    for _ in range(160):
        angle, far = random.uniform(0, 2 * np.pi), np.sqrt(random.uniform()) * size * 0.4
        centre = (x + far * np.cos(angle) * 0.8, foot - size * 0.75 + far * np.sin(angle))
        shade = random.uniform(0.5, 1.2)
        disc(canvas, centre, (size * 0.05, size * 0.05), (0.16 * shade, 0.3 * shade, 0.1 * shade))


def person(canvas: Picture, lamps: Picture, x: float, depth: float, random: np.random.Generator) -> None:
    """A walking figure."""
    foot, tall = HORIZON + depth * 0.58, 0.1 + 0.5 * depth
    unit = tall * canvas.shape[0] / canvas.shape[1]  # the same length across as along
    coat, legs = dye(random, 0.08, 0.7), dye(random, 0.06, 0.3)
    skin = np.array([0.78, 0.58, 0.46]) * random.uniform(0.6, 1.1)
    step = float(random.uniform(0.04, 0.11)) * unit
    for side in (-1, 1):
        hip, sole = (x + side * 0.03 * unit, foot - 0.5 * tall), (x + side * step, foot - 0.015 * tall)
        limb(canvas, hip, sole, 0.1 * unit, tuple(legs))
        disc(canvas, (sole[0] + 0.02 * unit, sole[1]), (0.045 * unit, 0.018 * tall), (0.08, 0.07, 0.07))
        hand = (x - side * (0.1 * unit + 0.4 * step), foot - 0.45 * tall)
        limb(canvas, (x - side * 0.09 * unit, foot - 0.8 * tall), hand, 0.055 * unit, tuple(coat * 0.85))
        disc(canvas, hand, (0.02 * unit, 0.02 * tall), tuple(skin))
    limb(canvas, (x, foot - 0.76 * tall), (x, foot - 0.52 * tall), 0.2 * unit, tuple(coat))
    limb(canvas, (x, foot - 0.86 * tall), (x, foot - 0.8 * tall), 0.06 * unit, tuple(skin))
    disc(canvas, (x, foot - 0.925 * tall), (0.055 * unit, 0.07 * tall), tuple(skin))
    disc(canvas, (x, foot - 0.95 * tall), (0.056 * unit, 0.05 * tall), tuple(dye(random, 0.04, 0.3)))


def car(canvas: Picture, lamps: Picture, x: float, depth: float, random: np.random.Generator) -> None:
    """A car seen from behind, with its lights."""
    foot, half = HORIZON + depth * 0.58, 0.045 + 0.13 * depth
    tall = half * 1.5 * canvas.shape[1] / canvas.shape[0]
    body = dye(random, 0.1, 0.8)
    for side in (-1, 1):
        wheel = x + side * half * 0.72
        limb(canvas, (wheel, foot - 0.16 * tall), (wheel, foot - 0.05 * tall), half * 0.26, (0.05,) * 3)
    paint(canvas, block(x, half * 0.68, foot - tall, foot - 0.55 * tall, half * 0.9), tuple(body * 0.9))
    paint(canvas, block(x, half, foot - 0.56 * tall, foot - 0.14 * tall), tuple(body))
    paint(canvas, block(x, half * 0.58, foot - 0.92 * tall, foot - 0.6 * tall, half * 0.74), (0.12, 0.15, 0.19))
    paint(canvas, block(x, half * 0.2, foot - 0.34 * tall, foot - 0.25 * tall), (0.85, 0.85, 0.8))
    for side in (-1, 1):
        for place in (canvas, lamps):
            disc(place, (x + side * half * 0.82, foot - 0.44 * tall), (half * 0.13, tall * 0.06), (0.9, 0.08, 0.06))


def dye(random: np.random.Generator, dark: float, bright: float) -> NDArray[np.float64]:
    """A muted colour between two brightnesses."""
    return random.uniform(dark, bright) * random.uniform(0.75, 1.15, 3)


def shine(canvas: Picture, lamps: Picture, scene: Scene) -> Picture:
    """The scene in its light: sky light everywhere and, below noon, warm street lamps with their pools and halos."""
    if scene.light > 0.5:
        return np.asarray(np.clip(canvas, 0, 1) * np.float32(scene.light), np.float32)
    height, width = canvas.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    light = np.full(canvas.shape, scene.light, np.float32) * np.array([0.8, 0.9, 1.2], np.float32)
    glow = 3 * lamps + 3 * cv2.GaussianBlur(lamps, (0, 0), 10 * FINE)
    warm = np.array([1.0, 0.8, 0.5], np.float32)
    for x, depth in ((0.22, 0.3), (0.78, 0.3), (0.36, 0.08), (0.64, 0.08)):
        foot, head = HORIZON + depth * 0.58, HORIZON + depth * 0.58 - 0.25 - 0.7 * depth
        paint(canvas, block(x, 0.004, head, foot, 0.005), (0.2, 0.2, 0.2))
        across, along = (columns / width - x) / (0.1 + 0.4 * depth), (rows / height - foot) / (0.14 + 0.5 * depth)
        light += warm * 0.55 * np.exp(-(across**2) - along**2)[:, :, None]
        off = np.hypot(columns - x * width, rows - head * height) / height
        glow += warm * (1.5 * np.exp(-((off / 0.012) ** 2)) + 0.3 * np.exp(-off / 0.05))[:, :, None]
    windows = np.clip(canvas - 1, 0, 1)
    return np.asarray(1 - np.exp(-1.6 * (np.clip(canvas, 0, 1) * light + glow + 0.5 * windows)), np.float32)


def grain(random: np.random.Generator, shape: tuple[int, int], cell: int) -> Picture:
    """Smooth noise of about unit height; `cell` is the size of its grains in fine pixels."""
    coarse = random.standard_normal((shape[0] // cell + 2, shape[1] // cell + 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


Point = tuple[float, float]


def block(x: float, half: float, top: float, bottom: float, foot: float | None = None) -> list[Point]:
    """The corners of an upright block around x; `foot` is half its width at the bottom where that differs."""
    low = half if foot is None else foot
    return [(x - half, top), (x + half, top), (x + low, bottom), (x - low, bottom)]


def paint(canvas: Picture, corners: list[Point], colour: tuple[float, ...]) -> None:
    """Fill a polygon; corners are (x, y) as fractions of the picture."""
    size = np.array(canvas.shape[1::-1])
    cv2.fillPoly(canvas, [np.round(np.array(corners) * size).astype(np.int32)], colour)


def limb(canvas: Picture, start: Point, end: Point, thick: float, colour: tuple[float, ...]) -> None:
    """A line with round ends; `thick` is a fraction of the width."""
    height, width = canvas.shape[:2]
    a, b = ((round(x * width), round(y * height)) for x, y in (start, end))
    cv2.line(canvas, a, b, colour, max(1, round(thick * width)))


def disc(canvas: Picture, centre: Point, radii: Point, colour: tuple[float, ...]) -> None:
    """Fill an ellipse; all lengths are fractions of the picture."""
    height, width = canvas.shape[:2]
    middle, axes = ((round(x * width), round(y * height)) for x, y in (centre, radii))
    cv2.ellipse(canvas, middle, axes, 0, 0, 360, colour, -1)


def box_of(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """x, y, width, height of a mask in pixels of the small picture."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return left / FINE, top / FINE, (right - left) / FINE, (bottom - top) / FINE


def coco(drawn: dict[str, tuple[Scene, Labels]]) -> bytes:
    """The labels as a COCO file."""
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, (place, (scene, labels)) in enumerate(drawn.items(), start=1):
        images.append({"id": number, "file_name": place, "width": scene.width, "height": scene.height})
        for category, box in labels:
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": CATEGORIES.index(category) + 1}
            annotations.append(entry | {"bbox": box, "area": box[2] * box[3], "iscrowd": 0})
    categories = [{"id": number, "name": name} for number, name in enumerate(CATEGORIES, start=1)]
    info = {"description": "SynthIR sample, drawn by make_sample.py, Apache-2.0"}
    whole = {"info": info, "images": images, "annotations": annotations, "categories": categories}
    return json.dumps(whole, indent=1).encode() + b"\n"


def yolo(scene: Scene, labels: Labels) -> bytes:
    """The labels of one picture as YOLO rows."""
    rows = []
    for category, (x, y, w, h) in labels:
        centre = ((x + w / 2) / scene.width, (y + h / 2) / scene.height, w / scene.width, h / scene.height)
        rows.append(f"{CATEGORIES.index(category)} " + " ".join(f"{value:.6f}" for value in centre))
    return "\n".join(rows).encode() + b"\n"


def files() -> dict[str, bytes]:
    """Every file of the sample: place -> bytes."""
    made: dict[str, bytes] = {}
    drawn: dict[str, tuple[Scene, Labels]] = {}
    for scene in SCENES:
        picture, labels = render(scene)
        place = f"images/{scene.name}.jpg"
        coded = cv2.imencode(".jpg", picture[:, :, ::-1], (cv2.IMWRITE_JPEG_QUALITY, 92))[1]
        made |= {place: coded.tobytes(), f"labels/{scene.name}.txt": yolo(scene, labels)}
        drawn[place] = (scene, labels)
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(CATEGORIES))
    return made | {"coco.json": coco(drawn), "data.yaml": f"train: images\nval: images\nnames:\n{names}".encode()}


if __name__ == "__main__":
    here = Path(__file__).parent
    for place, data in files().items():
        (here / place).parent.mkdir(exist_ok=True)
        (here / place).write_bytes(data)
