"""Picture metrics against numbers worked out by hand."""

import math

import numpy as np
import pytest

from synthir import metrics


def picture(seed: int) -> metrics.Grey:
    return np.random.default_rng(seed).integers(0, 256, (64, 64)).astype(np.uint8)


def test_psnr_rmse_and_l1_of_a_known_difference() -> None:
    real = np.full((16, 16), 100, np.uint8)
    made = real.copy()
    made[:8] += 30
    scores = metrics.score(made, real)
    assert scores.l1 == pytest.approx(15.0)
    assert scores.rmse == pytest.approx(math.sqrt(450.0))
    assert scores.psnr == pytest.approx(20 * math.log10(255 / math.sqrt(450.0)))


def test_ssim_is_one_for_equal_pictures_and_follows_the_formula_for_flat_ones() -> None:
    assert metrics.ssim(picture(0), picture(0)) == pytest.approx(1.0, abs=1e-5)
    dark, light = np.full((32, 32), 50, np.uint8), np.full((32, 32), 100, np.uint8)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1)
    assert metrics.ssim(dark, light) == pytest.approx(expected, abs=1e-4)


def test_aligned_is_free_of_gain_and_offset_also_of_inversion() -> None:
    real = picture(1).astype(np.float64)
    for gain, offset in ((0.3, 20.0), (-1.0, 255.0)):
        np.testing.assert_allclose(metrics.align(gain * real + offset, real), real, atol=1e-8)


def test_a_constant_aligns_to_the_mean() -> None:
    real = picture(2)
    np.testing.assert_allclose(metrics.align(np.full(real.shape, 7, np.uint8), real), real.mean())


def test_contrast_is_box_against_ring_in_standard_deviations() -> None:
    scene = np.full((40, 40), 10.0)
    scene[10:20, 10:14] = 60.0
    scene[10:20, 14:16] = 30.0  # the right part of the ring
    ring = np.zeros((40, 40), bool)
    ring[5:25, 8:16] = True
    ring[10:20, 10:14] = False
    expected = (60.0 - scene[ring].mean()) / scene.std()
    assert metrics.contrasts(scene, [(10, 10, 4, 10)]) == [pytest.approx(expected)]


def test_other_boxes_are_cut_out_of_a_ring() -> None:
    scene = np.full((40, 40), 10.0)
    scene[10:20, 10:14] = 60.0
    scene[10:20, 14:18] = 60.0
    both = metrics.contrasts(scene, [(10, 10, 4, 10), (14, 10, 4, 10)])
    assert both == [pytest.approx(50.0 / scene.std())] * 2
    assert metrics.contrasts(scene, [(10, 10, 4, 10)])[0] < both[0]


def test_a_box_outside_the_picture_has_no_contrast() -> None:
    assert math.isnan(metrics.contrasts(picture(3), [(100, 100, 5, 5)])[0])


def test_sign_agreement_counts_what_both_pictures_have() -> None:
    nan = float("nan")
    assert metrics.sign_agreement([1.0, -0.5, 0.2, nan], [0.5, 0.5, 2.0, 1.0]) == pytest.approx(2 / 3)
    assert math.isnan(metrics.sign_agreement([], []))


def test_the_interval_holds_the_mean_and_is_wider_for_alike_neighbours() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=20), 10).tolist()
    single = metrics.block_interval(values, 1, np.random.default_rng(1))
    blocks = metrics.block_interval(values, 10, np.random.default_rng(1))
    assert single[0] < np.mean(values) < single[1]
    assert blocks[1] - blocks[0] > 2.0 * (single[1] - single[0])
