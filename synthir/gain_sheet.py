"""Sheets of the same test pictures with every arm's detections: what it finds, what it invents, what it misses.

A row is a picture, a column an arm. Labels are thin and white, detections that find one green, those that find nothing
orange; a missed label is red and crossed out. Every arm is shown at its own score threshold, where it has the same
number of false positives per picture as the recall in the table.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from .dataset import Box
from .detection import Found, Picture, match, missed, recall_at, takers, threshold_at
from .files import write_atomic
from .images import UInt8
from .sheet import colour

CELL = 400
"""Width of a picture in a sheet, pixels."""
COLUMNS = 5
"""Arms in one sheet; more make further sheets."""
HEAD = 40
"""Height of the line with the names, pixels."""
WHITE, GREEN, ORANGE, RED = (255, 255, 255), (90, 220, 120), (255, 160, 40), (255, 60, 60)

Read = Callable[[str], UInt8]
"""A test picture by its name, (H, W) or (H, W, 3)."""
Detections = Mapping[str, Sequence[Sequence[Found]]]
"""Arm -> its detections in each test picture."""


def write_sheets(
    out: Path, pictures: Sequence[Picture], read: Read, found: Detections, false_positives: float, count: int = 4
) -> list[Path]:
    """Write `sheet-1.png`, `sheet-2.png`, ... into `out`; gives their paths, none without arms or pictures.

    count: pictures in a sheet, evenly spread over those with labels. Raises what `read` raises.
    """
    places = spread_over(pictures, count)
    arms = list(found)
    paths = list[Path]()
    for first in range(0, len(arms) if places else 0, COLUMNS):
        some = arms[first : first + COLUMNS]
        columns = [column(name, pictures, places, read, found[name], false_positives) for name in some]
        paths.append(out / f"sheet-{len(paths) + 1}.png")
        write_atomic(paths[-1], cv2.imencode(".png", np.hstack(columns)[..., ::-1])[1].tobytes())
    return paths


def spread_over(pictures: Sequence[Picture], count: int) -> list[int]:
    """Indices of at most `count` pictures, evenly spread over those with labels, or over all where none has."""
    labelled = [index for index, picture in enumerate(pictures) if picture.truths] or list(range(len(pictures)))
    middles = (np.arange(min(count, len(labelled))) + 0.5) * len(labelled) / max(1, min(count, len(labelled)))
    return [labelled[int(middle)] for middle in middles]


def column(
    name: str,
    pictures: Sequence[Picture],
    places: Sequence[int],
    read: Read,
    found: Sequence[Sequence[Found]],
    false_positives: float,
) -> UInt8:
    """One arm: its name and recall, then the pictures; (H, CELL + 4, 3)."""
    kinds = list(match(pictures, found).values())
    threshold = threshold_at(kinds, false_positives)
    said = f"recall {recall_at(kinds, false_positives):.2f} at {false_positives:g} false / picture"
    shown = [drawn(colour(read(pictures[at].name)), pictures[at], found[at], threshold) for at in places]
    return np.vstack([np.pad(cell, ((0, 4), (0, 4), (0, 0))) for cell in (heading(name, said), *shown)])


def heading(name: str, said: str) -> UInt8:
    """Two lines of text, (HEAD, CELL, 3); letters that the font has not become question marks."""
    picture = np.zeros((HEAD, CELL, 3), np.uint8)
    for line, y in ((name, 16), (said, 34)):
        plain = line.encode("ascii", "replace").decode()
        cv2.putText(picture, plain, (4, y), cv2.FONT_HERSHEY_SIMPLEX, 0.48, WHITE, 1, cv2.LINE_AA)
    return picture


def drawn(picture: UInt8, labels: Picture, found: Sequence[Found], threshold: float) -> UInt8:
    """The picture CELL wide with its labels, the detections from the threshold on, and the misses, (H, CELL, 3)."""
    scale = CELL / picture.shape[1]
    size = (CELL, max(1, round(picture.shape[0] * scale)))
    canvas = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR).astype(np.uint8)
    for one, taken in takers(labels, found, threshold):
        rectangle(canvas, one.box, scale, ORANGE if taken is None else GREEN, 2)
    for truth in labels.truths:
        rectangle(canvas, truth.box, scale, WHITE, 1)
    for index in missed(labels, found, threshold):
        cross(canvas, labels.truths[index].box, scale)
    return np.asarray(canvas, np.uint8)


def rectangle(canvas: UInt8, box: Box, scale: float, ink: tuple[int, int, int], thickness: int) -> None:
    """Draw a box."""
    corners = corners_of(box, scale)
    cv2.rectangle(canvas, corners[0], corners[1], ink, thickness, cv2.LINE_AA)


def cross(canvas: UInt8, box: Box, scale: float) -> None:
    """Draw a red box with its two diagonals."""
    (left, top), (right, bottom) = corners_of(box, scale)
    rectangle(canvas, box, scale, RED, 2)
    cv2.line(canvas, (left, top), (right, bottom), RED, 1, cv2.LINE_AA)
    cv2.line(canvas, (left, bottom), (right, top), RED, 1, cv2.LINE_AA)


def corners_of(box: Box, scale: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """Top left and bottom right of a box in pixels of the sheet."""
    x, y, width, height = box
    return (round(x * scale), round(y * scale)), (round((x + width) * scale), round((y + height) * scale))
