"""YOLO labels: counted without pictures, refused where their names are no text, spoken of where nobody finds them."""

import os
from pathlib import Path

import pytest
from PIL import Image

from synthir.errors import UnsupportedPicture
from synthir.formats import read
from synthir.formats._yolo_rows import size_of
from synthir.manifest import job_of, label_hashes
from synthir.summary import summarise
from tests.fake_engine import fake_spec

from .conftest import Make, Tree
from .test_yolo import LABELS, ROW, USUAL


def test_inspecting_opens_no_picture_and_one_bad_picture_spoils_nothing(make: Make) -> None:
    tree: Tree = {"data.yaml": "train: images\nval: images\nnc: 1\n", "images/a.png": (16, 8), "images/b.png": b"no"}
    tree |= {f"labels/{name}.txt": ROW * 2 for name in "abcd"} | {"images/c.jpg": b"", "images/d.png": (16, 8)}
    root = make(tree)
    whole = (root / "images/d.png").read_bytes()
    (root / "images/d.png").write_bytes(whole[:20])
    dataset = read(root)
    boxes = dataset.labels.boxes()
    assert boxes.pop("images/a.png") == [(4, 2, 8, 4)] * 2
    assert boxes == {"images/b.png": [], "images/c.jpg": [], "images/d.png": []}
    for path in (root / "images").iterdir():
        path.unlink()
    assert dataset.labels.count() == summarise(dataset).boxes == 8


def test_sizes_come_from_the_header_alone(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.tif", "a.bmp", "a.webp"):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (16, 8)).save(tmp_path / name, exif=exif)
        wanted = (16, 8) if name == "a.bmp" else (8, 16)
        assert size_of(tmp_path / name) == wanted, name
    header = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(header[: header.index(b"\xff\xda")])  # no pixel follows
    assert size_of(tmp_path / "a.jpg") == (8, 16)
    comment = b"\xff\xfe\xff\xff" + bytes(65533)
    (tmp_path / "late.jpg").write_bytes(header[:2] + comment * 6 + header[2:])
    assert size_of(tmp_path / "late.jpg") == (8, 16)


def test_label_names_that_are_not_text_are_refused(make: Make) -> None:
    root = make({**USUAL, "data.yaml": "train: images\nval: images\nnc: 1\n"})
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/labels/train/\xff.txt")).write_text(ROW, encoding="utf-8")
    except OSError:
        pytest.skip("this disk has no such names")
    dataset = read(root)
    assert list(dataset.labels.files({})) == ["data.yaml", *LABELS]
    assert [(name, error.code) for name, error in dataset.refused] == [("labels/train/\\udcff.txt", "SIR302")]
    assert job_of(fake_spec(), {}, "yolo", label_hashes(dataset.labels.files({}))).labels
    odd = (root / "data.yaml").rename(os.fsdecode(os.fsencode(root) + b"/\xff.yaml"))
    with pytest.raises(UnsupportedPicture, match="not text"):
        read(odd)


def test_labels_that_lie_elsewhere_are_spoken_of(make: Make) -> None:
    tree: Tree = {
        "rgb/train/a.jpg": (16, 8),
        "labels/train/a.txt": ROW,
        "data.yaml": "train: rgb/train\nval: rgb\nnc: 1\n",
    }
    root = make(tree)
    note = read(root / "data.yaml").notes[0]
    assert note.startswith("NO LABELS ARE CARRIED. That of rgb/train/a.jpg is looked for at rgb/train/a.txt,")
    assert "labels/train/a.txt" in note and "--images" in note
    assert sorted(read(root, root / "rgb").labels.files({})) == ["labels/train/a.txt"]
    make({"rgb/train/a.txt": ROW})
    assert read(root / "data.yaml").notes == ()


def test_a_dataset_below_a_folder_named_images(make: Make) -> None:
    tree: Tree = {"images/ds/rgb/a.jpg": (16, 8), "images/ds/data.yaml": "train: rgb\nval: rgb\nnc: 1\n"}
    root = make(tree | {"labels/ds/rgb/a.txt": ROW})
    dataset = read(root / "images/ds/data.yaml")
    assert f"trainers take {root}/labels/ds/rgb/a.txt, which is outside the dataset" in dataset.notes[0]
    (root / "labels/ds/rgb/a.txt").unlink()
    assert read(root / "images/ds/data.yaml").notes == ()
