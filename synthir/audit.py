"""Does a test picture show a scene that was trained on? By the names of scenes, and by a hash of the visible picture.

A fixed camera gives a thousand pictures of one background; tested on another frame of it, a generator is asked for what
it has seen. The hash says for each of 16 x 16 cells whether it is brighter than its left neighbour: 256 bits of the
background, which people walking through change little. Infrared pictures have the same hash, and a threshold of their
own.
`docs/guides/bring-your-pairs.md` has the measured distances.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError
from .images import decode
from .levels import raw_plane
from .pairs import Pair, picture_bytes

Bits = NDArray[np.bool_]
Modality = Literal["visible", "infrared"]

SIDE = 16
"""Cells of the hash along each side."""
THRESHOLD = 68
"""Bits of 256: frames of one fixed camera differ in 65 at most, the nearest of unrelated pictures in 77 or more."""
THRESHOLDS: dict[Modality, int] = {"visible": THRESHOLD, "infrared": 72}
"""Infrared frames of one place differ in 73 at most, but for moving cameras; the nearest of unrelated ones in 78."""
AT_ONCE = 1024
"""Test pictures that are compared at once, so that memory stays small."""


@dataclass(frozen=True)
class Duplicate:
    """A test pair and the training pair that is nearest to it."""

    train: str
    test: str
    distance: int
    """Bits of 256 that differ."""


def refuse_shared(train: Sequence[Pair], test: Sequence[Pair], allowed: bool) -> None:
    """Raises ConfigError where a test pair shows a scene that is trained on; every picture is read for it.

    `allowed` skips the audit: a test on seen scenes that is called so.
    """
    why = "" if allowed else sharing(train, test)
    if why:
        fix = "split by scene, or set allow_shared_scenes = true and call the result a test on seen scenes"
        raise ConfigError("test pictures of scenes that are trained on", why=why, fix=fix)


def sharing(train: Sequence[Pair], test: Sequence[Pair]) -> str:
    """How many test pairs share a scene with training, and an example of both names; empty where none does."""
    scenes = shared_scenes(train, test)
    if scenes:
        found = [pair.name for pair in test if pair.scene in scenes]
        asked, known = (next(pair.name for pair in pairs if pair.scene == scenes[0]) for pairs in (test, train))
        return f"{len(found)} of {len(test)} are of a scene in training, e.g. {asked} and {known}, both {scenes[0]}"
    near = near_duplicates(train, test)
    if not near:
        return ""
    bits = f"{near[0].distance} of {SIDE * SIDE} bits apart"
    return f"{len(near)} of {len(test)} look like one in training, e.g. {near[0].test} and {near[0].train}, {bits}"


def shared_scenes(train: Sequence[Pair], test: Sequence[Pair]) -> list[str]:
    """The scenes, sorted, that both have pairs of; where the layout names scenes."""
    return sorted({pair.scene for pair in train} & {pair.scene for pair in test} - {""})


def near_duplicates(train: Sequence[Pair], test: Sequence[Pair], threshold: int = THRESHOLD) -> list[Duplicate]:
    """Test pairs whose visible picture is within `threshold` bits of one in training, nearest first.

    Raises PictureError.
    """
    if not train or not test:
        return []
    found = [
        Duplicate(train[column].name, test[row].name, apart)
        for row, column, apart in nearest(hashes(test), hashes(train), threshold)
    ]
    return sorted(found, key=lambda duplicate: (duplicate.distance, duplicate.test))


def nearest(asked: Bits, known: Bits, threshold: int) -> Iterator[tuple[int, int, int]]:
    """(row of asked, row of its nearest in known, bits that differ) of each that has one within the threshold.

    asked is (N, 256), known (M, 256), M at least 1.
    """
    for start in range(0, len(asked), AT_ONCE):
        apart = distances(asked[start : start + AT_ONCE], known)
        for row, column in enumerate(apart.argmin(axis=1).tolist()):
            if apart[row, column] <= threshold:
                yield start + row, column, int(apart[row, column])


def distances(some: Bits, others: Bits) -> NDArray[np.float32]:
    """Hamming distances (N, M) between hashes (N, 256) and (M, 256): as one product of matrices of -1 and 1."""
    signs = [np.where(bits, np.float32(1.0), np.float32(-1.0)) for bits in (some, others)]
    return (np.float32(some.shape[1]) - signs[0] @ signs[1].T) / np.float32(2.0)


def hashes(pairs: Sequence[Pair]) -> Bits:
    """The hashes (N, 256) of the visible pictures. Raises PictureError."""
    return np.stack([hash_of(pair) for pair in pairs])


def hash_of(pair: Pair, modality: Modality = "visible") -> Bits:
    """256 bits of one picture of a pair. Raises PictureError."""
    together = pair.visible == pair.infrared
    if modality == "visible":
        return hash_file(pair.visible, modality, "left" if together else "whole")
    return hash_file(pair.infrared, modality, "right" if together else "whole")


def hash_file(path: Path, modality: Modality, part: Literal["whole", "left", "right"] = "whole") -> Bits:
    """256 bits of a picture, or of a half of it: is a cell brighter than its left neighbour? Raises PictureError.

    Infrared of more than 8 bits is taken as it lies, without levels: the order of its values is all that counts.
    """
    data, where = picture_bytes(path), str(path)
    raw = raw_plane(data, where) if modality == "infrared" else None
    grey = small(data, where) if raw is None else raw
    middle = grey.shape[1] // 2
    grey = {"whole": grey, "left": grey[:, :middle], "right": grey[:, middle : 2 * middle]}[part]
    cells = cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cells[:, 1:] > cells[:, :-1]).ravel()


def small(data: bytes, where: str) -> NDArray[np.uint8]:
    """The luma of a picture at a quarter of the side, which is enough, and several times faster for JPEG."""
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_4) if data else None
    return np.asarray(cv2.cvtColor(decode(data, where), cv2.COLOR_RGB2GRAY) if grey is None else grey, dtype=np.uint8)
