"""Validation without pairs: what is held out is not trained on, and the figures say how alike two sets look."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir.images import UInt8
from synthir.layouts import find_pairs
from synthir.likeness import EDGE_BINS, hold_apart, likeness, look_of, overlap
from synthir.pairs import Pair, PairSource, read_loose, read_visible, split_loose
from synthir.validation import grayscale

UNPAIRED = PairSource("unpaired", "visible", "infrared")


def drawn(folder: Path, visible: int, infrared: int) -> list[Pair]:
    """Noise of its own in each picture, infrared smaller and darker."""
    rng = np.random.default_rng(0)
    for side, count, shape, top in (("visible", visible, (40, 60, 3), 256), ("infrared", infrared, (30, 30), 100)):
        (folder / side).mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(folder / side / f"{number:02}.png"), rng.integers(0, top, shape).astype(np.uint8))
    return find_pairs(folder, replace(UNPAIRED, stretch=1.25))


@pytest.mark.parametrize(("visible", "infrared"), [(20, 7), (7, 20), (8, 8)])
def test_no_picture_trains_and_validates_though_the_smaller_side_goes_round(
    tmp_path: Path, visible: int, infrared: int
) -> None:
    pairs = drawn(tmp_path, visible, infrared)
    training, held = split_loose(pairs, 2, 3)
    for side in ("visible", "infrared"):
        one, other = ({getattr(pair, side) for pair in some} for some in (training, held))
        assert not one & other
        assert one | other == {getattr(pair, side) for pair in pairs}
        names = sorted(path.name for path in other)
        assert names[:2] == ["04.png", "05.png"], "each third block of two validates"
    assert not any(pair.registered for pair in held)
    assert {pair.stretch for pair in [*training, *held]} == {1.25}


def test_with_too_few_of_one_side_all_are_trained_on(tmp_path: Path) -> None:
    pairs = drawn(tmp_path, 20, 4)
    assert split_loose(pairs, 2, 3) == (pairs, [])


def test_overlap_is_one_of_the_same_and_nought_of_what_shares_nothing() -> None:
    dark, bright = np.full((8, 8), 3, np.uint8), np.full((8, 8), 250, np.uint8)
    assert likeness(look_of([dark]), look_of([dark, dark])) == 1.0
    assert overlap(look_of([dark]).levels, look_of([bright]).levels) == 0.0
    assert likeness(look_of([dark]), look_of([bright])) == 0.5, "both are flat: their edges agree"
    both = look_of([dark, bright])
    assert overlap(both.levels, look_of([dark]).levels) == 0.5


def test_an_edge_is_counted_in_grey_levels_a_pixel() -> None:
    ramp = np.tile(np.arange(0, 96, 3, dtype=np.uint8), (16, 1))  # 3 levels a pixel
    shares = look_of([ramp]).edges
    place = int(np.searchsorted(EDGE_BINS, 3.0, side="right")) - 1
    assert shares[place] == pytest.approx(30 / 32), "all but the two columns at the borders"


def test_figures_compare_what_is_made_with_the_camera_and_show_grayscale_beside_it(tmp_path: Path) -> None:
    pairs = drawn(tmp_path, 6, 6)
    held = hold_apart("here", pairs, {"02.png": [(10.0, 10.0, 20.0, 20.0)]}, most=6)

    def darker(rgb: UInt8) -> UInt8:
        return (rgb[..., 0].astype(np.float64) * 100 / 256).astype(np.uint8)

    figures = held.figures(darker)
    real = look_of([read_loose(pair)[1] for pair in pairs])
    assert figures["here_levels"] == pytest.approx(
        overlap(look_of([darker(read_loose(pair)[0]) for pair in pairs]).levels, real.levels)
    )
    assert figures["here_levels"] > 0.9 > held.figures(grayscale)["here_levels"]
    assert figures["here_likeness"] == pytest.approx((figures["here_levels"] + figures["here_edges"]) / 2)
    assert figures["here_grayscale_likeness"] == pytest.approx(held.figures(grayscale)["here_likeness"])
    assert np.isfinite(figures["here_contrast"])


def test_a_few_evenly_spread_validate(tmp_path: Path) -> None:
    held = hold_apart("here", drawn(tmp_path, 6, 6), {}, most=3)
    assert [pair.visible.name for pair in held.pairs] == ["00.png", "02.png", "04.png"]


def test_turned_infrared_is_given_and_luma_wanted(tmp_path: Path) -> None:
    (pair, *_) = drawn(tmp_path, 2, 2)
    given, wanted = read_loose(replace(pair, turned=True))
    visible, infrared = read_loose(pair)
    np.testing.assert_array_equal(given, np.dstack([infrared] * 3))
    np.testing.assert_array_equal(wanted, cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY))


def test_turned_round_every_infrared_picture_counts_once_and_has_no_boxes(tmp_path: Path) -> None:
    pairs = [replace(pair, turned=True) for pair in drawn(tmp_path, 2, 6)]
    cv2.imwrite(str(tmp_path / "infrared/05.png"), np.full((30, 30), 120, np.uint8))
    held = hold_apart("here", pairs, {"00.png": [(10.0, 10.0, 20.0, 20.0)]}, most=6)
    given = [read_loose(pair)[0] for pair in pairs]
    wanted = [grayscale(read_visible(pair)) for pair in {pair.visible: pair for pair in pairs}.values()]
    assert (len(given), len(wanted)) == (6, 2)
    np.testing.assert_array_equal(held.real.levels, look_of(wanted).levels)
    assert held.figures(grayscale)["here_levels"] == pytest.approx(
        overlap(look_of([grayscale(picture) for picture in given]).levels, look_of(wanted).levels)
    )
    assert not held.has_boxes(), "objects are known on visible pictures, and those are not what is given"
