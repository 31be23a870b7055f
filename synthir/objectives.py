"""The loss terms that compare pictures: functions of tensors, each a mean over everything it is given.

Pictures are (N, C, H, W) float32 in [-1, 1]; infrared has one channel. An infrared camera scales its picture to what it
sees, so brightness is ambiguous: `align` takes a bounded gain and an offset per picture out before other terms look.
Terms that ask another network are in adversarial.py and perceptual.py; docs/guides/objectives.md lists them all.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

GAIN_LIMITS = (0.5, 2.0)
"""How much contrast a picture may be forgiven. Positive: hot and cold may not change places."""

HOT_REACH = 17
"""Pixels across the neighbourhood of a hot pixel that is weighted as it is."""

WINDOW, SIGMA = 11, 1.5
"""Of SSIM's Gaussian window, in pixels."""
C1, C2 = (0.01 * 2.0) ** 2, (0.03 * 2.0) ** 2
"""SSIM's constants for a data range of 2."""
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM's five scales, the finest first (Wang et al. 2003)."""
LEAST_SIMILARITY = 1e-3
"""What MS-SSIM takes a lower or negative factor for: a root of it has no number or no finite slope."""

LOCAL = 16
"""Pixels across the windows whose mean brightness `intensity` compares."""


def align(predicted: Tensor, real: Tensor) -> Tensor:
    """Predicted after the least-squares gain, within GAIN_LIMITS, and offset that bring it nearest to real."""
    dims = (1, 2, 3)
    mean_p, mean_r = predicted.mean(dims, keepdim=True), real.mean(dims, keepdim=True)
    centred = predicted - mean_p
    covariance = (centred * (real - mean_r)).mean(dims, keepdim=True)
    gain = (covariance / (centred.square().mean(dims, keepdim=True) + 1e-4)).clamp(*GAIN_LIMITS).detach()
    return gain * centred + mean_r


