"""PatchGAN: judges whether patches of (visible, infrared) belong together (Isola et al. 2017, pix2pix)."""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class PatchGAN(nn.Module):
    """(N, 3, H, W) visible and (N, 1, H, W) infrared, both in [-1, 1] -> one score per patch and the features below.

    `width` channels after the first layer, up to four times that deeper; `layers` halvings, 3 of them see patches of
    70x70 pixels. Spectral norm (Miyato et al. 2018) and no batch norm: no score depends on its batch.
    """

    def __init__(self, width: int = 32, layers: int = 3) -> None:
        super().__init__()
        widths = [4, *(width * min(4, 2**level) for level in range(layers + 1))]
        steps = [2] * layers + [1]
        self.blocks = nn.ModuleList(
            nn.Sequential(spectral_norm(nn.Conv2d(a, b, 4, step, 1)), nn.LeakyReLU(0.2))
            for a, b, step in zip(widths, widths[1:], steps, strict=False)
        )
        self.score = spectral_norm(nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores (N, 1, h, w), and what each block gave, finest first, for feature matching."""
        x = torch.cat((visible, infrared), dim=1)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return self.score(x), features
