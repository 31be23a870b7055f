"""The perceptual term: how differently VGG-19 (Simonyan and Zisserman 2015) sees two pictures.

Its weights are torchvision's, from a file the user gives; nothing is downloaded, and the file is read as data alone.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import ConfigError
from .weights import pick, read_state

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and convolutions of each block; between blocks the size is halved."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in [0, 1], red, green, blue: what the weights were trained on."""
HOW = (
    'run `torchvision.models.vgg19(weights="IMAGENET1K_V1")` once on a machine with internet; it stores '
    "vgg19-dcbb9e9d.pth in the folder checkpoints of torch.hub.get_dir(); give that file's path"
)


def vgg19(layer: str = "conv5_4") -> nn.Sequential:
    """VGG-19 up to the ReLU after a convolution, without weights; numbered as torchvision's `features`.

    layer: conv1_1 to conv5_4, block and place in it; Keras calls conv5_4 block5_conv4. Raises ConfigError for others.
    """
    steps: list[nn.Module] = []
    before = 3
    for block, (channels, count) in enumerate(BLOCKS, start=1):
        for place in range(1, count + 1):
            steps += [nn.Conv2d(before, channels, 3, padding=1, device="meta"), nn.ReLU()]
            before = channels
            if layer == f"conv{block}_{place}":
                return nn.Sequential(*steps)
        steps.append(nn.MaxPool2d(2))
    blocks = ", ".join(f"conv{block}_1 to conv{block}_{count}" for block, (_, count) in enumerate(BLOCKS, start=1))
    raise ConfigError("VGG-19 has no such layer", where=layer, fix=f"choose one of {blocks}")


def load_vgg19(path: Path, layer: str = "conv5_4") -> nn.Sequential:
    """VGG-19 up to `layer` with the weights of a file, frozen, float32, on the CPU.

    path: torchvision's state dict as .pth, or the same names as .safetensors; the classifier may be left out.
    Raises ConfigError, with the way to get the file, where it is absent or not that, and for an unknown layer.
    """
    network = vgg19(layer)
    wanted = {f"features.{name}": like for name, like in network.state_dict().items()}
    state = pick(read_state(path, "the perceptual term", HOW), wanted, path, HOW)
    network.load_state_dict({name.removeprefix("features."): value for name, value in state.items()}, assign=True)
    return network.eval().requires_grad_(False)


def perceptual(module: nn.Module, predicted: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference of the features, as in the published conditional GAN; real is not trained through.

    module: what `load_vgg19` gave; pictures: (N, 1 or 3, H, W) in [-1, 1], 16 pixels a side or more for conv5_4.
    """
    with torch.no_grad():
        wanted = module(prepared(real))
    return F.mse_loss(module(prepared(predicted)), wanted)


def prepared(pictures: Tensor) -> Tensor:
    """Pictures as VGG-19 was trained on them, (N, 3, H, W); grey ones stand in all three channels."""
    mean, deviation = (pictures.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return (0.5 * (pictures + 1.0) - mean) / deviation
