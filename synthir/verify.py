"""Verify a finished conversion: every file its manifest lists is there, unchanged, and nothing else lies there."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .errors import VerificationFailed
from .files import sha256_file
from .journal import JOURNAL, MANIFEST, Manifest, files_below, read_manifest


@dataclass(frozen=True)
class Report:
    """What was checked, and every fault."""

    pictures: int
    labels: int
    refused: int
    """Pictures the conversion refused, from its ledger; they are no fault."""
    inputs: int
    """Source pictures whose hash was checked."""
    problems: tuple[VerificationFailed, ...]


def verify(target: Path, source: Path | None = None, workers: int = 2) -> Report:
    """Hash everything the manifest of a target lists; with the source folder, the pictures it was made of too.

    Faults of single files are in Report.problems. Raises VerificationFailed where there is no readable manifest.
    """
    manifest = read_manifest(target)
    inputs = inputs_of(manifest, source) if source else []
    pinned = [*((target / place, sha256) for place, sha256 in listing(manifest).items()), *inputs]
    with ThreadPoolExecutor(workers) as pool:
        faults = [fault for fault in pool.map(lambda pair: check(*pair), pinned) if fault]
    problems = (*unfinished(target), *unlisted(target, manifest), *faults)
    return Report(len(manifest.pictures), len(manifest.labels), len(manifest.refused), len(inputs), problems)


def listing(manifest: Manifest) -> dict[str, str]:
    """Place -> sha256 of every label and picture a manifest lists."""
    labels = {label.place: label.sha256 for label in manifest.labels}
    return labels | {picture.place: picture.sha256 for picture in manifest.pictures}


def check(path: Path, pinned: str) -> VerificationFailed | None:
    """What is wrong with one file, or None."""
    try:
        found = sha256_file(path)
    except OSError as error:
        what = "missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        return VerificationFailed(what, where=str(path), why=error.strerror or "", fix="convert again")
    why = f"expected sha256 {pinned[:12]}, found {found[:12]}"
    return None if found == pinned else VerificationFailed("changed", where=str(path), why=why, fix="convert again")


def unfinished(target: Path) -> list[VerificationFailed]:
    """A fault where a journal says that a conversion is not finished."""
    if not (target / JOURNAL).exists():
        return []
    why = "a conversion into it was begun again and not finished"
    return [VerificationFailed("unfinished", where=str(target), why=why, fix="run synthir convert again")]


def unlisted(target: Path, manifest: Manifest) -> list[VerificationFailed]:
    """A fault for every file that no manifest lists."""
    listed = {MANIFEST, *listing(manifest)}
    why = "the conversion did not write it"
    foreign = sorted(set(files_below(target)) - listed)
    return [VerificationFailed("not listed", where=str(target / name), why=why, fix="move it away") for name in foreign]


def inputs_of(manifest: Manifest, source: Path) -> list[tuple[Path, str]]:
    """The source pictures and their hashes; `source` is the source root or a folder in it, or the one picture."""
    names = [(picture.source or picture.place, picture.source_sha256) for picture in manifest.pictures]
    if source.is_file():
        return [(source, sha256) for _, sha256 in names]
    for name, _ in names:  # the first that is found says how much of the places the folder itself is
        parts = name.split("/")
        skip = next((n for n in range(len(parts)) if source.joinpath(*parts[n:]).is_file()), None)
        if skip is not None:
            return [(source.joinpath(*other.split("/")[skip:]), sha256) for other, sha256 in names]
    return [(source / name, sha256) for name, sha256 in names]
