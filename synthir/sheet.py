"""What a person looks at: a PNG with visible | real | synthetic in each row, full size, one row a pair."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from .files import write_atomic
from .images import UInt8
from .pairs import Pair, read_pair
from .validation import Method


def write_sheet(path: Path, pairs: Sequence[Pair], count: int, method: Method) -> None:
    """Write a sheet of about `count` pairs, evenly spread; `method` makes the third picture of the first."""
    rows = []
    for pair in pairs[:: max(1, len(pairs) // count)][:count]:
        visible, real = read_pair(pair)
        rows.append(np.hstack([visible, colour(real), colour(method(visible))]))
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
    write_atomic(path, cv2.imencode(".png", np.vstack(padded)[..., ::-1])[1].tobytes())


def colour(picture: UInt8) -> UInt8:
    """(H, W, 3); a grey picture three times."""
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB).astype(np.uint8) if picture.ndim == 2 else picture
