"""Does a test picture show a scene that was trained on? By the names of scenes, and by a hash of the visible picture.

A fixed camera gives a thousand pictures of one background; tested on another frame of it, a generator is asked for what
it has seen. The hash says for each of 16 x 16 cells whether it is brighter than its left neighbour: 256 bits of the
background, which people walking through change little.
`docs/guides/bring-your-pairs.md` has the measured distances.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError
from .images import decode
from .pairs import Pair, picture_bytes

SIDE = 16
"""Cells of the hash along each side."""
THRESHOLD = 68
"""Bits of 256: frames of one fixed camera differ in 65 at most, the nearest of unrelated pictures in 77 or more."""
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
    known, asked = hashes(train), hashes(test)
    found = []
    for start in range(0, len(asked), AT_ONCE):
        apart = distances(asked[start : start + AT_ONCE], known)
        nearest = apart.argmin(axis=1)
        for row, column in enumerate(nearest.tolist()):
            if apart[row, column] <= threshold:
                found.append(Duplicate(train[column].name, test[start + row].name, int(apart[row, column])))
    return sorted(found, key=lambda duplicate: (duplicate.distance, duplicate.test))


def distances(some: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Hamming distances (N, M) between hashes (N, 256) and (M, 256): as one product of matrices of -1 and 1."""
    signs = [np.where(bits, np.float32(1.0), np.float32(-1.0)) for bits in (some, others)]
    return (np.float32(some.shape[1]) - signs[0] @ signs[1].T) / np.float32(2.0)


def hashes(pairs: Sequence[Pair]) -> NDArray[np.bool_]:
    """The hashes (N, 256) of the visible pictures. Raises PictureError."""
    return np.stack([hash_of(pair) for pair in pairs])


def hash_of(pair: Pair) -> NDArray[np.bool_]:
    """256 bits of a visible picture: is a cell brighter than its left neighbour? Raises PictureError."""
    data = picture_bytes(pair.visible)
    # a quarter of the side is enough, and several times faster for JPEG
    small = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_4) if data else None
    if small is None:
        small = cv2.cvtColor(decode(data, str(pair.visible)), cv2.COLOR_RGB2GRAY)
    if pair.visible == pair.infrared:
        small = small[:, : small.shape[1] // 2]
    cells = cv2.resize(small, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cells[:, 1:] > cells[:, :-1]).ravel()
