"""Cycle: two generators, there and back, from pictures that need not belong together (CycleGAN, Zhu et al. 2017).

Each is judged by a discriminator that sees its result alone; what goes there and back should come home. With weights on
terms that compare, e.g. `l1`, the pictures are taken as pairs and the result is compared with its partner too.
"""

from collections.abc import Iterator

from torch import Tensor, nn

from .. import generators, objectives
from ..adversarial import adversarial
from ..discriminators import pool_draw
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


def terms(config: TrainConfig) -> frozenset[str]:
    """The loss terms it computes."""
    return frozenset({*COMPARING, "adversarial", "cycle", "identity"})


def paired(config: TrainConfig) -> bool:
    """Where a term compares the result with its partner."""
    return any(config.uses(name) for name in COMPARING)


def fresh(config: TrainConfig, generator: nn.Module) -> dict[str, nn.Module]:
    """The generator of the way back and a discriminator at each end."""
    before, after = channels(config)
    return {
        "back": generators.way_back(config.generator),
        "discriminator": discriminator_of(config, 0, after),
        "back_discriminator": discriminator_of(config, 0, before),
    }


def losses(config: TrainConfig, state: State, batch: Batch, step: int) -> Iterator[Loss]:
    """The loss of each discriminator, then that of both generators."""
    source, real = ends(config, batch)
    weights = config.weights_at(step)
    made, returned = result(config, state, "generator", source), result(config, state, "back", real)
    for name, wanted, shown in (("discriminator", real, made), ("back_discriminator", source, returned)):
        past = remembered(config, state, name, shown, step)
        loss = judge_loss(config, state.networks[name], source, wanted, past, state.draw(step))
        yield loss, {name: loss}
    found = {
        "adversarial": fooled(config, state, made, returned),
        "cycle": homes(config, state, source, real, made, returned),
    }
    if config.uses("identity"):
        found["identity"] = identities(config, state, source, real)
    found |= picture_terms(config, weights, (made,), real)
    yield total(config, state, weights, found), found


def result(config: TrainConfig, state: State, name: str, picture: Tensor) -> Tensor:
    """What a generator makes of a picture, not clamped: what lies beyond the range must find its way back."""
    with autocast(config, picture):
        made: Tensor = state.networks[name].stages(as_input(picture))[-1]  # type: ignore[operator]
    return made.float()


def remembered(config: TrainConfig, state: State, name: str, made: Tensor, step: int) -> Tensor:
    """Made pictures of now and of before, so that a discriminator does not forget what it has seen through."""
    pool = state.notes.get(f"{name}_pool", [])
    shown, state.notes[f"{name}_pool"] = pool_draw(pool, made.detach(), state.draw(step), config.pool)
    return shown


def fooled(config: TrainConfig, state: State, made: Tensor, returned: Tensor) -> Tensor:
    """What both discriminators say to the generators."""
    judges = state.networks["discriminator"], state.networks["back_discriminator"]
    with autocast(config, made), resting(*judges):
        scores = [judge(picture, picture)[0].float() for judge, picture in zip(judges, (made, returned), strict=True)]
    return sum((adversarial(config.adversary).generator(score) for score in scores), made.new_zeros(()))


def homes(config: TrainConfig, state: State, source: Tensor, real: Tensor, made: Tensor, returned: Tensor) -> Tensor:
    """How far from home a picture is that went there and back, at both ends."""
    home, other = result(config, state, "back", made), result(config, state, "generator", returned)
    return objectives.l1(home, source) + objectives.l1(other, real)


def identities(config: TrainConfig, state: State, source: Tensor, real: Tensor) -> Tensor:
    """How much a generator changes what is already as its results should be."""
    kept, other = result(config, state, "generator", real), result(config, state, "back", source)
    return objectives.l1(kept, real) + objectives.l1(other, source)
