"""A network of a few layers that has what exporters trip over, so small that building engines of it takes a moment."""

import torch
from torch import Tensor, nn

STRIDE = 2


class Small(nn.Module):
    """Frames (N, 3, H, W) -> infrared (N, 1, H, W): batch norm behind convolutions and alone, a mean, a skip, a clamp.

    `loud` times itself is where float16 ends: 65,504.
    """

    def __init__(self, loud: float = 1.0) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.down = nn.Conv2d(8, 8, 2, 2)
        self.lone = nn.BatchNorm2d(8)
        self.up = nn.Sequential(nn.ConvTranspose2d(8, 8, 2, 2), nn.BatchNorm2d(8))
        self.leave = nn.Conv2d(8, 1, 1)
        self.loud = loud

    def forward(self, visible: Tensor) -> Tensor:
        """Infrared in [-1, 1]."""
        fine = self.enter(visible)
        coarse = self.lone(torch.relu(self.down(fine)))
        summary = (coarse * self.loud).mean(dim=(2, 3), keepdim=True) / self.loud
        result: Tensor = self.leave(torch.relu(self.up(coarse + summary)) + fine).clamp(-1.0, 1.0)
        return result


def small(seed: int = 0, loud: float = 1.0) -> Small:
    """One whose every number is drawn from the seed, results well inside [-1, 1]."""
    module, rng = Small(loud).eval(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                noise = torch.randn(value.shape, generator=rng)
                value.copy_(1.0 + 0.1 * noise.abs() if "running_var" in name else 0.2 * noise)
    return module
