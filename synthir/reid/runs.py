"""The trainings of a comparison: every arm with every seed on every split, each done once and kept in its folder.

<out>/inputs.json                               all that shapes the trainings; further arms, seeds and splits may join
<out>/runs/baseline-1f2e3d-seed1/run.json       written last; what is there is done
                                 weights.safetensors
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import torch

from .. import config as configuration
from ..errors import TrainingError
from ..files import sha256_bytes, sha256_file, write_atomic
from .arms import Arm
from .batches import Trial
from .data import Layout, Split
from .protocol import Searched, run_search, searches
from .synthetic import Generator, convert_all
from .training import WEIGHTS, Training, features_of, forget_states, packed, train

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

    arm: Arm
    seed: int
    split: int

    @property
    def name(self) -> str:
        """Of its folder."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.arm.name.lower()).strip("-")
        mark = sha256_bytes(self.arm.name.encode())[:6]
        return f"{slug}-{mark}-seed{self.seed}" + (f"-split{self.split}" if self.split != 1 else "")


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
    synthetic: Mapping[Generator, Mapping[Path, Path]]
    """Of each generator, where the infrared of each visible training picture lies."""


def cells(arms: Sequence[Arm], seeds: Sequence[int], splits: Sequence[int]) -> Iterator[Cell]:
    """Every run, in the order it is done: all arms of a seed before the next one, so that pairs are early whole."""
    for split in splits:
        for seed in seeds:
            for arm in arms:
                yield Cell(arm, seed, split)


def run_cell(bench: Bench, cell: Cell, tell: Callable[[int], None]) -> Run:
    """Train, search, keep; or read what was kept. Raises what training and converting do."""
    folder = bench.out / "runs" / cell.name
    if (folder / RUN).is_file():
        forget_states(folder)  # a kill may have left some
        return msgspec.json.decode((folder / RUN).read_bytes(), type=Run)
    split = bench.splits[cell.split]
    synthetic = bench.synthetic[bench.generators[cell.arm.name]] if cell.arm.paints else {}
    trial = Trial(cell.arm, cell.seed, split.train, synthetic)
    learner = train(bench.training, trial, bench.data, folder, bench.device, tell)
    features = features_of(learner.network, bench.training, split.test, bench.device)
    found = {one.name: run_search(one, features, split.test) for one in searches(bench.layout, split.test, bench.draws)}
    minutes = learner.seconds / 60.0
    done = Run(cell.arm.name, cell.seed, cell.split, found, learner.losses, learner.initial, minutes)
    write_atomic(folder / WEIGHTS, packed(learner.network))
    write_atomic(folder / RUN, msgspec.json.encode(done))
    forget_states(folder)
    return done


def convert_training(
    folder: Path, generators: Mapping[str, Generator], splits: Mapping[int, Split]
) -> dict[Generator, Mapping[Path, Path]]:
    """The infrared of all visible training pictures by each generator. Raises PictureError, EngineError, NoSpace."""
    visible = {picture.path for split in splits.values() for picture in split.train if not picture.infrared}
    return {one: convert_all(folder, one, visible) for one in dict.fromkeys(generators.values())}


def joined_inputs(out: Path, told: Mapping[str, str]) -> bytes:
    """What shapes the trainings of a run folder, as its inputs.json is to be: what lies there, and what joins it.

    told: what `inputs_of` gives. A further arm for one may join. Raises TrainingError where something differs.
    """
    path = out / INPUTS
    before = msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.is_file() else {}
    differing = [name for name, value in told.items() if before.get(name, value) != value]
    if differing:
        why, fix = f"it has another {', another '.join(differing)}", "choose another --out, or put back what was there"
        raise TrainingError("another run lies there", where=str(path), why=why, fix=fix)
    return msgspec.json.format(msgspec.json.encode({**before, **told}), indent=1)


def inputs_of(
    training: Training,
    draws: int,
    arms: Sequence[Arm],
    generators: Mapping[str, Generator],
    pictures: Mapping[int, str],
    weights: Path | None,
    device: torch.device,
) -> dict[str, str]:
    """All that shapes a training and its search but the seed, by name. pictures: what `digest` gives of each split."""
    where = f"cuda, {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type
    told = {"training": configuration.dump(replace(training, weights=None, save_every=1)), "draws": str(draws)}
    told |= {"weights": sha256_file(weights) if weights else "", "torch": str(torch.__version__), "device": where}
    told |= {f"split {number}: pictures": one for number, one in pictures.items()}
    for arm in arms:
        engine = f"{generators[arm.name].sha256} {generators[arm.name].height}" if arm.paints else ""
        told[f"arm {arm.name}"] = f"{configuration.dump(replace(arm, generator=''))}{engine}"
    return told


def digest(layout: Layout, split: Split, sha256: Mapping[Path, str]) -> str:
    """One sha256 of the parts, identities, cameras and bytes of the pictures of a split."""
    lines = [
        f"{part} {picture.identity} {picture.camera} {picture.infrared} {sha256[picture.path]}\n"
        for part, pictures in (("train", split.train), ("test", split.test))
        for picture in pictures
    ]
    return sha256_bytes((layout + "".join(lines)).encode("utf-8", "surrogateescape"))
