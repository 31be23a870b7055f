"""The plan of a conversion: every target name and every refusal, before one pixel is read. A dry run stops here."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .dataset import PICTURE_ENDINGS, Dataset, ImageRef, Object, check_name
from .engine import ways_out
from .errors import (
    EngineIncompatible,
    JobMismatch,
    NameCollision,
    NoSpace,
    SynthIRError,
    TargetInsideSource,
    TargetNotEmpty,
    TooManyFailures,
    UnsupportedPicture,
    UsageError,
)
from .files import check_writable, free_bytes, within
from .frames import padded
from .gpu_codec import resolved
from .images import EXTENSIONS, cannot_write, ending
from .journal import FOLDER, Standing, standing
from .manifest import Converted, Job, job_of, label_hashes
from .options import DEFAULTS, WARMED, Options, check_options
from .specs import EngineSpec
from .twins import LONGEST_NAME, doubled, labelled

BYTES_A_PIXEL = {"jpeg": 0.15, "png": 0.3, "tiff": 0.3, "bmp": 1.0, "webp": 0.3}
"""Low guesses for 8 bits and one channel: a job is refused for want of space only where it surely cannot fit."""
LEAST_PIXELS = 32 * 32
"""Pixels of a picture whose size the labels do not say: those of a small crop, so that no job is refused that fits."""


@dataclass(frozen=True)
class Plan:
    """What a run will do."""

    dataset: Dataset
    """As it was read; with `--mix both` and `warmed` every picture stands twice in it."""
    target: Path
    spec: EngineSpec
    options: Options
    images: tuple[ImageRef, ...]
    """The pictures to convert, in the order of the labels."""
    places: tuple[str, ...]
    """Where each goes below the target."""
    refused: tuple[tuple[str, SynthIRError], ...]
    """Pictures that will not be converted: (place or name, the reason)."""
    done: dict[str, Converted]
    """What an earlier run of the same job finished, by target place."""
    labels: dict[str, str]
    """Place -> sha256 of the label files as read, where planning had to read them; else empty."""
    standing: Standing
    """What lies in the target."""
    estimated_bytes: int
    """A low guess of what will be written."""
    objects: Mapping[str, Sequence[Object]]
    """What is on each picture, by place; read where that shapes pictures (`--mix warmed`), else empty."""

    def renames(self) -> dict[str, str]:
        """Old place -> new place of the pictures whose extension changes."""
        return {ref.place: place for ref, place in zip(self.images, self.places, strict=True) if ref.place != place}


def plan(dataset: Dataset, target: Path, spec: EngineSpec, options: Options = DEFAULTS) -> Plan:
    """Plan a conversion; nothing is written and no picture opened.

    Raises UsageError (options), EngineIncompatible (a fixed batch), BackendMissing and DeviceMissing (decoding on a GPU
    that cannot be), UnrecognisedDataset and BrokenLabels (pictures that cannot stand twice), TargetInsideSource,
    TargetNotEmpty, JobMismatch, NoSpace, TargetError (nobody may write there), TooManyFailures. Faults of single
    pictures are in Plan.refused.
    """
    target = Path(os.path.normpath(target.absolute()))
    check_options(options, spec)
    decode = resolved(options.decode, spec.backend)
    options = replace(options, batch=options.batch or spec.usual_batch, decode=decode)
    check_apart(dataset, target)
    check_writable(target)
    dataset = doubled(dataset, options.mix) if isinstance(options.mix, str) else dataset
    objects = labelled(dataset) if options.mix == WARMED else {}
    images, places, faults = choose(dataset, spec, options, ignores_case(target))
    refused = (*dataset.refused, *faults)
    check_failures(len(refused), options, refused[-1][1] if refused else None)
    found = standing(target)
    done, labels = finished(dataset, target, spec, options, places, found)
    pairs = zip(images, places, strict=True)
    estimate = int(sum(estimated(ref, place, options) for ref, place in pairs if place not in done))
    check_space(target, estimate)
    return Plan(dataset, target, spec, options, images, places, refused, done, labels, found, estimate, objects)


def check_apart(dataset: Dataset, target: Path) -> None:
    """Raises TargetInsideSource where writing to the target could change what is read.

    It must be apart, links resolved, from every folder that pictures are in and from what the format protects, and
    must not hold the root. A folder in the root is fine else: people stand beside their coco.json and convert.
    """
    out = os.path.realpath(target)
    held = set() if dataset.root.is_file() else {ref.folder for ref in dataset.images}  # few folders, many pictures
    reals = [(source, os.path.realpath(source)) for source in (*map(str, dataset.protected), *sorted(held))]
    mixed = [source for source, real in reals if within(out, real) or within(real, out)]
    if within(os.path.realpath(dataset.root), out):
        mixed.append(str(dataset.root))
    if mixed:
        why = f"the source {mixed[0]} and the target would lie in one another"
        raise TargetInsideSource("inputs are never touched", where=str(target), why=why, fix="choose another --out")


def ignores_case(target: Path) -> bool:
    """True where the disk of the target takes `a.jpg` and `A.jpg` for one file; asked without writing."""
    for path in (target, *target.parents):
        if path.exists() and path.name.swapcase() != path.name:
            other = path.with_name(path.name.swapcase())
            return other.exists() and other.samefile(path)
    return False


Faults = tuple[tuple[str, SynthIRError], ...]


def choose(
    dataset: Dataset, spec: EngineSpec, options: Options, folded: bool
) -> tuple[tuple[ImageRef, ...], tuple[str, ...], Faults]:
    """The pictures to convert, where each goes, and those that are refused by name or declared size alone."""
    faults: list[tuple[str, SynthIRError]] = []
    chosen: list[tuple[ImageRef, str]] = []
    for ref in dataset.images:
        place = renamed(ref.place, options.ext)
        try:
            check_picture(ref, place, spec, options)
            chosen.append((ref, place))
        except (UnsupportedPicture, EngineIncompatible, NameCollision) as error:
            faults.append((ref.place, error))
    keys = [unicodedata.normalize("NFC", place).casefold() if folded else place for _, place in chosen]
    twice = {key for key, count in Counter(keys).items() if count > 1} if len(set(keys)) < len(keys) else set()
    kept = [pair for pair, key in zip(chosen, keys, strict=True) if key not in twice][: options.limit or None]
    clashing = [pair for pair, key in zip(chosen, keys, strict=True) if key in twice]
    faults += [(ref.place, collision(ref, place)) for ref, place in clashing]
    return tuple(ref for ref, _ in kept), tuple(place for _, place in kept), tuple(faults)


def renamed(place: str, ext: str) -> str:
    """The place with another extension; it stays where it is of that format already, `.jpeg` for `jpg` say."""
    if ext == "keep":
        return place
    old = ending(place)
    if EXTENSIONS.get(old.lower()) == EXTENSIONS[f".{ext}"]:
        return place
    return f"{place.removesuffix(old) if old.lower() in PICTURE_ENDINGS else place}.{ext}"


def check_picture(ref: ImageRef, place: str, spec: EngineSpec, options: Options) -> None:
    """Raises UnsupportedPicture, EngineIncompatible or NameCollision for a picture that can be refused unseen.

    16 bits where the extension has no room for them is a fault of the call: UsageError.
    """
    ext = ending(place)
    if why := cannot_write(ext):
        raise UnsupportedPicture(f"cannot write {place!r}", where=ref.where, why=why, fix="choose with --ext png")
    if options.bit_depth == 16 and (why := cannot_write(ext, 16, max(options.channels, spec.planes))):
        raise UsageError(f"cannot write {place!r} with 16 bits", where=ref.where, why=why, fix="choose with --ext png")
    if not place.isascii() or len(place) > LONGEST_NAME:
        check_name(place)
        if max(len(part.encode()) for part in place.split("/")) > LONGEST_NAME:
            why = f"a name may have {LONGEST_NAME} bytes here"
            raise UnsupportedPicture("the file name is too long", where=ref.where, why=why, fix="rename it")
    if place.startswith(f"{FOLDER}/"):
        why = "the journal of the conversion lies in that folder"
        raise NameCollision(f"cannot write {place!r}", where=ref.where, why=why, fix="rename the folder")
    if (spec.height or spec.width or spec.profile) and ref.width and ref.height and not options.max_side:
        check_fits(*padded(ref.height, ref.width, spec.stride), spec, ref.where)


def check_fits(height: int, width: int, spec: EngineSpec, where: str) -> None:
    """Raises EngineIncompatible for a network frame, in pixels, of another size than the engine was built for."""
    if why := spec.outside(1, height, width):
        what = f"the engine has no profile for {width}x{height}, as the picture is padded"
        raise EngineIncompatible(what, where=where, why=why, fix=ways_out(height, width, spec))
    if spec.height in (0, height) and spec.width in (0, width):
        return
    why = f"built for {spec.width or 'any'}x{spec.height or 'any'}, the padded picture is {width}x{height}"
    fix = "take an engine for any size, or compile one: synthir compile"
    raise EngineIncompatible("the engine cannot serve this size", where=where, why=why, fix=fix)


def collision(ref: ImageRef, place: str) -> NameCollision:
    """The refusal of one of several pictures that would become one file; all of them are refused."""
    fix = "rename one of them, or keep the extensions with --ext keep"
    return NameCollision(f"another picture would become {place!r} too", where=ref.where, fix=fix)


def check_failures(count: int, options: Options, last: SynthIRError | None) -> None:
    """Raises TooManyFailures where more pictures are refused than the options allow."""
    if count > options.allowed_failures():
        rule = "--strict" if options.strict else f"--max-failures {options.max_failures}"
        fix = "correct the pictures, or run the same command without the option; what is done is kept"
        raise TooManyFailures(f"{rule} stopped at {count} refused", why=f"last: {last}", fix=fix)


def finished(
    dataset: Dataset, target: Path, spec: EngineSpec, options: Options, places: Iterable[str], found: Standing
) -> tuple[dict[str, Converted], dict[str, str]]:
    """What is done already in the target, and the hashes of the label files if it depends on them.

    Raises TargetNotEmpty, JobMismatch or UsageError (nothing to resume).
    """
    if found.records is None:
        if found.present or (target.exists() and not target.is_dir()):
            why = "no conversion wrote it, so --overwrite would not take it away either"
            raise TargetNotEmpty("something lies there", where=str(target), why=why, fix="choose another --out")
        if options.resume:
            raise UsageError("nothing to resume", where=str(target), fix="leave --resume out")
        return {}, {}
    planned, labels = frozenset(places), dataset.labels.files({})
    hashes: dict[str, str] = {}
    done = {place: picture for place, picture in found.records.done.items() if place in found.present}
    if not options.overwrite:
        hashes = label_hashes(labels)
        job = job_of(spec, options.shaping(), dataset.format, hashes)
        check_same_job(found.records.job, job, target, len(done.keys() - planned))
    if foreign := sorted((found.present - found.listed) & planned.union(labels)):
        why = "the earlier conversion did not write it, so it is not replaced"
        raise TargetNotEmpty("a file is in the way", where=str(target / foreign[0]), why=why, fix="move it away")
    return ({} if options.overwrite else done), hashes


def check_same_job(there: Job, here: Job, target: Path, lost: int) -> None:
    """Raises JobMismatch where another job, or one with pictures that are no longer planned, wrote to the target."""
    differs = there.differences(here) + ([f"pictures: {lost} done that are not planned now"] if lost else [])
    if differs:
        fix = "repeat that job's command, choose another --out, or begin anew with --overwrite"
        raise JobMismatch("another job wrote here", where=str(target), why="; ".join(differs), fix=fix)


def estimated(ref: ImageRef, place: str, options: Options) -> float:
    """A low guess of the bytes of one infrared picture."""
    form = EXTENSIONS[ending(place).lower()]
    return (ref.width * ref.height or LEAST_PIXELS) * BYTES_A_PIXEL[form] * options.bit_depth / 8


def check_space(target: Path, estimate: int) -> None:
    """Raises NoSpace where the disk of the target is smaller than the estimate, in bytes."""
    free = free_bytes(target)
    if estimate > free:
        why = f"about {size(estimate)} are needed, {size(free)} are free"
        raise NoSpace("the conversion will not fit", where=str(target), why=why, fix="free some space, or --ext jpg")


def size(count: int) -> str:
    """Bytes in words: MiB, or kB where it is less than one."""
    return f"{count >> 20} MiB" if count >> 20 else f"{-(-count // 1000)} kB"
