"""Rates as a bar chart, a PNG file: a bar a row with its number. For `synthir bench`, where no page is written."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from .frames import UInt8

HEAD, LINE, WIDTH = 54, 44, 900
"""Pixels."""


def draw_rates(rows: Sequence[tuple[str, float, str]], title: str, path: Path) -> None:
    """Write the chart. rows: name, rate in pictures/s, and what stands behind the bar. Raises OSError."""
    picture = np.full((HEAD + LINE * len(rows) + 6, WIDTH, 3), 255, np.uint8)
    most = max(rate for _, rate, _ in rows)
    write(picture, title, 16, 34)
    for number, (name, rate, said) in enumerate(rows):
        top = HEAD + number * LINE
        write(picture, name[:42], 16, top + 24)
        length = round(300 * rate / most)
        cv2.rectangle(picture, (400, top + 4), (400 + length, top + 32), (160, 110, 40), -1)
        write(picture, said, 410 + length, top + 24)
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def write(picture: UInt8, text: str, left: int, bottom: int) -> None:
    """Words on a picture."""
    cv2.putText(picture, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
