"""Pictures without labels: a folder, with all folders in it, or one picture file."""

import os
import posixpath
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ..dataset import Box, Dataset, ImageRef, LabelCarry, TwinFiles, check_name, is_picture, pictures_below
from ..errors import SynthIRError, UnrecognisedDataset, UnsupportedPicture, UsageError

LOOKS_FOR = "a picture, or a folder with pictures in it"
LABEL_ENDINGS = frozenset((".csv", ".json", ".txt", ".xml", ".yaml", ".yml"))


def recognises(source: Path) -> bool:
    """True for a picture file and for a folder with at least one picture below it."""
    if source.is_file():
        return is_picture(source.name)
    return next(pictures_below(source), None) is not None


def read(source: Path, images: Path | None = None) -> Dataset:
    """Every picture below a folder, sorted by name, or one picture. A note says so where labels lie: none is carried.

    Raises UsageError where `images` is given, UnrecognisedDataset where there is no picture.
    """
    if images:
        fix = "leave --images out, or give the label file as SOURCE"
        raise UsageError(
            "--images goes with labels", where=str(source), why="SOURCE is read as pictures alone", fix=fix
        )
    if source.is_file() and not is_picture(source.name):
        why = f"its ending is {source.suffix!r}" if source.suffix else "it has no ending"
        fix = "give a folder of pictures or one picture, or leave --format out"
        raise UnrecognisedDataset("not a picture", where=str(source), why=why, fix=fix)
    names = [source.name] if source.is_file() else sorted(pictures_below(source))
    if not names:
        raise UnrecognisedDataset("no picture is there", where=str(source), fix="check the path of SOURCE")
    refs: list[ImageRef] = []
    refused: list[tuple[str, SynthIRError]] = []
    base = source.parent if source.is_file() else source
    for name in names:
        try:
            check_name(name)
            refs.append(ImageRef(name, f"{base}/{name}", name))
        except UnsupportedPicture as error:
            refused.append((error.where, error))
    # of one picture, its file is all that is read: the folder around it may well hold the target
    labels = LabelCarry(_files, _boxes, objects=dict, doubled=lambda twins: TwinFiles(_files))
    return Dataset("folder", source, tuple(refs), labels, tuple(refused), _left_behind(source), (source,))


def _left_behind(source: Path) -> tuple[str, ...]:
    """A note where files that may be labels lie beside the pictures."""
    endings = (posixpath.splitext(name)[1].lower() for _, _, names in os.walk(source) for name in names)
    counts = Counter(ending for ending in endings if ending in LABEL_ENDINGS)
    if not counts:
        return ()
    found = ", ".join(f"{number} {ending}" for ending, number in sorted(counts.items()))
    cure = "give the COCO .json or the data.yaml as SOURCE, or say --format"
    return (f"Read as pictures alone: {found} beside them are not carried. If they are labels, {cure}.",)


def _files(renames: Mapping[str, str]) -> dict[str, bytes]:
    return {}


def _boxes() -> dict[str, list[Box]]:
    return {}
