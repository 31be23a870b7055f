"""An AGW-style network: first layers for visible and for infrared pictures, a shared ResNet, one feature a picture.

    visible  -> stem \
                      stages 1-4, last stride 1 -> generalised mean -> batch-norm neck -> identities
    infrared -> stem /  (non-local blocks)            feature (train)     feature (search)

Names of weights are those that ResNets usually have, so that ImageNet weights in a file of yours fit: both stems begin
with the same ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ConfigError
from ..weights import pick, read_state

Size = Literal["resnet50", "small"]
HOW = (
    "save the state dict of an ImageNet ResNet-50 as .pth or .safetensors, torchvision's resnet50 for one, and give "
    "its path; or leave training.weights out and train from nothing"
)
"""What to do where weights are missing; nothing is ever downloaded."""
POWER = 3.0
"""Of the generalised mean."""


class Basic(nn.Module):
    """Two 3x3 convolutions around which the input is added."""

    grows = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(channels, width * self.grows, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, width, H / stride, W / stride)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around which the input is added."""

    grows = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.grows, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.grows)
        self.downsample = shortcut(channels, width * self.grows, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 4 width, H / stride, W / stride)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        return functional.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def shortcut(channels: int, out: int, stride: int) -> nn.Module:
    """The way around a block: as it is where the shapes are equal, else a 1x1 convolution."""
    if channels == out and stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))


@dataclass(frozen=True)
class Plan:
    """A size of network."""

    block: type[Basic] | type[Bottleneck]
    blocks: tuple[int, int, int, int]
    """Of the four stages."""
    width: int
    """Channels of the first stage; each further one has twice as many."""


def resnet50() -> Plan:
    """The size of the published figures; wants a GPU."""
    return Plan(Bottleneck, (3, 4, 6, 3), 64)


def small() -> Plan:
    """Trains in minutes on two cores."""
    return Plan(Basic, (1, 1, 1, 1), 32)


SIZES = {"resnet50": resnet50, "small": small}


class NonLocal(nn.Module):
    """Adds to each place what is seen at all others, weighted by likeness; nothing at first, its scale begins at 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.out = nn.Conv2d(inner, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        queries, keys, values = (layer(x).flatten(2) for layer in (self.theta, self.phi, self.g))
        likeness = queries.transpose(1, 2) @ keys / keys.shape[2]
        seen = (likeness @ values.transpose(1, 2)).transpose(1, 2).unflatten(2, x.shape[2:])
        return x + torch.as_tensor(self.norm(self.out(seen)))


class Stem(nn.Module):
    """The first layers of one modality: 3 channels to `width` at a quarter of height and width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, width, H / 4, W / 4)."""
        return functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)


class ReID(nn.Module):
    """Features of persons that are alike in visible and infrared pictures."""

    def __init__(self, size: Size, identities: int, *, non_local: bool) -> None:
        super().__init__()
        plan = SIZES[size]()
        self.visible, self.infrared = Stem(plan.width), Stem(plan.width)
        self.stages = nn.ModuleDict(dict(stages(plan)))
        last = plan.width * 8 * plan.block.grows
        self.non_local = nn.ModuleDict(non_locals(plan) if non_local else {})
        self.neck = nn.BatchNorm1d(last)
        self.neck.bias.requires_grad_(False)  # features stay centred for the cosine
        self.head = nn.Linear(last, identities, bias=False)
        self.apply(initialise)
        nn.init.normal_(self.head.weight, 0.0, 0.001)

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features (V + I, D) and logits (V + I, identities) of (V, 3, H, W) and (I, 3, H, W)."""
        pooled = self.pooled(torch.cat([self.visible(visible), self.infrared(infrared)]))
        return pooled, self.head(self.neck(pooled))

    def features(self, pictures: Tensor, *, infrared: bool) -> Tensor:
        """What is searched with: (N, D) of length one, of pictures (N, 3, H, W) of one modality."""
        stem = self.infrared if infrared else self.visible
        return functional.normalize(self.neck(self.pooled(stem(pictures))))

    def pooled(self, x: Tensor) -> Tensor:
        """The generalised mean of what the shared stages see, (N, D)."""
        for name, stage in self.stages.items():
            for place, block in enumerate(stage.children()):
                x = block(x)
                key = f"{name}-{place}"
                if key in self.non_local:
                    x = self.non_local[key](x)
        return generalised_mean(x)


def generalised_mean(x: Tensor) -> Tensor:
    """(N, C, H, W) >= 0 -> (N, C): between the mean and the greatest value of each channel."""
    return x.clamp(min=1e-6).pow(POWER).mean((2, 3)).pow(1.0 / POWER)


def stages(plan: Plan) -> Iterator[tuple[str, nn.Sequential]]:
    """The four stages; the last one keeps height and width."""
    widths = [plan.width * 2**stage for stage in range(4)]
    inputs = [plan.width, *(width * plan.block.grows for width in widths)]
    for number, (channels, width, stride) in enumerate(zip(inputs[:4], widths, (1, 2, 2, 1), strict=True), start=1):
        ends = [channels, *[width * plan.block.grows] * plan.blocks[number - 1]]
        blocks = [plan.block(a, width, stride if place == 0 else 1) for place, (a, _) in enumerate(pairwise(ends))]
        yield f"layer{number}", nn.Sequential(*blocks)


def non_locals(plan: Plan) -> dict[str, nn.Module]:
    """After the last two blocks of the second stage and the last three of the third, or as many as there are."""
    found: dict[str, nn.Module] = {}
    for stage, most in ((2, 2), (3, 3)):
        count = plan.blocks[stage - 1]
        for place in range(max(0, count - most), count):
            found[f"layer{stage}-{place}"] = NonLocal(plan.width * 2 ** (stage - 1) * plan.block.grows)
    return found


def initialise(module: nn.Module) -> None:
    """Weights of a convolution for networks with ReLU."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def check_start(size: Size, path: Path) -> None:
    """Whether `start_from` will do it. Raises ConfigError as that does."""
    with torch.random.fork_rng():
        start_from(ReID(size, 2, non_local=False), size, path)


def start_from(network: ReID, size: Size, path: Path) -> None:
    """Take ImageNet weights of a ResNet of that size from a file: shared stages, and the first layers twice.

    Raises ConfigError where the file is not there, cannot be read as data alone, or holds another network.
    """
    if size != "resnet50":
        fix = 'set network = "resnet50", or leave weights out'
        raise ConfigError("no weights for this size", where="training.weights", why=f"network is {size}", fix=fix)
    state = read_state(path, "the re-ID network", HOW)
    wanted = dict(network.visible.state_dict()) | dict(network.stages.state_dict())
    wanted = {name: value for name, value in wanted.items() if not name.endswith("num_batches_tracked")}
    found = pick(state, wanted, path, HOW)
    stem = {name: value for name, value in found.items() if not name.startswith("layer")}
    for part in (network.visible, network.infrared):
        part.load_state_dict(stem, strict=False)
    network.stages.load_state_dict({n: v for n, v in found.items() if n.startswith("layer")}, strict=False)
