"""Infrared of more than 8 bits: raw counts of a camera, and the two of them declared to be black and white.

Nothing is guessed. A camera uses a small part of its 16 bits, and scaling each picture by its own range would make
one temperature another grey in every picture; so the range is declared once for a source, and without it refused.
"""

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, UnreadablePicture, UnsupportedPicture
from .images import FAULTS, UInt8, open_header, turned

Float32 = NDArray[np.float32]
Levels = tuple[float, float]
"""The raw values that become black and white; black may be the larger one, where hot is dark."""


def raw_plane(data: bytes, where: str) -> Float32 | None:
    """The samples (H, W) of a one-plane picture of 16 bits, 32 bits or floats; None where it has 8 bits.

    Raises UnreadablePicture, UnsupportedPicture (several planes of 16 bits, values that are not finite).
    """
    try:
        image = open_header(data, where)
        deep_planes = any(";16" in str(tile.args) for tile in image.tile)
        if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
            if deep_planes:
                fix = "save one plane of 16 bits"
                raise UnsupportedPicture("infrared of several planes of 16 bits", where=where, fix=fix)
            return None
        orientation = image.getexif().get(0x0112, 1)
        image.load()
        raw = np.asarray(turned(image, orientation, where, None), dtype=np.float32)
    except FAULTS as error:
        why = str(error) or type(error).__name__
        fix = "replace it by a good copy, or take it out of the dataset"
        raise UnreadablePicture("the picture cannot be decoded", where=where, why=why, fix=fix) from error
    if not np.isfinite(raw).all():
        raise UnsupportedPicture("infrared values that are not finite", where=where, fix="fill them in first")
    return raw


def to_levels(plane: UInt8 | Float32, levels: Levels | None, where: str) -> UInt8:
    """(H, W) uint8: linear between the levels, clipped outside. 8 bits without levels stay as they are.

    Raises ConfigError where raw samples have no levels; it proposes those of this picture.
    """
    if levels is None and plane.dtype == np.uint8:
        return plane.astype(np.uint8, copy=False)
    if levels is None:
        black, white = np.percentile(plane, (1, 99))
        why = f"1 % of its pixels are below {black:.6g}, 1 % above {white:.6g}"
        fix = f"set levels = [{black:.6g}, {white:.6g}] in the source, wide enough for all its pictures"
        raise ConfigError("infrared of more than 8 bits without levels", where=where, why=why, fix=fix)
    share = (plane.astype(np.float64) - levels[0]) / (levels[1] - levels[0])
    return np.asarray(np.rint(np.clip(share, 0.0, 1.0) * 255.0), dtype=np.uint8)
