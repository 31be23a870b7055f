"""Was it worth it for re-identification: train on visible and infrared persons with and without synthetic infrared.

    synthir recipe run reid_gain --config reid_gain_smoke --out runs/reid-smoke
    synthir recipe run reid_gain --data DATA --out runs/reid

Arms differ in the tones of their training pictures and in nothing else: initial weights, identities, pictures, crops
and erased places of every batch are those of the seed. The control to beat is channel augmentation, which needs no
generator. Nothing is downloaded; docs/guides/reid.md says how to bring SYSU-MM01, RegDB or LLCM.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from synthir import config as configuration
from synthir.config import at_least, refuse
from synthir.errors import SynthIRError
from synthir.files import sha256_bytes, write_atomic
from synthir.journal import locked
from synthir.recipes import Outcome, Say, refuse_other_runs
from synthir.reid import runs
from synthir.reid.arms import Arm, arm_faults
from synthir.reid.checks import Audit, attempt, examine, raise_all
from synthir.reid.data import Source, Split, read_split
from synthir.reid.network import check_start
from synthir.reid.page import Claim, Report, write_report
from synthir.reid.rendered import Rendered, draw_dataset
from synthir.reid.result import tables, verdict
from synthir.reid.runs import Bench, Run, cells, convert_training, digest, inputs_of, joined_inputs, run_cell
from synthir.reid.sampling import PersonSampler
from synthir.reid.sheet import draw_sheet, words
from synthir.reid.synthetic import Generator, find_generator
from synthir.reid.training import Training
from synthir.training import device_of

CLAIMS = (
    Claim("JSIA, synthetic pairs of pictures", 38.1, 36.9),
    Claim("channel-augmented joint learning", 69.9, 66.9),
    Claim("recent methods", 77.0, 73.0),
)
CLAIMS_OF = "SYSU-MM01, all search, as published and not measured here"
SPLITS = tuple(range(1, 11))
"""Of RegDB."""
DRAWN_WITH = "cascade-lwir-s"
"""The generator for drawn persons, where none is named: its terms forbid identifying people, and these are nobody."""
TOLD_EVERY = 60.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True)
class Config:
    """A comparison of arms."""

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    """One training of every arm each; under three prove nothing."""
    dataset: Source | None = None
    """Real persons; or see `rendered`."""
    rendered: Rendered | None = None
    """Identities to draw, in place of a dataset."""
    training: Training = field(default_factory=Training)
    generator: str = ""
    """Of arms that name none: a shipped model, or an engine file relative to the data folder. A dataset needs one."""
    generator_height: int = 192
    """Lower pictures are enlarged to this height for the generator: of smaller persons it makes blots; pixels."""
    splits: tuple[int, ...] = (1,)
    """RegDB: which of its ten lists; each is trained and tested on by itself."""
    draws: int = 10
    """Random galleries of each search; the protocols say ten."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: the GPU where there is one."""
    allow_leakage: bool = False
    """Whether test pictures may have been seen by a generator or in training; the verdict then begins with it."""
    sheet: bool = True
    """Whether the page shows training pictures."""

    def __post_init__(self) -> None:
        at_least(1, draws=self.draws, generator_height=self.generator_height)
        lists = {"seeds": self.seeds, "splits": self.splits}
        faults = [f"{name} are missing or twice there" for name, s in lists.items() if not s or len(set(s)) < len(s)]
        faults += [f"seed {seed} is below 0" for seed in self.seeds if seed < 0] + arm_faults(self.arms)
        if (self.dataset is None) is (self.rendered is None):
            faults.append("give a dataset or rendered, one of both")
        if self.dataset and any(arm.paints and not self.generator_of(arm) for arm in self.arms):
            faults.append("generator is missing: synthetic infrared of real persons needs one that is chosen for them")
        if not set(self.splits) <= set(SPLITS if self.source.layout == "regdb" else (1,)):
            faults.append("splits are 1 to 10 for regdb and [1] for all others")
        if self.rendered and self.rendered.identities < 2 * self.training.identities:
            faults.append("half of the rendered identities are too few for a batch")
        refuse(*faults)

    def generator_of(self, arm: Arm) -> str:
        """The name of an arm's generator."""
        return arm.generator or self.generator or (DRAWN_WITH if self.rendered else "")

    @property
    def source(self) -> Source:
        """How the pictures lie; drawn ones are a plain layout."""
        return self.dataset or Source()


@dataclass(frozen=True)
class Ready:
    """What was read and looked at before anything is trained."""

    generators: Mapping[str, Generator]
    """Of each arm that needs one."""
    splits: Mapping[int, Split]
    audit: Audit


def plan(config: Config, data: Path) -> Sequence[str]:
    """What would be done. Raises SynthIRError for what cannot be, all of it at once, before anything is written."""
    found = ready(config, data)
    told = [*found.audit.warnings, *found.audit.notes]
    told += [in_split(split, number) for number, split in found.splits.items()]
    if r := config.rendered:
        pictures = r.identities * (r.visible + r.infrared) * r.each
        told.append(f"{r.identities} persons drawn, {pictures} pictures of {r.width}x{r.height}, half of them to test")
    names = {arm.name: f", by {config.generator_of(arm)}" if arm.paints else "" for arm in config.arms}
    told += [f"arm {arm.name}: {arm.words}{names[arm.name]}" for arm in config.arms]
    batch = f"{config.training.identities} x {config.training.pictures} visible and as many infrared pictures"
    splits = f" x {len(config.splits)} splits" if len(config.splits) > 1 else ""
    trainings = f"{count(config)} trainings of {config.training.steps} steps"
    told.append(f"{len(config.arms)} arms x {len(config.seeds)} seeds{splits} = {trainings}")
    return [*told, f"a step: {batch}; then {config.draws} galleries of each search"]


