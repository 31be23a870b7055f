"""Detections against labels: COCO's greedy matching, average precision, recall at fixed false positives, misses.

Matching is done once; average precision is then a weighted sum over pictures, so a bootstrap over pictures gives
another weight to each and matches nothing again. Boxes are x, y, width, height in pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .dataset import Box
from .metrics import Float64
from .object_metrics import areas, intersection, overlap

DEFINITIONS = {
    "match": "As in COCO: in one picture and class, detections in the order of their scores each take the free label "
    "they overlap most, with an IoU of 0.5 or more; at most 100 a picture and class. A crowd may be taken by many, its "
    "overlap is the share of the detection that lies in it, and neither it nor what takes it counts.",
    "AP50": "Average precision at IoU 0.5 as in COCO: the precision, made to fall, at 101 recalls from 0 to 1; mean "
    "over the classes that have labels.",
    "mAP50-95": "The mean of the average precision at IoU 0.50, 0.55 to 0.95.",
    "recall at N": "Largest share of labels found, IoU 0.5, by any score threshold that lets through at most N false "
    "positives per picture in the mean. Detections of one score are kept or left out together. Over all classes there "
    "is one threshold, and the false positives of all classes count; each class alone has its own of both.",
}

LEAST_IOU = 0.5
"""Intersection over union from which a detection is of a label."""
MOST = 100
"""Detections of one class in one picture that count, the best."""
RECALLS = np.linspace(0.0, 1.0, 101)
"""Where precision is read."""


@dataclass(frozen=True)
class Truth:
    """A labelled object."""

    box: Box
    kind: int
    """Class, from 0."""
    crowd: bool = False
    """Neither to be found nor to be missed."""


@dataclass(frozen=True)
class Found:
    """A detection."""

    box: Box
    score: float
    kind: int


@dataclass(frozen=True)
class Picture:
    """A labelled picture."""

    name: str
    truths: tuple[Truth, ...]


@dataclass(frozen=True)
class Kind:
    """The detections of one class in all pictures that count, best first: (N,) each, and its labels."""

    scores: Float64
    hits: NDArray[np.bool_]
    """True where a detection took a label, false where it is a false positive."""
    pictures: NDArray[np.int64]
    """Index of the picture."""
    truths: Float64
    """Labels that can be found in each picture (P,)."""


def match(
    pictures: Sequence[Picture], found: Sequence[Sequence[Found]], least_iou: float = LEAST_IOU
) -> dict[int, Kind]:
    """Match the detections of each picture; gives each class that has labels or detections, in order.

    Raises ValueError unless there are as many lists of detections as pictures.
    """
    pairs = list(zip(pictures, found, strict=True))
    kinds = {truth.kind for picture in pictures for truth in picture.truths}
    kinds |= {one.kind for some in found for one in some}
    return {kind: matched(kind, pairs, least_iou) for kind in sorted(kinds)}


def matched(kind: int, pairs: Sequence[tuple[Picture, Sequence[Found]]], least_iou: float) -> Kind:
    """One class in all pictures."""
    scores, hits, places, counts = list[float](), list[bool](), list[int](), list[int]()
    for place, (picture, some) in enumerate(pairs):
        truths = [truth for truth in picture.truths if truth.kind == kind]
        best = best_first([one for one in some if one.kind == kind])
        counts.append(sum(not truth.crowd for truth in truths))
        for one, taken in zip(best, take(truths, best, least_iou), strict=True):
            if taken is None or not truths[taken].crowd:
                scores.append(one.score)
                hits.append(taken is not None)
                places.append(place)
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    return Kind(
        np.asarray(scores, np.float64)[order],
        np.asarray(hits, np.bool_)[order],
        np.asarray(places, np.int64)[order],
        np.asarray(counts, np.float64),
    )


def best_first(found: Sequence[Found]) -> list[Found]:
    """The best MOST detections, best first; equal scores in their order."""
    return sorted(found, key=lambda one: -one.score)[:MOST]


def take(truths: Sequence[Truth], found: Sequence[Found], least_iou: float) -> list[int | None]:
    """Which label each detection takes, None for a false positive; one class in one picture, best first."""
    ordered = sorted(range(len(truths)), key=lambda index: truths[index].crowd)
    overlaps = coverage(found, [truths[index] for index in ordered])
    free = np.ones(len(ordered), np.bool_)
    taken = list[int | None]()
    crowd = np.asarray([truths[index].crowd for index in ordered], np.bool_)
    for row in overlaps:
        place = best_place(row, free, crowd, least_iou)
        taken.append(None if place is None else ordered[place])
        if place is not None and not crowd[place]:
            free[place] = False
    return taken


def best_place(row: Float64, free: NDArray[np.bool_], crowd: NDArray[np.bool_], least_iou: float) -> int | None:
    """The free label of largest overlap, a crowd only where there is no other; of equal ones the last, as in COCO."""
    for group in (free & ~crowd, crowd):
        places = np.flatnonzero(group & (row >= min(least_iou, 1.0 - 1e-10)))
        if len(places):
            return int(places[len(places) - 1 - int(np.argmax(row[places][::-1]))])
    return None


def coverage(found: Sequence[Found], truths: Sequence[Truth]) -> Float64:
    """Intersection over union (N, M); of a crowd, the share of the detection that lies in it. 0 without area."""
    boxes, others = [one.box for one in found], [truth.box for truth in truths]
    shared, area = intersection(boxes, others), areas(boxes)[:, None]
    inside = np.divide(shared, area, out=np.zeros_like(shared), where=area > 0)
    return np.where([truth.crowd for truth in truths], inside, overlap(boxes, others))


def average_precision(kind: Kind, weights: Float64 | None = None) -> float:
    """AP of one class with pictures weighted (P,), all 1 without; NaN where no weighted picture has labels of it."""
    weights = np.ones_like(kind.truths) if weights is None else weights
    labels = float(kind.truths @ weights)
    if not labels > 0.0:
        return math.nan
    each = weights[kind.pictures]
    right = np.cumsum(each * kind.hits)
    seen = np.cumsum(each)
    precision = np.divide(right, seen, out=np.zeros_like(seen), where=seen > 0.0)
    falling = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(falling[np.searchsorted(right / labels, RECALLS)].mean())


def mean_precision(kinds: dict[int, Kind], weights: Float64 | None = None) -> float:
    """Mean AP of the classes that have labels; NaN where none has."""
    each = [average_precision(kind, weights) for kind in kinds.values()]
    known = [value for value in each if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def drawn_precision(kinds: dict[int, Kind], weights: Float64) -> Float64:
    """Mean AP of each draw of pictures, weights (D, P) to (D,)."""
    return np.asarray([mean_precision(kinds, row) for row in weights], np.float64)


def recall_at(kinds: Sequence[Kind], false_positives: float) -> float:
    """Recall at a fixed number of false positives per picture, see DEFINITIONS; give one class, or all of them.

    NaN without labels.
    """
    labels = sum(float(kind.truths.sum()) for kind in kinds)
    threshold = threshold_at(kinds, false_positives)
    hits = sum(int(kind.hits[kind.scores >= threshold].sum()) for kind in kinds)
    return hits / labels if labels > 0.0 else math.nan


def threshold_at(kinds: Sequence[Kind], false_positives: float) -> float:
    """The least score at which detections have at most that many false positives per picture; infinite where none."""
    if not kinds:
        return math.inf
    scores = np.concatenate([kind.scores for kind in kinds])
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.concatenate([kind.hits for kind in kinds])[order]
    last = np.append(np.diff(scores) < 0.0, True)[: len(scores)]  # of each score, all or none
    allowed = last & (np.cumsum(~hits) <= false_positives * len(kinds[0].truths))
    return float(scores[allowed].min(initial=math.inf))


def recall_of(
    pictures: Sequence[Picture], found: Sequence[Sequence[Found]], score: float, low: float, high: float
) -> float:
    """Share of the labels of an area from `low` to less than `high`, square pixels, that are found from a score on.

    NaN without such labels.
    """
    labels = missing = 0
    for picture, some in zip(pictures, found, strict=True):
        within = {i for i, one in enumerate(picture.truths) if low <= one.box[2] * one.box[3] < high and not one.crowd}
        labels += len(within)
        missing += len(within & set(missed(picture, some, score)))
    return 1.0 - missing / labels if labels else math.nan


def takers(
    picture: Picture, found: Sequence[Found], score: float, least_iou: float = LEAST_IOU
) -> list[tuple[Found, int | None]]:
    """The detections of at least that score, each with the index of the label it takes, None for a false positive."""
    pairs = list[tuple[Found, int | None]]()
    for kind in sorted({one.kind for one in found}):
        own = [index for index, truth in enumerate(picture.truths) if truth.kind == kind]
        best = best_first([one for one in found if one.kind == kind and one.score >= score])
        places = take([picture.truths[index] for index in own], best, least_iou)
        pairs += [(one, None if place is None else own[place]) for one, place in zip(best, places, strict=True)]
    return pairs


def missed(picture: Picture, found: Sequence[Found], score: float, least_iou: float = LEAST_IOU) -> list[int]:
    """Indices of the labels that no detection of at least that score takes; crowds are never missed."""
    taken = {place for _, place in takers(picture, found, score, least_iou)}
    return [index for index, truth in enumerate(picture.truths) if index not in taken and not truth.crowd]
