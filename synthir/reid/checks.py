"""What is looked at before anything is trained: every picture decoded, every search answerable, leakage, terms.

examine -> Audit: hashes of all pictures, what a verdict begins with, what it ends with
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..errors import ConfigError, DatasetError, SynthIRError, UnreadablePicture
from ..files import sha256_bytes
from ..images import decode
from .data import Layout, Picture, Split
from .protocol import searches, unanswered
from .synthetic import Generator, forbidding, has_record, seen_by

T = TypeVar("T")
WORKERS = 4
"""Threads that decode; decoding leaves the interpreter free."""


@dataclass(frozen=True)
class Audit:
    """What was found."""

    sha256: Mapping[Path, str]
    """Of every picture's file."""
    warnings: tuple[str, ...] = ()
    """What a reader must know before any figure, a sentence each: terms, and leakage that was allowed."""
    notes: tuple[str, ...] = ()
    """What could not be looked for."""


def attempt(errors: list[SynthIRError], check: Callable[[], T]) -> T | None:
    """What a check gives; if it refuses, that is noted."""
    try:
        return check()
    except SynthIRError as error:
        errors.append(error)
        return None


def raise_all(errors: Sequence[SynthIRError]) -> None:
    """Raises the SynthIRError there is; of several, one that holds them all."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        what = f"{len(errors)} things are in the way"
        raise type(errors[0])(what, why="; ".join(map(str, errors)), fix="see to each of them and run again")


def examine(
    layout: Layout, splits: Mapping[int, Split], found: Mapping[str, Generator], *, allowed: bool, drawn: bool
) -> Audit:
    """Look at all pictures and at what the generators have seen; every fault is said at once.

    allowed: whether leakage is let through and said; drawn: whether nobody in the pictures is real, so that there are
    neither terms nor leakage. Raises DatasetError, UnreadablePicture, ConfigError for leakage.
    """
    errors: list[SynthIRError] = []
    for number, split in splits.items():
        attempt(errors, partial(check_searches, layout, split, number))
    everything = {picture.path for split in splits.values() for picture in (*split.train, *split.test)}
    sha256 = attempt(errors, partial(read_all, everything)) or {}
    raise_all(errors)
    if drawn:
        return Audit(sha256)
    generators = list(dict.fromkeys(found.values()))
    leaks = leakage(splits, generators, sha256)
    if leaks and not allowed:
        fix = "correct the split or take another generator; or set allow_leakage = true and have the verdict say so"
        raise ConfigError("test pictures may have been seen", why="; ".join(leaks), fix=fix)
    said = [f"Leakage was allowed, so these figures are not of unseen pictures: {'; '.join(leaks)}."] if leaks else []
    lacking = [one.place for one in generators if not has_record(one)]
    notes = [f"Whether {place} was trained on test pictures is not known: it has no record." for place in lacking]
    return Audit(sha256, (*terms(generators), *said), tuple(notes))


def read_all(pictures: Iterable[Path]) -> dict[Path, str]:
    """The sha256 of each picture's file, after decoding it. Raises UnreadablePicture that names all broken ones."""
    paths = sorted(set(pictures))
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(read_one, paths))
    broken = [fault for _, fault in found if fault]
    if len(broken) == 1:
        raise broken[0]
    if broken:
        why = "; ".join(f"{one.where}: {one.why or one.what}" for one in broken)
        fix = "put them back from the dataset's archive, or take them out of it"
        raise UnreadablePicture(f"{len(broken)} of {len(paths)} pictures cannot be read", why=why, fix=fix)
    return {path: sha256 for path, (sha256, _) in zip(paths, found, strict=True)}


def read_one(path: Path) -> tuple[str, SynthIRError | None]:
    """The sha256 of a picture's file, and what is wrong with it."""
    try:
        data = path.read_bytes()
        decode(data, str(path))
    except OSError as error:
        return "", UnreadablePicture("the file cannot be read", where=str(path), why=str(error), fix="put it back")
    except SynthIRError as error:
        return "", error
    return sha256_bytes(data), None


def check_searches(layout: Layout, split: Split, number: int) -> None:
    """Raises DatasetError unless each search has queries, a gallery, and right answers.

    A published protocol has queries without one, which it leaves out; in a plain layout each query must have one.
    """
    faults = []
    for one in searches(layout, split.test, draws=1):
        lost = unanswered(one, split.test)
        if not len(one.queries):
            faults.append(f"{one.name}: no queries")
        elif not len(one.galleries[0]):
            faults.append(f"{one.name}: an empty gallery")
        elif len(lost) == len(one.queries) or (lost and layout == "plain"):
            example = f"{split.test[lost[0]].path} for one"
            faults.append(f"{one.name}: {len(lost)} of {len(one.queries)} queries have no right answer, {example}")
    if faults:
        fix = "test identities need pictures of both modalities by the cameras of the protocol: docs/guides/reid.md"
        raise DatasetError(f"split {number} cannot be searched", why="; ".join(faults), fix=fix)


def leakage(splits: Mapping[int, Split], generators: Sequence[Generator], sha256: Mapping[Path, str]) -> list[str]:
    """What may have been seen of the test pictures: by a training of the same bytes, or by a generator."""
    found = [twins(split, number, sha256) for number, split in splits.items()]
    test: list[Picture] = list({picture.path: picture for s in splits.values() for picture in s.test}.values())
    return list(filter(None, [*found, *(seen_by(one, test) for one in generators)]))


def twins(split: Split, number: int, sha256: Mapping[Path, str]) -> str:
    """How many test pictures are, byte for byte, training pictures too; nothing where none is."""
    known = {sha256[picture.path]: picture.path for picture in split.train}
    both = [(picture.path, known[sha256[picture.path]]) for picture in split.test if sha256[picture.path] in known]
    example = f"{both[0][0]} is {both[0][1]} for one" if both else ""
    whole = f"{len(both)} of {len(split.test)} test pictures of split {number}"
    return f"{whole} are, byte for byte, training pictures: {example}" if both else ""


def terms(generators: Sequence[Generator]) -> list[str]:
    """What is to be said of models that may not be used to identify people, where real people are identified."""
    names = dict.fromkeys(filter(None, map(forbidding, generators)))
    return [
        f"The terms that {name} inherits from its training pictures forbid identifying people, and training "
        f"re-identification of real persons on its output does that: synthir models show {name}."
        for name in names
    ]
