"""A comparison of arms from its sources to its page, with any detector.

read and check the pictures -> make the sets -> train and judge seed by seed -> compare, write the page
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import config as configuration
from . import gain_data, picture_sets
from .arms import Mix, draws_of, sizes_of
from .detection import Picture, Truth
from .errors import ConfigError
from .files import write_atomic
from .gain import Candidate, Result, Rules
from .gain_page import write_page
from .gain_run import (
    JUDGED,
    Detector,
    Grid,
    arms_of,
    drawn_of,
    looked_at,
    read_detections,
    refuse_others,
    run_seed,
    search,
)
from .gain_sheet import write_sheets
from .gain_tables import main_table, markdown
from .journal import locked
from .labelled import LabelledPicture
from .leakage import Leakage
from .recipes import Outcome, Say, refuse_other_runs
from .validation import grayscale
from .verdict import judge

LEAST_BLOCKS = 10
"""Of consecutive test pictures, under which a bootstrap of them says little."""


@dataclass(frozen=True)
class Setup:
    """What is compared."""

    pictures: gain_data.Sources
    arms: tuple[Mix, ...]
    seeds: tuple[int, ...]
    draws: int
    """Pictures of a round of training."""
    block: int
    """Consecutive test pictures that the bootstrap draws together."""
    rules: Rules
    notes: tuple[str, ...] = ()
    """What is to be said of the detector, in the plan and with the result, a sentence each."""


Ready = Callable[[Sequence[str], Sequence[Path]], Detector]
"""Class names in the order of their numbers, and the validation pictures: the detector to compare with."""


def told(setup: Setup, data: Path) -> list[str]:
    """What would be compared, in sentences. Raises SynthIRError for what cannot be."""
    found = read(setup, data)
    lines = [f"{role}: {len(some)} pictures, {boxes(some)} boxes" for role, some in found.by_role.items()]
    lines += [f"arm {mix.name}: {mix.words}{', a candidate' if mix.candidate else ''}" for mix in setup.arms]
    lines += [f"leakage, allowed: {line}" for line in found.leakage.found]
    lines += [f"note: {line}" for line in (*setup.notes, *found.leakage.notes)]
    names = {mix.name for mix in setup.arms}
    lacking = [f"no arm {name}" for name in (setup.rules.visible, setup.rules.real) if name not in names]
    lines += [f"note: {one}: no {'gap' if setup.rules.real in one else 'difference to it'}" for one in lacking]
    trainings = sum(len(setup.seeds[: mix.seeds or None]) for mix in setup.arms)
    return [*lines, f"{len(setup.arms)} arms, {len(setup.seeds)} seeds: {trainings} trainings"]


def read(setup: Setup, data: Path) -> gain_data.Pictures:
    """All pictures, checked, those to test in the order of their names. Raises SynthIRError; ConfigError too where an
    arm has more than a round can show, or the rules name an arm that there is not."""
    refuse_rules(setup)
    found = gain_data.read(data, setup.pictures, setup.arms)
    ordered = sorted(found.by_role["test"], key=lambda picture: picture.name)  # frame by frame, for the blocks
    found = replace(found, by_role={**found.by_role, "test": ordered})
    roles = {kind: picture_sets.base_kinds(kind)[0] for kind in gain_data.kinds_of(setup.arms)}
    sizes = {kind: len(found.by_role.get(role, found.by_role["train"])) for kind, role in roles.items()}
    refuse_sizes(setup, sizes)
    return found


def refuse_rules(setup: Setup) -> None:
    """Raises ConfigError where the control or the base of the gap is no arm, or is one that may not be judged."""
    judged = [mix.name for mix in setup.arms if not mix.candidate]
    wrong = sorted({setup.rules.control, setup.rules.base} - set(judged))
    if wrong:
        why = f"arms that are no candidates: {', '.join(judged) or 'none'}"
        fix = f"add an arm of that name, or name another one in [rules]: control = {(judged or ['grayscale'])[0]!r}"
        raise ConfigError(f"no arm {' and no arm '.join(wrong)} to compare with", why=why, fix=fix)


def refuse_sizes(setup: Setup, sizes: Mapping[str, int]) -> None:
    """Raises ConfigError for arms of more pictures than a round shows, or than there are. sizes: kind -> pictures."""
    parts = [(mix.name, part, sizes[part.kinds[0]]) for mix in setup.arms for part in mix.parts]
    faults = [f"{name}: {part.count} of {part.of}, there are {most}" for name, part, most in parts if part.count > most]
    for mix in setup.arms:
        pools = sizes_of(mix, sizes)
        shown = zip(mix.parts, pools, draws_of(mix, pools, setup.draws), strict=True)
        faults += [f"{mix.name}: {pool} of {p.of}, a round shows {draws}" for p, pool, draws in shown if pool > draws]
    if faults:
        fix = "lower count, lower rounds, or raise steps or batch"
        raise ConfigError("arms with pictures that would never be seen", why="; ".join(faults), fix=fix)


def boxes(pictures: Sequence[LabelledPicture]) -> int:
    """How many objects are on pictures."""
    return sum(len(picture.objects) for picture in pictures)


def compare_arms(setup: Setup, config: object, data: Path, out: Path, ready: Ready, say: Say) -> Outcome:
    """Do it, or go on with it, in `out`; the page is written anew after each seed.

    config: the configuration of the recipe, which is written to `out` once nothing is refused. It may have further arms
    and seeds when the run goes on; trainings that it would have made otherwise are refused. Raises TargetBusy,
    TrainingError, and what reading and converting raise.
    """
    found = read(setup, data)
    with locked(out):
        refuse_other_runs(out, config)
        grid = prepare(setup, found, data, out, say)
        detector = ready(list(found.classes), grid.validation)
        refuse_others(grid, detector)
        settings = configuration.dump(config)
        write_atomic(out / "config.toml", settings.encode())
        for number, seed in enumerate(setup.seeds, 1):
            run_seed(grid, seed, detector, say)
            result = result_of(setup, grid, detector, setup.seeds[:number], found.leakage)
            outcome = write(result, grid, settings)
        return outcome


def prepare(setup: Setup, found: gain_data.Pictures, data: Path, out: Path, say: Say) -> Grid:
    """Everything the trainings read, as copies below `out`."""
    kinds = gain_data.kinds_of(setup.arms)
    base = sorted({one for kind in kinds for one in picture_sets.base_kinds(kind)})
    makers = gain_data.makers(data, setup.pictures, found, base, out, say)
    for role in ("test", "validation"):
        makers[role] = picture_sets.from_sources(found.by_role[role], grayscale, role)
    made = {}
    for kind in (*kinds, "test", "validation"):
        say(f"pictures of {kind}")
        made[kind] = picture_sets.make_set(kind, makers, found.classes, out / "sets").files
    test = [
        Picture(one.name, tuple(Truth(thing.box, found.classes[thing.name], thing.crowd) for thing in one.objects))
        for one in found.by_role["test"]
    ]
    sets = {kind: made[kind] for kind in kinds}
    return Grid(setup.arms, setup.seeds, sets, made["validation"], test, made["test"], setup.draws, out)


def result_of(setup: Setup, grid: Grid, detector: Detector, seeds: Sequence[int], leakage: Leakage) -> Result:
    """What the seeds that are done come to. Candidates are judged when all are, so that the choice is made once."""
    whole = len(seeds) == len(setup.seeds)
    candidates = search(grid, detector, seeds) if whole else ()
    arms = arms_of(grid, detector, seeds, candidates[0].name if candidates else "")
    notes = [*searched(candidates, looked_at(grid)), JUDGED[detector.best], *setup.notes, *leakage.notes]
    blocks = -(-len(grid.test) // setup.block)
    if blocks < LEAST_BLOCKS:
        notes.append(f"The test set is {blocks} blocks of consecutive pictures: intervals over test pictures are rough")
    if not whole:
        notes.append(f"{len(seeds)} of {len(setup.seeds)} seeds are done")
    drawn = drawn_of(grid, arms, setup.block)
    return replace(judge(arms, drawn, setup.rules, leakage="; ".join(leakage.found), notes=notes), search=candidates)


def searched(candidates: Sequence[Candidate], looked: int) -> list[str]:
    """What the search came to, in sentences; nothing without candidates.

    looked: how many were looked at on the test set so far, `candidates[0]` among them.
    """
    if not candidates:
        return []
    listed = ", ".join(f"{one.name} {one.validation.value:.3f}" for one in candidates)
    first = f"Of {len(candidates)} candidates {candidates[0].name} was best on the validation set"
    if looked == 1:
        return [f"{first} and judged on the test set, once: {listed}"]
    others = f"{looked} candidates, or arms since taken out, have been looked at on the test set in this folder"
    return [others, f"{first}: {listed}"]


def write(result: Result, grid: Grid, settings: str) -> Outcome:
    """Sheets, page, CSV and JSON."""
    out, first = grid.out, {arm.name: arm.trials[0] for arm in result.arms}
    files = dict(zip((picture.name for picture in grid.test), grid.test_files, strict=True))
    found = {name: read_detections(out / trial.detections) for name, trial in first.items()}
    false_positives = result.rules.false_positives
    sheets = write_sheets(out, grid.test, lambda name: picture_sets.read_rgb(files[name]), found, false_positives)
    page = write_page(out, result, title="Detector gain", settings=settings, sheets=sheets)
    said = " ".join([*result.verdict, *(f"{note}." for note in result.notes)])
    return Outcome(said, markdown(main_table(result)), page, out / "result.json")
