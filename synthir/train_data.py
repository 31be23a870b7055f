"""What a training sees: which pictures train, which validate, and the batch of a step."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import generators
from .audit import refuse_shared
from .errors import ConfigError
from .layouts import find_pairs
from .likeness import HeldApart, hold_apart
from .pairs import Pair, PairSource, read_boxes, split, split_loose
from .sampling import Sampler, UnpairedSampler
from .systems import system_of
from .train_config import TrainConfig
from .train_start import network_of
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
    return batches(config, training, seed), validation


def refuse_odd(config: TrainConfig) -> None:
    """Raises ConfigError where there is nothing to train on, or crops that the network does not take."""
    if not config.sources:
        raise ConfigError("no [[sources]]", fix="name at least one folder of pictures in the TOML")
    stride = generators.stride_of(network_of(config)[0])
    odd = [str(size) for size in config.augmentation.sizes if size % stride]
    if odd:
        why = f"{config.generator or config.start} takes multiples of {stride} pixels"
        raise ConfigError(f"crop sizes {', '.join(odd)} do not fit", why=why, fix="change augmentation.sizes")
    loose = [source.visible for source in config.sources if source.layout == "unpaired"]
    if loose and system_of(config.system).paired(config):
        why = f"system {config.system} compares each result with its real picture"
        raise ConfigError("pictures that are no pairs", where=loose[0], why=why, fix='choose system = "cycle"')


def shared_out(config: TrainConfig, data: Path) -> tuple[tuple[tuple[float, tuple[Pair, ...]], ...], list[Held]]:
    """The training pairs of each source with its share, and the held-out ones."""
    chosen: list[tuple[float, tuple[Pair, ...]]] = []
    validation: list[Held] = []
    for source in config.sources:
        training, held = split_source(config, source, find_pairs(data, source))
        chosen.append((source.share, tuple(training)))
        if held:
            turned = [replace(pair, turned=config.direction == "infrared-to-visible") for pair in held]
            hold = hold_out if held[0].registered else hold_apart
            validation.append(hold(name_of(source), turned, read_boxes(data, source), config.validate_most))
    return tuple(chosen), validation


def name_of(source: PairSource) -> str:
    """What its figures are called after: the first folder of the visible pictures, the last one of an absolute path."""
    place = PurePath(source.visible)
    return place.name if place.is_absolute() else place.parts[0] if place.parts else ""


def split_source(config: TrainConfig, source: PairSource, pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs of one source."""
    if source.layout == "unpaired":
        return split_loose(pairs, config.block, config.validate_share)
    training, held = split(pairs, config.split, config.block, config.validate_share)
    if config.split == "scenes":
        refuse_shared(training, held, config.allow_shared_scenes)
    return training, held


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
