"""The conversion of a dataset: plan it, run it, verify it later.

plan(dataset, target, spec, options) -> Plan     what would be done; see plan.py
run(plan, engine, progress) -> Manifest          pictures (see pipeline.py), then labels, then the manifest
verify(target, source) -> Report                 what lies there is what the manifest says; see verify.py
"""

import contextlib
import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from .dataset import Dataset, ImageRef, changed
from .engine import Engine
from .errors import EngineIncompatible, NameCollision, SynthIRError, TargetBusy, TooManyFailures
from .files import PART, contained, fsync_folder, sha256_bytes, write_atomic
from .images import DIGITAL_SOURCE
from .journal import FOLDER, Journal, locked, remove_journal, standing, unchanged
from .manifest import (
    CAUTION,
    CAUTION_COLOURS,
    MANIFEST,
    VERSION,
    Converted,
    Job,
    Label,
    Manifest,
    job_of,
    label_hashes,
    manifest_bytes,
    refusal,
)
from .options import WARMED, Options
from .picture_io import in_grayscale, write
from .pipeline import Progress, pictures, threads
from .plan import Plan
from .plan import plan as planned
from .specs import EngineSpec
from .verify import Report, verify

DEFAULT = Options()

__all__ = ["Options", "Plan", "Progress", "Report", "intact", "plan", "run", "verify"]


def plan(dataset: Dataset, target: Path, spec: EngineSpec, options: Options = DEFAULT) -> Plan:
    """Plan a conversion, see plan.py. TooManyFailures has the refusals as its notes, as that of `run` has."""
    try:
        return planned(dataset, target, spec, options)
    except TooManyFailures as stop:
        for _, error in planned(dataset, target, spec, replace(options, strict=False, max_failures=-1)).refused:
            stop.add_note(str(error))
        raise


def intact(plan: Plan) -> Plan:
    """The plan without the finished pictures that are not as they were written: those are converted again.

    Reads each finished picture once. `run` begins with it; a dry run may, too.
    """
    with threads(plan.options.workers) as pool:
        fits = pool.map(lambda one: unchanged(plan.target / one.place, one.sha256), plan.done.values())
        return replace(plan, done={one.place: one for one, good in zip(plan.done.values(), fits, strict=True) if good})


def silent(done: int, refused: int, total: int) -> None:
    """Progress that nobody watches."""


def run(plan: Plan, engine: Engine, progress: Progress = silent) -> Manifest:
    """Convert what is left of a plan; write labels as read; write the manifest last.

    A picture that fails is in the manifest's ledger, the others go on. Raises TargetBusy, EngineIncompatible, NoSpace
    and TooManyFailures; then, as after KeyboardInterrupt or a kill, the same plan made anew goes on where it stopped.
    """
    if engine.spec != plan.spec:
        why = f"planned for {plan.spec.generator}, given {engine.spec.generator}"
        raise EngineIncompatible("another engine than planned", where=str(plan.target), why=why, fix="plan again")
    with locked(plan.target), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # damaged EXIF data, which is not needed
        read = plan.labels or label_hashes(plan.dataset.labels.files({}))
        check_label_places(read)
        job = job_of(plan.spec, plan.options.shaping(), plan.dataset.format, read)
        journal = begin(plan, job)
        try:
            done, refused = pictures(intact(plan), engine, journal, progress)
            labels = write_labels(plan, read, journal)
        finally:
            journal.close()
        for place in plan.standing.listed - {MANIFEST, *done, *(label.place for label in labels)}:
            (plan.target / place).unlink(missing_ok=True)  # begun before a kill, refused since
        manifest = manifest_of(plan, job, done, refused, labels)
        write_atomic(plan.target / MANIFEST, manifest_bytes(manifest))
        remove_journal(plan.target)
        return manifest


