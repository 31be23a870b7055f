"""Analytic: tone curves and local contrast, nothing learnt: visible (N, 3, H, W) -> infrared (N, 1, H, W) in [-1, 1].

    mix       weights of red, green and blue
    contrast  what differs from the mean of 8 and of 32 pixels around, added once more
    tone      cos(turn) * a rising curve (gamma and sigmoid) + sin(turn) * a wave of about one period
    range     mean and deviation of the picture set to those of an infrared picture

The control for every trained network: published comparisons find that detectors gain more from simple stylisation than
from GANs, and stylised shades teach them not to trust shades. `turn` goes round the whole circle: half of the
compositions are nearer to inverted.

Nothing is drawn at run time. The seed in the settings, not that of a training, decides a bank of coefficients, which is
saved like weights; each picture turns them into its own composition by its thumbnail of 4x4 colours. Equal pictures get
equal compositions, similar pictures similar ones, and the frames of a video do not flicker.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._layers import widen

STRIDE = 32
THUMBNAIL = 4
"""Colours across the thumbnail."""
DIALS = 9
"""Numbers that say how a picture is composed: three of mix, two of contrast, three of tone, one of range."""
SWAY = 0.25
"""Standard deviation of the coefficients: how far pictures differ in composition, and how far noise could sway them."""


@dataclass(frozen=True)
class Settings:
    """Which bank of coefficients, and what they may do."""

    seed: int = 0
    """Of the bank; the named sizes have 0, and `--seed` of a training does not change it."""
    waves: bool = True
    """Whether a curve may fall; without, brighter stays hotter."""


def analytic_default() -> Settings:
    """Any curve, rising, falling or both."""
    return Settings()


def analytic_monotone() -> Settings:
    """Rising curves only: polarity is that of the visible picture."""
    return Settings(waves=False)


def build(settings: Settings) -> "Analytic":
    """The bank of the seed. It has no parameters to train."""
    return Analytic(settings)


def thumbnail(visible: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, 16 C): the mean colours of 4x4 parts."""
    count, channels, height, width = visible.shape
    parts = visible.reshape(count, channels, THUMBNAIL, height // THUMBNAIL, THUMBNAIL, width // THUMBNAIL)
    return parts.mean(dim=(3, 5)).flatten(1)


def standardise(x: Tensor, floor: float) -> Tensor:
    """(N, 1, H, W) with mean 0 and deviation 1; flat pictures stay flatter, by a floor of the variance."""
    centred = x - x.mean(dim=(2, 3), keepdim=True)
    return centred * ((centred * centred).mean(dim=(2, 3), keepdim=True) + floor).rsqrt()


def add_contrast(x: Tensor, near: Tensor, far: Tensor) -> Tensor:
    """x, its difference to the mean of 8 pixels `near` times more, and that of this mean to that of 32 `far` times."""
    around = F.avg_pool2d(x, 8)
    wide = around - widen(F.avg_pool2d(around, 4), 4)
    return x + near * (x - widen(around, 8)) + widen(far * wide, 8)


def tone(x: Tensor, dials: Tensor, turn: Tensor) -> Tensor:
    """A curve over x, (N, 1, H, W) of deviation 1, as three dials in [-1, 1], each (N, 1, 1, 1), and an angle say."""
    gamma, centre, period = dials
    shade = torch.sigmoid(1.5 * x)
    bent = (0.1 + 0.9 * shade).pow(torch.exp(0.7 * gamma))
    step = torch.tanh(3.0 * (shade - 0.5 - 0.25 * centre))
    wave = torch.cos(math.pi * (0.9 + 0.3 * period) * (2.0 * shade - 1.0))
    return torch.cos(turn) * (bent + 0.5 * step - 0.5) + torch.sin(turn) * wave


class Analytic(nn.Module):
    """See the top of this file."""

    sway: Tensor
    """(48, DIALS + 1): what each number of a thumbnail does to each dial and to the turn."""
    start: Tensor
    """(DIALS + 1): where they stand for a mid-grey picture."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(settings.seed)
        inputs = 3 * THUMBNAIL * THUMBNAIL
        # Rounded to what is saved, so that a saved bank is the same bank.
        sway, start = SWAY * torch.randn(inputs, DIALS + 1, generator=rng), torch.rand(DIALS + 1, generator=rng)
        self.register_buffer("sway", sway.half().float())
        self.register_buffer("start", (2.0 * math.pi * start).half().float())
        self.waves = settings.waves

    def compose(self, visible: Tensor) -> tuple[Tensor, Tensor]:
        """The dials of each picture, (DIALS, N, 1, 1, 1) in [-1, 1], and the angle of its curve, (N, 1, 1, 1)."""
        phases = (thumbnail(visible) @ self.sway + self.start).t()[..., None, None, None]
        return torch.sin(phases[:DIALS]), phases[DIALS] if self.waves else torch.zeros_like(phases[DIALS])

    def stages(self, visible: Tensor) -> tuple[Tensor]:
        """The one result, (N, 1, H, W), within [-1, 1]."""
        dials, turn = self.compose(visible)
        mix = torch.softmax(1.5 * dials[:3], dim=0).squeeze(2).transpose(0, 1)
        x = (visible * mix).sum(dim=1, keepdim=True)
        x = add_contrast(x, 0.3 + 0.3 * dials[3], 0.3 + 0.3 * dials[4])
        x = tone(standardise(x, 0.02), dials[5:8], turn)
        return (torch.tanh(0.7 * standardise(x, 0.02) + 0.3 * dials[8]),)

    def forward(self, visible: Tensor) -> Tensor:
        """Infrared (N, 1, H, W) in [-1, 1]."""
        return self.stages(visible)[-1].clamp(-1.0, 1.0)
