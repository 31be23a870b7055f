"""Where a picture is cropped, flipped and erased; a plain picture to a network's input and back.

What is drawn does not depend on the arm, so that arms differ in their tones and in nothing else.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..images import UInt8

Float32 = NDArray[np.float32]
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Of red, green and blue in [0, 1], as the usual ImageNet weights expect them."""
AREA, ASPECT = (0.02, 0.4), (0.3, 1.0 / 0.3)
"""Share of the picture that is erased, and height over width of the place, as random erasing has them."""


@dataclass(frozen=True)
class Geometry:
    """What is done to one picture."""

    down: int
    right: int
    """Pixels by which the picture is moved, black coming in from outside."""
    flip: bool
    erase: tuple[float, float, float, float]
    """Top, left, height, width of the place erased, as shares of the picture; zeros where none is."""


def draw_geometry(erase: float, pad: int, rng: np.random.Generator) -> Geometry:
    """erase: chance that a place is erased; pad: greatest move, pixels. As many numbers are drawn whatever happens."""
    down, right = rng.integers(-pad, pad + 1, size=2).tolist()
    flip, erased = (rng.random(2) < (0.5, erase)).tolist()
    area = rng.uniform(*AREA)
    aspect = float(np.exp(rng.uniform(*np.log(ASPECT))))
    height, width = min(0.95, float(np.sqrt(area * aspect))), min(0.95, float(np.sqrt(area / aspect)))
    top, left = (rng.random(2) * (1.0 - height, 1.0 - width)).tolist()
    return Geometry(down, right, flip, (top, left, height, width) if erased else (0.0, 0.0, 0.0, 0.0))


def apply(geometry: Geometry, picture: UInt8) -> UInt8:
    """The moved, flipped and erased picture, (H, W, 3) as before. Erased pixels have the mean colour of ImageNet."""
    height, width = picture.shape[:2]
    move = np.array([[1, 0, geometry.right], [0, 1, geometry.down]], np.float32)
    moved = cv2.warpAffine(picture, move, (width, height), flags=cv2.INTER_NEAREST)
    done = np.ascontiguousarray(moved[:, ::-1] if geometry.flip else moved)
    top, left, tall, wide = (round(s * n) for s, n in zip(geometry.erase, (height, width) * 2, strict=True))
    done[top : top + tall, left : left + wide] = np.rint(255.0 * MEAN)
    return np.asarray(done, np.uint8)


def fit(picture: UInt8, height: int, width: int) -> UInt8:
    """A picture (H, W, 3) or (H, W) in the network's size."""
    if picture.shape[:2] == (height, width):
        return picture
    how = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def planes(pictures: list[UInt8]) -> Float32:
    """Pictures (H, W, 3) as a batch (N, 3, H, W), normalised."""
    stack = (np.stack(pictures).astype(np.float32) / np.float32(255.0) - MEAN) / DEVIATION
    return np.ascontiguousarray(stack.transpose(0, 3, 1, 2))
