"""pix2pix: the U-Net of Isola et al. 2017: frames (N, 3, H, W) in [-1, 1] -> (N, outputs, H, W) in [-1, 1].

    down   C64 C128 C256 C512 C512 C512 C512 C512    4x4 convolutions, each halves; LeakyReLU 0.2
    up     CD512 CD512 CD512 C512 C256 C128 C64      4x4 transposed convolutions, each doubles; ReLU; skips
    last   C1 or C3, tanh

As published: batch norm everywhere but in the first, the innermost and the last layer, dropout of one half in the three
deepest decoder layers, weights drawn from N(0, 0.02). Two things differ. The published code keeps dropout and the batch
norm of the picture itself on at inference; here both follow train() and eval() as everywhere in torch: in eval mode
nothing is random and no picture depends on its batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

HALVINGS = 8
STRIDE = 2**HALVINGS
"""256 pixels, which the eight halvings turn into one: skips fit the decoder only where every halving is exact."""
DEEPEST = 3
"""Decoder layers with dropout."""


@dataclass(frozen=True)
class Settings:
    """Channels in and out, and how wide it is."""

    inputs: int = 3
    """3 for visible frames, 1 for infrared ones."""
    outputs: int = 1
    """1 makes infrared, 3 makes visible pictures."""
    width: int = 64
    """Channels of the first layer; the deepest have eight times as many."""
    dropout: float = 0.5
    """Share of features dropped in the three deepest decoder layers, in training only."""


def pix2pix_256() -> Settings:
    """Visible to infrared."""
    return Settings()


def pix2pix_256_visible() -> Settings:
    """Infrared to visible."""
    return Settings(inputs=1, outputs=3)


def build(settings: Settings) -> "UNet":
    """The network with fresh weights."""
    return UNet(settings, transposed)


def take(frames: Tensor, inputs: int) -> Tensor:
    """Frames with the channels the first layer takes: infrared ones may come with three equal channels or with one."""
    return frames.mean(dim=1, keepdim=True) if inputs == 1 else frames


def transposed(inputs: int, outputs: int, bias: bool) -> nn.Module:
    """A transposed convolution that doubles the resolution."""
    return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=bias)


def draw_weights(network: nn.Module) -> None:
    """Weights as pix2pix and CycleGAN start: convolutions N(0, 0.02), norms N(1, 0.02), biases zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


def halve(inputs: int, outputs: int) -> nn.Sequential:
    """LeakyReLU, 4x4 convolution of step 2, batch norm."""
    layer = nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)
    return nn.Sequential(nn.LeakyReLU(0.2), layer, nn.BatchNorm2d(outputs))


class UNet(nn.Module):
    """See the top of this file. `double` makes the layers that double the resolution: (inputs, outputs, bias)."""

    def __init__(self, settings: Settings, double: Callable[[int, int, bool], nn.Module]) -> None:
        super().__init__()
        self.inputs = settings.inputs
        widths = [settings.width * min(8, 2**level) for level in range(HALVINGS)]
        self.enter = nn.Conv2d(settings.inputs, widths[0], 4, 2, 1)
        self.down = nn.ModuleList(halve(a, b) for a, b in pairwise(widths[:-1]))
        # Without norm: where a frame is one pixel deep inside, batch norm would turn it into zero.
        self.innermost = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(widths[-2], widths[-1], 4, 2, 1))
        self.up = nn.ModuleList()
        for level in reversed(range(1, HALVINGS)):
            inputs = widths[level] * (1 if level == HALVINGS - 1 else 2)
            layers = [nn.ReLU(), double(inputs, widths[level - 1], False), nn.BatchNorm2d(widths[level - 1])]
            dropout = [nn.Dropout(settings.dropout)] if level >= HALVINGS - DEEPEST else []
            self.up.append(nn.Sequential(*layers, *dropout))
        self.leave = nn.Sequential(nn.ReLU(), double(2 * widths[0], settings.outputs, True), nn.Tanh())
        draw_weights(self)

    def stages(self, visible: Tensor) -> tuple[Tensor]:
        """The one result, (N, outputs, H, W); tanh keeps it in [-1, 1]."""
        skips = [self.enter(take(visible, self.inputs))]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = self.innermost(skips[-1])
        for up in self.up:
            x = torch.cat((up(x), skips.pop()), dim=1)
        return (self.leave(x),)

    def forward(self, visible: Tensor) -> Tensor:
        """(N, outputs, H, W) in [-1, 1]."""
        return self.stages(visible)[-1].clamp(-1.0, 1.0)
