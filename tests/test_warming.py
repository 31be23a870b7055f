"""Warming: the object in a box becomes warmer and keeps its texture, what lies outside keeps its bytes."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir.dataset import Box, Object
from synthir.images import UInt8
from synthir.labelled import LabelledPicture
from synthir.metrics import Float64
from synthir.picture_sets import from_labels
from synthir.warming import DETAIL, WARMTH, cut_out, warmed

BOX: Box = (60.0, 40.0, 30.0, 70.0)
NOTHING: Box = (300.0, 300.0, 20.0, 20.0)


class Fixed:
    """Draws always the same warmth."""

    def __init__(self, warmth: float) -> None:
        self.warmth = warmth

    def uniform(self, low: float, high: float) -> float:
        assert (low, high) == WARMTH
        return self.warmth


def person() -> tuple[UInt8, Float64]:
    """A dim figure with a head, a body and two legs before a street of other shades; and where it is, 0 or 1."""
    rng = np.random.default_rng(0)
    shape = np.zeros((160, 160), np.uint8)
    cv2.circle(shape, (75, 50), 8, 1, -1)
    cv2.rectangle(shape, (64, 58), (86, 85), 1, -1)
    cv2.rectangle(shape, (66, 85), (72, 109), 1, -1)
    cv2.rectangle(shape, (78, 85), (84, 109), 1, -1)
    street = cv2.GaussianBlur(rng.integers(60, 110, (160, 160)).astype(np.uint8), (0, 0), 2).astype(np.float64)
    luma = np.where(shape, 20 + 6 * rng.random((160, 160)), street)
    return np.asarray(np.repeat(luma[..., None], 3, axis=2), np.uint8), shape.astype(np.float64)


def test_the_figure_in_the_box_is_cut_out_and_not_the_box() -> None:
    rgb, truth = person()
    place = slice(5, 145), slice(45, 105)
    found = cut_out(rgb[place], BOX, place) > 0.5
    wanted = truth[place] > 0
    assert (found & wanted).sum() / (found | wanted).sum() > 0.9


@pytest.mark.parametrize("warmth", [20.0, 100.0])
def test_it_is_so_much_warmer_than_what_is_around_it_and_keeps_its_texture(warmth: float) -> None:
    rgb, truth = person()
    made = warmed(rgb, [BOX], Fixed(warmth)).astype(np.float64)  # type: ignore[arg-type]
    before = rgb[..., 0].astype(np.float64)
    inside = cv2.erode(truth, np.ones((5, 5))) > 0
    around = cv2.dilate(truth, np.ones((9, 9))) == 0
    around[:5], around[145:], around[:, :45], around[:, 105:] = False, False, False, False
    assert made[inside].mean() - made[around].mean() == pytest.approx(warmth, rel=0.06, abs=2.0)
    assert made[inside].std() == pytest.approx(DETAIL * before[inside].std(), rel=0.15)
    np.testing.assert_array_equal(made[:, :45], before[:, :45])
    np.testing.assert_allclose(made[around], before[around], atol=12.0)


def test_the_same_draw_gives_the_same_bytes_and_another_one_others() -> None:
    rgb, _ = person()
    once, again, other = (warmed(rgb, [BOX], np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


def test_without_boxes_and_with_one_outside_it_is_the_luma() -> None:
    rgb, _ = person()
    for boxes in ([], [NOTHING]):
        np.testing.assert_array_equal(warmed(rgb, boxes, np.random.default_rng(0)), rgb[..., 0])


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 160.0, 160.0), (10.0, 10.0, 1.0, 1.0), (-20.0, 90.0, 60.0, 120.0), (150.0, 0.0, 10.0, 3.0)]
)
def test_odd_boxes_are_warmed_too(box: Box) -> None:
    rgb = np.full((160, 160, 3), 50, np.uint8)  # flat: nothing to find a shape by
    made = warmed(rgb, [box], Fixed(90.0))  # type: ignore[arg-type]
    x, y, width, height = box
    middle = made[min(159, max(0, int(y + height / 2))), min(159, max(0, int(x + width / 2)))]
    assert middle > (80 if min(width, height) > 1.0 else 55)  # the rim of an object is soft


def test_a_set_is_made_of_the_labels_of_each_picture(tmp_path: Path) -> None:
    rgb, _ = person()
    cv2.imwrite(str(tmp_path / "a.png"), rgb)
    picture = LabelledPicture("a.png", tmp_path / "a.png", 160, 160, (Object("person", BOX),))
    maker = from_labels([picture, picture])
    np.testing.assert_array_equal(maker.paint(1), warmed(rgb, [BOX], np.random.default_rng(1)))
    crowd = LabelledPicture("a.png", tmp_path / "a.png", 160, 160, (Object("person", BOX, crowd=True),))
    np.testing.assert_array_equal(from_labels([crowd]).paint(0), rgb[..., 0])
