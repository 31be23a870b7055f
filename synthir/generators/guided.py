"""Guided: structure from the luminance, heat from a network: (N, 3, H, W) -> infrared (N, 1, H, W), both in [-1, 1].

    infrared = luminance + offset + gain * detail + residual

A U-Net at an eighth of the resolution fills a bilateral grid (Chen et al. 2007; HDRNet, Gharbi et al. 2017): for each
cell of 8x8 pixels, and for each of `depth` shades, an offset and a gain. A pixel reads the grid where it lies and at
its own luminance, so that maps of an eighth of the resolution have the edges of the visible picture. Detail is the
luminance less its local mean, equally strong in shade and in light. A small residual, found at half resolution, is for
what the colour says and the luminance does not.

Every head starts at zero: a fresh network gives the luminance, which is grayscale conversion. Objects cannot vanish or
move by accident: that takes an offset that cancels the luminance. HDRNet has affine colour transforms and a learned
guide; here both are one channel, and the luminance itself is the guide.

All work at full resolution is done on cells: (N, 1, H, W) as (N, 64, H / 8, W / 8), one channel a pixel of the cell.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._layers import bilinear, conv, grow, head, luminance, patches, repeat_border, widen

STRIDE = 32
CELL = 8
"""Pixels across a cell of the grid."""


@dataclass(frozen=True)
class Settings:
    """Channels of the network, and shades of the grid."""

    channels: tuple[int, ...] = (32, 64, 96)
    """Of the U-Net, from an eighth of the resolution down, at most three."""
    depth: int = 8
    """Shades that a cell tells apart, from black to white; at least two."""
    fine: int = 12
    """Of the residual, at half resolution."""


def guided_s() -> Settings:
    """Small: a tenth of the cost of the other networks."""
    return Settings()


def build(settings: Settings) -> "Guided":
    """The network with fresh weights."""
    return Guided(settings)


def to_cells(x: Tensor) -> Tensor:
    """(N, 1, H, W) -> (N, 64, H / 8, W / 8): one channel for each pixel of a cell."""
    return F.pixel_unshuffle(x, CELL)


def spread(x: Tensor) -> Tensor:
    """Maps (N, C, h, w) of one value a cell -> (N, C, 64, h, w), one value a pixel, bilinear."""
    count, channels, height, width = x.shape
    kernel = bilinear(CELL).unsqueeze(1).to(x)
    fine = F.conv2d(repeat_border(x.reshape(count * channels, 1, height, width), 1), kernel)
    return fine.reshape(count, channels, CELL * CELL, height, width)


def local_detail(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance in cells -> it less its local mean, in cells, and one over the deviation of that, one value a cell."""
    detail = luma - spread(luma.mean(dim=1, keepdim=True))[:, 0]
    power = (detail * detail).mean(dim=1, keepdim=True)
    # The constant is about the noise of a camera: what is flat is not blown up.
    return detail, (power + 1e-3).rsqrt()


def read_grid(grid: Tensor, luma: Tensor) -> Tensor:
    """A grid (N, depth, h, w) at the luminance of each pixel: cells (N, 64, h, w) -> cells (N, 64, h, w).

    Linear between shades, which lie evenly from -1 to 1, by hat functions: no gather, which engines are slow at.
    """
    depth = grid.shape[1]
    place, values = (luma + 1.0) * (0.5 * (depth - 1)), spread(grid)
    found = torch.zeros_like(luma)
    for shade in range(depth):
        found = found + F.relu(1.0 - (place - shade).abs()) * values[:, shade]
    return found


class Context(nn.Module):
    """A U-Net from an eighth of the resolution down: what is where."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        first, deepest = channels[0], channels[-1]
        self.enter = nn.Sequential(patches(3, first // 2, 4), conv(first // 2, first, step=2, deep=True))
        levels = list(pairwise(channels))
        self.down = nn.ModuleList(
            nn.Sequential(conv(a, b, step=2, deep=True), conv(b, b, deep=True)) for a, b in levels
        )
        self.deepest = conv(deepest, deepest, deep=True)
        self.up = nn.ModuleList(conv(a + b, a, deep=True) for a, b in levels)
        self.leave = conv(first, first, deep=True)

    def forward(self, visible: Tensor) -> Tensor:
        skips = [self.enter(visible)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = self.deepest(skips.pop())
        for up in reversed(self.up):
            x = up(torch.cat((grow(x), skips.pop()), dim=1))
        features: Tensor = self.leave(x)
        return features


class Guided(nn.Module):
    """See the top of this file."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        first, fine = settings.channels[0], settings.fine
        self.context = Context(settings.channels)
        self.grid = head(first, 2 * settings.depth)
        self.hint = nn.Conv2d(first, fine, 1)
        self.edges = patches(3, fine, 2)
        self.refine = nn.Sequential(conv(2 * fine, fine), conv(fine, fine))
        self.residual = head(fine, 1)

    def stages(self, visible: Tensor) -> tuple[Tensor]:
        """The one result, (N, 1, H, W), not clamped."""
        features = self.context(visible)
        luma = luminance(visible)
        cells = to_cells(luma)
        offset, gain = self.grid(features).chunk(2, dim=1)
        detail, sharpness = local_detail(cells)
        heat = read_grid(offset, cells) + read_grid(gain * sharpness, cells) * detail
        hint = F.interpolate(self.hint(features), scale_factor=4.0, mode="bilinear", align_corners=False)
        residual = self.residual(self.refine(torch.cat((hint, self.edges(visible)), dim=1)))
        return (luma + F.pixel_shuffle(heat, CELL) + widen(residual, 2),)

    def forward(self, visible: Tensor) -> Tensor:
        """Infrared (N, 1, H, W) in [-1, 1]."""
        return self.stages(visible)[-1].clamp(-1.0, 1.0)
