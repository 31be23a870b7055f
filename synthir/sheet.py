"""What a person looks at: a PNG with visible | real | synthetic in each row, full size, one row a pair."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from .files import write_atomic
from .images import UInt8
from .pairs import Pair, read_loose, read_pair
from .validation import Method


def write_sheet(path: Path, pairs: Sequence[Pair], count: int, method: Method) -> None:
    """Write a sheet of about `count` pairs, evenly spread; `method` makes the third picture of the first.

    Pictures that are no pair are put side by side: what the camera's look like.
    """
    rows = []
    for pair in pairs[:: max(1, len(pairs) // count)][:count]:
        visible, real = read_pair(pair) if pair.registered else read_loose(pair)
        pictures = [visible, colour(real), colour(method(visible))]
        height = max(picture.shape[0] for picture in pictures)
        rows.append(np.hstack([padded(picture, height, picture.shape[1]) for picture in pictures]))
    width = max(row.shape[1] for row in rows)
    sheet = np.vstack([padded(row, row.shape[0] + 4, width) for row in rows])
    write_atomic(path, cv2.imencode(".png", sheet[..., ::-1])[1].tobytes())


def padded(picture: UInt8, height: int, width: int) -> UInt8:
    """The picture with black below and to the right."""
    return np.pad(picture, ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)))


def colour(picture: UInt8) -> UInt8:
    """(H, W, 3); a grey picture three times."""
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB).astype(np.uint8) if picture.ndim == 2 else picture
