"""Picture <-> network frame: the only geometry there is. A picture is padded to the stride, never squeezed.

A picture is uint8 (H, W, 3) RGB, a frame float32 (3, Hp, Wp) in [-1, 1]; Hp and Wp are H and W rounded up to the
stride. The padding lies right and below, so a pixel has the same coordinates in both and labels stay true.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]
Infrared = NDArray[np.uint8 | np.uint16]


def padded(height: int, width: int, stride: int) -> tuple[int, int]:
    """Height and width of the network frame, in pixels, of a picture of that height and width."""
    return -(-height // stride) * stride, -(-width // stride) * stride


def to_network(rgb: UInt8, stride: int) -> Float32:
    """Picture (H, W, 3) uint8 -> frame (3, Hp, Wp) float32, value x / 127.5 - 1, padded by reflection."""
    frame: Float32 = normalised([pad(rgb, stride)])[0]
    return frame


def pad(rgb: UInt8, stride: int) -> UInt8:
    """Picture (H, W, 3) -> (Hp, Wp, 3), padded right and below by reflection; the same array where it fits already."""
    height, width = padded(rgb.shape[0], rgb.shape[1], stride)
    below, right = height - rgb.shape[0], width - rgb.shape[1]
    if not (below or right):
        return rgb
    return cv2.copyMakeBorder(rgb, 0, below, 0, right, cv2.BORDER_REFLECT_101).astype(np.uint8, copy=False)


def normalised(pictures: Sequence[UInt8] | UInt8) -> Float32:
    """Padded pictures of one size, each (Hp, Wp, 3) -> frames (N, 3, Hp, Wp) float32, value x / 127.5 - 1."""
    height, width = pictures[0].shape[:2]
    frames = np.empty((len(pictures), 3, height, width), np.float32)
    for picture, frame in zip(pictures, frames, strict=True):
        for plane, out in zip(cv2.split(picture), frame, strict=True):
            np.divide(plane, np.float32(127.5), out=out)
    frames -= 1
    return frames


def from_network(
    infrared: Float32 | UInt8, height: int, width: int, *, bit_depth: int = 8, invert: bool = False
) -> Infrared:
    """Frame (1, Hp, Wp) in [-1, 1] -> infrared (H, W): cropped, rounded, clipped; uint8, or uint16 for 16 bits.

    `invert` swaps hot and cold: white-hot becomes black-hot and back. A frame (3, Hp, Wp) becomes RGB (H, W, 3). Grey
    levels of uint8 stay what they are, in 8 bits.
    """
    half = (2**bit_depth - 1) / 2
    cropped = infrared[:, :height, :width]
    planes = cropped[0] if len(cropped) == 1 else np.moveaxis(cropped, 0, 2)
    if planes.dtype == np.uint8:
        levels: UInt8 = np.subtract(255, planes, dtype=np.uint8) if invert else planes.astype(np.uint8)
        return levels
    grey = planes * np.float32(-half if invert else half)
    grey += np.float32(half)
    np.rint(grey, out=grey)
    np.clip(grey, 0, 2 * half, out=grey)
    return grey.astype(np.uint16) if bit_depth == 16 else grey.astype(np.uint8)


def shrink(rgb: UInt8, max_side: int) -> UInt8:
    """The picture with at most `max_side` pixels on its longest side (0 is no limit), averaged over areas."""
    height, width = rgb.shape[:2]
    scale = max_side / max(height, width)
    if not 0 < scale < 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def grow(infrared: Infrared, height: int, width: int) -> Infrared:
    """Infrared back on its picture's own grid (H, W), linear; the same array where it has that size already."""
    if infrared.shape[:2] == (height, width):
        return infrared
    out = np.empty((height, width, *infrared.shape[2:]), infrared.dtype)
    cv2.resize(infrared, (width, height), out, interpolation=cv2.INTER_LINEAR)
    return out
