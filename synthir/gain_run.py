"""Every arm with every seed: trained, kept, judged on the test set; a stopped run goes on where it stopped.

Seed by seed, so that a run that is stopped early has compared all arms. What trains and detects is a Detector of three
functions; this file knows no detector.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from .arms import Mix, labels_of, round_of
from .detection import Found, Picture, drawn_precision, match
from .errors import TrainingError
from .files import sha256_bytes, write_atomic
from .gain import Arm, Candidate, Drawn, Figures, Point, Trial
from .intervals import block_weights, mean_interval
from .metrics import Float64

DRAWS = 1000
"""Of the bootstrap over test pictures."""
JUDGED = (
    "Judged is what each training ended with",
    "Judged is the round of each training that was best on the validation set",
)
"""What a detector looks with: its last weights, or its best ones."""


@dataclass(frozen=True)
class Training:
    """What a training of a detector was."""

    steps: int
    """Of the optimiser."""
    weights_sha256: str
    """Of the initial weights."""
    curve: tuple[Point, ...]


@dataclass(frozen=True)
class Detector:
    """A detector as this comparison needs it."""

    key: str
    """All that shapes a training besides its pictures and its seed: model, settings, versions."""
    train: Callable[[Sequence[Path], int, Path, float | None], Training]
    """Pictures of a round, seed, folder, and the share of pictures to invert where an arm has its own: trains, and
    leaves in the folder what `look` needs."""
    look: Callable[[Path, Sequence[Path]], list[list[Found]]]
    """Folder of a training and pictures: the detections on each."""
    score: Callable[[Sequence[Picture], Sequence[Sequence[Found]]], Figures]
    """Labelled pictures and the detections on them: the figures."""
    best: bool = False
    """`look` takes the weights of the round that was best on the validation set, not those of the last one."""


@dataclass(frozen=True)
class Grid:
    """A comparison that is ready to run."""

    mixes: tuple[Mix, ...]
    seeds: tuple[int, ...]
    sets: Mapping[str, Sequence[Path]]
    """Kind -> files."""
    validation: Sequence[Path]
    test: Sequence[Picture]
    test_files: Sequence[Path]
    draws: int
    """Pictures of a round."""
    out: Path


class Kept(msgspec.Struct, frozen=True):
    """What is kept of a training, in training.json, written when it is done."""

    digest: str
    """Of all that shaped it: its pictures, the validation pictures, the detector and its settings."""
    training: Training
    pictures: int
    """Different training pictures."""
    minutes: float


class Looked(msgspec.Struct, frozen=True):
    """The detections of a training, in detections.json."""

    digest: str
    """Of the test pictures, and of which weights saw them."""
    found: list[list[Found]]
    """On each test picture."""


def folder_of(grid: Grid, name: str, seed: int) -> Path:
    """Where a training of an arm lies."""
    slug = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    return grid.out / "arms" / f"{slug}-{sha256_bytes(name.encode())[:6]}" / str(seed)


def seeds_of(grid: Grid, mix: Mix) -> tuple[int, ...]:
    """The seeds that an arm is trained with."""
    return grid.seeds[: mix.seeds or None]


def digest_of(grid: Grid, files: Sequence[Path], *more: str) -> str:
    """A sha256 of pictures of sets and of what more there is; the folder of a set names all that shapes it."""
    return sha256_bytes("\n".join([*(path.relative_to(grid.out).as_posix() for path in files), *more]).encode())


def refuse_others(grid: Grid, detector: Detector) -> None:
    """Raises TrainingError where another training lies in the folder of any arm and seed."""
    for mix in grid.mixes:
        for seed in seeds_of(grid, mix):
            kept_of(grid, mix, seed, detector)


def kept_of(grid: Grid, mix: Mix, seed: int, detector: Detector) -> Kept | None:
    """What is kept of a training, None where it is not done. Raises TrainingError where another training lies there."""
    folder = folder_of(grid, mix.name, seed)
    if not (folder / "training.json").is_file():
        return None
    kept = msgspec.json.decode((folder / "training.json").read_bytes(), type=Kept)
    if kept.digest != digest_of_round(grid, mix, round_of(mix, grid.sets, seed, grid.draws), detector):
        why = "its pictures, its detector or the settings of its training were others"
        fix = "choose another --out, or delete that folder"
        raise TrainingError("another training lies there", where=str(folder), why=why, fix=fix)
    return kept


def digest_of_round(grid: Grid, mix: Mix, files: Sequence[Path], detector: Detector) -> str:
    """A sha256 of all that shapes a training on a round of pictures."""
    return digest_of(grid, [*files, *grid.validation], detector.key, str(mix.polarity))


def trained(grid: Grid, mix: Mix, seed: int, detector: Detector) -> Kept:
    """Train an arm with a seed, unless that is done. Raises TrainingError where another training lies there."""
    done = kept_of(grid, mix, seed, detector)
    if done is not None:
        return done
    folder, files = folder_of(grid, mix.name, seed), round_of(mix, grid.sets, seed, grid.draws)
    begun = time.monotonic()
    training = detector.train(files, seed, folder, mix.polarity)
    minutes = (time.monotonic() - begun) / 60.0
    kept = Kept(digest_of_round(grid, mix, files, detector), training, len(set(files)), minutes)
    write_atomic(folder / "training.json", msgspec.json.format(msgspec.json.encode(kept)))
    return kept


def judged(grid: Grid, mix: Mix, seed: int, detector: Detector) -> Trial:
    """Measure a trained arm on the test set; it looks at the pictures once."""
    folder, kept = folder_of(grid, mix.name, seed), trained(grid, mix, seed, detector)
    path, digest = folder / "detections.json", digest_of(grid, grid.test_files, JUDGED[detector.best])
    if not path.is_file() or msgspec.json.decode(path.read_bytes(), type=Looked).digest != digest:
        found = detector.look(folder, grid.test_files)
        write_atomic(path, msgspec.json.encode(Looked(digest, found)))
    training = kept.training
    return Trial(
        arm=mix.name,
        seed=seed,
        steps=training.steps,
        pictures=kept.pictures,
        minutes=kept.minutes,
        weights_sha256=training.weights_sha256,
        figures=detector.score(grid.test, read_detections(path)),
        curve=training.curve,
        detections=path.relative_to(grid.out).as_posix(),
    )


def read_detections(path: Path) -> list[list[Found]]:
    """The detections on each test picture."""
    return msgspec.json.decode(path.read_bytes(), type=Looked).found


def run_seed(grid: Grid, seed: int, detector: Detector, say: Callable[[str], None]) -> None:
    """Train every arm with one seed, and judge all but candidates. Raises TrainingError where arms were not equal."""
    first: tuple[str, Training] | None = None
    for mix in grid.mixes:
        if seed not in seeds_of(grid, mix):
            continue
        fresh = not (folder_of(grid, mix.name, seed) / "training.json").is_file()
        kept = trained(grid, mix, seed, detector)
        first = first or (mix.name, kept.training)
        refuse_unequal(first, (mix.name, kept.training), folder_of(grid, mix.name, seed))
        end = kept.training.curve[-1].ap50 if kept.training.curve else float("nan")
        done = f"seed {seed}, {mix.name}: {kept.minutes:.1f} minutes, validation AP50 {end:.3f}"
        if not mix.candidate:
            done += f", test AP50 {judged(grid, mix, seed, detector).figures.ap50:.3f}"
        say(done + ("" if fresh else " (done before)"))


def refuse_unequal(one: tuple[str, Training], other: tuple[str, Training], folder: Path) -> None:
    """Raises TrainingError where two arms of a seed had other steps or other initial weights."""
    told = [f"{name}: {training.steps} steps from {training.weights_sha256[:8]}" for name, training in (one, other)]
    if told[0].partition(": ")[2] != told[1].partition(": ")[2]:
        fix = "delete that folder and run again with nothing else on the machine; if it stays, report it"
        what = "two arms of one seed were not trained alike"
        raise TrainingError(what, where=str(folder), why="; ".join(told), fix=fix)


def arms_of(grid: Grid, detector: Detector, seeds: Sequence[int], chosen: str = "") -> tuple[Arm, ...]:
    """All arms with the trials of these seeds; of the candidates only the chosen one."""
    judgeable = [mix for mix in grid.mixes if not mix.candidate or mix.name == chosen]
    return tuple(
        Arm(
            mix.name,
            mix.words + (", the best candidate on the validation set" if mix.candidate else ""),
            tuple(judged(grid, mix, seed, detector) for seed in seeds if seed in seeds_of(grid, mix)),
            mix.line,
            labels_of(mix, {kind: len(files) for kind, files in grid.sets.items()}),
        )
        for mix in judgeable
    )


def search(grid: Grid, detector: Detector, seeds: Sequence[int]) -> tuple[Candidate, ...]:
    """The candidates, the highest mean validation AP50 first: at the end of their curves, or where they were best."""
    found = []
    for mix in (mix for mix in grid.mixes if mix.candidate):
        curves = tuple(trained(grid, mix, seed, detector).training.curve for seed in seeds)
        points = (curve if detector.best else curve[-1:] for curve in curves)
        validation = mean_interval([max(point.ap50 for point in some) for some in points])
        found.append(Candidate(mix.name, mix.words, validation, curves))
    return tuple(sorted(found, key=lambda one: -one.validation.value))


def looked_at(grid: Grid) -> int:
    """How many arms were looked at on the test set in this folder, besides those that always are: candidates, and arms
    that were taken out."""
    always = {folder_of(grid, mix.name, 0).parent for mix in grid.mixes if not mix.candidate}
    return len({path.parent.parent for path in (grid.out / "arms").glob("*/*/detections.json")} - always)


def drawn_of(grid: Grid, arms: Sequence[Arm], block: int) -> Drawn:
    """AP50 of every trial on the same draws of blocks of consecutive test pictures."""
    weights: Float64 = block_weights(len(grid.test), block, DRAWS, np.random.default_rng(0))
    trials = [trial for arm in arms for trial in arm.trials]
    return {
        (trial.arm, trial.seed): drawn_precision(
            match(grid.test, read_detections(grid.out / trial.detections)), weights
        )
        for trial in trials
    }
