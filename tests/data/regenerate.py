"""Makes the golden datasets beside this file, one folder a format: python tests/data/regenerate.py

Each holds source/ and expected.json, which says what to read and what must come out. The tests never write here.
"""

import json
import shutil
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
Tree = dict[str, str | tuple[int, int]]
"""Place -> text of a file, or width and height of a picture in pixels."""

COCO = """{"info": {"year": 2026, "note": "kept \\u00e9, 1.50 and 1e2 as they are"},
 "images": [
  {"id": 7, "file_name": "b/two.jpg",  "width": 12, "height": 8, "extra": [1, 2]},
  {"file_name": "one.png", "id": 3, "height": 10, "width": 16}
 ],
 "annotations": [{"id": 1, "image_id": 3, "bbox": [1.50, 2, 3, 4.0], "segmentation": {"size": [10, 16], "counts": "`1"},
                  "keypoints": [1, 2, 2], "file_name": "one.png"}],
 "categories": [{"id": 300, "name": "person"}]}
"""
XML = """<?xml version="1.0"?>
<annotation><folder>JPEGImages</folder>
  <filename>{name}</filename><path>/somewhere/{name}</path>
  <size><width>12</width><height>8</height><depth>3</depth></size>
  <object><name>person</name><bndbox><xmin>2</xmin><ymin>1</ymin><xmax>6</xmax><ymax>7</ymax></bndbox></object>
</annotation>
"""
TREES: dict[str, Tree] = {
    "coco": {"annotations/instances_val.json": COCO, "val/one.png": (16, 10), "val/b/two.jpg": (12, 8)},
    "yolo": {
        "data.yaml": "# made by hand\ntrain: images/train\nval: images/val  # small\nnames: {0: person, 1: car}\n",
        "images/train/a.jpg": (16, 8),
        "images/train/background.png": (8, 8),
        "images/val/b.jpg": (10, 10),
        "labels/train/a.txt": "0 0.5 0.5 0.25 0.5\n1 0.1 0.1 0.9 0.1 0.5 0.9\n",
        "labels/val/b.txt": "",
        "labels/train.cache": "never carried",
    },
    "voc": {
        "Annotations/000001.xml": XML.format(name="000001.jpg"),
        "Annotations/000002.xml": XML.format(name="other-name.jpg"),
        "ImageSets/Main/train.txt": "000001\n000002\n",
        "JPEGImages/000001.jpg": (12, 8),
        "JPEGImages/000002.jpg": (12, 8),
    },
    "folder": {"z.png": (9, 9), "day/a.JPG": (12, 8), "day/b c.tif": (12, 8), "night/a.webp": (8, 8)},
}
EXPECTED: dict[str, dict[str, object]] = {
    "coco": {
        "source": "source/annotations/instances_val.json",
        "places": ["val/b/two.jpg", "val/one.png"],
        "declared": [[12, 8], [16, 10]],
        "labels": ["annotations/instances_val.json"],
        "boxes": {"val/b/two.jpg": [], "val/one.png": [[1.5, 2, 3, 4]]},
    },
    "yolo": {
        "source": "source/data.yaml",
        "places": ["images/train/a.jpg", "images/train/background.png", "images/val/b.jpg"],
        "declared": [[0, 0], [0, 0], [0, 0]],
        "labels": ["data.yaml", "labels/train/a.txt", "labels/val/b.txt"],
        "boxes": {
            "images/train/a.jpg": [[6, 2, 4, 4], [1.6, 0.8, 12.8, 6.4]],
            "images/train/background.png": [],
            "images/val/b.jpg": [],
        },
    },
    "voc": {
        "source": "source",
        "places": ["JPEGImages/000001.jpg", "JPEGImages/000002.jpg"],
        "declared": [[12, 8], [12, 8]],
        "labels": ["Annotations/000001.xml", "Annotations/000002.xml", "ImageSets/Main/train.txt"],
        "boxes": {"JPEGImages/000001.jpg": [[2, 1, 4, 6]], "JPEGImages/000002.jpg": [[2, 1, 4, 6]]},
    },
    "folder": {
        "source": "source",
        "places": ["day/a.JPG", "day/b c.tif", "night/a.webp", "z.png"],
        "declared": [[0, 0], [0, 0], [0, 0], [0, 0]],
        "labels": [],
        "boxes": {},
    },
}


def write(path: Path, content: str | tuple[int, int]) -> None:
    """Write a text file, or a picture with a gradient of that width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8", newline="")
    else:
        Image.linear_gradient("L").resize(content).convert("RGB").save(path)


def main() -> None:
    """Make every golden dataset anew."""
    for name, tree in TREES.items():
        shutil.rmtree(HERE / name, ignore_errors=True)
        for place, content in tree.items():
            write(HERE / name / "source" / place, content)
        text = json.dumps(EXPECTED[name], indent=2) + "\n"
        (HERE / name / "expected.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
