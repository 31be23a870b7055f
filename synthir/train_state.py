"""What a training changes: networks, their average, their optimisers and notes; and how one step is counted out.

A system (see synthir/systems) gives the loss of one piece of a batch; `take_step` adds the gradients of all pieces and
processes up, and then improves every network once. So a batch too large for the memory can be cut in pieces.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from . import distributed
from .checkpoint import copy_average
from .distributed import Part
from .errors import ConfigError, TrainingError
from .train_config import TrainConfig


@dataclass(frozen=True)
class Batch:
    """Training crops in [-1, 1]: visible (N, 3, S, S), infrared (N, 1, S, S); for video also the frames before."""

    visible: Tensor
    infrared: Tensor
    previous: Tensor | None = None
    """The visible frames before, (N, 3, S, S)."""
    flow: Tensor | None = None
    """(N, 2, S, S) pixels: where in the frame before each pixel was, relative to here."""

    def pieces(self, count: int) -> list["Batch"]:
        """The batch in `count` parts, or fewer where it has fewer pictures."""
        bounds = np.linspace(0, len(self.visible), min(count, len(self.visible)) + 1).round().astype(int).tolist()
        return [self.each(itemgetter(slice(*ends))) for ends in pairwise(bounds)]

    def part(self, part: Part) -> "Batch":
        """What one of several processes trains on. Raises ConfigError where the pictures do not share out evenly."""
        if len(self.visible) % part.total:
            why = f"{len(self.visible)} pictures, {part.total} processes"
            raise ConfigError("batch does not share out evenly", why=why, fix="make batch a multiple of the processes")
        return self.pieces(part.total)[part.rank]

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device, in the memory order that convolutions are fast in."""
        return self.each(lambda t: t.to(device, memory_format=torch.channels_last))

    def each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The same change to every tensor."""
        return Batch(*(None if tensor is None else change(tensor) for tensor in vars(self).values()))  # type: ignore[arg-type]


@dataclass
class State:
    """What a training changes."""

    networks: dict[str, nn.Module]
    """`generator`, and what it is trained with."""
    average: nn.Module
    """Of the generator's weights; what is kept."""
    optimisers: dict[str, torch.optim.Optimizer]
    """By the name of their network; a network without one rests and is not saved."""
    seed: int
    """With the step, what a system draws random numbers from."""
    notes: dict[str, Any] = field(default_factory=lambda: {"pieces": 1})
    """What is remembered from step to step, as tensors, numbers and lists; `pieces` is how many a batch is cut in."""

    def tree(self) -> dict[str, Any]:
        """All of it as one tree of tensors and numbers."""
        networks = {name: self.networks[name].state_dict() for name in self.optimisers}
        optimisers = {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()}
        return {
            "networks": networks,
            "optimisers": optimisers,
            "average": self.average.state_dict(),
            "notes": self.notes,
        }

    def draw(self, step: int) -> np.random.Generator:
        """Random numbers that are the same at the same step of the same training."""
        return np.random.default_rng((self.seed, step, 1))

    def restore(self, tree: dict[str, Any]) -> None:
        """Take a tree back."""
        for name, optimiser in self.optimisers.items():
            self.networks[name].load_state_dict(tree["networks"][name])
            optimiser.load_state_dict(tree["optimisers"][name])
        self.average.load_state_dict(tree["average"])
        self.notes = tree["notes"]


class System(Protocol):
    """A file of synthir/systems: how a generator is trained."""

    def terms(self, config: TrainConfig) -> frozenset[str]:
        """The loss terms it computes; a weight on another one is refused."""

    def paired(self, config: TrainConfig) -> bool:
        """Whether visible and infrared of a batch show the same view; else they are unrelated."""

    def fresh(self, config: TrainConfig, generator: nn.Module) -> dict[str, nn.Module]:
        """The networks that train beside the generator, by name; torch's current seed draws their weights."""

    def losses(self, config: TrainConfig, state: State, batch: Batch, step: int) -> Iterator["Loss"]:
        """The losses of a batch; each is trained through before the next one is asked for."""


