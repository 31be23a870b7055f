"""What a training sees: which pictures train, which validate, and the batch of a step."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .audit import refuse_shared
from .errors import ConfigError
from .headers import refuse_unfit
from .layouts import find_pairs
from .likeness import HeldApart, hold_apart
from .pairs import Pair, PairSource, read_boxes, split, split_loose
from .sampling import Sampler, UnpairedSampler
from .systems import system_of
from .train_checks import best_fault, figures_of, name_of, refuse_odd
from .train_config import TrainConfig
from .train_state import Batch
from .validation import HeldOut, hold_out

Held = HeldOut | HeldApart
"""The pictures of a source that validate: pairs, or pictures that are none."""
Draw = Callable[[int], Batch]
"""The batch of a step, counted from 0."""


def prepare(config: TrainConfig, data: Path, seed: int) -> tuple[Draw, list[Held]]:
    """What draws the training batches, and what validates, by source. Raises TrainingError, ConfigError."""
    refuse_odd(config)
    training, validation = shared_out(config, data)
    refuse_best(config, validation)
    return batches(config, training, seed), validation


def refuse_best(config: TrainConfig, validation: list[Held]) -> None:
    """Raises ConfigError where the pictures that validate do not give the figure of `best`, or only as no number."""
    found = [
        figure for held in validation for figure in figures_of(held.name, isinstance(held, HeldOut), held.has_boxes())
    ]
    if config.best and config.best not in found:
        raise ConfigError(best_fault(config.best, found), fix="correct best in the configuration, or leave it out")


def unvalidated(config: TrainConfig, validation: list[Held]) -> str:
    """What is to be said of the sources that have too few pictures to hold any out; empty where all validate."""
    missing = {name_of(source) for source in config.sources} - {held.name for held in validation}
    if not missing:
        return ""
    fewest = f"fewer than validate_share = {config.validate_share} pictures"
    return f"nothing validates of {', '.join(sorted(missing))}: {fewest}; log.csv says nothing of new pictures"


def shared_out(config: TrainConfig, data: Path) -> tuple[tuple[tuple[float, tuple[Pair, ...]], ...], list[Held]]:
    """The training pairs of each source with its share, and the held-out ones."""
    chosen: list[tuple[float, tuple[Pair, ...]]] = []
    validation: list[Held] = []
    for source in config.sources:
        pairs = find_pairs(data, source)
        refuse_unfit(pairs)
        training, held = split_source(config, source, pairs)
        chosen.append((source.share, tuple(training)))
        if held:
            turned = [replace(pair, turned=config.direction == "infrared-to-visible") for pair in held]
            hold = hold_out if held[0].registered else hold_apart
            validation.append(hold(name_of(source), turned, read_boxes(data, source), config.validate_most))
    return tuple(chosen), validation


def split_source(config: TrainConfig, source: PairSource, pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs of one source; none of the latter where there are fewer than validate_share."""
    if source.layout == "unpaired":
        count = min(len({pair.visible for pair in pairs}), len({pair.infrared for pair in pairs}))
        return split_loose(pairs, block_of(config, count), config.validate_share)
    training, held = split(pairs, config.split, block_of(config, len(pairs)), config.validate_share)
    if config.split == "scenes":
        refuse_shared(training, held, config.allow_shared_scenes)
    return training, held


def block_of(config: TrainConfig, count: int) -> int:
    """`block`, or, of so few pictures that none would validate, the largest with which a whole block does."""
    enough = count > config.block * (config.validate_share - 1)
    return config.block if enough else max(1, count // config.validate_share)


def batches(config: TrainConfig, training: tuple[tuple[float, tuple[Pair, ...]], ...], seed: int) -> Draw:
    """The batch of a step: pairs, unrelated pictures, or pairs with the frames before them."""
    if not system_of(config.system).paired(config):
        loose = UnpairedSampler(training, config.augmentation, seed)
        return lambda step: Batch(*map(tensor, loose.batch(step, config.batch)))
    sampler = Sampler(training, config.augmentation, seed)
    if config.uses("temporal"):
        return lambda step: Batch(*map(tensor, sampler.batch_with_previous(step, config.batch)))
    return lambda step: Batch(*map(tensor, sampler.batch(step, config.batch)))


def tensor(array: NDArray[np.float32]) -> Tensor:
    """The array as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(array))
