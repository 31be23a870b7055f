"""Matching and average precision against pycocotools and faster-coco-eval; recall and misses worked out by hand."""

import contextlib
import io
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from synthir.detection import (
    Found,
    Picture,
    Truth,
    average_precision,
    drawn_precision,
    match,
    mean_precision,
    missed,
    recall_at,
    takers,
    threshold_at,
)
from synthir.intervals import block_weights

KINDS = 3


def drawn_case(seed: int) -> tuple[list[Picture], list[list[Found]]]:
    """Pictures with labels of three classes, crowds, equal scores, crowded places, empty pictures; over 100 in one."""
    rng = np.random.default_rng(seed)
    pictures, found = [], []
    for index in range(12):
        empty = index % 5 == 4
        truths = [] if empty else [drawn_truth(rng) for _ in range(rng.integers(1, 9))]
        near = [drawn_near(truth, rng) for truth in truths for _ in range(rng.integers(0, 4))]
        count = 400 if index == 0 else int(rng.integers(0, 8))
        far = [drawn_near(drawn_truth(rng), rng) for _ in range(count)]
        pictures.append(Picture(f"{index}.png", tuple(truths)))
        found.append([*near, *far] if index != 7 else [])
    return pictures, found


def drawn_truth(rng: np.random.Generator) -> Truth:
    x, y, width, height = (float(v) for v in rng.integers([0, 0, 4, 4], [60, 60, 30, 30]))
    # no label of the last class: it has no average precision
    return Truth((x, y, width, height), int(rng.integers(KINDS - 1)), bool(rng.random() < 0.2))


def drawn_near(truth: Truth, rng: np.random.Generator) -> Found:
    box = [float(v) for v in np.maximum(np.array(truth.box) + rng.integers(-3, 4, 4), 1)]
    kind = truth.kind if rng.random() < 0.8 else int(rng.integers(KINDS))
    return Found((box[0], box[1], box[2], box[3]), round(float(rng.random()), 1), kind)


def as_coco(pictures: Sequence[Picture]) -> dict[str, list[dict[str, object]]]:
    truths = [(index, truth) for index, picture in enumerate(pictures, 1) for truth in picture.truths]
    return {
        "images": [{"id": i, "file_name": p.name, "width": 99, "height": 99} for i, p in enumerate(pictures, 1)],
        "categories": [{"id": kind, "name": str(kind)} for kind in range(KINDS)],
        "annotations": [
            {
                "id": number,
                "image_id": index,
                "category_id": truth.kind,
                "bbox": list(truth.box),
                "area": truth.box[2] * truth.box[3],
                "iscrowd": int(truth.crowd),
            }
            for number, (index, truth) in enumerate(truths, 1)
        ],
    }


def as_results(found: Sequence[Sequence[Found]]) -> list[dict[str, object]]:
    return [
        {"image_id": index, "category_id": one.kind, "bbox": list(one.box), "score": one.score}
        for index, some in enumerate(found, 1)
        for one in some
    ]


