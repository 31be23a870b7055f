"""Draws streets in visible light and infrared with boxes of people, for a first run of recipes/detector_gain.py.

    python examples/sample/make_streets.py streets
    synthir recipe run detector_gain --config detector_gain_smoke --data streets --out runs/smoke

Streets by night: `a` to train on, `b` to validate, `c` to test. In visible light people are dark or bright as they
are dressed, and lamps are bright; in infrared people are bright and lamps are not. Drawn from seeds, free to use.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 160, 128
STREETS = {"a": 32, "b": 12, "c": 16}
"""Street -> pictures of it."""
Box = tuple[int, int, int, int]


def draw(street: str, number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[Box]]:
    """Visible (H, W, 3) RGB, infrared (H, W) and the boxes of people: x, y, width, height."""
    fixed, rng = np.random.default_rng(ord(street)), np.random.default_rng([ord(street), number])
    visible = np.full((HEIGHT, WIDTH, 3), 22.0, np.float32)
    infrared = np.full((HEIGHT, WIDTH), 50.0, np.float32)
    for _ in range(7):  # houses, the same in every picture of a street
        x, top, wide = (int(v) for v in fixed.integers((0, 5, 20), (WIDTH, 50, 50)))
        cv2.rectangle(visible, (x, top), (x + wide, 70), fixed.uniform(20, 70, 3).tolist(), -1)
        cv2.rectangle(infrared, (x, top), (x + wide, 70), float(fixed.uniform(40, 90)), -1)
    for _ in range(4):  # lamps light the picture and are cold
        x, y = (int(v) for v in fixed.integers((5, 15), (WIDTH - 5, 50)))
        cv2.circle(visible, (x, y), 5, (250, 230, 180), -1)
        cv2.circle(infrared, (x, y), 5, 45.0, -1)
    boxes = []
    for _ in range(int(rng.integers(1, 5))):
        tall = int(rng.integers(24, 56))
        x, foot = int(rng.integers(4, WIDTH - tall // 2)), int(rng.integers(80, HEIGHT - 2))
        boxes.append((x, foot - tall, tall // 3, tall))
        person(visible, boxes[-1], [float(v) for v in rng.uniform(5, 160) * rng.uniform(0.6, 1.0, 3)])
        person(infrared, boxes[-1], [float(rng.uniform(150, 230))])
    return seen(visible, 6.0, rng), seen(infrared, 4.0, rng), boxes


def person(canvas: NDArray[np.float32], box: Box, shade: list[float]) -> None:
    """A head, a trunk and two legs that fill a box."""
    x, y, wide, tall = box
    middle = x + wide // 2
    cv2.ellipse(canvas, (middle, y + tall // 10), (max(2, wide // 4), tall // 10), 0, 0, 360, shade, -1)
    cv2.rectangle(canvas, (x, y + tall // 5), (x + wide - 1, y + 3 * tall // 5), shade, -1)
    for leg in (x + wide // 5, x + 3 * wide // 5):
        cv2.rectangle(canvas, (leg, y + 3 * tall // 5), (leg + max(1, wide // 5), y + tall - 1), shade, -1)


def seen(canvas: NDArray[np.float32], noise: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Through a slightly soft and noisy camera."""
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.7)
    return np.asarray(np.clip(soft + rng.normal(0.0, noise, soft.shape), 0, 255), np.uint8)


def main(folder: Path) -> None:
    """Write `visible/`, `infrared/` and a COCO file of each street, which serves both."""
    for street, count in STREETS.items():
        images = list[dict[str, object]]()
        annotations = list[dict[str, object]]()
        for number in range(count):
            visible, infrared, boxes = draw(street, number)
            name = f"{street}{number:02d}.png"
            for kind, picture in (("visible", visible[..., ::-1]), ("infrared", infrared)):
                (folder / kind).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / kind / name), picture)
            images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
            for box in boxes:
                row = {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "bbox": box, "iscrowd": 0}
                annotations.append(row | {"area": box[2] * box[3]})
        whole = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
        (folder / f"{street}.json").write_text(json.dumps(whole))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "streets"))
