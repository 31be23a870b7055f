"""From the weights of a TOML to a loss: which terms of synthir.objectives are computed on what, and their sum.

Picture terms compare each stage's result with the real picture; whole terms look at the last result alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import objectives
from .adversarial import adversarial, gradient_penalty
from .balance import balanced
from .discriminators import PatchGAN, published_patchgan
from .errors import ConfigError
from .train_config import TrainConfig, Weights
from .train_state import Batch, State

Terms = dict[str, Tensor]
COMPARING = (
    "l1",
    "aligned",
    "structure",
    "gradient",
    "charbonnier",
    "gain_invariant",
    "ssim",
    "ms_ssim",
    "sobel",
    "intensity",
)
"""The terms that compare two pictures."""


def ends(config: TrainConfig, batch: Batch) -> tuple[Tensor, Tensor]:
    """What the generator is given and what it should give."""
    forward = config.direction == "visible-to-infrared"
    return (batch.visible, batch.infrared) if forward else (batch.infrared, batch.visible)


def as_input(picture: Tensor) -> Tensor:
    """A picture as every generator takes it: a grey one stands in all three channels."""
    return picture.expand(-1, 3, -1, -1)


def comparisons(weights: Weights, made: Tensor, real: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Every term that compares two pictures, by its name, not yet computed."""
    hot = objectives.hot_weights(real, weights.hot)
    aligned = objectives.align(made, real)
    return {
        "l1": lambda: objectives.weighted_l1(made, real, hot),
        "aligned": lambda: objectives.weighted_l1(aligned, real, hot),
        "structure": lambda: objectives.structure(aligned, real),
        "gradient": lambda: objectives.gradient(aligned, real),
        "charbonnier": lambda: objectives.charbonnier(made, real),
        "gain_invariant": lambda: objectives.gain_invariant_l1(made, real),
        "ssim": lambda: objectives.ssim_loss(made, real),
        "ms_ssim": lambda: objectives.ms_ssim_loss(made, real),
        "sobel": lambda: objectives.sobel(made, real),
        "intensity": lambda: objectives.intensity(made, real),
    }


def picture_terms(config: TrainConfig, weights: Weights, stages: tuple[Tensor, ...], real: Tensor) -> Terms:
    """The terms that the configuration uses, summed over stages by weights.stages. Raises ConfigError.

    A stage's result may not be clamped: an error beyond the range counts too.
    """
    if len(stages) != len(weights.stages):
        why = f"{config.generator or config.start} has {len(stages)} stages, weights.stages has {len(weights.stages)}"
        raise ConfigError("stages and their weights differ", why=why, fix="give weights.stages one number a stage")
    terms: Terms = {}
    for weight, stage in zip(weights.stages, stages, strict=True):
        for name, term in comparisons(weights, stage, real).items():
            if config.uses(name) and weight:
                terms[name] = terms.get(name, real.new_zeros(())) + weight * term()
    return terms


def total(config: TrainConfig, state: State, weights: Weights, terms: Terms) -> Tensor:
    """The weighted sum; with `balance` each term is first divided by the running mean of its size."""
    factors = {name: weights.terms()[name] for name in terms}
    if config.balance:
        loss, state.notes["running"] = balanced(terms, factors, state.notes.get("running", {}), decay=0.99)
        return loss
    return torch.stack([factor * terms[name] for name, factor in factors.items()]).sum()


def autocast(config: TrainConfig, tensor: Tensor) -> Any:
    """bfloat16 where the configuration says so, on the tensor's device."""
    return torch.autocast(tensor.device.type, torch.bfloat16, enabled=config.bfloat16)


def discriminator_of(config: TrainConfig, source: int, target: int) -> nn.Module:
    """The discriminator that the configuration names, for pictures of that many channels; 0 judges the target alone."""
    if config.discriminator == "published":
        return published_patchgan(config.discriminator_norm, source, target)
    return PatchGAN(config.discriminator_width, norm=config.discriminator_norm, source=source, target=target)


def channels(config: TrainConfig) -> tuple[int, int]:
    """Of the pictures that are given and of those that should come."""
    return (3, 1) if config.direction == "visible-to-infrared" else (1, 3)


def judge_loss(
    config: TrainConfig, judge: nn.Module, source: Tensor, real: Tensor, made: Tensor, draw: np.random.Generator
) -> Tensor:
    """How badly a discriminator tells real from made; `made` is not trained through.

    Two calls, because batch norm would tell them apart by their company.
    """
    made = made.detach()
    with autocast(config, source):
        scores = [judge(source, picture)[0].float() for picture in (real, made)]
    loss = adversarial(config.adversary).discriminator(*scores)
    if config.adversary != "wgan-gp":
        return loss
    mix = torch.from_numpy(draw.random((len(real), 1, 1, 1), dtype=np.float32)).to(real)
    return loss + 10.0 * gradient_penalty(judge, source, real, made, mix)
