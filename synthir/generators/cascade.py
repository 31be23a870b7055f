"""Cascade: structure, then heat, then noise: visible (N, 3, H, W) in [-1, 1] -> infrared (N, 1, H, W) in [-1, 1].

    stage 1  U-Net             offset and gain maps, applied to the detail of the luminance: structure comes through
    stage 2  DoubleU-Net       residual blocks, squeeze-and-excitation, atrous pyramid, sharpened skips: what is hot
    stage 3  noise reduction   a short residual network at half resolution: what stages 1 and 2 left rough

The three-stage order follows the published cascade for visible-to-infrared translation, the second stage DoubleU-Net
(Jha et al. 2020), its parts squeeze-and-excitation (Hu et al. 2018), atrous spatial pyramid pooling (Chen et al. 2017)
and Sharp U-Net (Zunair and Ben Hamza 2021), the third DnCNN (Zhang et al. 2017). Predicting maps for the luminance's
own detail, and residuals on top of it, is ours: objects stay where they are.

Stages 1 and 2 never paint pixels: they say at a quarter and at half resolution how bright a place is and how much of
the luminance's own detail shows there, positive or negative. Brightness is brought to full resolution by `choose`,
whose edges can follow those of the visible picture: resized bilinearly, a warm person gets a halo. Frames are multiples
of STRIDE pixels.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._layers import choice_head, choose, conv, grow, head, local_detail, luminance, patches, widen

STRIDE = 32


@dataclass(frozen=True)
class Settings:
    """Channels of each stage, from its finest resolution to its coarsest, which is half as fine level by level."""

    structure: tuple[int, ...]
    """Stage 1, from quarter resolution down, at most four."""
    heat: tuple[int, ...]
    """Stage 2, from quarter resolution down, at most four."""
    fine: int
    """Stage 2's last layers and stage 3, at half resolution."""
    noise_layers: int
    """Convolutions of stage 3."""


def cascade_s() -> Settings:
    """Small: for two CPU cores."""
    return Settings(structure=(32, 48, 64, 96), heat=(32, 64, 128, 160), fine=24, noise_layers=2)


def cascade_b() -> Settings:
    """Base: for a workstation."""
    return Settings(structure=(48, 96, 128, 192), heat=(64, 128, 256, 320), fine=32, noise_layers=4)


def cascade_l() -> Settings:
    """Large: for quality."""
    return Settings(structure=(96, 160, 256, 384), heat=(128, 256, 384, 512), fine=64, noise_layers=6)


def build(settings: Settings) -> "Cascade":
    """The network with fresh weights."""
    return Cascade(settings)


