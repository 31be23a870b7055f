"""Was it worth it for re-identification: train on visible and infrared persons with and without synthetic infrared.

    synthir recipe run reid_gain --config reid_gain_smoke --out runs/reid-smoke
    synthir recipe run reid_gain --data DATA --out runs/reid

Arms differ in the tones of their training pictures and in nothing else: initial weights, identities, pictures, crops
and erased places of every batch are those of the seed. The control to beat is channel augmentation, which needs no
generator. Nothing is downloaded; docs/guides/reid.md says how to bring SYSU-MM01, RegDB or LLCM.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from synthir import config as configuration
from synthir.config import at_least, refuse
from synthir.errors import SynthIRError
from synthir.images import UInt8, decode
from synthir.recipes import Outcome, Say, claim
from synthir.reid.arms import Arm, check_arms, grey, repeat
from synthir.reid.augment import fit
from synthir.reid.data import Source, Split, read_split
from synthir.reid.network import HOW
from synthir.reid.page import Claim, Report, sheet_of, write_report
from synthir.reid.rendered import Rendered, draw_dataset
from synthir.reid.result import tables, verdict
from synthir.reid.runs import Bench, Run, cells, claim_inputs, run_cell
from synthir.reid.sampling import PersonSampler
from synthir.reid.synthetic import Generator, find_generator, place_of, seen_by
from synthir.reid.training import Training
from synthir.training import device_of
from synthir.weights import read_state

CLAIMS = (
    Claim("JSIA, synthetic pairs of pictures", 38.1, 36.9),
    Claim("channel augmentation", 69.9, 66.9),
    Claim("recent methods", 77.0, 73.0),
)
CLAIMS_OF = "SYSU-MM01, all search, as published and not measured here"
SPLITS = tuple(range(1, 11))
"""Of RegDB."""
ROWS = 6
"""Persons on the sheet of the page."""
TOLD_EVERY = 60.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True)
class Config:
    """A comparison of arms."""

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    """One training of every arm each; under three prove nothing."""
    dataset: Source = field(default_factory=Source)
    rendered: Rendered | None = None
    """Identities to draw in place of a dataset."""
    training: Training = field(default_factory=Training)
    generator: str = "cascade-lwir-s"
    """Of arms that name none: a shipped model, or an engine file relative to the data folder."""
    generator_height: int = 192
    """Lower pictures are enlarged to this height for the generator: of smaller persons it makes blots; pixels."""
    splits: tuple[int, ...] = (1,)
    """RegDB: which of its ten lists; each is trained and tested on by itself."""
    draws: int = 10
    """Random galleries of each search; the protocols say ten."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: the GPU where there is one."""

    def __post_init__(self) -> None:
        at_least(1, draws=self.draws, generator_height=self.generator_height)
        lists = {"seeds": self.seeds, "splits": self.splits}
        faults = [f"{name} are missing or twice there" for name, s in lists.items() if not s or len(set(s)) < len(s)]
        if not set(self.splits) <= set(SPLITS if self.dataset.layout == "regdb" else (1,)):
            faults.append("splits are 1 to 10 for regdb and [1] for all others")
        if self.rendered and self.rendered.identities < 2 * self.training.identities:
            faults.append("half of the rendered identities are too few for a batch")
        refuse(*faults)

    def generator_of(self, arm: Arm) -> str:
        """The name of an arm's generator."""
        return arm.generator or self.generator


def plan(config: Config, data: Path) -> Sequence[str]:
    """What would be done. Raises SynthIRError for what cannot be, all of it at once, before anything is written."""
    found = checked(
        lambda: check_arms(config.arms),
        lambda: device_of(config.device),
        lambda: check_weights(config, data),
        lambda: generators(config, data),
        *(lambda number=number: check_split(config, data, number) for number in config.splits),
    )
    runs, steps = len(config.arms) * len(config.seeds) * len(config.splits), config.training.steps
    told = [line for line in found if isinstance(line, str)]
    told += [f"arm {arm.name}: {in_words(arm, config)}" for arm in config.arms]
    batch = f"{config.training.identities} x {config.training.pictures} visible and as many infrared pictures"
    splits = f" x {len(config.splits)} splits" if len(config.splits) > 1 else ""
    told.append(f"{len(config.arms)} arms x {len(config.seeds)} seeds{splits} = {runs} trainings of {steps} steps")
    return [*told, f"a step: {batch}; then {config.draws} galleries of each search"]


def checked(*checks: Callable[[], object]) -> list[object]:
    """What each check gives. Raises the SynthIRError of one that refuses; of several, one error that holds them all."""
    found, errors = [], []
    for check in checks:
        try:
            found.append(check())
        except SynthIRError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        what = f"{len(errors)} things are in the way"
        raise type(errors[0])(what, why="; ".join(map(str, errors)), fix="see to each of them and run again")
    return found


def check_weights(config: Config, data: Path) -> None:
    """Raises ConfigError where ImageNet weights are named that are not there or cannot be read."""
    if config.training.weights:
        read_state(data / config.training.weights, "the re-ID network", HOW)


def check_split(config: Config, data: Path, number: int) -> str:
    """What a split holds, in words. Raises DatasetError, ConfigError where it has too few identities for a batch."""
    if config.rendered:
        r = config.rendered
        pictures = r.identities * (r.visible + r.infrared) * r.each
        return f"{r.identities} persons drawn, {pictures} pictures of {r.width}x{r.height}, half of them to test"
    return in_split(read_split(config.dataset, data / config.dataset.root, number), config, number)


