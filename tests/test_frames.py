"""Geometry: padded right and below by reflection, cropped back, never moved."""

import numpy as np
import pytest

from synthir.frames import from_network, grow, normalised, pad, padded, shrink, to_network


def test_values_are_what_the_formula_says() -> None:
    rgb = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    frame = to_network(rgb, 1)
    assert frame.dtype == np.float32 and frame.min() == -1 and frame.max() == 1
    assert np.array_equal(frame[0, 0], (np.arange(256, dtype=np.float32) / np.float32(127.5)) - 1)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (31, 33), (32, 64), (45, 70)])
@pytest.mark.parametrize("stride", [1, 8, 32])
def test_padding_reflects_and_lies_right_and_below(size: tuple[int, int], stride: int) -> None:
    height, width = size
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    frame = to_network(rgb, stride)
    tall, wide = padded(height, width, stride)
    assert frame.shape == (3, tall, wide) and tall % stride == wide % stride == 0 and tall - height < stride
    expected = np.pad(rgb, ((0, tall - height), (0, wide - width), (0, 0)), mode="reflect")
    assert np.array_equal(np.rint((frame + 1) * 127.5).astype(np.uint8), expected.transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(1, 1), (33, 70), (64, 64)])
def test_there_and_back_gives_every_value_again(size: tuple[int, int]) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    frame = to_network(rgb, 32)
    assert np.array_equal(from_network(frame[1:2], *size), rgb[:, :, 1])
    assert np.array_equal(from_network(frame[1:2], *size, invert=True), 255 - rgb[:, :, 1])
    deep = from_network(frame[1:2], *size, bit_depth=16)
    assert deep.dtype == np.uint16 and np.abs(deep.astype(int) - rgb[:, :, 1].astype(int) * 257).max() <= 1


def test_results_are_rounded_and_clipped() -> None:
    infrared = np.array([[[-1.01, -1, -0.9961, -0.9960, 0.9999, 1, 1.01]]], np.float32)
    assert from_network(infrared, 1, 7).tolist() == [[0, 0, 0, 1, 255, 255, 255]]
    assert from_network(infrared, 1, 7, bit_depth=16)[0, [0, -1]].tolist() == [0, 65535]


def test_inputs_are_not_changed() -> None:
    rgb = np.full((9, 9, 3), 7, np.uint8)
    infrared = np.zeros((1, 16, 16), np.float32)
    to_network(rgb, 8), from_network(infrared, 9, 9)
    assert (rgb == 7).all() and (infrared == 0).all()


@pytest.mark.parametrize(
    ("size", "side", "seen"), [((100, 200), 50, (25, 50)), ((3, 900), 90, (1, 90)), ((9, 9), 9, (9, 9))]
)
def test_shrink_keeps_the_shape_and_means(size: tuple[int, int], side: int, seen: tuple[int, int]) -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    small = shrink(rgb, side)
    assert small.shape == (*seen, 3) and small.dtype == np.uint8
    assert abs(small.mean() - rgb.mean()) < 1
    assert shrink(rgb, 0) is rgb


def test_grow_comes_back_to_the_grid() -> None:
    ramp = np.arange(0, 250, 10, dtype=np.uint8)[None].repeat(4, 0)
    assert grow(ramp, 4, 25) is ramp
    big = grow(ramp, 8, 50)
    assert big.shape == (8, 50) and big.dtype == np.uint8
    assert np.abs(big[:, 10].astype(int) - ramp[0, 5]).max() <= 3  # an object stays where it was
    assert grow(ramp.astype(np.uint16) * 257, 8, 50).dtype == np.uint16


def test_a_batch_is_its_pictures_one_by_one() -> None:
    pictures = [np.random.default_rng(seed).integers(0, 256, (37, 50, 3)).astype(np.uint8) for seed in range(3)]
    padded_ones = [pad(picture, 16) for picture in pictures]
    together = normalised(padded_ones)
    assert together.shape == (3, 3, 48, 64) and together.dtype == np.float32
    for frame, picture in zip(together, pictures, strict=True):
        np.testing.assert_array_equal(frame, to_network(picture, 16))
    np.testing.assert_allclose(together[0, :, :37, :50], pictures[0].transpose(2, 0, 1) / 127.5 - 1.0, atol=1e-6)


def test_a_picture_that_fits_is_not_copied() -> None:
    picture = np.zeros((32, 64, 3), np.uint8)
    assert pad(picture, 32) is picture
