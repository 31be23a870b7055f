"""The perceptual term: how differently VGG-19 or VGG-16 (Simonyan and Zisserman 2015) sees two pictures.

The weights are torchvision's, from a file the user gives, and which of the two they are of is seen from its tensors.
Nothing is downloaded, and the file is read as data alone.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import ConfigError
from .weights import pick, read_state

CHANNELS = (64, 128, 256, 512, 512)
"""Of each block; between blocks the size is halved."""
COUNTS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions of each block."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in [0, 1], red, green, blue: what the weights were trained on."""
HOW = (
    'run `torchvision.models.vgg19(weights="IMAGENET1K_V1")`, or vgg16, once on a machine with internet; it stores '
    "vgg19-dcbb9e9d.pth in the folder checkpoints of torch.hub.get_dir(); give that file's path"
)


def vgg(name: str, layer: str = "") -> nn.Sequential:
    """vgg16 or vgg19 up to the ReLU after a convolution, without weights; numbered as torchvision's `features`.

    layer: block and place in it, conv1_1 to conv5_3 or conv5_4; empty is the last, and Keras calls conv5_4
    block5_conv4. Raises ConfigError for others.
    """
    steps: list[nn.Module] = []
    before, wanted = 3, layer or f"conv5_{COUNTS[name][-1]}"
    for block, (channels, count) in enumerate(zip(CHANNELS, COUNTS[name], strict=True), start=1):
        for place in range(1, count + 1):
            steps += [nn.Conv2d(before, channels, 3, padding=1, device="meta"), nn.ReLU()]
            before = channels
            if wanted == f"conv{block}_{place}":
                return nn.Sequential(*steps)
        steps.append(nn.MaxPool2d(2))
    blocks = ", ".join(f"conv{block}_1 to conv{block}_{count}" for block, count in enumerate(COUNTS[name], start=1))
    raise ConfigError(f"VGG-{name[3:]} has no such layer", where=layer, fix=f"choose one of {blocks}")


def load_vgg(path: Path, layer: str = "") -> nn.Sequential:
    """The network of a file up to `layer`, by default its last convolution; frozen, float32, on the CPU.

    path: torchvision's state dict of VGG-19 or VGG-16 as .pth, or the same names as .safetensors; the classifier may be
    left out. Raises ConfigError, with the way to get the file, where it is absent or not that; and for unknown layers.
    """
    state = read_state(path, "the perceptual term", HOW)
    # of the two, VGG-16 alone has a convolution at 17; in VGG-19 that is a ReLU
    network = vgg("vgg16" if "features.17.weight" in state else "vgg19", layer)
    wanted = {f"features.{name}": like for name, like in network.state_dict().items()}
    picked = pick(state, wanted, path, HOW)
    network.load_state_dict({name.removeprefix("features."): value for name, value in picked.items()}, assign=True)
    return network.eval().requires_grad_(False)


def perceptual(module: nn.Module, predicted: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference of the features, as in the published conditional GAN; real is not trained through.

    module: what `load_vgg` gave; pictures: (N, 1 or 3, H, W) in [-1, 1], 16 pixels a side or more for the fifth block.
    """
    with torch.no_grad():
        wanted = module(prepared(real))
    return F.mse_loss(module(prepared(predicted)), wanted)


def prepared(pictures: Tensor) -> Tensor:
    """Pictures as VGG was trained on them, (N, 3, H, W); grey ones stand in all three channels."""
    mean, deviation = (pictures.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return (0.5 * (pictures + 1.0) - mean) / deviation
