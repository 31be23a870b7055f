"""Every file in synthir/generators keeps the contract; a new one is tested by being there."""

import msgspec
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from synthir import generators
from synthir.errors import UnknownName
from synthir.folders import load, names
from synthir.generators import cascade
from tests import tiny

NETWORKS = names("synthir.generators")


def size_of(network: str) -> str:
    """The first named size of a network."""
    return min(name for name in vars(load("synthir.generators", network)) if name.startswith(f"{network}_"))


def small(network: str) -> torch.nn.Module:
    """The network in a size that is quick, weights drawn."""
    if network == "cascade":
        return tiny.network()
    torch.manual_seed(0)
    return generators.build(*generators.settings_of(size_of(network))).eval()


@pytest.mark.parametrize("network", NETWORKS)
def test_settings_survive_json(network: str) -> None:
    name, settings = generators.settings_of(size_of(network))
    assert name == network
    kind = load("synthir.generators", network).Settings
    assert msgspec.json.decode(msgspec.json.encode(settings), type=kind) == msgspec.convert(settings, kind)


@pytest.mark.parametrize("network", NETWORKS)
def test_infrared_is_in_range_and_repeatable(network: str) -> None:
    stride = generators.stride_of(network)
    visible = torch.from_numpy(tiny.frames(1, 2, 3, 2 * stride, 3 * stride))
    module = small(network)
    with torch.no_grad():
        once, again = module(visible), module(visible)
    assert once.shape == (2, 1, 2 * stride, 3 * stride)
    assert torch.equal(once, again)
    assert once.abs().max() <= 1.0 and once.std() > 1e-4


@pytest.mark.parametrize("network", NETWORKS)
def test_a_picture_does_not_depend_on_its_batch(network: str) -> None:
    stride = generators.stride_of(network)
    visible = torch.from_numpy(tiny.frames(2, 3, 3, stride, 2 * stride))
    module = small(network)
    with torch.no_grad():
        together, alone = module(visible), module(visible[1:2])
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_last_stage_is_the_result(network: str) -> None:
    stride = generators.stride_of(network)
    visible = torch.from_numpy(tiny.frames(3, 1, 3, stride, stride))
    module = small(network)
    with torch.no_grad():
        last = module.stages(visible)[-1]  # type: ignore[operator]
        assert torch.equal(last.clamp(-1.0, 1.0), module(visible))


def test_cascade_s_is_small_enough_for_two_cores() -> None:
    module = generators.build(*generators.settings_of("cascade_s")).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, 3, 512, 640))
    parameters = sum(parameter.numel() for parameter in module.parameters())
    assert parameters < 3.9e6, "float16 weights must stay under 8 MB"
    assert counter.get_total_flops() < 40e9


def test_a_fresh_cascade_passes_the_detail_of_the_luminance_through() -> None:
    module = generators.build("cascade", tiny.SETTINGS).eval()
    visible = torch.from_numpy(tiny.frames(4, 1, 3, 64, 96))
    fine, middle, sharpness = cascade.local_detail(cascade.luminance(visible))
    expected = 0.1 * (cascade.grow(middle, 4) + fine * cascade.grow(sharpness, 4))
    with torch.no_grad():
        # `choose` starts as bilinear interpolation but for a thousandth.
        torch.testing.assert_close(module.stages(visible)[-1], expected, atol=5e-3, rtol=0.0)  # type: ignore[operator]


def test_flat_pictures_stay_flat_without_checkerboard() -> None:
    visible = torch.full((1, 3, 256, 320), 0.3)
    with torch.no_grad():
        middle = tiny.network()(visible)[..., 96:160, 128:192]
    assert middle.max() - middle.min() < 1e-4


@pytest.mark.parametrize("factor", [2, 4])
def test_choosing_starts_as_bilinear_and_takes_what_it_is_told(factor: int) -> None:
    coarse = torch.from_numpy(tiny.frames(6, 1, 1, 5, 7))
    with torch.no_grad():
        started = cascade.choose(coarse, cascade.choice_head(4, factor)(torch.randn(1, 4, 5, 7)), factor)
    torch.testing.assert_close(started, cascade.grow(coarse, factor), atol=0.05, rtol=0.0)
    # The left neighbour (4th of nine) and nothing else, for every fine pixel.
    left = torch.zeros(1, 9, factor * factor, 5, 7)
    left[:, 3] = 100.0
    moved = cascade.choose(coarse, left.flatten(1, 2), factor)
    expected = coarse[..., [0, 0, 1, 2, 3, 4, 5]].repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    torch.testing.assert_close(moved, expected)


def test_each_fine_pixel_chooses_for_itself() -> None:
    coarse = torch.arange(9.0).reshape(1, 1, 3, 3)
    choice = torch.zeros(1, 9, 4, 3, 3)
    for fine, neighbour in enumerate((1, 3, 5, 7)):  # above, left, right, below: the four pixels of a 2x2 cell
        choice[:, neighbour, fine] = 100.0
    middle = cascade.choose(coarse, choice.flatten(1, 2), 2)[0, 0, 2:4, 2:4]
    torch.testing.assert_close(middle, torch.tensor([[1.0, 3.0], [5.0, 7.0]]))


def test_local_detail_is_alike_in_shade_and_in_light() -> None:
    pattern = torch.from_numpy(tiny.frames(5, 1, 1, 128, 128))
    shade, light = (cascade.local_detail(level + scale * pattern) for level, scale in ((-0.8, 0.1), (0.2, 0.4)))
    dim, bright = (fine * cascade.grow(sharpness, 4) for fine, _, sharpness in (shade, light))
    ratio = (dim.std() / bright.std()).item()
    assert 0.6 < ratio < 1.0, ratio
    assert 0.2 < (shade[0].std() / light[0].std()).item() < 0.3


def test_unknown_sizes_name_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="cascade_b, cascade_l, cascade_s"):
        generators.settings_of("cascade_xl")
    with pytest.raises(UnknownName, match="cascade"):
        generators.settings_of("cascada_s")