def begin(plan: Plan, job: Job) -> Journal:
    """Sweep the target of torn and overwritten files and open the journal. Raises TargetBusy."""
    target, found = plan.target, plan.standing
    if standing(target) != found:
        why = "another process wrote there since it was planned"
        raise TargetBusy("the target changed", where=str(target), why=why, fix="run the same command again")
    for part in [*(target / FOLDER).glob(f"*{PART}"), *(target / p for p in found.present if p.endswith(PART))]:
        part.unlink()
    if not plan.options.overwrite:
        return Journal(target, job)
    old = [target / place for place in found.listed & found.present if place != MANIFEST]
    for path in old:
        path.unlink()
    for folder in sorted({above for path in old for above in path.parents if target in above.parents}, reverse=True):
        with contextlib.suppress(OSError):  # it holds files that are not ours
            folder.rmdir()
    journal = Journal(target, job, anew=True)
    (target / MANIFEST).unlink(missing_ok=True)
    return journal


def check_label_places(places: Collection[str]) -> None:
    """Raises NameCollision, EscapingPath for label files that cannot be written where they must lie."""
    for place in places:
        if contained(place, place) == MANIFEST or place.startswith(f"{FOLDER}/"):
            why = "the manifest and the journal of the conversion have that name"
            raise NameCollision("a label file cannot be written", where=place, why=why, fix="rename it")


def write_labels(plan: Plan, read: Mapping[str, str], journal: Journal) -> tuple[Label, ...]:
    """Write the label files as read, only names of pictures spliced; those that lie there already are left.

    read: place -> sha256 when the job began; each file is read here once more. Raises BrokenLabels where one changed.
    """
    carry, renames, root = plan.dataset.labels, plan.renames(), plan.dataset.root
    files = carry.files(renames)
    outside = carry.made.union(path.name for path in plan.dataset.protected if path.is_file())

    def carried(place: str) -> Label:
        data = files[place]
        sha256 = sha256_bytes(data)
        if not renames and sha256 != read[place]:
            raise changed(root / place)
        if not unchanged(plan.target / place, sha256):
            write(plan.target / place, data)
        inside = place not in outside and (root / place).is_file()
        return Label(place, sha256, carry.originals.get(place, read[place]), not inside)

    journal.begin(sorted(read))
    with threads(plan.options.workers) as pool:
        labels = tuple(pool.map(carried, sorted(read)))
    for folder in {(plan.target / place).parent for place in read}:
        fsync_folder(folder)
    return labels


def manifest_of(
    plan: Plan, job: Job, done: dict[str, Converted], refused: dict[int, SynthIRError], labels: tuple[Label, ...]
) -> Manifest:
    """The manifest of a finished run, everything in the order of the plan."""
    pairs = zip(plan.images, plan.places, strict=True)
    lines = tuple(with_source(done[place], ref, plan) for ref, place in pairs if place in done)
    late = [(plan.images[index].place, refused[index]) for index in sorted(refused)]
    ledger = tuple(refusal(name, error) for name, error in [*plan.refused, *late])
    grey = "warmed" if plan.options.mix == WARMED else "grayscale"
    apart = {grey: sum(line.grayscale or line.warmed for line in lines)} if plan.options.mix else {}
    return Manifest(
        version=VERSION,
        synthetic=True,
        digital_source_type=DIGITAL_SOURCE,
        caution=CAUTION if plan.spec.planes == 1 else CAUTION_COLOURS,
        job=job,
        engine=plan.spec,
        counts={"pictures": len(lines), "refused": len(ledger), "labels": len(labels), **apart},
        notes=plan.dataset.notes,
        refused=ledger,
        labels=labels,
        pictures=lines,
    )


def with_source(picture: Converted, ref: ImageRef, plan: Plan) -> Converted:
    """The manifest's line of a picture, with its place below the source root where that is another.

    Whether it is in grayscale, or warmed, is asked again: the journal, which lines may come from, does not say.
    """
    path, root = str(ref.path), f"{plan.dataset.root}/"
    source = path.removeprefix(root) if path.startswith(root) else ref.twin_of or ref.place
    source = source if source != picture.place else ""
    grey, warm = in_grayscale(ref, plan.options), plan.options.mix == WARMED
    return msgspec.structs.replace(picture, source=source, grayscale=grey and not warm, warmed=grey and warm)
