"""What discriminator and generator tell each other: four published kinds of adversarial loss, by name.

Scores are what a discriminator gives before any sigmoid, of any shape; the higher, the more real it looks.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import ConfigError
from .objectives import hinge_discriminator, hinge_generator


class Adversarial(NamedTuple):
    """One kind: what each of the two minimises."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    """Of the scores of real and of made pictures."""
    generator: Callable[[Tensor], Tensor]
    """Of the scores of made pictures."""


def bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy (Goodfellow et al. 2014), real is 1; halved, as pix2pix does to slow it down."""
    return 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())


def bce_generator(fake: Tensor) -> Tensor:
    """Cross-entropy of calling the made ones real: the form that has a slope where the discriminator is sure."""
    return F.softplus(-fake).mean()


def lsgan_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Squared distance of real scores to 1 and of made ones to 0 (Mao et al. 2017), halved, as CycleGAN does."""
    return 0.5 * ((real - 1.0).square().mean() + fake.square().mean())


def lsgan_generator(fake: Tensor) -> Tensor:
    """Squared distance of the made ones' scores to 1."""
    return (fake - 1.0).square().mean()


def wgan_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Minus the Wasserstein distance it estimates (Arjovsky et al. 2017); meant with `gradient_penalty`, times 10."""
    return fake.mean() - real.mean()


def wgan_generator(fake: Tensor) -> Tensor:
    """The higher its scores the better."""
    return -fake.mean()


KINDS: Mapping[str, Adversarial] = MappingProxyType(
    {
        "bce": Adversarial(bce_discriminator, bce_generator),
        "hinge": Adversarial(hinge_discriminator, hinge_generator),
        "lsgan": Adversarial(lsgan_discriminator, lsgan_generator),
        "wgan-gp": Adversarial(wgan_discriminator, wgan_generator),
    }
)


def adversarial(kind: str) -> Adversarial:
    """The pair of losses of a kind. Raises ConfigError, which lists the kinds there are."""
    if kind not in KINDS:
        raise ConfigError("no such adversarial loss", where=kind, fix=f"choose one of {', '.join(KINDS)}")
    return KINDS[kind]


def gradient_penalty(
    judge: Callable[[Tensor, Tensor], tuple[Tensor, list[Tensor]]],
    visible: Tensor,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
) -> Tensor:
    """Mean of (slope of the critic between real and made pictures - 1)^2 (Gulrajani et al. 2017).

    mix: (N, 1, 1, 1) in [0, 1], the share of the real picture in the one that is judged. The score of a picture is the
    mean of its patches. Pictures in float32, outside autocast. A judge with batch norm has no slope per picture.
    """
    between = (mix * real + (1.0 - mix) * fake).detach().requires_grad_()
    scores = judge(visible, between)[0].flatten(1).mean(dim=1)
    (slope,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
    norms: Tensor = torch.linalg.vector_norm(slope.flatten(1), dim=1)
    return (norms - 1.0).square().mean()
