"""Do the two pictures of a pair lie on each other? Edges of both, moved against each other until they agree best.

Grey levels of visible and infrared have little in common, edges have: where a thing ends, it ends in both. The
displacement with the largest correlation of edge strengths is the offset, and the correlation says how sure it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import hypot

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import SynthIRError
from .images import UInt8
from .pairs import Pair, read_pair

WIDTH = 480
"""Wider pictures are compared at this width, pixels."""
REACH = 16
"""Largest offset that is looked for, pixels at that width."""
SURE = 0.15
"""Correlation below which edges have so little in common that an offset says nothing."""


@dataclass(frozen=True)
class Row:
    """What a check found of one pair."""

    name: str
    dx: float = 0.0
    """Pixels that the infrared picture lies to the right of the visible one."""
    dy: float = 0.0
    """Pixels that it lies below."""
    score: float = 0.0
    """Correlation of the edges, -1 to 1."""
    problem: str = ""
    """Why the pair cannot be read; empty where it can."""

    @property
    def distance(self) -> float:
        """Length of the offset, pixels."""
        return hypot(self.dx, self.dy)

    @property
    def sure(self) -> bool:
        """True where the edges agree enough to trust the offset."""
        return not self.problem and self.score >= SURE


def offset(visible: UInt8, infrared: UInt8) -> tuple[float, float, float]:
    """(dx, dy, score): what the visible picture (H, W, 3) shows at p, the infrared one (H, W) shows at p + (dx, dy).

    Pixels of the pictures, to a tenth; score is the correlation there, -1 to 1, and 0 where one of them has no edges.
    """
    scale = min(1.0, WIDTH / infrared.shape[1])
    luma = np.asarray(cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    still, moved = edges(luma, scale), edges(infrared, scale)
    reach = min(REACH, min(moved.shape) // 4)
    inner = moved[reach : moved.shape[0] - reach, reach : moved.shape[1] - reach]
    if not still.std() or not inner.std():
        return 0.0, 0.0, 0.0
    scores = np.asarray(cv2.matchTemplate(still, inner, cv2.TM_CCOEFF_NORMED), dtype=np.float32)
    y, x = np.unravel_index(int(scores.argmax()), scores.shape)
    dx = (reach - x - between(scores[y, :], int(x))) / scale
    dy = (reach - y - between(scores[:, x], int(y))) / scale
    return round(float(dx), 1) + 0.0, round(float(dy), 1) + 0.0, float(scores[y, x])


def edges(grey: UInt8, scale: float) -> NDArray[np.float32]:
    """Strength of the edges of a picture (H, W) made smaller; its root, so that lamps do not outweigh the rest."""
    size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    smooth = cv2.GaussianBlur(small, (0, 0), 1.0)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return np.sqrt(cv2.magnitude(across, down)).astype(np.float32)


def between(values: NDArray[np.float32], peak: int) -> float:
    """How far beside its largest value the top of a parabola through it and its neighbours lies, -0.5 to 0.5."""
    if not 0 < peak < len(values) - 1:
        return 0.0
    left, top, right = (float(value) for value in values[peak - 1 : peak + 2])
    bend = left - 2.0 * top + right
    return 0.5 * (left - right) / bend if bend else 0.0


def check(pairs: Iterable[Pair]) -> Iterator[Row]:
    """One row a pair, as it is read; a pair that cannot be read has a problem and no offset."""
    for pair in pairs:
        try:
            yield Row(pair.name, *offset(*read_pair(pair)))
        except SynthIRError as error:
            yield Row(pair.name, problem=str(error))


def report(rows: Sequence[Row], limit: float = 3.0, most: int = 10) -> str:
    """Lines for a person: how many pairs are off by more than `limit` pixels, unsure or broken; `most` are named."""
    sure = [row for row in rows if row.sure]
    off = sorted((row for row in sure if row.distance > limit), key=lambda row: -row.distance)
    broken = [row for row in rows if row.problem]
    unsure = [row for row in rows if not row.sure and not row.problem]
    lines = [f"{len(off)} of {len(rows)} pairs are off by more than {limit:g} px"]
    if sure:
        lines[0] += f"; the median offset is {np.median([row.distance for row in sure]):.1f} px"
    lines += [f"  {row.name}  {row.dx:+.1f} {row.dy:+.1f} px, correlation {row.score:.2f}" for row in off[:most]]
    if unsure:
        lines.append(f"{len(unsure)} of {len(rows)} pairs have too few edges in common to tell, e.g. {unsure[0].name}")
    if broken:
        lines.append(f"{len(broken)} of {len(rows)} pairs cannot be read")
        lines += [f"  {row.problem}" for row in broken[:most]]
    return "\n".join(lines)
