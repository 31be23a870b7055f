"""Adversarial losses and the gradient penalty against numbers worked out by hand."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from synthir.adversarial import KINDS, adversarial, gradient_penalty
from synthir.discriminators import PatchGAN
from synthir.errors import ConfigError
from tests import tiny

Judge = Callable[[Tensor, Tensor], tuple[Tensor, list[Tensor]]]
REAL, FAKE = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])


def log_one_plus_exp(x: float) -> float:
    return math.log1p(math.exp(x))


EXPECTED = {
    "bce": (
        0.5 * (log_one_plus_exp(-2) + log_one_plus_exp(-0.5) + log_one_plus_exp(-3) + log_one_plus_exp(0)) / 2,
        (log_one_plus_exp(3) + log_one_plus_exp(0)) / 2,
    ),
    "hinge": (0.5 * (0.25 + 0.5), 1.5),
    "lsgan": (0.5 * ((1.0 + 0.25) / 2 + 9.0 / 2), (16.0 + 1.0) / 2),
    "wgan-gp": (-1.5 - 1.25, 1.5),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_by_hand(kind: str) -> None:
    discriminator, generator = adversarial(kind)
    assert discriminator(REAL, FAKE).item() == pytest.approx(EXPECTED[kind][0])
    assert generator(FAKE).item() == pytest.approx(EXPECTED[kind][1])


def test_bce_is_binary_cross_entropy_and_survives_sure_scores() -> None:
    discriminator, generator = adversarial("bce")
    ones, zeros = torch.ones(2), torch.zeros(2)
    halves = [F.binary_cross_entropy_with_logits(scores, goal).item() for scores, goal in ((REAL, ones), (FAKE, zeros))]
    assert discriminator(REAL, FAKE).item() == pytest.approx(sum(halves) / 2)
    assert generator(torch.tensor([-1000.0])).item() == pytest.approx(1000.0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_two_pull_the_scores_of_made_pictures_apart(kind: str) -> None:
    discriminator, generator = adversarial(kind)
    real, fake = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    up, down = torch.autograd.grad(discriminator(real, fake), (real, fake), allow_unused=True)
    (made,) = torch.autograd.grad(generator(fake), fake)
    assert (up < 0).all() and (made < 0).all()
    assert (down > 0).all() or kind == "lsgan"  # which is content with made ones at 0


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"hinged: no such adversarial loss\. Next: choose one of bce, hinge, lsgan"):
        adversarial("hinged")


def linear(weights: Tensor) -> Judge:
    """A critic whose two patch scores are both weights x infrared: its slope is `weights` everywhere."""

    def judge(visible: Tensor, infrared: Tensor) -> tuple[Tensor, list[Tensor]]:
        score = (infrared * weights).sum((1, 2, 3)) + visible.mean((1, 2, 3))
        return score.view(-1, 1, 1, 1).repeat(1, 1, 1, 2), []

    return judge


def test_the_penalty_of_a_linear_critic_is_of_its_slope() -> None:
    weights = torch.tensor([[[[3.0, 0.0], [0.0, 4.0]]]], requires_grad=True)
    visible, real, fake = torch.ones(2, 3, 2, 2), torch.rand(2, 1, 2, 2), torch.rand(2, 1, 2, 2)
    penalty = gradient_penalty(linear(weights), visible, real, fake, torch.full((2, 1, 1, 1), 0.3))
    assert penalty.item() == pytest.approx((5.0 - 1.0) ** 2)
    penalty.backward()  # type: ignore[no-untyped-call]
    # d (|w| - 1)^2 / d w = 2 (|w| - 1) w / |w|
    assert weights.grad is not None
    torch.testing.assert_close(weights.grad.flatten(), torch.tensor([4.8, 0.0, 0.0, 6.4]))


def test_the_penalty_is_taken_where_mix_says() -> None:
    def square(visible: Tensor, infrared: Tensor) -> tuple[Tensor, list[Tensor]]:
        return infrared.square().sum((1, 2, 3)).view(-1, 1, 1, 1), []

    real, fake = torch.full((2, 1, 1, 1), 2.0), torch.zeros(2, 1, 1, 1)
    mix = torch.tensor([1.0, 0.25]).view(2, 1, 1, 1)
    # slopes 2 x at x = 2 and x = 0.5: (4 - 1)^2 and (1 - 1)^2
    assert gradient_penalty(square, fake, real, fake, mix).item() == pytest.approx(4.5)


def test_the_penalty_trains_the_judge_alone() -> None:
    torch.manual_seed(0)
    judge = PatchGAN(4, norm="none")
    visible, real, fake = (torch.from_numpy(tiny.frames(seed, 2, c, 32, 32)) for seed, c in ((0, 3), (1, 1), (2, 1)))
    fake.requires_grad_()
    penalty = gradient_penalty(judge, visible, real, fake, torch.full((2, 1, 1, 1), 0.5))
    penalty.backward()  # type: ignore[no-untyped-call]
    assert fake.grad is None
    slopes = {name: value.grad for name, value in judge.named_parameters()}
    first = slopes["blocks.0.0.weight"]
    assert first is not None and first.isfinite().all() and first.norm().item() > 0


def test_the_penalty_of_a_judge_without_slope_is_finite() -> None:
    weights = torch.zeros(1, 1, 2, 2, requires_grad=True)
    pictures = torch.zeros(1, 1, 2, 2)
    penalty = gradient_penalty(linear(weights), pictures, pictures, pictures, torch.zeros(1, 1, 1, 1))
    penalty.backward()  # type: ignore[no-untyped-call]
    assert penalty.item() == 1.0
    assert weights.grad is not None and weights.grad.isfinite().all()
