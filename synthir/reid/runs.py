"""The trainings of a comparison: every arm with every seed on every split, each done once and kept in its folder.

<out>/runs/01-baseline-seed1/run.json       written last; what is there is done
                             weights.safetensors
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from ..errors import TrainingError
from ..files import sha256_bytes, sha256_file, write_atomic
from .arms import Arm
from .batches import Trial
from .data import Layout, Split
from .protocol import Searched, run_search, searches
from .synthetic import Generator, convert_all
from .training import Training, features_of, finish, train

RUN, INPUTS = "run.json", "inputs.json"


class Run(msgspec.Struct, frozen=True):
    """One trained network and what it found."""

    arm: str
    seed: int
    split: int
    found: dict[str, Searched]
    """By the name of the search."""
    losses: list[float]
    """Mean loss of each hundredth of the steps."""
    initial: str
    """sha256 of the weights it began with: one in all arms of a seed and split."""
    minutes: float
    """Of the optimiser's steps, wall time."""


@dataclass(frozen=True)
class Cell:
    """What one run is of."""

    number: int
    """Of the arm, from 1."""
    arm: Arm
    seed: int
    split: int

    @property
    def name(self) -> str:
        """Of its folder."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.arm.name.lower()).strip("-")
        return f"{self.number:02d}-{slug}-seed{self.seed}" + (f"-split{self.split}" if self.split != 1 else "")


@dataclass(frozen=True)
class Bench:
    """What all runs share."""

    layout: Layout
    draws: int
    training: Training
    splits: Mapping[int, Split]
    generators: Mapping[str, Generator]
    """Of each arm that needs one, by the arm's name."""
    data: Path
    out: Path
    device: torch.device
    notes: tuple[str, ...] = ()
    """What a reader of the figures must know."""


def cells(arms: Sequence[Arm], seeds: Sequence[int], splits: Sequence[int]) -> Iterator[Cell]:
    """Every run, in the order it is done: all arms of a seed before the next one, so that pairs are early whole."""
    for split in splits:
        for seed in seeds:
            for number, arm in enumerate(arms, start=1):
                yield Cell(number, arm, seed, split)


def run_cell(bench: Bench, cell: Cell, tell: Callable[[int], None]) -> Run:
    """Train, search, keep; or read what was kept. Raises what training and converting do."""
    folder = bench.out / "runs" / cell.name
    if (folder / RUN).is_file():
        return msgspec.json.decode((folder / RUN).read_bytes(), type=Run)
    split = bench.splits[cell.split]
    trial = Trial(cell.arm, cell.seed, split.train, synthetic_of(bench, cell, split))
    learner = train(bench.training, trial, bench.data, folder, bench.device, tell)
    features = features_of(learner.network, bench.training, split.test, bench.device)
    found = {one.name: run_search(one, features, split.test) for one in searches(bench.layout, split.test, bench.draws)}
    finish(learner, folder)
    minutes = learner.seconds / 60.0
    done = Run(cell.arm.name, cell.seed, cell.split, found, learner.losses, learner.initial, minutes)
    write_atomic(folder / RUN, msgspec.json.encode(done))
    return done


def synthetic_of(bench: Bench, cell: Cell, split: Split) -> dict[Path, Path]:
    """The infrared of all visible training pictures, where the arm needs it."""
    if not cell.arm.paints:
        return {}
    visible = [picture.path for picture in split.train if not picture.infrared]
    return convert_all(bench.out / "synthetic", bench.generators[cell.arm.name], visible)


def claim_inputs(
    out: Path, splits: Mapping[int, Split], generators: Mapping[str, Generator], weights: Path | None
) -> None:
    """Note what a comparison reads; in a folder that is gone on with it must be the same.

    Pictures count by name and size, weights and engines by their bytes. Raises TrainingError where something differs.
    """
    told = {
        "pictures": {str(number): digest(split) for number, split in splits.items()},
        "generators": {arm: generator.sha256 for arm, generator in generators.items()},
        "weights": sha256_file(weights) if weights else "",
    }
    path, data = out / INPUTS, msgspec.json.format(msgspec.json.encode(told), indent=1)
    if path.is_file() and path.read_bytes() != data:
        before = msgspec.json.decode(path.read_bytes())
        why = f"{', '.join(name for name in told if before.get(name) != told[name])} differ"
        fix = "choose another --out, or put back what was there"
        raise TrainingError("another run lies there", where=str(path), why=why, fix=fix)
    write_atomic(path, data)


def digest(split: Split) -> str:
    """One sha256 of the parts, identities, names and sizes of the pictures of a split."""
    lines = [
        f"{part} {picture.identity} {picture.camera} {picture.path.name} {picture.path.stat().st_size}\n"
        for part, pictures in (("train", split.train), ("test", split.test))
        for picture in pictures
    ]
    return sha256_bytes("".join(lines).encode("utf-8", "surrogateescape"))
