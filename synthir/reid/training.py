"""One arm and one seed of a comparison: batches in, weights and features out.

Each step: places of the batch, tones of the arm, forward, losses, backward, step. The state is kept now and then, so
that a killed training goes on and ends with the same weights (on the CPU).
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from ..checkpoint import STATE, load_state, save_state
from ..config import at_least, refuse
from ..errors import TrainingError
from ..files import sha256_bytes
from .augment import Float32, planes
from .batches import Batch, Shelf, Trial, load
from .data import Picture
from .losses import identity_loss, weighted_triplet
from .network import ReID, Size, start_from
from .sampling import PersonSampler

WEIGHTS = "weights.safetensors"
"""What a finished training leaves."""
AT_ONCE = 64
"""Pictures whose features are computed together."""
MOMENTUM, DECAY = 0.9, 5e-4
"""Of the stochastic gradient descent."""


@dataclass(frozen=True)
class Training:
    """How each arm is trained; the same in all of them."""

    network: Size = "resnet50"
    """`resnet50`, or `small`, which trains on a CPU."""
    weights: Path | None = None
    """ImageNet weights, .safetensors or .pth, relative to the data folder; random ones if not given."""
    non_local: bool = True
    """Whether the network has non-local blocks."""
    height: int = 288
    width: int = 144
    """Of what the network sees, pixels."""
    steps: int = 42000
    """Optimiser steps."""
    identities: int = 8
    """In a batch."""
    pictures: int = 4
    """Of each identity and modality in a batch."""
    learning_rate: float = 0.1
    """Of neck and head, after the warm-up."""
    backbone_rate: float = 0.1
    """Learning rate of all other weights, as a share of that."""
    warmup: int = 7000
    """Steps in which the learning rate rises to its full height."""
    drops: tuple[float, ...] = (0.33, 0.83)
    """Shares of the steps after which the learning rate is divided by ten."""
    erase: float = 0.5
    """Chance that a place of a picture is erased."""
    pad: int = 10
    """Pixels by which a picture is moved at most."""
    save_every: int = 1000
    """Steps between two kept states."""

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, warmup=self.warmup, save_every=self.save_every)
        at_least(2, identities=self.identities, pictures=self.pictures)
        at_least(16, height=self.height, width=self.width)
        at_least(0, pad=self.pad, learning_rate=self.learning_rate, backbone_rate=self.backbone_rate)
        shares = {"erase": (self.erase,), "drops": self.drops}
        faults = [f"{n} is {v}, expected 0 to 1" for n, all_of in shares.items() for v in all_of if not 0.0 <= v <= 1.0]
        faults += [f"warmup is {self.warmup}, expected at most steps"] if self.warmup > self.steps else []
        refuse(*faults)

    def rate(self, step: int) -> float:
        """The learning rate of neck and head at a step, counted from 0."""
        passed = sum(step >= share * self.steps for share in self.drops)
        return float(self.learning_rate * min(1.0, (step + 1) / self.warmup) * 0.1**passed)


@dataclass
class Learner:
    """A network that is being trained."""

    network: ReID
    optimiser: torch.optim.SGD
    losses: list[float] = field(default_factory=list)
    """Mean loss of each hundredth of the steps, as it goes."""
    initial: str = ""
    """sha256 of the weights it began with."""
    seconds: float = 0.0
    """Spent on steps so far."""


def fresh(training: Training, identities: int, seed: int, data: Path, device: torch.device) -> Learner:
    """A network and its optimiser: the same initial weights for the same seed. Raises ConfigError for the weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ReID(training.network, identities, non_local=training.non_local)
    if training.weights:
        start_from(network, training.network, data / training.weights)
    network.to(device)
    new = [*network.neck.parameters(), *network.head.parameters()]
    old = [p for name, p in network.named_parameters() if not name.startswith(("neck.", "head."))]
    groups = [{"params": [p for p in new if p.requires_grad]}, {"params": old}]
    optimiser = torch.optim.SGD(groups, lr=0.1, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True)
    return Learner(network, optimiser, initial=sha256_bytes(packed(network)))


def packed(network: ReID) -> bytes:
    """All weights, as safetensors."""
    return save({name: value.cpu().contiguous() for name, value in network.state_dict().items()})