Loss = tuple[Tensor, dict[str, Tensor]]
"""What to train through, and the terms to log by name. It reaches the networks it is to improve and no others."""


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress)))


def take_step(config: TrainConfig, system: System, state: State, batch: Batch, step: int) -> dict[str, float]:
    """One step of every network; gives the learning rate and the mean of each loss term over the batch.

    Memory that runs out halves the pieces and begins the step again: nothing is improved before all gradients are
    there. Raises TrainingError where a single picture is too much, or where a loss is not finite.
    """
    while True:
        try:
            with torch.random.fork_rng():
                torch.manual_seed(int(state.draw(step).integers(2**62)))  # for dropout
                terms = distributed.average_values(gradients(config, system, state, batch, step))
            break
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            halve(state, batch, error)
    saved = step >= config.save_every
    refuse_not_finite("loss", terms, step, saved)
    norms = {name: clipped(state.networks[name], config.clip) for name in state.optimisers}
    refuse_not_finite("gradient", norms, step, saved)
    rate = learning_rate(config, step)
    for optimiser in state.optimisers.values():
        improve(optimiser, rate)
    copy_average(state.average, state.networks["generator"], min(config.ema, (1.0 + step) / (10.0 + step)))
    return {"rate": rate, **terms}


def gradients(config: TrainConfig, system: System, state: State, batch: Batch, step: int) -> dict[str, float]:
    """Add up the gradients of a batch, piece by piece; gives the means of the terms."""
    for network in state.networks.values():
        network.zero_grad(set_to_none=True)
    means: dict[str, float] = {}
    for piece in batch.pieces(state.notes["pieces"]):
        share = len(piece.visible) / len(batch.visible)
        for loss, terms in system.losses(config, state, piece, step):
            (share * loss).backward()  # type: ignore[no-untyped-call]
            for name, value in terms.items():
                means[name] = means.get(name, 0.0) + share * value.item()
    return means


def out_of_memory(error: RuntimeError) -> bool:
    """Whether it is what torch raises for want of memory; on the CPU that has no class of its own."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def halve(state: State, batch: Batch, error: Exception) -> None:
    """Cut batches in twice as many pieces from now on.

    Raises TrainingError where they are single pictures already, or where other processes would not cut theirs.
    """
    pieces = state.notes["pieces"]
    if distributed.several():
        fix = "make batch smaller, or start more processes"
        raise TrainingError("out of memory in one of several processes", why=str(error)[:200], fix=fix) from error
    if pieces >= len(batch.visible):
        fix = "make augmentation.sizes smaller, or the generator"
        raise TrainingError("out of memory", why="a single crop does not fit", fix=fix) from error
    state.notes["pieces"] = 2 * pieces


def refuse_not_finite(kind: str, values: dict[str, float], step: int, saved: bool) -> None:
    """Raises TrainingError that names the step and the loss terms, or networks, whose value is no number.

    saved: whether a model was written before, to begin anew from.
    """
    broken = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    if broken:
        begin = ' with start = "OUT/model", the last saved model,' if saved else ""
        fix = f"lower learning_rate or the term's weight, and train anew{begin} into another --out"
        raise TrainingError(f"the {kind} is not finite", where=f"step {step}", why=", ".join(broken), fix=fix)


def clipped(network: nn.Module, clip: float) -> float:
    """Average gradients over the processes and clip them; gives their norm before that, not a number if one is none.

    A norm may be infinite though no gradient is; they are zero then, and the step does nothing.
    """
    distributed.average_gradients(network)
    norm = float(nn.utils.clip_grad_norm_(network.parameters(), clip))
    if math.isfinite(norm):
        return norm
    whole = all(bool(torch.isfinite(p.grad).all()) for p in network.parameters() if p.grad is not None)
    return 0.0 if whole else math.nan


def improve(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """One step at this learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()


@contextmanager
def resting(*networks: nn.Module) -> Iterator[None]:
    """What is computed inside is not trained through into the weights of these networks, only through them."""
    parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
