"""Sets of pictures: their pixels, their label files, and that they are made once."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir.dataset import Object
from synthir.errors import SizeMismatch
from synthir.generators import analytic
from synthir.images import UInt8
from synthir.labelled import LabelledPicture
from synthir.picture_sets import Maker, PictureSet, from_sources, make_set, yolo_rows
from synthir.validation import grayscale, painter

BOX = Object("person", (-4.0, 8.0, 12.0, 16.0))


def pictures(folder: Path, count: int = 2) -> list[LabelledPicture]:
    """Coloured noise with one box each that reaches over the left border."""
    found = []
    for number in range(count):
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), np.random.default_rng(number).integers(0, 256, (32, 40, 3), np.uint8))
        found.append(LabelledPicture(path.name, path, 40, 32, (BOX, Object("crowd", (0, 0, 9, 9), crowd=True))))
    return found


def makers(folder: Path) -> dict[str, Maker]:
    sources = pictures(folder)
    return {
        "rgb": from_sources(sources, lambda rgb: rgb, "rgb"),
        "grayscale": from_sources(sources, grayscale, "grayscale"),
        "black": from_sources(sources, lambda rgb: np.zeros(rgb.shape[:2], np.uint8), "black"),
    }


def pixels(path: Path) -> UInt8:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8)


def test_pixels_of_plain_layered_and_stylised_sets(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    known = makers(tmp_path / "in")
    made: dict[str, PictureSet] = {
        kind: make_set(kind, known, {"person": 0}, tmp_path / "out")
        for kind in ("rgb", "grayscale", "grayscale+black", "grayscale~3")
    }
    first = pixels(tmp_path / "in/0.png")
    grey = grayscale(np.ascontiguousarray(first[..., ::-1]))
    assert np.array_equal(pixels(made["rgb"].files[0]), first)
    assert np.array_equal(pixels(made["grayscale"].files[0]), grey)
    assert np.array_equal(pixels(made["grayscale+black"].files[0]), np.rint(grey / 2.0).astype(np.uint8))
    style = painter(analytic.build(analytic.Settings(seed=3)).eval(), analytic.STRIDE)
    assert np.array_equal(pixels(made["grayscale~3"].files[0]), style(np.repeat(grey[..., None], 3, axis=2)))


def test_a_picture_of_another_size_than_its_labels_say_is_refused(tmp_path: Path) -> None:
    (picture,) = pictures(tmp_path, 1)
    wrong = from_sources([replace(picture, width=80, height=64)], grayscale, "grayscale")
    with pytest.raises(SizeMismatch):
        make_set("grayscale", {"grayscale": wrong}, {"person": 0}, tmp_path / "out")


def test_labels_are_cut_at_the_border_and_crowds_left_out(tmp_path: Path) -> None:
    (picture,) = pictures(tmp_path, 1)
    assert yolo_rows(picture, {"cat": 0, "person": 1, "crowd": 2}) == "1 0.100000 0.500000 0.200000 0.500000\n"
    assert yolo_rows(picture, {"cat": 0}) == ""


def test_a_set_is_made_once_and_mended(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    known = makers(tmp_path / "in")
    first = make_set("grayscale", known, {"person": 0}, tmp_path)
    painted: list[int] = []

    def count(number: int) -> UInt8:
        painted.append(number)
        return known["grayscale"].paint(number)

    counted = {"grayscale": Maker(known["grayscale"].pictures, count, "grayscale")}
    assert make_set("grayscale", counted, {"person": 0}, tmp_path) == first
    assert painted == []
    before = first.files[1].read_bytes()
    first.files[1].write_bytes(b"torn")  # as training code might leave it
    make_set("grayscale", counted, {"person": 0}, tmp_path)
    assert painted == [1] and first.files[1].read_bytes() == before
    first.files[0].parent.with_name("labels").joinpath("00000.txt").unlink()
    make_set("grayscale", counted, {"person": 0}, tmp_path)
    assert first.files[0].parent.with_name("labels").joinpath("00000.txt").read_bytes() != b""
    assert painted == [1]
    cv2.imwrite(str(tmp_path / "in/0.png"), np.zeros((32, 40, 3), np.uint8))
    anew = make_set("grayscale", counted, {"person": 0}, tmp_path)
    assert anew.files[0] != first.files[0]  # another source is another set