def train(
    training: Training, trial: Trial, data: Path, folder: Path, device: torch.device, tell: Callable[[int], None]
) -> Learner:
    """Train, or go on with it; states are kept in the folder. tell: called with the number of each finished step.

    Raises ConfigError, PictureError, TrainingError where the loss is no number.
    """
    sampler = PersonSampler(trial.pictures, training.identities, training.pictures, trial.seed)
    learner = fresh(training, len(sampler.labels), trial.seed, data, device)
    groups, shelf = sampler.groups(), Shelf(training.height, training.width)
    for step in range(resume(learner, folder), training.steps):
        begun = time.monotonic()
        places = sampler.batch(step, groups, training.erase, training.pad)
        learn(learner, training, load(places, trial, shelf), step)
        learner.seconds += time.monotonic() - begun
        if (step + 1) % training.save_every == 0 or step + 1 == training.steps:
            save_state(folder, step + 1, tree_of(learner))
        tell(step + 1)
    return learner


def forget_states(folder: Path) -> None:
    """Delete the states to go on from, once all that a training found is kept."""
    for old in (folder / STATE, *folder.glob("state-*.safetensors")):
        old.unlink(missing_ok=True)


def resume(learner: Learner, folder: Path) -> int:
    """Take back a kept state; gives the step to go on with."""
    found = load_state(folder)
    if not found:
        return 0
    step, tree = found
    learner.network.load_state_dict(tree["network"])
    learner.optimiser.load_state_dict(tree["optimiser"])
    learner.losses[:], learner.seconds = tree["losses"], tree["seconds"]
    return step


def tree_of(learner: Learner) -> dict[str, Any]:
    """All that is kept of a learner."""
    state = {"network": learner.network.state_dict(), "optimiser": learner.optimiser.state_dict()}
    return {**state, "losses": learner.losses, "seconds": learner.seconds}


def learn(learner: Learner, training: Training, batch: Batch, step: int) -> None:
    """One step. Raises TrainingError where the loss is no number."""
    device = next(learner.network.parameters()).device
    rate = training.rate(step)
    for group, share in zip(learner.optimiser.param_groups, (1.0, training.backbone_rate), strict=True):
        group["lr"] = rate * share
    labels = batch.labels.to(device)
    learner.network.train()
    pooled, logits = learner.network(batch.visible.to(device), batch.infrared.to(device))
    loss = identity_loss(logits, labels) + weighted_triplet(pooled, labels)
    if not math.isfinite(value := loss.item()):
        fix = "lower training.learning_rate or raise training.warmup"
        raise TrainingError("the loss is not finite", where=f"step {step}", why=f"it is {value}", fix=fix)
    learner.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    learner.optimiser.step()
    note(learner.losses, value, step, training.steps)


def note(losses: list[float], value: float, step: int, steps: int) -> None:
    """Keep the mean of each hundredth of a training."""
    part = step * 100 // steps
    first = -(-part * steps // 100)
    if len(losses) <= part:
        losses.append(value)
    else:
        losses[part] += (value - losses[part]) / (step - first + 1)


def features_of(network: ReID, training: Training, pictures: Sequence[Picture], device: torch.device) -> Float32:
    """What pictures are searched by, (N, D), each of length one. Raises TrainingError where one is no number."""
    network.eval()
    shelf = Shelf(training.height, training.width, limit=0)
    found: list[Float32] = [np.empty(0, np.float32)] * len(pictures)
    for heat in (False, True):
        numbers = [n for n, picture in enumerate(pictures) if picture.infrared is heat]
        for start in range(0, len(numbers), AT_ONCE):
            part = numbers[start : start + AT_ONCE]
            batch = torch.from_numpy(planes([shelf.picture(pictures[n].path) for n in part])).to(device)
            with torch.inference_mode():
                rows = network.features(batch, infrared=heat).cpu().numpy()
            for number, row in zip(part, rows, strict=True):
                found[number] = row
    features = np.stack(found)
    if not np.isfinite(features).all():
        wrong = str(pictures[int(np.argmin(np.isfinite(features).all(axis=1)))].path)
        fix = "lower training.learning_rate, and take another --out or delete that run's folder"
        raise TrainingError("features are not finite", where=wrong, why="the network has diverged", fix=fix)
    return features
