"""Analytic: compositions that a seed and a picture decide, with the range of an infrared picture."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from synthir import generators
from synthir.checkpoint import compact
from synthir.comparison import natural_texture
from synthir.generators import _layers, analytic
from tests import tiny


def pictures(count: int) -> torch.Tensor:
    """Textures with the spectrum of photographs, each with a tint and a brightness of its own."""
    rng = np.random.default_rng(15)
    tints = rng.uniform(-0.4, 0.4, (count, 3, 1, 1))
    textures = np.concatenate([natural_texture(rng, 96, 128) for _ in range(count)])
    return torch.from_numpy(np.clip(textures + tints, -1.0, 1.0).astype(np.float32))


@pytest.mark.parametrize("size", ["analytic_default", "analytic_monotone"])
def test_analytic_uses_the_range_and_noise_sways_it_little(size: str) -> None:
    visible = pictures(12)
    noise = 1e-3 * torch.from_numpy(tiny.frames(16, *visible.shape))
    module = generators.build(*generators.settings_of(size)).eval()
    assert list(module.parameters()) == []
    infrared, swayed, shifted = module(visible), module(visible + noise), module(visible + 1e-3)
    assert ((infrared.std((1, 2, 3)) > 0.3) & (infrared.std((1, 2, 3)) < 0.8)).all()
    assert (swayed - infrared).abs().max() < 6e-3
    assert (shifted - infrared).abs().max() < 1e-2


def test_analytic_compositions_are_those_of_seed_and_picture() -> None:
    visible = pictures(12)
    one, same, other = (generators.build("analytic", {"seed": seed}).eval() for seed in (1, 1, 2))
    assert torch.equal(one(visible), same(visible))
    assert (one(visible) - other(visible)).abs().mean() > 0.1
    dials, turns = one.compose(visible)  # type: ignore[operator]
    assert dials.std(dim=1).min() > 0.05 and turns.std() > 0.2


def test_what_is_saved_of_a_bank_is_the_bank() -> None:
    state = generators.build("analytic", {"seed": 1}).state_dict()
    saved = compact(generators.build("analytic", {"seed": 1}))
    assert set(saved) == set(state)
    assert all(torch.equal(saved[name].float(), value) for name, value in state.items())


def test_analytic_monotone_keeps_polarity_and_default_turns_it() -> None:
    luma = _layers.luminance(pictures(12))
    grey = luma.expand(-1, 3, -1, -1)

    def likeness(settings: dict[str, Any]) -> torch.Tensor:
        infrared = generators.build("analytic", settings).eval()(grey)
        return torch.stack(
            [torch.corrcoef(torch.stack((a.flatten(), b.flatten())))[0, 1] for a, b in zip(infrared, luma, strict=True)]
        )

    assert likeness({"waves": False}).min() > 0.8
    turned = torch.cat([likeness({"seed": seed}) for seed in range(4)])
    assert turned.min() < -0.5 and turned.max() > 0.5


def test_a_tone_is_a_curve_of_the_shade_alone() -> None:
    x = torch.linspace(-3.0, 3.0, 61).reshape(1, 1, 1, -1)
    for gamma in (-1.0, 0.0, 1.0):
        dials = torch.tensor([gamma, 0.5, 0.0]).reshape(3, 1, 1, 1, 1)
        rising, falling = (analytic.tone(x, dials, torch.full((1, 1, 1, 1), turn)) for turn in (0.0, math.pi))
        assert (rising.diff(dim=3) > 0.0).all() and (falling.diff(dim=3) < 0.0).all()
        wave = analytic.tone(x, dials, torch.full((1, 1, 1, 1), math.pi / 2.0))
        assert (wave.diff(dim=3) > 0.0).any() and (wave.diff(dim=3) < 0.0).any()
