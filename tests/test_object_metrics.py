"""Contrast, signs, correlation, deletion and insertion against numbers worked out by hand."""

import math

import numpy as np
import pytest

from synthir import object_metrics
from synthir.dataset import Box
from synthir.object_metrics import Detected, compare, contrasts, correlation, deletion, overlap, sign_agreement


def test_contrast_is_box_against_ring_in_standard_deviations() -> None:
    scene = np.full((40, 40), 10.0)
    scene[10:20, 10:14] = 60.0
    scene[10:20, 14:16] = 30.0  # the right part of the ring
    ring = np.zeros((40, 40), bool)
    ring[5:25, 8:16] = True
    ring[10:20, 10:14] = False
    expected = (60.0 - scene[ring].mean()) / scene.std()
    assert contrasts(scene, [(10, 10, 4, 10)]) == [pytest.approx(expected)]


def test_other_boxes_are_cut_out_of_a_ring() -> None:
    scene = np.full((40, 40), 10.0)
    scene[10:20, 10:14] = 60.0
    scene[10:20, 14:18] = 60.0
    both = contrasts(scene, [(10, 10, 4, 10), (14, 10, 4, 10)])
    assert both == [pytest.approx(50.0 / scene.std())] * 2
    assert contrasts(scene, [(10, 10, 4, 10)])[0] < both[0]


def test_a_box_outside_the_picture_has_no_contrast() -> None:
    scene = np.random.default_rng(3).integers(0, 256, (64, 64)).astype(np.uint8)
    assert math.isnan(contrasts(scene, [(100, 100, 5, 5)])[0])


def test_sign_agreement_counts_what_both_pictures_have() -> None:
    nan = math.nan
    assert object_metrics.signs([1.0, -0.5, 0.2, nan], [0.5, 0.5, 2.0, 1.0]) == [1.0, 0.0, 1.0]
    assert sign_agreement([1.0, -0.5, 0.2, nan], [0.5, 0.5, 2.0, 1.0]) == pytest.approx(2 / 3)
    assert math.isnan(sign_agreement([], []))


def test_correlation_is_pearsons_and_its_interval_that_of_drawn_objects() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=60)
    made = 0.5 * real + rng.normal(size=60)
    r, low, high = correlation([*made, math.nan], [*real, 1.0], 1, np.random.default_rng(1))
    assert r == pytest.approx(np.corrcoef(made, real)[0, 1])
    picks = np.random.default_rng(1).integers(60, size=(1000, 60))
    drawn = [np.corrcoef(made[pick], real[pick])[0, 1] for pick in picks]
    assert (low, high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))


def test_what_does_not_vary_has_no_correlation() -> None:
    rng = np.random.default_rng(0)
    assert math.isnan(correlation([0.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0], 1, rng)[0])
    assert math.isnan(correlation([1.0], [1.0], 1, rng)[0])
    assert math.isnan(correlation([1.0, 2.0, 4.0], [1.0, 2.0, 4.0], 3, rng)[1])  # one block has no interval
    assert correlation([1.0, 2.0, 4.0], [-1.0, -2.0, -4.0], 1, rng)[0] == pytest.approx(-1.0)


def test_overlap_is_intersection_over_union() -> None:
    boxes: list[Box] = [(0.0, 0.0, 10.0, 10.0), (3.0, 3.0, 0.0, 0.0)]
    others: list[Box] = [(5.0, 0.0, 10.0, 10.0), (20.0, 20.0, 1.0, 1.0), (0.0, 0.0, 10.0, 5.0)]
    np.testing.assert_allclose(overlap(boxes, others), [[50 / 150, 0.0, 0.5], [0.0, 0.0, 0.0]])
    assert overlap([], others).shape == (0, 3)


def test_deletions_and_insertions_of_one_picture() -> None:
    labels: list[Box] = [(0, 0, 10, 10), (20, 0, 10, 10), (40, 0, 10, 10)]
    real: list[Box] = [(0, 0, 10, 10), (20, 0, 10, 5), (60, 0, 10, 10)]  # two labels, one by half; one without label
    made: list[Box] = [
        (0, 0, 10, 4),  # too little of the first label
        (20, 0, 10, 10),  # the second
        (60, 1, 10, 10),  # what the detector saw in the real one too
        (80, 0, 10, 10),  # nothing was there
    ]
    assert compare(made, real, labels) == Detected((True, True, False), (False, True, False), 2)
    assert compare([], [], labels) == Detected((False,) * 3, (False,) * 3, 0)


def test_deletion_is_of_what_was_found_in_the_real_picture() -> None:
    first = Detected((True, True, False), (False, True, True), 0)
    second = Detected((True, False), (False, False), 3)
    assert deletion([first, second]) == [1.0, 0.0, 1.0]
    assert deletion([]) == []
