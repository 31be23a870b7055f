"""What a network of torchvision sees in a picture, for FID and KID; its weights come from a file the user gives.

torchvision's Inception is not the one published FIDs are of, so the name of the network stands beside every figure.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .errors import BackendMissing, ConfigError
from .metrics import Grey
from .torchvision_cpu import mend_torchvision
from .weights import pick, read_state

Float32 = NDArray[np.float32]
Features = Callable[[Grey], Float32]
"""A grey picture (H, W) -> its features (D,)."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in [0, 1], red, green, blue."""
SIDES = {"inception_v3": 299}
"""Pixels a side that a network sees, where it is not SIDE."""
SIDE = 224
HOW = (
    "run torchvision.models.NAME once with its published weights, it stores the file in the folder checkpoints of "
    "torch.hub.get_dir(); give that file and the NAME, e.g. inception_v3"
)


def load_features(path: Path, name: str) -> Features:
    """The pooled features of a network with the weights of a file; 2048 of inception_v3, 512 of resnet18.

    name: a network of torchvision whose last layer is called fc. Raises ConfigError for another name, or where the
    file is absent or of another network; BackendMissing without torchvision.
    """
    network = build(name)
    state = read_state(path, f"the features of {name}", HOW)
    network.load_state_dict(pick(state, network.state_dict(), path, HOW))
    network.fc = nn.Identity()
    network.eval().requires_grad_(False)

    def features(picture: Grey) -> Float32:
        with torch.no_grad():
            seen: Tensor = network(prepared(picture, SIDES.get(name, SIDE)))
        return np.asarray(seen[0].numpy(), np.float32)

    return features


def build(name: str) -> nn.Module:
    """The network without weights. Raises ConfigError, BackendMissing."""
    mend_torchvision()
    try:
        models: Any = importlib.import_module("torchvision.models")
    except ModuleNotFoundError:
        why, fix = "FID and KID need its networks", 'pip install ".[recipes]" in the checkout, or leave inception empty'
        raise BackendMissing("torchvision is not installed", why=why, fix=fix) from None
    known = models.list_models(module=models)
    # transform_input: what the published weights of Inception were trained on is scaled otherwise
    more = {"init_weights": False, "transform_input": True} if name == "inception_v3" else {}
    network: nn.Module | None = models.get_model(name, weights=None, **more) if name in known else None
    if not isinstance(getattr(network, "fc", None), nn.Linear):
        fix = "choose inception_v3, resnet18 or another network whose last layer is called fc"
        raise ConfigError("no features of that network", where=f"features = {name!r}", fix=fix)
    assert network is not None
    return network


def prepared(picture: Grey, side: int) -> Tensor:
    """(1, 3, side, side) as the networks were trained on them: clipped, grey in all planes, resized, normalised."""
    scaled = torch.from_numpy(np.clip(picture, 0, 255).astype(np.float32) / 255.0)[None, None]
    resized = F.interpolate(scaled, (side, side), mode="bilinear", align_corners=False, antialias=True)
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return (resized - mean) / deviation
