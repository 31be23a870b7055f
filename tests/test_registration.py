"""Registration: a shift is found exactly, also across modalities, and the report names what is off."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir.layouts import find_pairs
from synthir.pairs import PairSource
from synthir.registration import Row, check, offset, report

UInt8 = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def town(width: int = 320, height: int = 240) -> UInt8:
    """Rectangles of many greys, (height + 80, width + 80): larger than the pictures cut out of it."""
    rng = np.random.default_rng(0)
    world = np.full((height + 80, width + 80), 90, np.uint8)
    for _ in range(60 * width // 320):
        left, top = (int(v) for v in rng.integers(0, (width + 60, height + 60)))
        wide, tall = (int(v) for v in rng.integers(8, 60, 2))
        cv2.rectangle(world, (left, top), (left + wide, top + tall), int(rng.integers(0, 256)), -1)
    return world


def cut(world: UInt8, dx: int, dy: int) -> UInt8:
    """What a camera sees of it in which everything lies dx pixels to the right and dy below."""
    return world[40 - dy : world.shape[0] - 40 - dy, 40 - dx : world.shape[1] - 40 - dx]


def as_colour(grey: UInt8) -> UInt8:
    """Three equal planes."""
    return grey[..., None].repeat(3, axis=2)


@pytest.mark.parametrize("shift", [(5, -3), (0, 0), (-14, 9)])
def test_a_shift_is_found_exactly(shift: tuple[int, int]) -> None:
    world = town()
    dx, dy, score = offset(as_colour(cut(world, 0, 0)), cut(world, *shift))
    np.testing.assert_array_equal((dx, dy), shift)
    assert score > 0.99


@pytest.mark.parametrize("shift", [(5, -3), (-7, 2)])
def test_a_shift_is_found_across_modalities(shift: tuple[int, int]) -> None:
    world = town()
    rng = np.random.default_rng(1)
    heat = cv2.GaussianBlur(255 - world, (0, 0), 2.0).astype(np.float64)
    noisy = np.clip(0.5 * heat + 60 + rng.normal(0, 3, heat.shape), 0, 255).astype(np.uint8)
    dx, dy, score = offset(as_colour(cut(world, 0, 0)), cut(noisy, *shift))
    np.testing.assert_allclose((dx, dy), shift, atol=0.2)
    assert 0.3 < score < 1.0


@pytest.mark.parametrize(("shift", "expected"), [((9, -5), (4.5, -2.5)), ((1, 0), (0.5, 0.0))])
def test_half_pixels_are_found(shift: tuple[int, int], expected: tuple[float, float]) -> None:
    world = town(640, 480)
    still, moved = (
        np.asarray(cv2.resize(cut(world, *by), (320, 240), interpolation=cv2.INTER_AREA)) for by in ((0, 0), shift)
    )
    dx, dy, _ = offset(as_colour(still.astype(np.uint8)), moved.astype(np.uint8))
    np.testing.assert_allclose((dx, dy), expected, atol=0.2)


def test_offsets_of_wide_pictures_are_in_their_own_pixels() -> None:
    world = town(960, 480)
    dx, dy, _ = offset(as_colour(cut(world, 0, 0)), cut(world, 20, -8))
    assert abs(dx - 20) <= 0.4 and abs(dy + 8) <= 0.4


def test_a_picture_without_edges_says_nothing() -> None:
    flat = np.full((64, 64), 80, np.uint8)
    assert offset(as_colour(cut(town(), 0, 0))[:64, :64], flat) == (0.0, 0.0, 0.0)
    assert not Row("a", 0.0, 0.0, 0.0).sure


def test_a_check_goes_on_past_a_broken_pair(tmp_path: Path) -> None:
    world = town()
    for name, shift in (("a", (0, 0)), ("b", (6, 0)), ("c", (0, 0)), ("d", (0, 0))):
        for side, picture in (("visible", cut(world, 0, 0)), ("infrared", cut(world, *shift))):
            (tmp_path / side).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / side / f"{name}.png"), picture)
    (tmp_path / "visible/c.png").write_bytes(b"no picture")
    cv2.imwrite(str(tmp_path / "infrared/d.png"), np.full((240, 320), 9, np.uint8))
    rows = list(check(find_pairs(tmp_path, PairSource("folders", "visible", "infrared"))))
    assert [(row.name, row.dx, row.dy) for row in rows if row.sure] == [("a.png", 0.0, 0.0), ("b.png", 6.0, 0.0)]
    assert rows[2].problem.startswith("SIR301") and not rows[2].sure
    lines = report(rows).splitlines()
    assert lines[0] == "1 of 4 pairs are off by more than 3 px; the median offset is 3.0 px"
    assert lines[1].startswith("  b.png  +6.0 +0.0 px, correlation 1.00")
    assert lines[2] == "1 of 4 pairs have too few edges in common to tell, e.g. d.png"
    assert lines[3] == "1 of 4 pairs cannot be read" and "c.png: not a picture" in lines[4]
    assert report(rows, limit=6.5).startswith("0 of 4 pairs are off by more than 6.5 px")


def test_the_worst_are_named_first() -> None:
    rows = [Row(str(n), dx=float(n), score=0.9) for n in range(20)]
    lines = report(rows, limit=3.0, most=2).splitlines()
    assert lines[0].startswith("16 of 20 pairs") and [line.split()[0] for line in lines[1:]] == ["19", "18"]


def test_real_pairs_are_registered_to_a_pixel_or_two(data: Path) -> None:
    pairs = find_pairs(data, PairSource("folders", "roadscene/visible", "roadscene/infrared"))[::30]
    assert np.median([row.distance for row in check(pairs)]) <= 2.0