def published(tool: str, pictures: Sequence[Picture], found: Sequence[Sequence[Found]]) -> tuple[float, list[float]]:
    """AP50 over all classes and of each class, -1 without labels, by an evaluation others wrote."""
    package = pytest.importorskip(tool)
    if tool == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval as Evaluation
    else:
        COCO, Evaluation = package.COCO, package.COCOeval_faster
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = as_coco(pictures)
        truth.createIndex()
        evaluation = Evaluation(truth, truth.loadRes(as_results(found)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = np.asarray(evaluation.eval["precision"])[0, :, :, 0, 2]  # IoU 0.5, all areas, 100 detections
    return float(evaluation.stats[1]), [float(of.mean()) for of in precision.T]


@pytest.mark.parametrize("tool", ["pycocotools", "faster_coco_eval"])
@pytest.mark.parametrize("seed", range(12))
def test_average_precision_is_cocos(tool: str, seed: int) -> None:
    pictures, found = drawn_case(seed)
    kinds = match(pictures, found)
    whole, each = published(tool, pictures, found)
    assert 0.02 < whole < 0.9
    assert mean_precision(kinds) == pytest.approx(whole, abs=1e-6)
    ours = [average_precision(kinds[kind]) if kind in kinds else math.nan for kind in range(KINDS)]
    assert [-1.0 if math.isnan(value) else value for value in ours] == pytest.approx(each, abs=1e-6)


@pytest.mark.parametrize("tool", ["pycocotools", "faster_coco_eval"])
def test_of_two_labels_of_equal_overlap_the_last_is_taken(tool: str) -> None:
    pictures = [Picture("a", (Truth((0, 0, 10, 10), 0), Truth((4, 0, 10, 10), 0)))]
    found = [[Found((2, 0, 10, 10), 0.9, 0), Found((0, 0, 10, 10), 0.8, 0)]]
    assert mean_precision(match(pictures, found)) == published(tool, pictures, found)[0] == pytest.approx(1.0)
    assert [taken for _, taken in takers(pictures[0], found[0], 0.5)] == [1, 0]


def test_weights_are_pictures_drawn_more_than_once() -> None:
    pictures, tied = drawn_case(3)
    rng = np.random.default_rng(1)  # the order of equal scores of two copies is not that of one that counts twice
    found = [[replace(one, score=float(rng.random())) for one in some] for some in tied]
    weights = block_weights(len(pictures), 2, 20, np.random.default_rng(0))
    again = []
    for row in weights:
        picks = np.repeat(np.arange(len(pictures)), row.astype(int))
        again.append(mean_precision(match([pictures[i] for i in picks], [found[i] for i in picks])))
    assert len(set(again)) > 10
    assert drawn_precision(match(pictures, found), weights) == pytest.approx(again, abs=1e-12)


def test_a_draw_without_labels_has_no_precision() -> None:
    kinds = match([Picture("a", ()), Picture("b", (Truth((0, 0, 9, 9), 0),))], [[Found((0, 0, 9, 9), 0.5, 0)], []])
    assert math.isnan(mean_precision(kinds, np.array([2.0, 0.0])))
    assert mean_precision(kinds, np.array([0.0, 2.0])) == 0.0
    assert np.isnan(drawn_precision(kinds, np.full((2, 2), math.nan))).all()
    assert math.isnan(mean_precision(match([Picture("a", ())], [[]])))


def ladder() -> tuple[list[Picture], list[list[Found]]]:
    """Two pictures, four labels of class 0 and one of class 1; hits and false positives whose scores one can count."""
    a, b, c, far = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 10.0, 10.0), (40.0, 0.0, 10.0, 10.0), (80.0, 80.0, 5.0, 5.0)
    pictures = [
        Picture("1", (Truth(a, 0), Truth(b, 0), Truth(c, 1))),
        Picture("2", (Truth(a, 0), Truth(b, 0), Truth(c, 0, crowd=True))),
    ]
    first = [Found(a, 0.9, 0), Found(far, 0.8, 0), Found(b, 0.6, 0), Found(far, 0.5, 0), Found(c, 0.35, 1)]
    second = [Found(a, 0.7, 0), Found(far, 0.6, 0), Found(b, 0.4, 0), Found(c, 0.95, 0), Found(far, 0.85, 1)]
    return pictures, [first, second]


@pytest.mark.parametrize(
    ("rate", "zero", "one", "whole"),
    [
        # class 0: hits .9 .7 .6 .4, false .8 .6 .5; class 1: hit .35, false .85; two pictures
        (0.0, 1 / 4, 0 / 1, 1 / 5),
        (0.5, 2 / 4, 1 / 1, 1 / 5),  # one false positive; over all classes it is the one of .85
        (1.0, 3 / 4, 1 / 1, 2 / 5),  # .6 is hit and false positive: both or none
        (1.5, 4 / 4, 1 / 1, 3 / 5),
        (2.0, 4 / 4, 1 / 1, 5 / 5),
    ],
)
def test_recall_at_a_number_of_false_positives(rate: float, zero: float, one: float, whole: float) -> None:
    kinds = match(*ladder())
    recalls = [recall_at([kinds[0]], rate), recall_at([kinds[1]], rate), recall_at(list(kinds.values()), rate)]
    assert recalls == pytest.approx([zero, one, whole])
    cut = threshold_at([kinds[0]], rate)
    assert cut == {0.0: 0.9, 0.5: 0.7, 1.0: 0.6, 1.5: 0.4, 2.0: 0.4}[rate]


def test_recall_counts_pictures_without_labels_too() -> None:
    pictures, found = ladder()
    kinds = match([*pictures, Picture("3", ()), Picture("4", ())], [*found, [], []])
    assert recall_at([kinds[0]], 0.5) == pytest.approx(3 / 4)  # two false positives in four pictures
    assert recall_at([kinds[0]], 0.49) == pytest.approx(2 / 4)
    assert math.isnan(recall_at(list(match([Picture("a", ())], [[Found((0, 0, 9, 9), 0.5, 0)]]).values()), 1.0))


def test_recall_without_any_detection_is_zero() -> None:
    kinds = match([Picture("a", (Truth((0, 0, 9, 9), 0),))], [[]])
    assert recall_at(list(kinds.values()), 1.0) == 0.0
    assert average_precision(kinds[0]) == 0.0


def test_misses_at_a_threshold() -> None:
    pictures, found = ladder()
    assert missed(pictures[0], found[0], 0.75) == [1, 2]
    assert missed(pictures[0], found[0], 0.6) == [2]
    assert missed(pictures[0], found[0], 0.35) == []
    assert missed(pictures[1], found[1], 0.99) == [0, 1]  # a crowd is never missed


def test_one_detection_finds_one_label() -> None:
    picture = Picture("a", (Truth((0, 0, 10, 10), 0), Truth((1, 0, 10, 10), 0), Truth((0, 0, 10, 10), 1)))
    assert missed(picture, [Found((1, 0, 10, 10), 0.9, 0)], 0.5) == [0, 2]
    assert missed(picture, [Found((0, 0, 10, 4.9), 0.9, 0)], 0.5) == [0, 1, 2]  # an IoU of 0.49


def test_pictures_and_detections_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        match([Picture("a", ())], [])
