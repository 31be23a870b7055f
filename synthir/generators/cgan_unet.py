"""The U-Net of the multi-loss conditional GAN, visible (N, 3, H, W) in [-1, 1] -> infrared (N, 1, H, W) in [-1, 1].

The published system (a model card for LLVIP, "conditional GAN, visible to infrared") is a pix2pix whose generator is
told more: L1 100, VGG-19 features 10, adversarial 1, Sobel edges 5. Its card names a U-Net with skips and no depths, so
the encoder is that of `pix2pix`. The decoder resizes and convolves instead of convolving transposed (Odena et al.
2016): nothing in it can draw a checkerboard.
"""

from torch import nn

from . import pix2pix
from .pix2pix import Settings, UNet

STRIDE = pix2pix.STRIDE


def cgan_unet_256() -> Settings:
    """Visible to infrared."""
    return Settings()


def cgan_unet_256_visible() -> Settings:
    """Infrared to visible."""
    return Settings(inputs=1, outputs=3)


def build(settings: Settings) -> UNet:
    """The network with fresh weights."""
    return UNet(settings, resized)


def resized(inputs: int, outputs: int, bias: bool) -> nn.Module:
    """Nearest neighbours at twice the resolution, then a 3x3 convolution."""
    return nn.Sequential(nn.Upsample(scale_factor=2.0), nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias))
