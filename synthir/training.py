"""`synthir train`: pairs in, a model folder out.

Each step, in order: draw a batch, judge it, improve the discriminator, improve the generator, average the weights, and
now and then validate and save. A killed training goes on from its last state and ends with the same weights.
"""

import csv
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import config as configuration
from . import generators
from .checkpoint import load_state, save_model, save_state
from .discriminators import PatchGAN
from .errors import ConfigError, TrainingError
from .files import write_atomic
from .pairs import Sampler, find_pairs, read_boxes, split_blocks
from .train_config import TrainConfig
from .train_step import State, train_step
from .validation import HeldOut, hold_out, validate

Row = Mapping[str, float]
"""A row of the log: step, learning rate, loss terms, validation figures."""


def unseen(row: Row) -> None:
    """Progress that nobody watches."""


def train_from(
    path: Path,
    data: Path,
    out: Path,
    *,
    seed: int,
    max_minutes: float = math.inf,
    report: Callable[[Row], None] = unseen,
) -> Path:
    """Train what a TOML file says on the pairs below `data`; the model folder is `out/model`.

    Raises ConfigError, TrainingError. Started again with the same arguments it goes on where it stopped.
    """
    config = configuration.load(path, TrainConfig)
    return train(config, data, out, seed=seed, max_minutes=max_minutes, report=report)


def train(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    seed: int,
    max_minutes: float = math.inf,
    report: Callable[[Row], None] = unseen,
) -> Path:
    """Train and give the model folder `out/model`, written at every save, so that a stopped training is usable.

    seed decides initial weights and batches. On the CPU the same seed gives the same weights, resumed or not. `report`
    is given each row of the log.
    """
    network, settings = generators.settings_of(config.generator)
    started = time.monotonic()
    sampler, held_out = prepare_pairs(config, data, seed)
    state = fresh_state(config, network, settings, seed)
    first = resume(config, state, out, seed)
    with ThreadPoolExecutor(1) as loader:
        upcoming = loader.submit(sampler.batch, first, config.batch)
        for step in range(first, config.steps):
            visible, infrared = (channels_last(array) for array in upcoming.result())
            upcoming = loader.submit(sampler.batch, step + 1, config.batch)
            losses = train_step(config, state, visible, infrared, step)
            out_of_time = time.monotonic() - started > 60.0 * max_minutes
            if (step + 1) % config.save_every == 0 or step + 1 == config.steps or out_of_time:
                # The log first: a row that a kill left without its state is trimmed by the resumed run.
                row = {"step": step + 1, **losses, **validate(state.average, held_out, generators.stride_of(network))}
                log(out / "log.csv", row)
                report(row)
                save_model(state.average, out / "model", network, settings, config.band)
                save_state(out, step + 1, resumable(config, state, seed))
            if out_of_time:
                break
    return out / "model"


def resumable(config: TrainConfig, state: State, seed: int) -> dict[str, Any]:
    """All that a resumed training needs, and what it must be given again."""
    return {"networks": state.tree(), "config": configuration.dump(config), "seed": seed}


def resume(config: TrainConfig, state: State, out: Path, seed: int) -> int:
    """Take back the state of a stopped training of the same configuration and seed; gives the step to go on with.

    Writes the resolved configuration. Raises TrainingError where the folder holds another training.
    """
    resolved = configuration.dump(config)
    loaded = load_state(out)
    if loaded:
        tree = loaded[1]
        if (tree["config"], tree["seed"]) != (resolved, seed):
            fix = "go on with out/config.toml and its seed, or choose another --out"
            raise TrainingError(
                "another training lies there", where=str(out), why="configuration or seed differ", fix=fix
            )
        state.restore(tree["networks"])
    write_atomic(out / "config.toml", resolved.encode())
    first = loaded[0] if loaded else 0
    trim_log(out / "log.csv", first)
    return first


def prepare_pairs(config: TrainConfig, data: Path, seed: int) -> tuple[Sampler, list[HeldOut]]:
    """The sampler of training crops and the pairs that validate, by source. Raises TrainingError, ConfigError."""
    if not config.sources:
        raise ConfigError("no [[sources]]", fix="name at least one folder of pairs in the TOML")
    stride = generators.stride_of(generators.settings_of(config.generator)[0])
    odd = [str(size) for size in config.augmentation.sizes if size % stride]
    if odd:
        why = f"{config.generator} takes multiples of {stride} pixels"
        raise ConfigError(f"crop sizes {', '.join(odd)} do not fit", why=why, fix="change augmentation.sizes")
    chosen, validation = [], []
    for source in config.sources:
        training, held = split_blocks(find_pairs(data, source), config.block, config.validate_share)
        chosen.append((source.share, tuple(training)))
        if held:
            name = source.visible.partition("/")[0]
            validation.append(hold_out(name, held, read_boxes(data, source), config.validate_most))
    return Sampler(tuple(chosen), config.augmentation, seed), validation


def fresh_state(config: TrainConfig, network: str, settings: dict[str, Any], seed: int) -> State:
    """Networks with seeded weights and their optimisers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = generators.build(network, settings).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        discriminator = PatchGAN(config.discriminator_width).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    adam = [
        torch.optim.Adam(module.parameters(), lr=config.learning_rate, betas=(0.5, 0.99))
        for module in (generator, discriminator)
    ]
    return State(generator, deepcopy(generator), discriminator, adam[0], adam[1])


def channels_last(array: np.ndarray[Any, np.dtype[np.float32]]) -> Tensor:
    """The array as a tensor in the memory order that convolutions are fast in."""
    return torch.from_numpy(np.ascontiguousarray(array)).contiguous(memory_format=torch.channels_last)


def trim_log(path: Path, last: int) -> None:
    """Drop the rows of steps after `last`, which are trained again."""
    if path.is_file() and path.stat().st_size:
        head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in rows if int(row.partition(",")[0]) <= last]
        write_atomic(path, "".join([head, *kept]).encode())


def log(path: Path, row: Row) -> None:
    """Append a row to the CSV log."""
    new = not path.exists() or not path.stat().st_size
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