def ready(config: Config, data: Path) -> Ready:
    """Read and look at all there is to refuse; drawn persons are looked at when they are drawn."""
    errors: list[SynthIRError] = []
    attempt(errors, lambda: device_of(config.device))
    if config.training.weights:
        attempt(errors, partial(check_start, config.training.network, data / config.training.weights))
    found = attempt(errors, lambda: generators(config, data)) or {}
    if not config.dataset:
        raise_all(errors)
        return Ready(found, {}, Audit({}))
    splits = attempt(errors, lambda: read_splits(config, data / config.source.root)) or {}
    raise_all(errors)
    audit = examine(config.source.layout, splits, found, allowed=config.allow_leakage, drawn=False)
    return Ready(found, splits, audit)


def read_splits(config: Config, root: Path) -> dict[int, Split]:
    """The splits, by number. Raises DatasetError, ConfigError where one has too few identities for a batch."""
    splits = {number: read_split(config.source, root, number) for number in config.splits}
    for split in splits.values():
        PersonSampler(split.train, config.training.identities, config.training.pictures, 0)
    return splits


def count(config: Config) -> int:
    """How many trainings there are."""
    return len(config.arms) * len(config.seeds) * len(config.splits)


def in_split(split: Split, number: int) -> str:
    """The size of a split in words."""
    trained, tested = ({picture.identity for picture in part} for part in (split.train, split.test))
    return (
        f"split {number}: {len(trained)} identities and {len(split.train)} pictures to train on, "
        f"{len(tested)} and {len(split.test)} to test"
    )


def generators(config: Config, data: Path) -> dict[str, Generator]:
    """The engine of each arm that needs one. Raises UnknownName, EngineUntrusted."""
    painting = [arm for arm in config.arms if arm.paints]
    return {arm.name: find_generator(config.generator_of(arm), data, config.generator_height) for arm in painting}


def run(config: Config, data: Path, out: Path, say: Say) -> Outcome:
    """Train and judge every arm with every seed, or go on with it; the report is written anew after each seed.

    Further arms, seeds and splits may join a run; what would train anything in it otherwise is refused. Raises
    SynthIRError as `plan` does, TargetBusy where another process is at it, TrainingError where another run lies there.
    """
    found = ready(config, data)
    with locked(out):
        refuse_other_runs(out, config)
        bench, audit = prepare(config, data, out, found, say)
        done: list[Run] = []
        every = list(cells(config.arms, config.seeds, config.splits))
        for number, cell in enumerate(every, start=1):
            watch = Watch(say, f"{number} of {len(every)}, {cell.name}", config.training.steps)
            done.append(run_cell(bench, cell, watch.step))
            if number % len(config.arms) == 0:
                outcome = report(config, bench, audit, done, say)
        return outcome


def prepare(config: Config, data: Path, out: Path, found: Ready, say: Say) -> tuple[Bench, Audit]:
    """All that runs share: pictures, drawn where the configuration says so, and the infrared of every arm."""
    splits, audit, source = found.splits, found.audit, config.source
    if config.rendered:
        root = out / "persons" / sha256_bytes(configuration.dump(config.rendered).encode())[:8]
        say(f"drawing {config.rendered.identities} persons")
        draw_dataset(config.rendered, root)
        splits = read_splits(config, root)
        audit = examine(source.layout, splits, found.generators, allowed=False, drawn=True)
    weights, device = data / config.training.weights if config.training.weights else None, device_of(config.device)
    pictures = {number: digest(source.layout, split, audit.sha256) for number, split in splits.items()}
    told = inputs_of(config.training, config.draws, config.arms, found.generators, pictures, weights, device)
    inputs = joined_inputs(out, told)
    if found.generators:
        say("making synthetic infrared")
    made = convert_training(out / "synthetic", found.generators, splits)
    write_atomic(out / runs.INPUTS, inputs)  # from here on the folder is this run's
    write_atomic(out / "config.toml", configuration.dump(config).encode())
    bench = Bench(source.layout, config.draws, config.training, splits, found.generators, data, out, device, made)
    return bench, audit


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


def report(config: Config, bench: Bench, audit: Audit, done: Sequence[Run], say: Say) -> Outcome:
    """Compare what is trained so far, and write it."""
    found, drawn = tables(done), config.rendered is not None
    partly = [f"{len(done)} of {count(config)} trainings are done."] if len(done) < count(config) else []
    judged = verdict(found, done, rendered=drawn)
    said = (*partly, *audit.warnings, *judged, *audit.notes)
    shown = words(config.source.layout, config.source.root, drawn=drawn)
    whole = Report(tuple(done), found, said, CLAIMS, CLAIMS_OF, configuration.dump(config), shown)
    train, t = bench.splits[config.splits[0]].train, config.training
    made = next(iter(bench.synthetic.values()), None)
    sheet = draw_sheet(train, made, t.height, t.width) if config.sheet else None
    text = write_report(bench.out, whole, sheet)
    say(f"{len(done)} of {count(config)} trainings done; {judged[0]}")
    return Outcome("\n".join(said), text, bench.out / "page.html", bench.out / "result.json")
