"""Verify a finished conversion: every file its manifest lists is there, unchanged, and nothing else lies there."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .dataset import is_picture
from .errors import VerificationFailed
from .files import sha256_file
from .journal import JOURNAL, files_below
from .manifest import MANIFEST, Manifest, read_manifest

AGAIN = "run the same synthir convert again: it makes this file anew"
FIRST = 100
"""Pictures that are looked for to find the source root."""
PUT_BACK = "put back the source file that was converted, or convert again with --overwrite"


@dataclass(frozen=True)
class Report:
    """What was checked, and every fault."""

    pictures: int
    labels: int
    refused: int
    """Pictures the conversion refused, from its ledger; they are no fault."""
    inputs: int
    """Source pictures whose hash was checked."""
    source_labels: int
    """Source label files whose hash was checked."""
    problems: tuple[VerificationFailed, ...]


def verify(target: Path, source: Path | None = None, workers: int = 2) -> Report:
    """Hash everything the manifest of a target lists; with the source folder, what it was made of too.

    source: the source root or a folder in it, the one picture, or the label file that was converted. Label files that
    were read from outside the source root are not there to be checked.
    Faults of single files are in Report.problems. Raises VerificationFailed where there is no readable manifest, or
    none of the pictures in the source.
    """
    manifest = read_manifest(target)
    if source and source.is_file() and not is_picture(source.name):
        source = root_near(source, manifest)
    if source and not source.exists():
        raise VerificationFailed("no such source", where=str(source), fix="give what was converted with --source")
    inputs, labels = sources_of(manifest, source) if source else ([], [])
    written = [(target / place, sha256, AGAIN) for place, sha256 in listing(manifest).items()]
    read = [(path, sha256, PUT_BACK) for path, sha256 in [*inputs, *labels]]
    with ThreadPoolExecutor(workers) as pool:
        faults = [fault for fault in pool.map(lambda pinned: check(*pinned), [*written, *read]) if fault]
    problems = (*unfinished(target), *unlisted(target, manifest), *faults)
    counts = (len(manifest.pictures), len(manifest.labels), len(manifest.refused), len(inputs), len(labels))
    return Report(*counts, problems)


def listing(manifest: Manifest) -> dict[str, str]:
    """Place -> sha256 of every label and picture a manifest lists."""
    labels = {label.place: label.sha256 for label in manifest.labels}
    return labels | {picture.place: picture.sha256 for picture in manifest.pictures}


def check(path: Path, pinned: str, fix: str) -> VerificationFailed | None:
    """What is wrong with one file, or None."""
    try:
        found = sha256_file(path)
    except OSError as error:
        what = "missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        return VerificationFailed(what, where=str(path), why=error.strerror or "", fix=fix)
    why = f"expected sha256 {pinned[:12]}, found {found[:12]}"
    return None if found == pinned else VerificationFailed("changed", where=str(path), why=why, fix=fix)


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


Pinned = list[tuple[Path, str]]


def sources_of(manifest: Manifest, source: Path) -> tuple[Pinned, Pinned]:
    """Pictures and label files of the source, and their hashes; of a folder of it, the label files below that."""
    pinned = [(picture.source or picture.place, picture.source_sha256) for picture in manifest.pictures]
    names = list(dict.fromkeys(pinned))  # of a twin and its picture there is one file
    if source.is_file():
        return [one_of(source, names)], []
    above = above_of(source, [name for name, _ in names])
    labels = [(label.place, label.source_sha256) for label in manifest.labels if not label.outside]
    labels = [(place, sha256) for place, sha256 in labels if place.startswith(above)]
    depth = above.count("/")
    pictures = [(source.joinpath(*name.split("/")[depth:]), sha256) for name, sha256 in names]
    return pictures, [(source / place.removeprefix(above), sha256) for place, sha256 in labels]


def one_of(source: Path, names: list[tuple[str, str]]) -> tuple[Path, str]:
    """One picture with the hash it was converted from: that of the name that is most like its path.

    Raises VerificationFailed where no picture of that name was converted.
    """
    here = source.absolute().parts[::-1]

    def alike(name: str) -> int:
        return next((n for n, part in enumerate(name.split("/")[::-1]) if part != here[n]), len(name.split("/")))

    name, sha256 = max(names, key=lambda pinned: alike(pinned[0]), default=("", ""))
    if len(names) != 1 and not (name and alike(name)):
        fix = "give the folder or the label file that was converted"
        raise VerificationFailed("no picture of that name was converted", where=str(source), fix=fix)
    return source, sha256


def root_near(label: Path, manifest: Manifest) -> Path:
    """The folder above a label file that the first pictures lie below. Raises VerificationFailed."""
    names = [picture.source or picture.place for picture in manifest.pictures[:FIRST]]
    for folder in label.absolute().parents[:2]:
        if any((folder / name).is_file() for name in names) or not names:
            return folder
    why, fix = "its pictures lie elsewhere", "give the folder of the pictures: --source DIR"
    raise VerificationFailed("no converted picture is near the label file", where=str(label), why=why, fix=fix)


def above_of(source: Path, names: list[str]) -> str:
    """The folders, each with its `/`, that lead from the source root to `source`: the first name found there says.

    Raises VerificationFailed where none is found.
    """
    for name in names:
        parts = name.split("/")
        skip = next((n for n in range(len(parts)) if source.joinpath(*parts[n:]).is_file()), None)
        if skip is not None:
            return "".join(f"{part}/" for part in parts[:skip])
    if not names:
        return ""
    fix = "give what was converted: the label file, the folder, or the one picture"
    raise VerificationFailed("none of the converted pictures is there", where=str(source), fix=fix)
