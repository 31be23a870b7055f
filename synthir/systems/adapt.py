"""Adapt: a trained generator learns to look like another camera, from that camera's infrared pictures alone.

A discriminator tells its results from the camera's pictures, and never sees which belong together. What is hot and
where things are stays as the generator had it: its result is compared with the one it gave before, after a gain and
offset.
"""

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import nn

from ..adversarial import adversarial
from ..loss_terms import (
    COMPARING,
    as_input,
    autocast,
    channels,
    discriminator_of,
    ends,
    judge_loss,
    picture_terms,
    total,
)
from ..train_config import TrainConfig
from ..train_state import Batch, Loss, State, resting
from .paired import results


def terms(config: TrainConfig) -> frozenset[str]:
    """The loss terms it computes."""
    return frozenset({*COMPARING, "adversarial"})


def paired(config: TrainConfig) -> bool:
    """Never."""
    return False


def fresh(config: TrainConfig, generator: nn.Module) -> dict[str, nn.Module]:
    """The generator as it was, and the discriminator of the camera's pictures."""
    before = deepcopy(generator).eval().requires_grad_(False)
    return {"before": before, "discriminator": discriminator_of(config, 0, channels(config)[1])}


def losses(config: TrainConfig, state: State, batch: Batch, step: int) -> Iterator[Loss]:
    """The discriminator's loss, then the generator's."""
    source, camera = ends(config, batch)
    weights, judge = config.weights_at(step), state.networks["discriminator"]
    stages = results(config, state, source, step)
    with torch.no_grad(), autocast(config, source):
        before = state.networks["before"](as_input(source)).float()
    made = stages[-1].clamp(-1.1, 1.1)
    loss = judge_loss(config, judge, source, camera, made, state.draw(step))
    yield loss, {"discriminator": loss}
    with autocast(config, source), resting(judge):
        scores = judge(source, made)[0].float()
    found = picture_terms(config, weights, stages, before)
    found["adversarial"] = adversarial(config.adversary).generator(scores)
    yield total(config, state, weights, found), found
