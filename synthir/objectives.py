"""The loss terms: functions of tensors, each a mean over everything it is given.

Infrared tensors are (N, 1, H, W) in [-1, 1]. An infrared camera scales its picture to what it sees, so brightness is
ambiguous: `align` takes a bounded gain and an offset per picture out before the other terms look.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

GAIN_LIMITS = (0.5, 2.0)
"""How much contrast a picture may be forgiven. Positive: hot and cold may not change places."""


def align(predicted: Tensor, real: Tensor) -> Tensor:
    """Predicted after the least-squares gain, within GAIN_LIMITS, and offset that bring it nearest to real."""
    dims = (1, 2, 3)
    mean_p, mean_r = predicted.mean(dims, keepdim=True), real.mean(dims, keepdim=True)
    centred = predicted - mean_p
    covariance = (centred * (real - mean_r)).mean(dims, keepdim=True)
    gain = (covariance / (centred.square().mean(dims, keepdim=True) + 1e-4)).clamp(*GAIN_LIMITS).detach()
    return gain * centred + mean_r


def hot_weights(real: Tensor, strength: float) -> Tensor:
    """1 where it is cool, rising to 1 + strength where real is 3 deviations above its mean: people are few pixels."""
    mean, deviation = real.mean((2, 3), keepdim=True), real.std((2, 3), keepdim=True)
    return 1.0 + strength * ((real - mean) / (deviation + 0.02) / 3.0).clamp(0.0, 1.0)


def weighted_l1(predicted: Tensor, real: Tensor, weights: Tensor) -> Tensor:
    """Mean of |predicted - real|, weighted; the weights are normalised to mean 1."""
    return ((predicted - real).abs() * weights).mean() / weights.mean()


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
