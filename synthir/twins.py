"""Every picture of a dataset twice: as it is named, to be infrared, and beside it a twin that is written in grayscale.

`images/a.jpg` gets `images/a_gray.jpg`, with labels of its own. All that follows sees a dataset of twice the pictures.
"""

import itertools
import posixpath
from dataclasses import replace
from typing import TypeVar

import msgspec

from .dataset import Dataset, ImageRef, LabelCarry, Twins
from .errors import SynthIRError, UnsupportedPicture

MARK = "_gray"
"""Comes before the ending of a twin's name. No dot: what takes endings off a name would take it, too."""
LONGEST_NAME = 255
"""Bytes of the longest file name."""
T = TypeVar("T")


def doubled(dataset: Dataset) -> Dataset:
    """The dataset with a twin after each picture; a twin whose name would be too long is refused.

    Raises UnrecognisedDataset where the format cannot, BrokenLabels where its labels cannot, e.g. want of ids.
    """
    twins = Twins({}, mark_for(dataset))
    places, images, refused = dict[str, str](), list[ImageRef](), list[tuple[str, SynthIRError]]()
    for ref in dataset.images:
        images.append(ref)
        place, where = marked(ref.place, twins.mark), f"{ref.where}, in grayscale"
        if len(place.rpartition("/")[2].encode(errors="surrogateescape")) > LONGEST_NAME:
            why = f"a name may have {LONGEST_NAME} bytes, {twins.mark} among them"
            error = UnsupportedPicture("the file name is too long", where=where, why=why, fix="rename the picture")
            refused.append((place, error))
            continue
        places[ref.place] = place
        images.append(msgspec.structs.replace(ref, place=place, where=where, twin_of=ref.place))
    splits = {
        split: names | {places[name] for name in names & places.keys()} for split, names in dataset.splits.items()
    }
    note = f"Every picture stands twice: in infrared, and with {twins.mark} before its ending in grayscale."
    return replace(
        dataset,
        images=tuple(images),
        labels=labels_of(dataset.labels, twins._replace(places=places)),
        refused=(*dataset.refused, *refused),
        notes=(*dataset.notes, note),
        splits=splits,
    )


def labels_of(labels: LabelCarry, twins: Twins) -> LabelCarry:
    """The labels where pictures stand twice: a twin has the objects of its picture."""
    written = labels.doubled(twins)
    return replace(
        labels,
        files=written.files,
        originals={**labels.originals, **written.originals},
        made=written.made,
        boxes=lambda: with_twins(labels.boxes(), twins),
        objects=lambda: with_twins(labels.objects(), twins),
        counted=None,
    )


def with_twins(found: dict[str, T], twins: Twins) -> dict[str, T]:
    """What was found of pictures, by place, and the same of their twins."""
    return found | {twin: found[place] for place, twin in twins.places.items() if place in found}


def mark_for(dataset: Dataset) -> str:
    """`_gray`, or `_gray2` and so on where a name of the source ends so already: no twin takes the name of another."""
    names = (*(ref.place for ref in dataset.images), *(name for name, _ in dataset.refused), *dataset.labels.files({}))
    stems = [posixpath.splitext(name)[0].lower() for name in names]
    marks = itertools.chain([MARK], (f"{MARK}{number}" for number in itertools.count(2)))
    return next(mark for mark in marks if not any(stem.endswith(mark) for stem in stems))


def marked(place: str, mark: str) -> str:
    """The place with a mark before its ending: `a/b.jpg` -> `a/b_gray.jpg`."""
    stem, ending = posixpath.splitext(place)
    return f"{stem}{mark}{ending}"
