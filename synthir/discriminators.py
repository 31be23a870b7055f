"""PatchGAN: judges patches of a picture, or of it and the one it was made from (Isola et al. 2017, pix2pix)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Norm = Literal["spectral", "batch", "instance", "none"]


class PatchGAN(nn.Module):
    """(N, source, H, W) and (N, target, H, W), both in [-1, 1] -> one score per patch and the features below.

    `width` channels after the first layer, up to `widest` times that deeper; `layers` halvings, 3 of them see patches
    of 70x70 pixels. `source` 0 judges the target picture alone, as CycleGAN does.

    norm: `spectral` (Miyato et al. 2018) and `none` judge each patch by itself. `instance` ties the patches of a
    picture together, `batch` those of a batch: give it real and made pictures in two calls, and never with wgan-gp,
    whose gradient penalty is of each picture. Neither of the two normalises the first layer.
    """

    def __init__(
        self,
        width: int = 32,
        layers: int = 3,
        norm: Norm = "spectral",
        source: int = 3,
        target: int = 1,
        widest: int = 4,
    ) -> None:
        super().__init__()
        self.conditional = source > 0
        widths = [source + target, *(width * min(widest, 2**level) for level in range(layers + 1))]
        norms: list[Norm] = ["none" if norm in ("batch", "instance") else norm, *[norm] * layers]
        steps = [2] * layers + [1]
        self.blocks = nn.ModuleList(
            block(a, b, step, kind) for a, b, step, kind in zip(widths, widths[1:], steps, norms, strict=False)
        )
        score = nn.Conv2d(widths[-1], 1, 4, 1, 1)
        self.score = spectral_norm(score) if norm == "spectral" else score

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores (N, 1, h, w), and what each block gave, finest first, for feature matching.

        Where the target is judged alone, source is not looked at.
        """
        x = torch.cat((source, target), dim=1) if self.conditional else target
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return self.score(x), features


def block(before: int, after: int, step: int, norm: Norm) -> nn.Sequential:
    """Convolution 4x4, its norm, leaky ReLU. No bias where a norm would take it out again."""
    convolution = nn.Conv2d(before, after, 4, step, 1, bias=norm in ("spectral", "none"))
    slope = nn.LeakyReLU(0.2)
    if norm == "batch":
        return nn.Sequential(convolution, nn.BatchNorm2d(after), slope)
    if norm == "instance":
        return nn.Sequential(convolution, nn.InstanceNorm2d(after), slope)
    return nn.Sequential(spectral_norm(convolution) if norm == "spectral" else convolution, slope)


def published_patchgan(norm: Norm = "batch", source: int = 3, target: int = 1) -> PatchGAN:
    """The 70x70 PatchGAN of pix2pix, 64-128-256-512; with `instance` and source 0 that of CycleGAN (Zhu et al. 2017).

    Starts as published: convolutions from a normal distribution of deviation 0.02, from torch's generator.
    """
    judge = PatchGAN(64, norm=norm, source=source, target=target, widest=8)
    for module in judge.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 0.0 if isinstance(module, nn.Conv2d) else 1.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return judge


def pool_draw(
    pool: Sequence[Tensor], fresh: Tensor, rng: np.random.Generator, size: int = 50
) -> tuple[Tensor, list[Tensor]]:
    """Pictures for the discriminator from a history of made ones (Shrivastava et al. 2017), and the history after it.

    pool: up to `size` pictures (C, H, W), empty at first; fresh: (N, C, H, W), newly made. Until the pool is full each
    fresh picture is kept and given; then each is, at even odds, given, or put in the place of a random one that is
    given in its stead. What is drawn is (N, C, H, W), detached. size 0 gives the fresh ones.
    """
    kept, drawn = list(pool), []
    for picture in fresh.detach():
        if len(kept) < size:
            kept.append(picture.clone())
        elif size and rng.random() < 0.5:
            place = int(rng.integers(size))
            picture, kept[place] = kept[place], picture.clone()
        drawn.append(picture)
    return torch.stack(drawn), kept
