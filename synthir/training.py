"""`synthir train`: pairs in, a model folder out.

Each step, in order: draw a batch, add up what every loss asks for, improve the networks, average the generator's
weights, and now and then validate and save. A killed training goes on from its last state and ends with the same
weights.
"""

import logging
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from . import config as configuration
from . import distributed, generators
from .checkpoint import load_state, save_model, save_state
from .errors import ConfigError, TrainingError
from .files import write_atomic
from .seen import of_training, to_bytes
from .sheet import write_sheet
from .systems import system_of
from .train_checks import read_config
from .train_config import TrainConfig
from .train_data import Held, prepare, unvalidated
from .train_log import Row, trim_log, write_row, write_tensorboard
from .train_start import fresh_state, network_of
from .train_state import State, take_step
from .validation import painter, validate

LOG = logging.getLogger(__name__)
Report = Callable[[int, int, Row | None], None]
"""Called after every step with its number, counted from 1, how many there are, and the row of the log or None.

Of several processes the first one alone reports.
"""


def unseen(step: int, steps: int, row: Row | None) -> None:
    """Progress that nobody watches."""


def train_from(path: Path, data: Path, out: Path, *, seed: int, **how: Any) -> Path:
    """Train what a TOML file says on the pictures below `data`; the model folder is `out/model`. `how` as for `train`.

    Raises ConfigError, TrainingError. Started again with the same arguments it goes on where it stopped.
    """
    return train(read_config(path), data, out, seed=seed, **how)


def train(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    seed: int,
    max_minutes: float = math.inf,
    device: str = "auto",
    report: Report = unseen,
) -> Path:
    """Train and give the model folder `out/model`, written at every save, so that a stopped training is usable.

    seed decides initial weights and batches; on the CPU the same seed gives the same weights, resumed or not. device is
    `cpu`, `cuda` or `auto`. Started by torchrun, each process takes its part of every batch.
    """
    place = distributed.own_device(device_of(device), os.environ, torch.cuda.device_count())
    end = time.monotonic() + 60.0 * max_minutes
    with distributed.processes(place) as part, ThreadPoolExecutor(1) as loader:
        if config.balance and part.total > 1:
            why = "each process would balance by its own part of the batch"
            raise ConfigError("balance wants one process", why=why, fix="set balance = false, and weights by hand")
        draw, held_out = prepare(config, data, seed)
        if part.rank == 0 and (said := unvalidated(config, held_out)):
            LOG.warning(said)
        # before the first step, so that a picture that cannot be read ends the training now
        seen = of_training(config, data) if part.rank == 0 else None
        state = fresh_state(config, seed, place)
        run = Run(config, state, held_out, out, seed, part.rank == 0, to_bytes(seen) if seen else b"")
        first = run.resume()
        if "generator" not in run.state.optimisers:  # nothing in it learns: the analytic control
            run.write_model("model")
            return out / "model"
        upcoming = loader.submit(draw, first)
        for step in range(first, config.steps):
            if run.waited_enough():
                break
            batch = upcoming.result().part(part).to(place)
            upcoming = loader.submit(draw, step + 1)
            terms = take_step(config, system_of(config.system), run.state, batch, step)
            run.show(step + 1)
            over = distributed.any_of(time.monotonic() > end)
            row = run.save(step + 1, terms) if over or run.due(step + 1) else None
            if part.rank == 0:
                report(step + 1, config.steps, row)
            if over:
                break
    return out / "model"


def device_of(name: str) -> torch.device:
    """The device of that name; `auto` is the GPU where there is one. Raises TrainingError where it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.partition(":")[0] not in ("cpu", "cuda") or (name.startswith("cuda") and not torch.cuda.is_available()):
        raise TrainingError("no such device here", where=name, fix="choose cpu, cuda or auto")
    return torch.device(name)


@dataclass(frozen=True)
class Run:
    """A training and the folder it is kept in."""

    config: TrainConfig
    state: State
    held_out: list[Held]
    out: Path
    seed: int
    first: bool
    """Whether this process is the one of several that validates and writes."""
    seen: bytes = b""
    """The record of the pictures that train and validate; empty where those of `start` are not known."""

    def due(self, step: int) -> bool:
        """Whether something is saved after a step."""
        return step % self.config.save_every == 0 or step == self.config.steps

    def resume(self) -> int:
        """Take back the state of a stopped training of the same configuration and seed; gives the step to go on with.

        Writes the resolved configuration. Raises TrainingError where the folder holds another training.
        """
        resolved = configuration.dump(self.config)
        loaded = load_state(self.out)
        if loaded:
            tree = loaded[1]
            if (tree["config"], tree["seed"]) != (resolved, self.seed):
                fix = "go on with out/config.toml and its seed, or choose another --out"
                raise TrainingError(
                    "another training lies there", where=str(self.out), why="configuration or seed differ", fix=fix
                )
            self.state.restore(tree["state"])
        step = loaded[0] if loaded else 0
        if self.first:
            write_atomic(self.out / "config.toml", resolved.encode())
            trim_log(self.out / "log.csv", step)
        return step

    def save(self, step: int, terms: dict[str, float]) -> Row:
        """Validate and write everything that is kept; gives the row of the log."""
        row = {"step": step, **terms}
        if self.first:
            row |= validate(self.state.average, self.held_out, self.stride())
            self.keep_best(row)
            # The log first: a row that a kill left without its state is trimmed by the resumed run.
            self.log(row)
            self.write_model("model")
            tree = {"state": self.state.tree(), "config": configuration.dump(self.config), "seed": self.seed}
            save_state(self.out, step, tree)
        distributed.wait()
        return row

    def log(self, row: Row) -> None:
        """The row, as CSV and for TensorBoard."""
        write_row(self.out / "log.csv", row)
        if self.config.tensorboard:
            write_tensorboard(self.out / "tensorboard", row)

    def show(self, step: int) -> None:
        """A sheet of every source's validation pictures, where one is due."""
        if self.first and self.config.sheet_every and step % self.config.sheet_every == 0:
            method = painter(self.state.average, self.stride())
            for held in self.held_out:
                write_sheet(self.out / f"sheets/{step:07d}-{held.name}.png", held.pairs, 4, method)

    def keep_best(self, row: Row) -> None:
        """Write `best/` if no validation was better; count those that were not."""
        name, notes = self.config.best, self.state.notes
        if not name:
            return
        better = row[name] > notes.get("best", -math.inf)
        notes["waited"] = 0 if better else notes.get("waited", 0) + 1
        if better:
            notes["best"] = row[name]
            self.write_model("best")

    def waited_enough(self) -> bool:
        """Whether `patience` validations in a row were not better."""
        patience = self.config.patience
        return patience > 0 and distributed.any_of(self.state.notes.get("waited", 0) >= patience)

    def write_model(self, name: str) -> None:
        """The averaged weights as a model folder below the run's."""
        network, settings = network_of(self.config)
        save_model(self.state.average, self.out / name, network, settings, self.config.band, self.seen)

    def stride(self) -> int:
        """Of the network, in pixels."""
        return generators.stride_of(network_of(self.config)[0])
