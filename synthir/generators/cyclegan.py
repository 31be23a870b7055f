"""CycleGAN's ResNet generator: frames (N, 3, H, W) in [-1, 1] -> (N, outputs, H, W) in [-1, 1].

    c7s1-64, d128, d256, R256 x 6 or 9, u128, u64, c7s1-1 or -3, tanh       (names of Zhu et al. 2017)

After Johnson et al. 2016 and Zhu et al. 2017: instance norm without weights, reflected borders, weights drawn from N(0,
0.02). It differs in one thing: u-layers resize and convolve instead of convolving transposed (Odena et al. 2016).
Instance norm looks at the whole frame: what one corner shows changes the others a little.

With `spectrum` the network sees and speaks wavelengths, see synthir/spectrum.py; outside it is [-1, 1] as ever. The
first instance norm takes scale and offset out again, so that of the input's new scale only a larger epsilon is left.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import spectrum
from .pix2pix import draw_weights, take

STRIDE = 32
"""Pixels. The two halvings need 4 and the reflected borders 8; 32 lets pictures of nearly one size share an engine."""


@dataclass(frozen=True)
class Settings:
    """Channels in and out, how wide and how deep it is."""

    inputs: int = 3
    """3 for visible frames, 1 for infrared ones."""
    outputs: int = 1
    """1 makes infrared, 3 makes visible pictures."""
    width: int = 64
    """Channels of the first layer; residual blocks have four times as many."""
    blocks: int = 9
    """Residual blocks; 6 are published for pictures of 128 pixels, 9 for 256 and more."""
    spectrum: bool = False
    """Whether pixel values are mapped to wavelengths before the network and back behind it."""


def cyclegan_6() -> Settings:
    """Visible to infrared, 6 residual blocks."""
    return Settings(blocks=6)


def cyclegan_6_visible() -> Settings:
    """Infrared to visible, 6 residual blocks."""
    return Settings(inputs=1, outputs=3, blocks=6)


def cyclegan_6_spectrum() -> Settings:
    """Visible to infrared, 6 residual blocks, electromagnetic-spectrum normalisation."""
    return Settings(blocks=6, spectrum=True)


def cyclegan_6_spectrum_visible() -> Settings:
    """Infrared to visible, 6 residual blocks, electromagnetic-spectrum normalisation."""
    return Settings(inputs=1, outputs=3, blocks=6, spectrum=True)


def cyclegan_9() -> Settings:
    """Visible to infrared, 9 residual blocks."""
    return Settings()


def cyclegan_9_visible() -> Settings:
    """Infrared to visible, 9 residual blocks."""
    return Settings(inputs=1, outputs=3)


def build(settings: Settings) -> "CycleGAN":
    """The network with fresh weights."""
    return CycleGAN(settings)


class Reflect(nn.Module):
    """(N, C, H, W) -> (N, C, H + 2n, W + 2n), reflected without repeating the border, H and W above n.

    Written with slices: exporters turn reflection padding into gathers that cost more than the convolution behind it.
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        near, far = range(self.n, 0, -1), range(-2, -2 - self.n, -1)
        x = torch.cat([*(x[..., i : i + 1] for i in near), x, *(x[..., i : i + 1] for i in far)], dim=3)
        return torch.cat([*(x[..., i : i + 1, :] for i in near), x, *(x[..., i : i + 1, :] for i in far)], dim=2)


def conv(inputs: int, outputs: int, size: int = 3, step: int = 1) -> list[nn.Module]:
    """Reflected border, convolution, instance norm. No bias: the norm would take it out again."""
    layer = nn.Conv2d(inputs, outputs, size, step, bias=False)
    return [Reflect(size // 2), layer, nn.InstanceNorm2d(outputs)]


class Residual(nn.Module):
    """R256: two convolutions around a shortcut, nothing behind the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv(channels, channels), nn.ReLU(), *conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.body(x)
        return result


class CycleGAN(nn.Module):
    """See the top of this file."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings, width = settings, settings.width
        layers = [*conv(settings.inputs, width, 7), nn.ReLU()]
        for a, b in ((width, 2 * width), (2 * width, 4 * width)):
            layers += [*conv(a, b, step=2), nn.ReLU()]
        layers += [Residual(4 * width) for _ in range(settings.blocks)]
        for a, b in ((4 * width, 2 * width), (2 * width, width)):
            layers += [nn.Upsample(scale_factor=2.0), *conv(a, b), nn.ReLU()]
        self.body = nn.Sequential(*layers, Reflect(3), nn.Conv2d(width, settings.outputs, 7), nn.Tanh())
        draw_weights(self)

    def stages(self, visible: Tensor) -> tuple[Tensor]:
        """The one result, (N, outputs, H, W); beyond [-1, 1] only with `spectrum`, for wavelengths of no pixel."""
        seen = take(visible, self.settings.inputs)
        if not self.settings.spectrum:
            return (self.body(seen),)
        enter, leave = spectrum.visible_to_wavelength, spectrum.wavelength_to_infrared
        if self.settings.outputs == 3:
            enter, leave = spectrum.infrared_to_wavelength, spectrum.wavelength_to_visible
        seen = spectrum.normalise(enter(127.5 * (seen + 1.0)))
        return (leave(spectrum.denormalise(self.body(seen))) / 127.5 - 1.0,)

    def forward(self, visible: Tensor) -> Tensor:
        """(N, outputs, H, W) in [-1, 1]."""
        return self.stages(visible)[-1].clamp(-1.0, 1.0)
