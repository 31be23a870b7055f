"""Validation: each source by itself, the boxed pictures all, and the figures those of synthir.metrics."""

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from synthir import metrics, object_metrics
from synthir.dataset import Box
from synthir.layouts import find_pairs
from synthir.pairs import PairSource, read_pair
from synthir.validation import grayscale, hold_out, validate
from tests import tiny

FOLDERS = PairSource("folders", "visible", "infrared")
BOX: Box = (20.0, 20.0, 30.0, 30.0)


class Red(nn.Module):
    """The red plane, as a network gives infrared."""

    def forward(self, visible: Tensor) -> Tensor:
        return visible[:, :1]


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    return tiny.draw_pairs(tmp_path, 6)


def test_a_few_evenly_spread_and_all_that_have_boxes(drawn: Path) -> None:
    held = hold_out("a", find_pairs(drawn, FOLDERS), {"001.png": [BOX]}, most=2)
    assert [pair.name for pair in held.pairs] == ["000.png", "001.png", "003.png"]


def test_figures_are_those_of_the_metrics(drawn: Path) -> None:
    pairs = find_pairs(drawn, FOLDERS)
    held = hold_out("a", pairs, {"002.png": [BOX]}, most=6)
    figures = validate(Red(), [held], 32)
    pictures = [read_pair(pair) for pair in pairs]
    ssim = [metrics.ssim(metrics.align(visible[..., 0], real), real) for visible, real in pictures]
    assert figures["a_ssim"] == pytest.approx(np.mean(ssim))
    visible, real = pictures[2]
    assert figures["a_contrast"] == pytest.approx(object_metrics.contrasts(visible[..., 0], [BOX])[0])
    assert figures["a_real_contrast"] == pytest.approx(object_metrics.contrasts(real, [BOX])[0])
    assert figures["a_sign"] in (0.0, 1.0)
    grey = [metrics.ssim(metrics.align(grayscale(visible), real), real) for visible, real in pictures]
    assert figures["a_grayscale_ssim"] == pytest.approx(np.mean(grey))


def test_sources_stay_apart_and_without_boxes_there_is_no_contrast(drawn: Path) -> None:
    pairs = find_pairs(drawn, FOLDERS)
    one, two = hold_out("one", pairs[:2], {}, 9), hold_out("two", pairs[2:], {}, 9)
    both = validate(Red(), [one, two], 32)
    assert both["one_ssim"] == validate(Red(), [one], 32)["one_ssim"] != both["two_ssim"]
    assert np.isnan(both["one_contrast"]) and np.isnan(both["one_sign"])
