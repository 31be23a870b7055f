"""LPIPS (Zhang et al. 2018, version 0.1): how differently AlexNet or VGG-16 sees two pictures.

The user gives two files: the backbone as torchvision publishes it, the linear layers as the lpips package ships them.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .metrics import Grey
from .weights import pick, read_state

DEFINITIONS = {
    "LPIPS": "Zhang et al. 2018, version 0.1: weighted squared differences of unit-length features after the five "
    "stages of the backbone that is named, mean over places, sum over stages; 0 is equal. Grey levels stand in all "
    "three planes; aligned pictures are clipped to 0 to 255.",
}

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of red, green and blue in [-1, 1]: what version 0.1 normalises with."""
LEAST = 32
"""Pixels on the short side under which AlexNet's last stages see nothing."""
HOW = (
    "lpips: weights/v0.1/alex.pth or vgg.pth of the lpips package; lpips_backbone: run torchvision.models.alexnet or "
    'vgg16 once with weights="IMAGENET1K_V1", it stores the file in the folder checkpoints of torch.hub.get_dir()'
)


def alexnet() -> nn.Sequential:
    """The convolutions of AlexNet, numbered as torchvision's `features`."""
    steps: list[nn.Module] = [nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    steps += [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    for before, after in ((192, 384), (384, 256), (256, 256)):
        steps += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*steps)


def vgg16() -> nn.Sequential:
    """The convolutions of VGG-16, numbered as torchvision's `features`."""
    steps: list[nn.Module] = []
    before = 3
    for channels, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        steps += [nn.MaxPool2d(2)] if steps else []
        for _ in range(count):
            steps += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
            before = channels
    return nn.Sequential(*steps)


BACKBONES: dict[str, tuple[Callable[[], nn.Sequential], tuple[int, ...], tuple[int, ...]]] = {
    "alexnet": (alexnet, (1, 4, 7, 9, 11), (64, 192, 384, 256, 256)),
    "vgg16": (vgg16, (3, 8, 15, 22, 29), (64, 128, 256, 512, 512)),
}
"""Each with the layers whose results are compared, and the channels of those."""


class Lpips(nn.Module):
    """The distance of two batches (N, 3, H, W) in [-1, 1] as (N,); `name` is that of the backbone."""

    def __init__(self, name: str) -> None:
        """name: one of BACKBONES. Without weights until load_state_dict."""
        super().__init__()
        build, self.taps, channels = BACKBONES[name]
        self.name = name
        self.features = build()
        self.linear = nn.ParameterList([torch.zeros(1, count, 1, 1) for count in channels])

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        """Sum over stages of the mean over places of the weighted squared differences."""
        total = made.new_zeros(len(made))
        for weight, x, y in zip(self.linear, self.stages(made), self.stages(real), strict=True):
            total = total + ((unit(x) - unit(y)).square() * weight).sum(dim=1).mean(dim=(1, 2))
        return total

    def stages(self, pictures: Tensor) -> list[Tensor]:
        """The features at each of the taps."""
        shift, scale = (pictures.new_tensor(values).view(1, 3, 1, 1) for values in (SHIFT, SCALE))
        value, seen = (pictures - shift) / scale, []
        for number, layer in enumerate(self.features):
            value = layer(value)
            seen += [value] if number in self.taps else []
        return seen


def unit(features: Tensor) -> Tensor:
    """Features of length 1 at each place."""
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


def load_lpips(linear: Path, backbone: Path) -> Lpips:
    """LPIPS with the weights of two files, frozen; AlexNet or VGG-16, whichever the backbone's file holds.

    Raises ConfigError, with the way to get the files, where one is absent or not that.
    """
    convolutions, layers = read_state(backbone, "LPIPS's backbone", HOW), read_state(linear, "LPIPS", HOW)
    first = convolutions.get("features.0.weight")
    module = Lpips("alexnet" if first is not None and first.shape[-1] == 11 else "vgg16")
    wanted = {f"features.{name}": value for name, value in module.features.state_dict().items()}
    weights = pick(convolutions, wanted, backbone, HOW)
    stages = {f"lin{number}.model.1.weight": value for number, value in enumerate(module.linear)}
    weights |= {f"linear.{number}": w for number, w in enumerate(pick(layers, stages, linear, HOW).values())}
    module.load_state_dict(weights)
    return module.eval().requires_grad_(False)


def lpips_of(module: Lpips) -> Callable[[Grey, Grey], float]:
    """LPIPS of two grey pictures (H, W); NaN under 32 pixels on the short side."""

    def distance(made: Grey, real: Grey) -> float:
        if min(real.shape) < LEAST:
            return float("nan")
        with torch.no_grad():
            return float(module(planes(made), planes(real))[0])

    return distance


def planes(picture: Grey) -> Tensor:
    """(1, 3, H, W) in [-1, 1] of a grey picture (H, W), clipped to 0 to 255."""
    scaled = torch.from_numpy(np.clip(picture, 0, 255).astype(np.float32)) / 127.5 - 1.0
    return scaled.expand(1, 3, *picture.shape)
