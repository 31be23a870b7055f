"""The fixed pictures that every engine is compared on with the float32 network.

Textures with the spectrum of photographs, as they are, dark and bright, a flat picture and noise, each in two sizes.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .frames import UInt8, normalised, padded

if TYPE_CHECKING:
    from torch import Tensor

SIZES = ((256, 320), (192, 288))
"""Height and width in pixels, before they are padded and brought into an engine's range."""


def comparison_pictures(stride: int, ranges: dict[str, tuple[int, int, int]] | None = None) -> list[UInt8]:
    """Pictures (1, H, W, 3) uint8, H and W multiples of the stride and within the ranges of `height` and `width`."""
    rng = np.random.default_rng(20260101)
    pictures = []
    for size in SIZES:
        height, width = (
            within(pixels, (ranges or {}).get(name)) for name, pixels in zip(("height", "width"), size, strict=True)
        )
        pictures += [bytes_of(kind) for kind in kinds(rng, *padded(height, width, stride))]
    return pictures


def comparison_frames(stride: int) -> "Iterator[Tensor]":
    """The smaller half of them as float32 frames (1, 3, H, W) in [-1, 1], for what takes long."""
    import torch

    for picture in comparison_pictures(stride)[5:]:
        yield torch.from_numpy(normalised(picture))


def within(pixels: int, bounds: tuple[int, int, int] | None) -> int:
    """The number of pixels, or the nearest that the bounds allow."""
    return min(max(pixels, bounds[0]), bounds[2]) if bounds else pixels


def kinds(rng: np.random.Generator, height: int, width: int) -> Iterator[NDArray[np.float64]]:
    """Frames (1, 3, H, W), about within [-1, 1]: natural, dark, bright to saturation, flat, noise."""
    texture = natural_texture(rng, height, width)
    noise = rng.uniform(-1.0, 1.0, texture.shape)
    flat = np.broadcast_to(rng.uniform(-1.0, 1.0, (1, 3, 1, 1)), texture.shape)
    yield from (texture, 0.2 * texture - 0.8, 0.3 * texture + 0.7, flat, 0.3 * noise)


def bytes_of(frame: NDArray[np.float64]) -> UInt8:
    """A frame (1, 3, H, W) as a picture (1, H, W, 3)."""
    levels = np.rint((np.clip(frame, -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(levels, 1, 3))


def natural_texture(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """(1, 3, H, W) within about [-1, 1]: noise whose amplitude falls with frequency, as in photographs (Field 1987)."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    amplitude = 1.0 / np.maximum(np.hypot(fy, fx), 1.0 / max(height, width))
    phases = np.exp(2j * np.pi * rng.random((1, 3, height, width // 2 + 1)))
    texture = np.fft.irfft2(amplitude * phases, s=(height, width))
    return np.asarray(0.4 * (texture - texture.mean()) / texture.std(), dtype=np.float64)
