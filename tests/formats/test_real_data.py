"""The formats on real datasets; skipped where there are none."""

import json
from pathlib import Path

import pytest

from synthir.errors import LabelWithoutPicture, MissingPicture
from synthir.files import sha256_bytes, sha256_file
from synthir.formats import read

CASES = [  # source, --images, format, pictures, label files, boxes, first place
    ("coco8", None, "yolo", 8, 8, 30, "images/train/000000000009.jpg"),
    ("llvip_full", "llvip_full/visible", "voc", 9, 9, 45, "visible/010001.jpg"),
    ("llvip_full/boxes_coco.json", "llvip_full/visible", "coco", 9, 1, 45, "visible/010001.jpg"),
    ("llvip256_labelled", "llvip256_labelled/visible", "yolo", 320, 320, 1079, "images/test/190001.jpg"),
    ("llvip256_labelled/boxes_train.json", "llvip256_labelled/visible/train", "coco", 210, 1, 758, None),
    ("llvip256_labelled/boxes_test.json", "llvip256_labelled/visible/test", "coco", 110, 1, 321, None),
    ("hituav_val/val_coco.json", None, "coco", 290, 1, 2460, "images/1_80_90_0_01343.jpg"),
    ("hituav_val/annotations_upstream/val.json", None, "coco", 290, 1, 2460, "images/1_80_90_0_01343.jpg"),
]


@pytest.mark.parametrize(("source", "images", "name", "pictures", "labels", "boxes", "first"), CASES)
def test_read(
    data: Path, source: str, images: str | None, name: str, pictures: int, labels: int, boxes: int, first: str | None
) -> None:
    dataset = read(data / source, data / images if images else None)
    assert (dataset.format, len(dataset.images), dataset.refused) == (name, pictures, ())
    assert first in (None, dataset.images[0].place)
    assert all(ref.path.is_file() for ref in dataset.images)
    files = dataset.labels.files({})
    assert len(files) == labels
    assert {place: sha256_bytes(found) for place, found in files.items()} == {
        place: sha256_file(dataset.root / place) for place in files
    }
    assert sum(map(len, dataset.labels.boxes().values())) == boxes


def test_both_kinds_of_labels_give_the_same_boxes(data: Path) -> None:
    voc = read(data / "llvip_full", data / "llvip_full/visible").labels.boxes()
    coco = read(data / "llvip_full/boxes_coco.json", data / "llvip_full/visible").labels.boxes()
    assert voc == coco
    yolo = read(data / "llvip256_labelled", data / "llvip256_labelled/visible").labels.boxes()
    test = data / "llvip256_labelled/visible/test"
    for place, boxes in read(data / "llvip256_labelled/boxes_test.json", test).labels.boxes().items():
        rows = yolo[place.replace("visible", "images")]
        assert len(rows) == len(boxes)
        for row, box in zip(rows, boxes, strict=True):
            assert row == pytest.approx(box, abs=0.01)


def test_upstream_hituav_names_its_odd_keys(data: Path) -> None:
    source = data / "hituav_val/annotations_upstream/val.json"
    dataset = read(source)
    assert "`filename`" in dataset.notes[0] and "`annotation`" in dataset.notes[1]
    renames = {ref.place: ref.place.replace(".jpg", ".png") for ref in dataset.images}
    spliced = dataset.labels.files(renames)["annotations_upstream/val.json"]
    assert spliced == source.read_bytes().replace(b'.jpg"', b'.png"')
    assert json.loads(spliced)["annotation"] == json.loads(source.read_bytes())["annotation"]


@pytest.mark.parametrize("source", ["llvip_full", "llvip_full/boxes_coco.json", "llvip256_labelled"])
def test_without_images_the_error_shows_the_folder(data: Path, source: str) -> None:
    with pytest.raises(MissingPicture) as caught:
        read(data / source)
    assert "--images" in caught.value.fix and "visible" in caught.value.fix


def test_a_folder_too_deep(data: Path) -> None:
    with pytest.raises(LabelWithoutPicture, match="correct --images"):
        read(data / "llvip256_labelled", data / "llvip256_labelled/visible/train")
