"""Every picture of a dataset twice: as it is named, to be infrared, and beside it a twin that is written in grayscale.

`images/a.jpg` gets `images/a_gray.jpg`, or `images/a_warm.jpg` where its objects are to be warm, with labels of its
own. All that follows sees a dataset of twice the pictures.
"""

import itertools
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec

from .dataset import Dataset, ImageRef, LabelCarry, Object, Twins
from .errors import SynthIRError, UnsupportedPicture, UsageError
from .options import BOTH, WARMED

MARKS = {BOTH: "_gray", WARMED: "_warm"}
"""Comes before the ending of a twin's name. No dot: what takes endings off a name would take it, too."""
WORDS = {BOTH: "in grayscale", WARMED: "in grayscale with its objects warm"}
LONGEST_NAME = 255
"""Bytes of the longest file name."""
T = TypeVar("T")


def doubled(dataset: Dataset, mix: str = BOTH) -> Dataset:
    """The dataset with a twin after each picture; a twin whose name would be too long is refused. mix: of MARKS.

    Raises UnrecognisedDataset where the format cannot, BrokenLabels where its labels cannot, e.g. want of ids.
    """
    twins = Twins({}, mark_for(dataset, MARKS[mix]))
    places, images, refused = dict[str, str](), list[ImageRef](), list[tuple[str, SynthIRError]]()
    for ref in dataset.images:
        images.append(ref)
        place, where = marked(ref.place, twins.mark), f"{ref.where}, {WORDS[mix]}"
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
    note = f"Every picture stands twice: in infrared, and with {twins.mark} before its ending {WORDS[mix]}."
    return replace(
        dataset,
        images=tuple(images),
        labels=labels_of(dataset.labels, twins._replace(places=places)),
        refused=(*dataset.refused, *refused),
        notes=(*dataset.notes, note),
        splits=splits,
    )


def labelled(dataset: Dataset) -> Mapping[str, Sequence[Object]]:
    """What is on each picture, by place, to be made warm. Raises UsageError where nothing is on any, BrokenLabels."""
    objects = dataset.labels.objects()
    if not any(objects.values()):
        fix = "leave --mix out, or give the labels"
        raise UsageError("no objects to make warm", where=str(dataset.root), why="there are no boxes", fix=fix)
    return objects


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


def mark_for(dataset: Dataset, mark: str) -> str:
    """The mark, or `_gray2` and so on where a name of the source ends so already: no twin takes the name of another."""
    names = (*(ref.place for ref in dataset.images), *(name for name, _ in dataset.refused), *dataset.labels.files({}))
    stems = [posixpath.splitext(name)[0].lower() for name in names]
    marks = itertools.chain([mark], (f"{mark}{number}" for number in itertools.count(2)))
    return next(one for one in marks if not any(stem.endswith(one) for stem in stems))


def marked(place: str, mark: str) -> str:
    """The place with a mark before its ending: `a/b.jpg` -> `a/b_gray.jpg`."""
    stem, ending = posixpath.splitext(place)
    return f"{stem}{mark}{ending}"
