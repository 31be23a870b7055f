"""One step of a training: judge the batch, improve the discriminator, improve the generator, average the weights."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from . import objectives
from .checkpoint import copy_average
from .errors import ConfigError
from .train_config import TrainConfig, Weights


@dataclass
class State:
    """What a training changes: the networks, their average and their optimisers."""

    generator: nn.Module
    average: nn.Module
    discriminator: nn.Module
    generator_optimiser: torch.optim.Optimizer
    discriminator_optimiser: torch.optim.Optimizer

    def tree(self) -> dict[str, Any]:
        """All of it as one tree of tensors and numbers."""
        return {name: part.state_dict() for name, part in vars(self).items()}

    def restore(self, tree: dict[str, Any]) -> None:
        """Take a tree back."""
        for name, part in vars(self).items():
            part.load_state_dict(tree[name])


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress)))


def train_step(config: TrainConfig, state: State, visible: Tensor, infrared: Tensor, step: int) -> dict[str, float]:
    """One step of both networks; gives the values of the loss terms."""
    rate = learning_rate(config, step)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        stages = [stage.float() for stage in state.generator.stages(visible)]  # type: ignore[operator]
    fake = stages[-1].clamp(-1.1, 1.1)
    judged = improve_discriminator(config, state, visible, infrared, fake.detach(), rate)
    weights = config.weights_at(step)
    terms = generator_terms(config, weights, state, visible, infrared, stages, fake)
    total = torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()
    improve(state.generator_optimiser, state.generator, total, rate, config.clip)
    copy_average(state.average, state.generator, min(config.ema, (1.0 + step) / (10.0 + step)))
    return {"rate": rate, "discriminator": judged, **{name: term.item() for name, term in terms.items()}}


def improve_discriminator(
    config: TrainConfig, state: State, visible: Tensor, infrared: Tensor, fake: Tensor, rate: float
) -> float:
    """One step of the discriminator; gives its loss."""
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        both = state.discriminator(visible.repeat(2, 1, 1, 1), torch.cat((infrared, fake)))[0].float()
    loss = objectives.hinge_discriminator(*both.chunk(2))
    improve(state.discriminator_optimiser, state.discriminator, loss, rate, config.clip)
    return loss.item()


def generator_terms(
    config: TrainConfig,
    weights: Weights,
    state: State,
    visible: Tensor,
    infrared: Tensor,
    stages: list[Tensor],
    fake: Tensor,
) -> dict[str, Tensor]:
    """The loss terms of the generator by the names of Weights, each stage weighted."""
    if len(stages) != len(weights.stages):
        why = f"{config.generator} has {len(stages)} stages, weights.stages has {len(weights.stages)} numbers"
        raise ConfigError("stages and their weights differ", why=why, fix="give weights.stages one number a stage")
    hot = objectives.hot_weights(infrared, weights.hot)
    terms = dict.fromkeys(("l1", "aligned", "structure", "gradient"), infrared.new_zeros(()))
    for weight, stage in zip(weights.stages, stages, strict=True):
        aligned = objectives.align(stage, infrared)
        terms["l1"] = terms["l1"] + weight * objectives.weighted_l1(stage, infrared, hot)
        terms["aligned"] = terms["aligned"] + weight * objectives.weighted_l1(aligned, infrared, hot)
        terms["structure"] = terms["structure"] + weight * objectives.structure(aligned, infrared)
        terms["gradient"] = terms["gradient"] + weight * objectives.gradient(aligned, infrared)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        with torch.no_grad():
            real_features = state.discriminator(visible, infrared)[1]
        score, features = state.discriminator(visible, fake)
    terms["adversarial"] = objectives.hinge_generator(score.float())
    terms["features"] = objectives.feature_matching([f.float() for f in features], [f.float() for f in real_features])
    return terms


def improve(optimiser: torch.optim.Optimizer, module: nn.Module, loss: Tensor, rate: float, clip: float) -> None:
    """Backward, clip, step."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(module.parameters(), clip)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()
