"""The pictures at the end of the page: what arms see of some persons, and whose pictures those are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..images import UInt8, decode
from .arms import grey, repeat
from .augment import fit
from .data import Layout, Picture

ROWS = 6
"""Persons on a sheet."""
OWNED: dict[Layout, str] = {"sysu": "SYSU-MM01", "regdb": "RegDB", "llcm": "LLCM"}
"""Datasets whose owners give pictures to whoever signs for them, and to nobody else."""


def words(layout: Layout, root: Path, *, drawn: bool) -> str:
    """Whose pictures a sheet holds, and what that means for passing the page on."""
    if drawn:
        return "The persons are drawn; nobody is real."
    if layout in OWNED:
        return f"This page contains pictures of {OWNED[layout]}; do not pass it on. sheet = false leaves them out."
    name = root.name
    return f"This page contains pictures of {name}; pass it on only where those may go. sheet = false leaves them out."


def draw_sheet(train: Sequence[Picture], synthetic: Mapping[Path, Path] | None, height: int, width: int) -> UInt8:
    """Of some persons: visible, grey, one channel, synthetic infrared where there is some, and real infrared; RGB.

    Raises PictureError.
    """
    people: dict[str, dict[bool, Path]] = {picture.identity: {} for picture in train}
    for picture in train:
        people[picture.identity].setdefault(picture.infrared, picture.path)
    rows = []
    for seen in list(people.values())[:: max(1, len(people) // ROWS)][:ROWS]:
        rgb = read(seen[False])
        row = [rgb, grey(rgb), repeat(rgb[..., 0]), *([read(synthetic[seen[False]])] if synthetic else [])]
        rows.append([fit(np.ascontiguousarray(one), height, width) for one in (*row, read(seen[True]))])
    return joined(rows)


def read(path: Path) -> UInt8:
    """A picture (H, W, 3)."""
    return decode(path.read_bytes(), str(path))


def joined(rows: Sequence[Sequence[UInt8]]) -> UInt8:
    """Pictures (H, W, 3) of one size in rows, RGB."""
    return np.vstack([np.hstack([np.pad(one, ((2, 2), (2, 2), (0, 0))) for one in row]) for row in rows])
