"""The conversion of a dataset: plan it, run it, verify it later.

plan(dataset, target, spec, options) -> Plan     what would be done; see plan.py
run(plan, engine, progress) -> Manifest          pictures (see pipeline.py), then labels, then the manifest
verify(target, source) -> Report                 what lies there is what the manifest says; see verify.py
"""

import contextlib
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from .dataset import Dataset, ImageRef
from .engine import Engine
from .errors import BrokenLabels, EngineIncompatible, NameCollision, SynthIRError, TargetBusy, TooManyFailures
from .files import PART, contained, fsync_folder, sha256_bytes, sha256_file, write_atomic
from .images import DIGITAL_SOURCE
from .journal import FOLDER, Journal, locked, remove_journal, standing, unchanged
from .manifest import CAUTION, MANIFEST, VERSION, Converted, Job, Label, Manifest, job_of, manifest_bytes, refusal
from .options import Options
from .picture_io import write
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
        job = label_job(plan, plan.dataset.labels.files({}))
        journal = begin(plan, job)
        try:
            done, refused = pictures(intact(plan), engine, journal, progress)
            labels = write_labels(plan, job, journal)
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


def label_job(plan: Plan, read: Mapping[str, bytes]) -> Job:
    """The job, with these label files as read. Raises NameCollision, EscapingPath for names that cannot be written."""
    for place in read:
        if contained(place, place) == MANIFEST or place.startswith(f"{FOLDER}/"):
            why = "the manifest and the journal of the conversion have that name"
            raise NameCollision("a label file cannot be written", where=place, why=why, fix="rename it")
    return job_of(plan.spec, plan.options.shaping(), plan.dataset.format, read)


def write_labels(plan: Plan, job: Job, journal: Journal) -> tuple[Label, ...]:
    """Write the label files as read, only names of pictures spliced; those that lie there already are left.

    Raises BrokenLabels where they changed since the job began.
    """
    read, renames = plan.dataset.labels.files({}), plan.renames()
    if label_job(plan, read) != job:
        where = str(plan.dataset.root)
        raise BrokenLabels("label files changed during the conversion", where=where, fix="run the same command again")
    out = plan.dataset.labels.files(renames) if renames else read
    outside = {path.name: path for path in reversed(plan.dataset.protected) if path.is_file()}
    labels = [
        label_of(outside.get(place), plan.dataset.root / place, place, out[place], read[place]) for place in sorted(out)
    ]
    journal.begin(label.place for label in labels)
    with threads(plan.options.workers) as pool:
        new = [label.place for label in labels if not unchanged(plan.target / label.place, label.sha256)]
        list(pool.map(lambda place: write(plan.target / place, out[place]), new))
    for folder in {(plan.target / place).parent for place in new}:
        fsync_folder(folder)
    return tuple(labels)


def label_of(outside: Path | None, inside: Path, place: str, out: bytes, read: bytes) -> Label:
    """The manifest's line of a label file: its hash below the target and that of the source file it was read from.

    It was read from `outside` where that is given, else from `inside` the root.
    """
    path = outside or inside
    there = path.is_file()  # where it is not, what was read stands for it
    return Label(
        place, sha256_bytes(out), sha256_file(path) if there else sha256_bytes(read), bool(outside) or not there
    )


def manifest_of(
    plan: Plan, job: Job, done: dict[str, Converted], refused: dict[int, SynthIRError], labels: tuple[Label, ...]
) -> Manifest:
    """The manifest of a finished run, everything in the order of the plan."""
    pairs = zip(plan.images, plan.places, strict=True)
    lines = tuple(with_source(done[place], ref, plan) for ref, place in pairs if place in done)
    late = [(plan.images[index].place, refused[index]) for index in sorted(refused)]
    ledger = tuple(refusal(name, error) for name, error in [*plan.refused, *late])
    return Manifest(
        version=VERSION,
        synthetic=True,
        digital_source_type=DIGITAL_SOURCE,
        caution=CAUTION,
        job=job,
        engine=plan.spec,
        counts={"pictures": len(lines), "refused": len(ledger), "labels": len(labels)},
        notes=plan.dataset.notes,
        refused=ledger,
        labels=labels,
        pictures=lines,
    )


def with_source(picture: Converted, ref: ImageRef, plan: Plan) -> Converted:
    """The manifest's line of a picture, with its place below the source root where that is another."""
    path, root = str(ref.path), f"{plan.dataset.root}/"
    source = path.removeprefix(root) if path.startswith(root) else ref.place
    return Converted(picture.place, picture.sha256, picture.source_sha256, source if source != picture.place else "")