def in_split(split: Split, config: Config, number: int) -> str:
    """The size of a split in words. Raises ConfigError where it has too few identities for a batch."""
    sampler = PersonSampler(split.train, config.training.identities, config.training.pictures, 0)
    tested = len({picture.identity for picture in split.test})
    return (
        f"split {number}: {len(sampler.labels)} identities and {len(split.train)} pictures to train on, "
        f"{tested} and {len(split.test)} to test"
    )


def in_words(arm: Arm, config: Config) -> str:
    """What an arm sees."""
    shares = {"in grey": arm.grayscale, "one channel": arm.channel, "synthetic": arm.synthetic}
    said = [f"{share:.0%} of visible pictures {what}" for what, share in shares.items() if share]
    said += [f"{arm.as_infrared:.0%} of infrared pictures synthetic"] if arm.as_infrared else []
    said += [f"by {config.generator_of(arm)}"] if arm.paints else []
    return ", ".join(said) or "pictures as they are"


def generators(config: Config, data: Path) -> dict[str, Generator]:
    """The engine of each arm that needs one. Raises UnknownName, EngineUntrusted."""
    painting = [arm for arm in config.arms if arm.paints]
    return {arm.name: find_generator(config.generator_of(arm), data, config.generator_height) for arm in painting}


def run(config: Config, data: Path, out: Path, say: Say) -> Outcome:
    """Train and judge every arm with every seed, or go on with it; the report is written anew after each seed."""
    plan(config, data)
    claim(out, config)
    bench = prepare(config, data, out, say)
    done: list[Run] = []
    every = list(cells(config.arms, config.seeds, config.splits))
    for number, cell in enumerate(every, start=1):
        watch = Watch(say, f"{number} of {len(every)}, {cell.name}", config.training.steps)
        done.append(run_cell(bench, cell, watch.step))
        if number % len(config.arms) == 0:
            outcome = report(config, bench, done)
            say(f"{cell.name} done; {outcome.verdict.partition(' (')[0].splitlines()[0]}")
    return outcome


def prepare(config: Config, data: Path, out: Path, say: Say) -> Bench:
    """The pictures, drawn where the configuration says so, and all else that runs share."""
    root, source = data / config.dataset.root, config.dataset
    if config.rendered:
        root, source = out / "persons", Source()
        say(f"drawing {config.rendered.identities} persons")
        draw_dataset(config.rendered, root)
    splits = {number: read_split(source, root, number) for number in config.splits}
    found = generators(config, data)
    claim_inputs(out, splits, found, data / config.training.weights if config.training.weights else None)
    notes = () if config.rendered else leakage(splits, found)
    place = device_of(config.device)
    return Bench(source.layout, config.draws, config.training, splits, found, data, out, place, notes)


def leakage(splits: Mapping[int, Split], found: Mapping[str, Generator]) -> tuple[str, ...]:
    """What the generators may have seen of the test pictures, a sentence each."""
    test = list({picture.path: picture for split in splits.values() for picture in split.test}.values())
    return tuple(filter(None, (seen_by(one, test) for one in dict.fromkeys(found.values()))))


class Watch:
    """Says now and then how far a training is."""

    def __init__(self, say: Say, name: str, steps: int) -> None:
        """name: of the training."""
        self.say, self.name, self.steps, self.told = say, name, steps, time.monotonic()

    def step(self, done: int) -> None:
        """So many steps are done."""
        if time.monotonic() - self.told >= TOLD_EVERY:
            self.told = time.monotonic()
            self.say(f"{self.name}: step {done} of {self.steps}")


def report(config: Config, bench: Bench, done: Sequence[Run]) -> Outcome:
    """Compare what is trained so far, and write it."""
    found = tables(done)
    said = (*verdict(found, done, rendered=config.rendered is not None), *bench.notes)
    total = len(config.arms) * len(config.seeds) * len(config.splits)
    said += (f"{len(done)} of {total} trainings are done.",) if len(done) < total else ()
    whole = Report(tuple(done), found, said, CLAIMS, CLAIMS_OF, configuration.dump(config))
    text = write_report(bench.out, whole, sheet(config, bench))
    return Outcome("\n".join(said), text, bench.out / "page.html", bench.out / "result.json")


def sheet(config: Config, bench: Bench) -> UInt8:
    """What arms see of some persons: visible, grey, one channel, synthetic infrared, and real infrared."""
    split, t = bench.splits[config.splits[0]], config.training
    people: Mapping[str, dict[bool, Path]] = {picture.identity: {} for picture in split.train}
    for picture in split.train:
        people[picture.identity].setdefault(picture.infrared, picture.path)
    rows = []
    for seen in list(people.values())[:: max(1, len(people) // ROWS)][:ROWS]:
        rgb = decode(seen[False].read_bytes(), str(seen[False]))
        row = [rgb, grey(rgb), repeat(rgb[..., 0])]
        for generator in list(bench.generators.values())[:1]:
            made = place_of(bench.out / "synthetic", generator, seen[False])
            row.append(decode(made.read_bytes(), str(made)))
        row.append(decode(seen[True].read_bytes(), str(seen[True])))
        rows.append([fit(np.ascontiguousarray(one), t.height, t.width) for one in row])
    return sheet_of(rows)
