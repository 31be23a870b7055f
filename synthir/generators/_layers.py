"""What the networks are put together from: convolutions that do not know where in the frame they are, and resizing.

    conv, patches, head, choice_head    layers, as modules
    repeat_border, grow, widen, choose  tensors (N, C, H, W) in, the same or a larger size out
    luminance, local_detail             what a visible picture (N, 3, H, W) shows apart from its colours

Exporters decide the forms: what is written here with slices, pooling and pixel shuffle runs fast in every engine.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BorderConv(nn.Conv2d):
    """A 3x3 convolution whose input repeats its border.

    Written with slices and not with padding_mode: exporters turn that one into gathers that cost more than the layer.
    """

    def __init__(self, inputs: int, outputs: int, step: int, dilation: int) -> None:
        super().__init__(inputs, outputs, 3, step, 0, dilation, bias=False)
        self.border = dilation

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(repeat_border(input, self.border))


def repeat_border(x: Tensor, n: int) -> Tensor:
    """The outermost pixels once more, n times on each side."""
    x = torch.cat((x[..., :1].expand(-1, -1, -1, n), x, x[..., -1:].expand(-1, -1, -1, n)), dim=3)
    return torch.cat((x[..., :1, :].expand(-1, -1, n, -1), x, x[..., -1:, :].expand(-1, -1, n, -1)), dim=2)


def conv(inputs: int, outputs: int, *, step: int = 1, dilation: int = 1, deep: bool = False) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU. Deep layers repeat the border: zeros there tell them where in the frame they
    are, which they learn for the sizes of training and get wrong on others."""
    layer = (
        BorderConv(inputs, outputs, step, dilation)
        if deep
        else nn.Conv2d(inputs, outputs, 3, step, dilation, dilation, bias=False)
    )
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def head(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    """The last convolution of a stage; starts at zero, so that a stage begins by changing nothing."""
    layer = nn.Conv2d(inputs, outputs, size, padding=size // 2)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def patches(inputs: int, outputs: int, step: int) -> nn.Sequential:
    """Overlapping patches into features at 1/step of the resolution: how each stage looks at pixels."""
    layer = nn.Conv2d(inputs, outputs, 2 * step, step, step // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def grow(x: Tensor) -> Tensor:
    """Features at twice the resolution, bilinear: what a convolution follows shows no checkerboard."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def bilinear(factor: int) -> Tensor:
    """(factor * factor, 3, 3): what each of the fine pixels in a coarse one takes of the 3x3 coarse ones around it."""
    distance = torch.arange(factor).add(0.5).div(factor).sub(0.5)
    axis = torch.stack((-distance, 1.0 - distance.abs(), distance), dim=1).clamp(min=0.0)
    return torch.einsum("ai,bj->abij", axis, axis).reshape(factor * factor, 3, 3)


def widen(x: Tensor, factor: int) -> Tensor:
    """A map (N, 1, h, w) at `factor` times the resolution: bilinear as `grow`, as a convolution whose outputs are
    pixels, which takes an engine a third of the time for a single channel."""
    kernel = bilinear(factor).unsqueeze(1).to(x)
    return F.pixel_shuffle(F.conv2d(repeat_border(x, 1), kernel), factor)


def choose(x: Tensor, choice: Tensor, factor: int) -> Tensor:
    """Resize (N, 1, h, w) up; each fine pixel is a mean, weighted as `choice` says, of the 3x3 coarse ones around it.

    choice: (N, 9 * factor * factor, h, w), before the softmax. Convex upsampling of RAFT (Teed and Deng 2020). A mean
    invents nothing: what is flat stays flat.
    """
    height, width = x.shape[2:]
    wide = repeat_border(x, 1)
    around = torch.cat([wide[..., i : i + height, j : j + width] for i in range(3) for j in range(3)], dim=1)
    weights = torch.softmax(choice.reshape(choice.shape[0], 9, factor * factor, height, width), dim=1)
    return F.pixel_shuffle((weights * around.unsqueeze(2)).sum(dim=1), factor)


def choice_head(inputs: int, factor: int) -> nn.Conv2d:
    """The layer that decides what `choose` takes; starts as bilinear interpolation, whatever the picture."""
    layer = head(inputs, 9 * factor * factor, size=1)
    with torch.no_grad():
        layer.bias.copy_((bilinear(factor).permute(1, 2, 0).flatten() + 1e-3).log())  # type: ignore[union-attr]
    return layer


def luminance(visible: Tensor) -> Tensor:
    """ITU-R BT.601 luma of RGB, (N, 1, H, W), same range."""
    return F.conv2d(visible, visible.new_tensor((0.299, 0.587, 0.114)).reshape(1, 3, 1, 1))


def local_detail(luma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Luminance (N, 1, H, W) -> its fine band (N, 1, H, W) and, at quarter resolution, its middle band and sharpness.

    Fine is what is below about 4 pixels, middle lies between 4 and 16; sharpness is one over the standard deviation of
    both over about 32 pixels, by which bands are multiplied to be alike in shade and in light.
    """
    mean = F.avg_pool2d(luma, 4)
    fine = luma - widen(mean, 4)
    middle = mean - widen(F.avg_pool2d(mean, 4), 4)
    # Squares of differences, not a difference of squares: that one cancels in bfloat16.
    power = F.avg_pool2d(fine * fine, 4) + middle * middle
    sharpness = (widen(F.avg_pool2d(power, 4), 4).sqrt() + 0.03).reciprocal()
    return fine, middle * sharpness, sharpness