class SqueezeExcite(nn.Module):
    """Weighs channels by what the whole frame holds."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(channels, max(8, channels // 8), 1)
        self.widen = nn.Conv2d(max(8, channels // 8), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        summary = x.mean(dim=(2, 3), keepdim=True)
        weights: Tensor = torch.sigmoid(self.widen(F.relu(self.narrow(summary))))
        return x * weights


class ResidualBlock(nn.Module):
    """Two convolutions and squeeze-and-excitation around a shortcut."""

    def __init__(self, inputs: int, outputs: int, step: int = 1) -> None:
        super().__init__()
        deep = step > 1
        first, second = conv(inputs, outputs, step=step, deep=deep), conv(outputs, outputs, deep=deep)
        self.body = nn.Sequential(first, second, SqueezeExcite(outputs))
        same = inputs == outputs and step == 1
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut: nn.Module = nn.Identity() if same else shortcut
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.avg_pool2d(x, self.step) if self.step > 1 else x
        result: Tensor = self.body(x) + self.shortcut(shortcut)
        return result


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling: three dilations and the mean of the frame, merged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        quarter = channels // 4
        self.branches = nn.ModuleList(conv(channels, quarter, dilation=d, deep=True) for d in (1, 2, 4))
        self.frame = nn.Conv2d(channels, quarter, 1)
        self.merge = nn.Sequential(nn.Conv2d(4 * quarter, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        views = [branch(x) for branch in self.branches]
        mean = F.relu(self.frame(x.mean(dim=(2, 3), keepdim=True)))
        merged: Tensor = self.merge(torch.cat((*views, mean.expand_as(views[0])), dim=1))
        return merged


def sharpen(x: Tensor) -> Tensor:
    """Unsharp mask of a skip connection: x + (x - local 3x3 mean), as Sharp U-Net does with a fixed kernel."""
    return 2.0 * x - F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


@dataclass(frozen=True)
class Sketch:
    """What stage 1 hands on."""

    infrared: Tensor
    """(N, 1, H, W): `offset` resized plus `gain` resized times `fine`."""
    offset: Tensor
    """Brightness at quarter resolution."""
    gain: Tensor
    """Of the fine detail, at quarter resolution."""
    fine: Tensor
    """(N, 1, H, W), the normalised fine detail of the luminance."""


class Structure(nn.Module):
    """Stage 1: a U-Net at quarter resolution that says how the luminance's detail shows."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        first, deepest = channels[0], channels[-1]
        levels = list(pairwise(channels))
        self.enter = nn.Sequential(patches(3, first, 4), conv(first, first))
        self.down = nn.ModuleList(
            nn.Sequential(conv(a, b, step=2, deep=True), conv(b, b, deep=True)) for a, b in levels
        )
        self.deepest = conv(deepest, deepest, deep=True)
        self.up = nn.ModuleList(conv(a + b, a, deep=True) for a, b in levels)
        self.maps = head(first, 3)

    def forward(self, visible: Tensor) -> Sketch:
        skips = [self.enter(visible)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = self.deepest(skips.pop())
        for up in reversed(self.up):
            x = up(torch.cat((grow(x), skips.pop()), dim=1))
        brightness, middle_gain, fine_gain = self.maps(x).chunk(3, dim=1)
        fine, middle, sharpness = local_detail(luminance(visible))
        fine = fine * widen(sharpness, 4)
        offset, gain = brightness + (0.1 + middle_gain) * middle, 0.1 + fine_gain
        return Sketch(widen(offset, 4) + widen(gain, 4) * fine, offset, gain, fine)


class HeatUNet(nn.Module):
    """One half of stage 2: residual encoder, atrous pyramid, decoder with sharpened skips."""

    def __init__(self, inputs: int, channels: tuple[int, ...], borrowed: tuple[int, ...]) -> None:
        super().__init__()
        self.enter = ResidualBlock(inputs, channels[0])
        self.down = nn.ModuleList(ResidualBlock(a, b, step=2) for a, b in pairwise(channels))
        self.pyramid = AtrousPyramid(channels[-1])
        self.up = nn.ModuleList(
            conv(a + b + extra, a, deep=True) for (a, b), extra in zip(pairwise(channels), borrowed, strict=True)
        )

    def forward(self, x: Tensor, borrowed: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The decoded features and the skips, finest first; `borrowed` are the skips of the other half."""
        skips = [self.enter(x)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = self.pyramid(skips[-1])
        for level in reversed(range(len(self.up))):
            x = self.up[level](torch.cat((grow(x), sharpen(skips[level]), *borrowed[level : level + 1]), dim=1))
        return x, skips[:-1]


class Heat(nn.Module):
    """Stage 2, an improved DoubleU-Net at quarter resolution, finished at half: corrects stage 1's maps with what the
    scene means."""

    def __init__(self, channels: tuple[int, ...], fine: int) -> None:
        super().__init__()
        first = channels[0]
        self.enter = patches(4, first, 4)
        self.first = HeatUNet(first, channels, tuple(0 for _ in channels[1:]))
        self.gate = nn.Conv2d(first, first, 1)
        self.second = HeatUNet(first, channels, channels[:-1])
        self.merge = conv(2 * first, fine)
        self.edges = patches(4, fine, 2)
        self.refine = nn.Sequential(conv(2 * fine, fine), conv(fine, fine), conv(fine, fine))
        self.maps = head(fine, 2)
        self.choice = choice_head(fine, 2)

    def forward(self, visible: Tensor, sketch: Sketch) -> Tensor:
        seen = torch.cat((visible, sketch.infrared), dim=1)
        quarter = self.enter(seen)
        first, skips = self.first(quarter, [])
        # DoubleU-Net: the first network's answer says where the second one looks.
        second, _ = self.second(quarter * torch.sigmoid(self.gate(first)), skips)
        half = grow(self.merge(torch.cat((first, second), dim=1)))
        x = self.refine(torch.cat((half, self.edges(seen)), dim=1))
        offset, gain = self.maps(x).chunk(2, dim=1)
        brightness = choose(widen(sketch.offset, 2) + offset, self.choice(x), 2)
        return brightness + widen(widen(sketch.gain, 2) + gain, 2) * sketch.fine


class NoiseReduction(nn.Module):
    """Stage 3: a residual found at half resolution, resized, and finished by a convolution at full resolution."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.enter = patches(4, width, 2)
        self.body = nn.Sequential(*(conv(width, width) for _ in range(layers)))
        self.leave = conv(width, 6)
        self.full = head(6 + 2, 1)

    def forward(self, visible: Tensor, infrared: Tensor, fine: Tensor) -> Tensor:
        half = self.enter(torch.cat((visible, infrared), dim=1))
        features = grow(self.leave(half + self.body(half)))
        result: Tensor = infrared + self.full(torch.cat((features, infrared, fine), dim=1))
        return result


class Cascade(nn.Module):
    """The three stages in a row; see the top of this file."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.structure = Structure(settings.structure)
        self.heat = Heat(settings.heat, settings.fine)
        self.noise = NoiseReduction(settings.fine, settings.noise_layers)

    def stages(self, visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The infrared after each stage, (N, 1, H, W) each, not clamped, so that losses see every error."""
        sketch = self.structure(visible)
        second = self.heat(visible, sketch)
        return sketch.infrared, second, self.noise(visible, second, sketch.fine)

    def forward(self, visible: Tensor) -> Tensor:
        """Infrared (N, 1, H, W) in [-1, 1]."""
        return self.stages(visible)[-1].clamp(-1.0, 1.0)
