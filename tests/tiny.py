"""A generator so small that training, compiling and running it take a moment, and pairs that tests draw themselves."""

from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from synthir import generators
from synthir.checkpoint import save_model
from synthir.generators.cascade import Settings
from synthir.specs import Band

SIZE = Settings(structure=(8, 8), heat=(8, 8), fine=8, noise_layers=1)
SETTINGS = asdict(SIZE)


NARROW = {"width": 4}
"""Settings of a pix2pix of so few channels that an engine of it is built in seconds."""


def network(seed: int = 0) -> nn.Module:
    """A tiny cascade whose every weight and batch-norm statistic is drawn from the seed."""
    return drawn(generators.build("cascade", SETTINGS).eval(), seed)


def narrow(seed: int = 0) -> nn.Module:
    """A narrow pix2pix, drawn in the same way."""
    return drawn(generators.build("pix2pix", NARROW).eval(), seed)


def drawn(module: nn.Module, seed: int) -> nn.Module:
    """The module with every number drawn from the seed."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                noise = torch.randn(value.shape, generator=rng)
                value.copy_(1.0 + 0.1 * noise.abs() if "running_var" in name else 0.15 * noise)
    return module


def fresh() -> nn.Module:
    """A tiny cascade as training starts it."""
    return generators.build("cascade", SETTINGS).eval()


def model_folder(folder: Path, seed: int = 0) -> Path:
    """The tiny cascade as a model folder."""
    save_model(network(seed), folder, "cascade", SETTINGS, Band.LWIR)
    return folder


def draw_pairs(folder: Path, count: int, size: int = 96) -> Path:
    """`visible/` and `infrared/`: a bright and a dark disc on a slope; the dark one is hot."""
    for index in range(count):
        rng = np.random.default_rng(index)
        visible = np.repeat(np.linspace(40, 160, size)[None, :, None], size, axis=0).repeat(3, axis=2).astype(np.uint8)
        infrared = np.full((size, size), 60, np.uint8)
        for shade, heat in ((230, 80), (10, 220)):
            centre = [int(v) for v in rng.integers(16, size - 16, size=2)]
            cv2.circle(visible, centre, 10, (shade, shade, shade), -1)
            cv2.circle(infrared, centre, 10, heat, -1)
        for name, picture in (("visible", visible), ("infrared", infrared)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f"{index:03d}.png"), picture)
    return folder


def pictures(seed: int, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Visible pictures (N, H, W, 3)."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def frames(seed: int, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Visible frames in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1.0, 1.0, shape).astype(np.float32)
