"""Labelled pictures and detections as COCO's evaluation tools read them: a dataset and a list of results."""

from collections.abc import Sequence
from typing import Any

from .detection import Found, Picture


def coco_truths(names: Sequence[str], pictures: Sequence[Picture]) -> dict[str, Any]:
    """Labelled pictures as COCO."""
    truths = [(number, truth) for number, picture in enumerate(pictures) for truth in picture.truths]
    rows = [
        {"id": i, "image_id": number, "category_id": truth.kind, "bbox": list(truth.box), "iscrowd": int(truth.crowd)}
        | {"area": truth.box[2] * truth.box[3]}
        for i, (number, truth) in enumerate(truths, 1)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    return {"images": [{"id": i} for i in range(len(pictures))], "annotations": rows, "categories": categories}


def coco_detections(found: Sequence[Sequence[Found]]) -> list[dict[str, Any]]:
    """Detections as COCO results."""
    return [
        {"image_id": number, "category_id": one.kind, "bbox": list(one.box), "score": one.score}
        for number, some in enumerate(found)
        for one in some
    ]
