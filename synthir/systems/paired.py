"""Pairs: the result is compared with the real picture, and judged beside its source by a PatchGAN.

pix2pix (Isola et al. 2017), and whatever differs from it in the network and in the terms.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn

from .. import objectives
from ..adversarial import adversarial
from ..loss_terms import (
    COMPARING,
    Terms,
    as_input,
    autocast,
    channels,
    discriminator_of,
    ends,
    judge_loss,
    picture_terms,
    total,
)
from ..perceptual import load_vgg, perceptual
from ..train_config import TrainConfig
from ..train_state import Batch, Loss, State, resting


def terms(config: TrainConfig) -> frozenset[str]:
    """The loss terms it computes; only visible pictures come with the frame before them."""
    steady = {"temporal"} if config.direction == "visible-to-infrared" else set()
    return frozenset({*COMPARING, *steady, "adversarial", "features", "perceptual", "total_variation"})


def paired(config: TrainConfig) -> bool:
    """Always."""
    return True


def fresh(config: TrainConfig, generator: nn.Module) -> dict[str, nn.Module]:
    """The discriminator where a term asks it, and VGG-19 where a term looks through it."""
    networks: dict[str, nn.Module] = {}
    if config.uses("adversarial") or config.uses("features"):
        networks["discriminator"] = discriminator_of(config, *channels(config))
    if config.uses("perceptual"):
        networks["vgg19"] = load_vgg(Path(config.vgg19), config.vgg_layer)
    return networks


def losses(config: TrainConfig, state: State, batch: Batch, step: int) -> Iterator[Loss]:
    """The discriminator's loss, then the generator's."""
    source, real = ends(config, batch)
    weights = config.weights_at(step)
    stages = results(config, state, source, step)
    made = stages[-1].clamp(-1.1, 1.1)
    judge = state.networks.get("discriminator")
    if judge is not None:
        loss = judge_loss(config, judge, source, real, made, state.draw(step))
        yield loss, {"discriminator": loss}
    found = picture_terms(config, weights, stages, real)
    if judge is not None:
        found |= judged_terms(config, judge, source, real, made)
    found |= whole_terms(config, state, batch, made, real)
    yield total(config, state, weights, found), found


def results(config: TrainConfig, state: State, source: Tensor, step: int) -> tuple[Tensor, ...]:
    """What each stage gives, float32; in a stage's turn the others rest and its result stands for all.

    The parts of a generator with stages are its stages, in their order.
    """
    generator, turn = state.networks["generator"], config.stage_at(step)
    with ExitStack() as inside:
        if turn is not None:
            inside.enter_context(resting(*(part for i, part in enumerate(generator.children()) if i != turn)))
        with autocast(config, source):
            stages = tuple(stage.float() for stage in generator.stages(as_input(source)))  # type: ignore[operator]
    return stages if turn is None else (stages[turn],) * len(stages)


def judged_terms(config: TrainConfig, judge: nn.Module, source: Tensor, real: Tensor, made: Tensor) -> Terms:
    """What the discriminator says to the generator: that it looks made, and where its features differ."""
    with autocast(config, source), resting(judge):
        with torch.no_grad():
            wanted = judge(source, real)[1]
        scores, features = judge(source, made)
    matching = objectives.feature_matching([f.float() for f in features], [f.float() for f in wanted])
    found = {"adversarial": adversarial(config.adversary).generator(scores.float()), "features": matching}
    return {name: term for name, term in found.items() if config.uses(name)}


def whole_terms(config: TrainConfig, state: State, batch: Batch, made: Tensor, real: Tensor) -> Terms:
    """The terms on the result alone: perceptual, total variation, and steadiness from frame to frame."""
    found: Terms = {}
    if config.uses("perceptual"):
        found["perceptual"] = perceptual(state.networks["vgg19"], made, real)
    if config.uses("total_variation"):
        found["total_variation"] = objectives.total_variation(made)
    if batch.previous is not None and batch.flow is not None:
        with torch.no_grad(), autocast(config, made):
            before = state.networks["generator"](as_input(batch.previous)).float()
        found["temporal"] = objectives.temporal(made, *objectives.warp(before, batch.flow))
    return found
