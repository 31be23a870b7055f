"""Picture metrics against numbers worked out by hand, and against torchmetrics."""

import importlib
import math

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from synthir import metrics
from synthir.torchvision_cpu import mend_torchvision

Grey = NDArray[np.uint8]


def picture(seed: int) -> Grey:
    return np.random.default_rng(seed).integers(0, 256, (64, 64)).astype(np.uint8)


def alike(height: int, width: int) -> tuple[Grey, Grey]:
    """Two pictures with the same blobs, another gain and noise."""
    rng = np.random.default_rng(5)
    real = cv2.GaussianBlur(rng.integers(0, 256, (height, width)).astype(np.uint8), (0, 0), 2.0).astype(np.uint8)
    made = np.clip(0.7 * real + rng.normal(20.0, 6.0, real.shape), 0, 255).astype(np.uint8)
    return made, real


def test_psnr_rmse_mse_and_l1_of_a_known_difference() -> None:
    real = np.full((16, 16), 100, np.uint8)
    made = real.copy()
    made[:8] += 30
    scores = metrics.score(made, real)
    assert scores.l1 == pytest.approx(15.0)
    assert scores.mse == pytest.approx(450.0)
    assert scores.rmse == pytest.approx(math.sqrt(450.0))
    assert scores.psnr == pytest.approx(20 * math.log10(255 / math.sqrt(450.0)))


def test_ssim_is_one_for_equal_pictures_and_follows_the_formula_for_flat_ones() -> None:
    assert metrics.ssim(picture(0), picture(0)) == pytest.approx(1.0, abs=1e-9)
    dark, light = np.full((32, 32), 50, np.uint8), np.full((32, 32), 100, np.uint8)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1)
    assert metrics.ssim(dark, light) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("height", "width"), [(256, 256), (191, 300), (176, 177)])
def test_ssim_and_ms_ssim_are_those_of_torchmetrics(height: int, width: int) -> None:
    mend_torchvision()  # torchmetrics imports it where it is installed
    theirs = importlib.import_module("torchmetrics.functional.image")
    made, real = alike(height, width)
    for shown in (made, metrics.align(made, real), np.asarray(255 - made, np.uint8)):
        tensors = [torch.from_numpy(one.astype(np.float32))[None, None] for one in (shown, real)]
        one = theirs.structural_similarity_index_measure(*tensors, data_range=255.0)
        many = theirs.multiscale_structural_similarity_index_measure(*tensors, data_range=255.0)
        assert metrics.ssim(shown, real) == pytest.approx(float(one), abs=5e-5)
        assert metrics.ms_ssim(shown, real) == pytest.approx(float(many), abs=5e-5)


def test_ms_ssim_needs_176_pixels_and_is_nought_where_structure_is_inverted() -> None:
    made, real = alike(176, 176)
    assert 0.5 < metrics.ms_ssim(made, real) < 1.0
    assert math.isnan(metrics.ms_ssim(made[:, :175], real[:, :175]))
    assert metrics.ms_ssim(np.asarray(255 - real, np.uint8), real) == 0.0


def naive_uqi(made: metrics.Grey, real: metrics.Grey) -> float:
    """The formula of Wang and Bovik, window by window."""
    values = []
    for top in range(made.shape[0] - 7):
        for left in range(made.shape[1] - 7):
            x, y = (p[top : top + 8, left : left + 8].astype(np.float64).ravel() for p in (made, real))
            (xx, xy), (_, yy) = np.cov(x, y)
            mx, my = x.mean(), y.mean()
            luminance = 2 * mx * my / (mx * mx + my * my) if mx or my else 1.0
            values.append(luminance * (2 * xy / (xx + yy) if xx + yy > 1e-9 else 1.0))
    return float(np.mean(values))


def test_uqi_is_the_formula_window_by_window() -> None:
    made, real = (one[:40, :33] for one in alike(64, 64))
    assert metrics.uqi(made, real) == pytest.approx(naive_uqi(made, real), abs=1e-9)
    assert metrics.uqi(real, real) == pytest.approx(1.0)


def test_uqi_of_flat_windows_is_that_of_their_means() -> None:
    """Where a rounding error was divided by another, flat sky gave numbers in the millions."""
    made, real = (one.copy() for one in alike(64, 64))
    made[:, :32], real[:, :32] = 90, 200
    real[:16], made[:16] = 0, 0
    assert metrics.uqi(made, real) == pytest.approx(naive_uqi(made, real), abs=1e-9)
    shifted = metrics.align(made, real)  # flat, but no longer in whole numbers
    assert metrics.uqi(shifted, real) == pytest.approx(naive_uqi(shifted, real), abs=1e-6)
    assert metrics.uqi(np.full((9, 9), 40, np.uint8), np.full((9, 9), 255, np.uint8)) == pytest.approx(
        2 * 40 * 255 / (40**2 + 255**2)
    )
    assert math.isnan(metrics.uqi(made[:7], real[:7]))


def test_lpips_is_measured_where_it_is_given() -> None:
    made, real = picture(0), picture(1)
    assert math.isnan(metrics.score(made, real).lpips)
    assert metrics.score(made, real, lambda one, other: float(one[0, 0]) - float(other[0, 0])).lpips == float(
        made[0, 0]
    ) - float(real[0, 0])


def test_aligned_is_free_of_gain_and_offset_also_of_inversion() -> None:
    real = picture(1).astype(np.float64)
    for gain, offset in ((0.3, 20.0), (-1.0, 255.0)):
        np.testing.assert_allclose(metrics.align(gain * real + offset, real), real, atol=1e-8)


def test_a_constant_aligns_to_the_mean() -> None:
    real = picture(2)
    np.testing.assert_allclose(metrics.align(np.full(real.shape, 7, np.uint8), real), real.mean())


def test_the_interval_holds_the_mean_and_is_wider_for_alike_neighbours() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=20), 10).tolist()
    single = metrics.block_interval(values, 1, np.random.default_rng(1))
    blocks = metrics.block_interval(values, 10, np.random.default_rng(1))
    assert single[0] < np.mean(values) < single[1]
    assert blocks[1] - blocks[0] > 2.0 * (single[1] - single[0])


def test_the_interval_is_that_of_blocks_drawn_one_by_one() -> None:
    values = np.random.default_rng(3).normal(size=47)
    blocks = [values[start : start + 10] for start in range(0, 47, 10)]
    picks = np.random.default_rng(4).integers(5, size=(1000, 5))
    means = [np.concatenate([blocks[i] for i in pick]).mean() for pick in picks]
    expected = np.percentile(means, [2.5, 97.5])
    assert metrics.block_interval(values.tolist(), 10, np.random.default_rng(4)) == pytest.approx(tuple(expected))


def test_what_is_not_a_number_is_left_out_of_the_interval() -> None:
    nan = math.nan
    assert metrics.block_interval([2.0, nan, 2.0, nan], 1, np.random.default_rng(0)) == (2.0, 2.0)
    assert all(math.isnan(end) for end in metrics.block_interval([nan, nan], 1, np.random.default_rng(0)))


def test_one_block_has_no_interval() -> None:
    assert all(math.isnan(end) for end in metrics.block_interval([1.0, 2.0], 2, np.random.default_rng(0)))
    low, high = metrics.block_interval([1.0, 2.0, 3.0], 2, np.random.default_rng(0))
    assert (low, high) == (1.5, 3.0)


def test_blocks_are_twenty_pictures_or_a_tenth_of_them() -> None:
    assert [metrics.block_of(count) for count in (1, 9, 44, 132, 199, 366, 5000)] == [1, 1, 4, 13, 19, 20, 20]
