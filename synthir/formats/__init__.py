"""Every file here is a dataset format of that name: `read(source)` finds the one that fits and lets it read.

A format module has LOOKS_FOR, one phrase; recognises(source) -> bool, cheap and strict; and
read(source, images) -> Dataset.
`docs/guides/add-a-format.md` shows how one is added.
"""

import os
from pathlib import Path

from ..dataset import Dataset
from ..errors import DatasetError, UnrecognisedDataset
from ..folders import load, names

FALLBACK = "folder"
"""Asked last: any folder that holds pictures is a folder of pictures."""


def read(source: Path, images: Path | None = None, format: str | None = None) -> Dataset:
    """Read a dataset: SOURCE is a COCO file, a data.yaml, a YOLO or VOC folder, a folder of pictures or one picture.

    `images` is where the pictures lie, if not where the format has them; `format` forces a format by name.
    Raises UnrecognisedDataset where no format fits or several do, UnknownName for an unknown format, and other
    DatasetErrors where the labels as a whole cannot be read. Single faults are in Dataset.refused instead.
    """
    source = Path(os.path.normpath(source.absolute()))
    if not source.exists():
        raise UnrecognisedDataset("nothing is there", where=str(source), fix="check the path of SOURCE")
    images = Path(os.path.normpath(images.absolute())) if images else None
    if images and not images.is_dir():
        raise UnrecognisedDataset("--images is not a folder", where=str(images), fix="give the folder of the pictures")
    try:
        dataset: Dataset = load(__name__, format or detect(source)).read(source, images)
    except PermissionError as error:
        where = str(error.filename or source)
        raise DatasetError("cannot be read", where=where, why=error.strerror or "", fix="check its rights") from error
    return dataset


def recognised(source: Path) -> tuple[str, ...]:
    """The formats that a source fits, the fallback only where no other does."""
    fits = tuple(name for name in names(__name__) if name != FALLBACK and load(__name__, name).recognises(source))
    return fits or ((FALLBACK,) if load(__name__, FALLBACK).recognises(source) else ())


def detect(source: Path) -> str:
    """The one format that a source fits. Raises UnrecognisedDataset, naming what was looked for, otherwise."""
    fits = recognised(source)
    if len(fits) == 1:
        return fits[0]
    wanted = "; ".join(f"{name}: {load(__name__, name).LOOKS_FOR}" for name in fits or names(__name__))
    what = f"several formats fit: {', '.join(fits)}" if fits else "no format fits"
    why = f"found {wanted}" if fits else f"looked for {wanted}"
    fix = f"say which with --format {'|'.join(fits or names(__name__))}"
    raise UnrecognisedDataset(what, where=str(source), why=why, fix=fix)