def hot_weights(real: Tensor, strength: float) -> Tensor:
    """1 where it is cool, rising to 1 + strength around what is 3 deviations above its mean: people are few pixels.

    Around, not on: weighted by themselves, hot pixels would pay for a person drawn too wide, which is a halo.
    """
    mean, deviation = real.mean((2, 3), keepdim=True), real.std((2, 3), keepdim=True)
    hot = ((real - mean) / (deviation + 0.02) / 3.0).clamp(0.0, 1.0)
    return 1.0 + strength * F.max_pool2d(hot, HOT_REACH, stride=1, padding=HOT_REACH // 2)


def weighted_l1(predicted: Tensor, real: Tensor, weights: Tensor) -> Tensor:
    """Mean of |predicted - real|, weighted; the weights of each picture are normalised to mean 1."""
    dims = (1, 2, 3)
    return (((predicted - real).abs() * weights).mean(dims) / weights.mean(dims)).mean()


def gradient(predicted: Tensor, real: Tensor) -> Tensor:
    """L1 between horizontal and vertical differences, at full and at half resolution."""
    total = predicted.new_zeros(())
    for p, r in ((predicted, real), (F.avg_pool2d(predicted, 2), F.avg_pool2d(real, 2))):
        for dim in (2, 3):
            total = total + (p.diff(dim=dim) - r.diff(dim=dim)).abs().mean()
    return total / 4.0


def structure(predicted: Tensor, real: Tensor) -> Tensor:
    """1 - SSIM (Wang et al. 2004), uniform 7x7 window, data range 2: the window that is cheap to train through."""
    pool = partial(F.avg_pool2d, kernel_size=7, stride=1)
    mean_p, mean_r = pool(predicted), pool(real)
    variance_p = pool(predicted.square()) - mean_p.square()
    variance_r = pool(real.square()) - mean_r.square()
    covariance = pool(predicted * real) - mean_p * mean_r
    c1, c2 = (0.01 * 2.0) ** 2, (0.03 * 2.0) ** 2
    luminance = (2.0 * mean_p * mean_r + c1) / (mean_p.square() + mean_r.square() + c1)
    contrast = (2.0 * covariance + c2) / (variance_p + variance_r + c2)
    return 1.0 - (luminance * contrast).mean()


def l1(predicted: Tensor, real: Tensor) -> Tensor:
    """Mean of |predicted - real|."""
    return F.l1_loss(predicted, real)


def charbonnier(predicted: Tensor, real: Tensor, eps: float = 1e-3) -> Tensor:
    """Mean of sqrt(difference^2 + eps^2): L1 that is smooth at zero (Charbonnier et al. 1994); eps where they agree."""
    return ((predicted - real).square() + eps**2).sqrt().mean()


def blur(pictures: Tensor) -> Tensor:
    """Gaussian mean around each pixel, borders mirrored: (N, C, H, W) as it came, at least 6 pixels a side."""
    line = torch.arange(WINDOW, dtype=pictures.dtype, device=pictures.device) - WINDOW // 2
    line = torch.softmax(-0.5 * (line / SIGMA).square(), dim=0)
    channels = pictures.shape[1]
    padded = F.pad(pictures, (WINDOW // 2,) * 4, mode="reflect")
    down = F.conv2d(padded, line.view(1, 1, -1, 1).expand(channels, -1, -1, -1), groups=channels)
    return F.conv2d(down, line.view(1, 1, 1, -1).expand(channels, -1, -1, -1), groups=channels)


def similarity(predicted: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM (Wang et al. 2004) and its contrast-structure part at each pixel, both (N, C, H, W).

    Means are counted from black, -1, as SSIM has them: around a mid grey of 0 its luminance part makes no sense.
    """
    moments = torch.cat((predicted, real, predicted.square(), real.square(), predicted * real))
    mean_p, mean_r, square_p, square_r, product = blur(moments).chunk(5)
    variances = (square_p - mean_p.square()).clamp(min=0.0) + (square_r - mean_r.square()).clamp(min=0.0)
    contrast = (2.0 * (product - mean_p * mean_r) + C2) / (variances + C2)
    light_p, light_r = mean_p + 1.0, mean_r + 1.0
    return (2.0 * light_p * light_r + C1) / (light_p.square() + light_r.square() + C1) * contrast, contrast


def ssim_loss(predicted: Tensor, real: Tensor) -> Tensor:
    """1 - SSIM, Gaussian window 11x11 of sigma 1.5, data range 2, borders mirrored: as `evaluate` measures it."""
    return 1.0 - similarity(predicted, real)[0].mean()


def ms_ssim_loss(predicted: Tensor, real: Tensor) -> Tensor:
    """1 - MS-SSIM (Wang et al. 2003): SSIM at the coarsest scale, contrast of whole windows at those above it.

    Five scales need 176 pixels a side. Smaller pictures get as many as have room for one window, one at least, and the
    exponents of these are scaled to sum to 1.
    """
    side, count = min(predicted.shape[-2:]), len(SCALES)
    while count > 1 and side >> (count - 1) < WINDOW:
        count -= 1
    inside = slice(WINDOW // 2, -(WINDOW // 2))
    result = predicted.new_ones(len(predicted))
    for scale, exponent in enumerate(SCALES[:count]):
        whole, contrast = similarity(predicted, real)
        factor = whole if scale == count - 1 else contrast[..., inside, inside]
        result = result * factor.mean((1, 2, 3)).clamp(min=LEAST_SIMILARITY) ** (exponent / sum(SCALES[:count]))
        predicted, real = F.avg_pool2d(predicted, 2), F.avg_pool2d(real, 2)
    return 1.0 - result.mean()


def sobel(predicted: Tensor, real: Tensor) -> Tensor:
    """L1 between the vertical and horizontal Sobel edges (1 2 1, not normalised), borders mirrored."""
    across = predicted.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    # the filter is linear, so the edges of the difference are the difference of the edges
    padded = F.pad((predicted - real).flatten(0, 1)[:, None], (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, torch.stack((across, across.T))[:, None]).abs().mean()


def intensity(predicted: Tensor, real: Tensor) -> Tensor:
    """L1 between the mean brightness of windows of 16x16 pixels, those at the border cut: heat, whatever its detail."""
    return F.avg_pool2d(predicted - real, LOCAL, ceil_mode=True).abs().mean()


def total_variation(predicted: Tensor) -> Tensor:
    """Mean of the absolute differences of vertical neighbours plus that of horizontal ones (Rudin et al. 1992)."""
    return predicted.diff(dim=2).abs().mean() + predicted.diff(dim=3).abs().mean()


def gain_invariant_l1(predicted: Tensor, real: Tensor) -> Tensor:
    """L1 after the least-squares gain and offset of each picture, both unbounded: hot and cold may change places.

    Trained through the gain too: its gradient never asks for more contrast or brightness, only for another pattern.
    """
    dims = (1, 2, 3)
    centred, target = predicted - predicted.mean(dims, keepdim=True), real - real.mean(dims, keepdim=True)
    gain = (centred * target).mean(dims, keepdim=True) / (centred.square().mean(dims, keepdim=True) + 1e-6)
    return (gain * centred - target).abs().mean()


def warp(picture: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """The picture as seen from the next frame, and 1 where it was in sight, else 0: (N, C, H, W) and (N, 1, H, W).

    flow: (N, 2, H, W), pixels to the right and down from each pixel of the next frame to where it was in `picture`.
    Bilinear; places out of sight show the nearest border.
    """
    height, width = picture.shape[-2:]
    rows, columns = (torch.arange(size, dtype=flow.dtype, device=flow.device) for size in (height, width))
    x, y = flow[:, 0] + columns, flow[:, 1] + rows[:, None]
    valid = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    grid = torch.stack((x / max(width - 1, 1), y / max(height - 1, 1)), dim=-1) * 2.0 - 1.0
    seen = F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return seen, valid[:, None].to(picture.dtype)


def temporal(current: Tensor, warped_previous: Tensor, valid: Tensor) -> Tensor:
    """L1 between a frame's result and the one before, warped, over the pixels where valid (N, 1, H, W) is 1; else 0."""
    error = (current - warped_previous).abs().mean(dim=1, keepdim=True)
    return (error * valid).sum() / valid.sum().clamp(min=1.0)


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of a discriminator (Lim and Ye 2017): real scores above 1, fake ones below -1 cost nothing."""
    return 0.5 * (F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean())


def hinge_generator(fake: Tensor) -> Tensor:
    """Hinge loss of a generator: the higher its scores the better."""
    return -fake.mean()


def feature_matching(fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """Mean L1 between the discriminator's features of both (Wang et al. 2018); real is not trained through."""
    terms = [F.l1_loss(f, r.detach()) for f, r in zip(fake, real, strict=True)]
    return torch.stack(terms).mean()
