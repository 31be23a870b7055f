"""Electromagnetic-spectrum normalisation: numbers, there and back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from synthir import spectrum


@pytest.mark.parametrize(
    ("there", "back", "numbers"),
    [
        (
            spectrum.visible_to_wavelength,
            spectrum.wavelength_to_visible,
            {0.0: 380.0, 127.5: 565.0, 255.0: 750.0, 51.0: 454.0},
        ),
        (
            spectrum.infrared_to_wavelength,
            spectrum.wavelength_to_infrared,
            {0.0: 1000.0, 127.5: 7500.0, 255.0: 14000.0, 51.0: 3600.0},
        ),
        (
            spectrum.denormalise,
            spectrum.normalise,
            {-1.0: 380.0, 0.0: 7190.0, 1.0: 14000.0, 0.5: 10595.0},
        ),
    ],
    ids=["visible", "infrared", "union"],
)
def test_numbers_there_and_back(
    there: Callable[[Any], Any], back: Callable[[Any], Any], numbers: dict[float, float]
) -> None:
    given, wanted = np.array(list(numbers)), np.array(list(numbers.values()))
    np.testing.assert_allclose(there(given), wanted, rtol=1e-12)
    np.testing.assert_allclose(back(wanted), given, rtol=0.0, atol=1e-9)
    assert there(float(given[0])) == wanted[0]


def test_visible_pictures_fill_a_sliver() -> None:
    ends = torch.tensor([0.0, 255.0], dtype=torch.float64)
    visible = spectrum.normalise(spectrum.visible_to_wavelength(ends))
    infrared = spectrum.normalise(spectrum.infrared_to_wavelength(ends))
    torch.testing.assert_close(visible, torch.tensor([-1.0, -1.0 + 740.0 / 13620.0], dtype=torch.float64))
    torch.testing.assert_close(infrared, torch.tensor([-1.0 + 1240.0 / 13620.0, 1.0], dtype=torch.float64))


def test_every_arrow_is_affine() -> None:
    pixels = torch.linspace(0.0, 255.0, 256, dtype=torch.float64)
    for arrow in (spectrum.visible_to_wavelength, spectrum.infrared_to_wavelength):
        steps = spectrum.normalise(arrow(pixels)).diff()
        torch.testing.assert_close(steps, steps[:1].expand(255))
        assert steps[0] > 0.0


def test_all_256_values_survive_in_float32() -> None:
    pixels = torch.arange(256, dtype=torch.float32)
    seen = spectrum.normalise(spectrum.visible_to_wavelength(pixels))
    torch.testing.assert_close(spectrum.wavelength_to_visible(spectrum.denormalise(seen)), pixels, atol=0.02, rtol=0.0)


def test_in_bfloat16_a_visible_picture_keeps_a_few_shades() -> None:
    seen = spectrum.normalise(spectrum.visible_to_wavelength(torch.arange(256, dtype=torch.float32)))
    assert len(set(seen.bfloat16().tolist())) < 20
