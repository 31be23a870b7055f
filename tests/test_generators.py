"""Every file in synthir/generators keeps the contract; a new one is tested by being there."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from synthir import generators, spectrum
from synthir.backends import openvino
from synthir.checkpoint import compact, load_model, save_model
from synthir.errors import UnknownName
from synthir.folders import load, names
from synthir.frames import padded
from synthir.generators import _layers, cgan_unet, cyclegan, guided, pix2pix
from synthir.profiles import profile_of
from synthir.specs import Band, Precision
from tests import tiny

NETWORKS = names("synthir.generators")
SMALL: dict[str, dict[str, Any]] = {
    "cascade": tiny.SETTINGS,
    "cgan_unet": {"width": 4},
    "cyclegan": {"width": 4, "blocks": 1},
    "guided": {"channels": (16, 16, 16), "depth": 4, "fine": 8},
    "pix2pix": {"width": 4},
}
"""What makes a network quick enough for a test; one that is not here is tested in its own sizes."""


def sizes_of(network: str) -> list[str]:
    """The named sizes of a network."""
    return sorted(name for name in vars(load("synthir.generators", network)) if name.startswith(f"{network}_"))


def shrunk(size: str) -> dict[str, Any]:
    """The settings of a named size, quick."""
    network, settings = generators.settings_of(size)
    return {**settings, **SMALL.get(network, {})}


def cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """Size -> network and quick settings, those left out that a smaller size has already."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for network in NETWORKS:
        for size in sizes_of(network):
            case = (network, shrunk(size))
            if case not in found.values():
                found[size] = case
    return found


CASES = cases()
every_case = pytest.mark.parametrize(("network", "settings"), CASES.values(), ids=CASES)


def drawn(network: str, settings: dict[str, Any]) -> nn.Module:
    """The network in eval mode, every weight and batch-norm statistic moved, so that no head is zero."""
    torch.manual_seed(0)
    module = generators.build(network, settings).eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng))
        for name, value in module.named_buffers():
            if "running_" in name:
                value.add_(0.1 * torch.randn(value.shape, generator=rng).abs())
    return module


def frames(seed: int, network: str, count: int, high: int, wide: int) -> torch.Tensor:
    """Visible frames of so many strides."""
    stride = generators.stride_of(network)
    return torch.from_numpy(tiny.frames(seed, count, 3, high * stride, wide * stride))


@pytest.mark.parametrize("network", NETWORKS)
def test_settings_survive_json(network: str) -> None:
    for size in sizes_of(network):
        name, settings = generators.settings_of(size)
        assert name == network
        kind = load("synthir.generators", network).Settings
        assert msgspec.json.decode(msgspec.json.encode(settings), type=kind) == msgspec.convert(settings, kind)


@every_case
def test_results_are_in_range_and_repeatable(network: str, settings: dict[str, Any]) -> None:
    visible = frames(1, network, 2, 1, 2)
    module = drawn(network, settings)
    with torch.no_grad():
        once, again = module(visible), module(visible)
    assert once.shape == (2, settings.get("outputs", 1), *visible.shape[2:])
    assert torch.equal(once, again)
    assert once.abs().max() <= 1.0 and once.std() > 1e-3


@every_case
def test_a_picture_does_not_depend_on_its_batch(network: str, settings: dict[str, Any]) -> None:
    visible = frames(2, network, 3, 1, 2)
    module = drawn(network, settings)
    with torch.no_grad():
        together, alone = module(visible), module(visible[1:2])
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=1e-5)


@every_case
def test_the_last_stage_is_the_result(network: str, settings: dict[str, Any]) -> None:
    visible = frames(3, network, 1, 1, 1)
    module = drawn(network, settings)
    with torch.no_grad():
        stages = module.stages(visible)  # type: ignore[operator]
        assert isinstance(stages, tuple)
        assert torch.equal(stages[-1].clamp(-1.0, 1.0), module(visible))


@every_case
def test_gradients_reach_every_parameter(network: str, settings: dict[str, Any]) -> None:
    # In double precision a gradient is told from rounding errors. In eval mode: batch norm of the batch hides biases.
    module = drawn(network, settings).double()
    if not list(module.parameters()):
        pytest.skip("it has nothing to train")
    for stage in module.stages(frames(4, network, 2, 1, 2).double()):  # type: ignore[operator]
        (stage * torch.randn_like(stage)).sum().backward(retain_graph=True)
    size = {name: 0.0 if p.grad is None else float(p.grad.abs().max()) for name, p in module.named_parameters()}
    assert [name for name in size if size[name] < 1e-9 * max(size.values())] == []


@every_case
def test_a_saved_network_is_the_same_network(network: str, settings: dict[str, Any], tmp_path: Path) -> None:
    module = drawn(network, settings)
    save_model(module, tmp_path, network, settings, Band.LWIR)
    loaded, spec = load_model(tmp_path)
    rounded = deepcopy(module)
    rounded.load_state_dict({name: value.float() for name, value in compact(module).items()}, strict=False)
    visible = frames(5, network, 1, 1, 2)
    with torch.no_grad():
        assert torch.equal(loaded(visible), rounded(visible))
        torch.testing.assert_close(loaded(visible), module(visible), atol=0.02, rtol=0.0)
    assert (spec.network, spec.stride) == (network, generators.stride_of(network))
    kind = load("synthir.generators", network).Settings
    assert msgspec.convert(spec.settings, kind) == msgspec.convert(settings, kind)


@pytest.mark.slow
@every_case
def test_openvino_computes_what_torch_computes(network: str, settings: dict[str, Any]) -> None:
    module = drawn(network, settings)
    payload = openvino.build(module, generators.stride_of(network), Precision.FLOAT32, profile_of("openvino"), {})
    core = openvino.runtime().Core()
    model = core.compile_model(
        core.read_model(payload[".xml"], payload[".bin"]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    # The engine keeps float16 weights, as the network does once it is saved.
    module.load_state_dict({name: value.float() for name, value in compact(module).items()}, strict=False)
    for count, high, wide in ((1, 1, 2), (3, 3, 1)):
        visible = frames(6, network, count, high, wide)
        with torch.no_grad():
            expected = module(visible).numpy()
        np.testing.assert_allclose(model(visible.numpy())[0], expected, atol=1e-3, rtol=0.0)


def test_cascade_s_is_small_enough_for_two_cores() -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        module = generators.build(*generators.settings_of("cascade_s")).eval()
        module(torch.zeros(1, 3, 512, 640))
    parameters = sum(parameter.numel() for parameter in module.parameters())
    assert parameters < 3.9e6, "float16 weights must stay under 8 MB"
    assert counter.get_total_flops() < 40e9


def test_a_fresh_cascade_passes_the_detail_of_the_luminance_through() -> None:
    module = generators.build("cascade", tiny.SETTINGS).eval()
    visible = torch.from_numpy(tiny.frames(4, 1, 3, 64, 96))
    fine, middle, sharpness = _layers.local_detail(_layers.luminance(visible))
    expected = 0.1 * (_layers.widen(_layers.widen(middle, 2), 2) + fine * _layers.widen(sharpness, 4))
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
        started = _layers.choose(coarse, _layers.choice_head(4, factor)(torch.randn(1, 4, 5, 7)), factor)
    torch.testing.assert_close(started, _layers.widen(coarse, factor), atol=0.05, rtol=0.0)
    # The left neighbour (4th of nine) and nothing else, for every fine pixel.
    left = torch.zeros(1, 9, factor * factor, 5, 7)
    left[:, 3] = 100.0
    moved = _layers.choose(coarse, left.flatten(1, 2), factor)
    expected = coarse[..., [0, 0, 1, 2, 3, 4, 5]].repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    torch.testing.assert_close(moved, expected)


def test_each_fine_pixel_chooses_for_itself() -> None:
    coarse = torch.arange(9.0).reshape(1, 1, 3, 3)
    choice = torch.zeros(1, 9, 4, 3, 3)
    for fine, neighbour in enumerate((1, 3, 5, 7)):  # above, left, right, below: the four pixels of a 2x2 cell
        choice[:, neighbour, fine] = 100.0
    middle = _layers.choose(coarse, choice.flatten(1, 2), 2)[0, 0, 2:4, 2:4]
    torch.testing.assert_close(middle, torch.tensor([[1.0, 3.0], [5.0, 7.0]]))


def test_local_detail_is_alike_in_shade_and_in_light() -> None:
    pattern = torch.from_numpy(tiny.frames(5, 1, 1, 128, 128))
    shade, light = (_layers.local_detail(level + scale * pattern) for level, scale in ((-0.8, 0.1), (0.2, 0.4)))
    dim, bright = (fine * _layers.widen(sharpness, 4) for fine, _, sharpness in (shade, light))
    ratio = (dim.std() / bright.std()).item()
    assert 0.6 < ratio < 1.0, ratio
    assert 0.2 < (shade[0].std() / light[0].std()).item() < 0.3


def test_unknown_sizes_name_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="cascade_b, cascade_l, cascade_s"):
        generators.settings_of("cascade_xl")
    with pytest.raises(UnknownName, match="cascade"):
        generators.settings_of("cascada_s")


def test_pix2pix_is_as_large_as_published() -> None:
    with torch.device("meta"):
        module = generators.build("pix2pix", {"inputs": 3, "outputs": 3})
    # The usual code has no biases in the first and the innermost layer: 64 + 512.
    assert sum(parameter.numel() for parameter in module.parameters()) == 54_413_955 + 64 + 512


@pytest.mark.parametrize("network", ["pix2pix", "cgan_unet"])
def test_dropout_is_the_only_chance_and_training_the_only_time(network: str) -> None:
    settings = shrunk(f"{network}_256")
    visible = frames(7, network, 1, 1, 2)
    with torch.no_grad():
        module = drawn(network, settings).train()
        assert not torch.equal(module(visible), module(visible))
        module = drawn(network, {**settings, "dropout": 0.0}).train()
        assert torch.equal(module(visible), module(visible))
    dropped = [m for m in drawn(network, settings).modules() if isinstance(m, nn.Dropout)]
    assert [m.p for m in dropped] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("size", ["pix2pix_256_visible", "cyclegan_6_visible", "cyclegan_6_spectrum_visible"])
def test_an_infrared_frame_comes_with_one_channel_or_with_three(size: str) -> None:
    network, _ = generators.settings_of(size)
    infrared = frames(8, network, 1, 1, 1)[:, :1]
    module = drawn(network, shrunk(size))
    with torch.no_grad():
        torch.testing.assert_close(module(infrared.expand(-1, 3, -1, -1)), module(infrared), atol=1e-4, rtol=0.0)


@pytest.mark.parametrize("size", ["pix2pix_256", "cgan_unet_256", "cyclegan_6", "cyclegan_6_spectrum"])
def test_the_way_back_takes_what_the_way_there_gives(size: str) -> None:
    network, _ = generators.settings_of(size)
    with torch.device("meta"):
        back = generators.way_back(size).eval()
        stride = generators.stride_of(network)
        assert back(torch.zeros(1, 3, stride, stride)).shape == (1, 3, stride, stride)


def test_resized_convolutions_draw_no_checkerboard_and_transposed_ones_do() -> None:
    torch.manual_seed(0)
    flat = torch.ones(1, 4, 8, 8)
    with torch.no_grad():
        resized, transposed = (
            double(4, 1, True)(flat)[..., 4:-4, 4:-4] for double in (cgan_unet.resized, pix2pix.transposed)
        )
    assert resized.max() - resized.min() < 1e-6
    assert transposed.max() - transposed.min() > 0.01


@pytest.mark.parametrize("n", [1, 3])
def test_slices_reflect_as_torch_does(n: int) -> None:
    x = torch.from_numpy(tiny.frames(9, 2, 3, 5, 7))
    assert torch.equal(cyclegan.Reflect(n)(x), F.pad(x, (n, n, n, n), mode="reflect"))


def test_the_first_norm_takes_the_spectrum_out_again() -> None:
    settings = shrunk("cyclegan_6")
    plain, mapped = (drawn("cyclegan", {**settings, "spectrum": spectrum}) for spectrum in (False, True))
    for module in (plain, mapped):
        for layer in module.modules():
            if isinstance(layer, nn.InstanceNorm2d):
                layer.eps = 1e-12
    visible = frames(10, "cyclegan", 1, 1, 2)
    with torch.no_grad():
        inner = plain.stages(visible)[-1]  # type: ignore[operator]
        outer = mapped.stages(visible)[-1]  # type: ignore[operator]
    expected = spectrum.wavelength_to_infrared(spectrum.denormalise(inner)) / 127.5 - 1.0
    torch.testing.assert_close(outer, expected, atol=2e-3, rtol=0.0)


def test_a_fresh_guided_is_grayscale() -> None:
    module = generators.build(*generators.settings_of("guided_s")).eval()
    for visible in (frames(11, "guided", 2, 2, 3), torch.full((1, 3, 32, 64), 1.0), torch.full((1, 3, 32, 64), -1.0)):
        with torch.no_grad():
            luma = _layers.luminance(visible)
            torch.testing.assert_close(module.stages(visible)[-1], luma, atol=1e-5, rtol=0.0)  # type: ignore[operator]


def test_a_grid_is_read_at_the_luminance() -> None:
    luma = torch.from_numpy(tiny.frames(12, 1, 1, 16, 24))
    shades = torch.tensor([0.5, -1.0, 2.0, 0.0, 1.0])
    read = guided.read_grid(shades.reshape(1, 5, 1, 1).expand(1, 5, 2, 3), guided.to_cells(luma))
    expected = np.interp(luma.numpy(), np.linspace(-1.0, 1.0, 5), shades.numpy())
    np.testing.assert_allclose(F.pixel_shuffle(read, guided.CELL).numpy(), expected, atol=1e-5)


def test_a_grid_is_read_where_the_pixel_lies() -> None:
    grid = torch.from_numpy(tiny.frames(13, 1, 1, 3, 4)).expand(1, 2, 3, 4)
    read = F.pixel_shuffle(guided.read_grid(grid, torch.zeros(1, 64, 3, 4)), guided.CELL)
    torch.testing.assert_close(read, _layers.widen(grid[:, :1], guided.CELL), atol=1e-5, rtol=0.0)


def test_the_grid_can_turn_the_picture_round() -> None:
    module = generators.build("guided", shrunk("guided_s")).eval()
    with torch.no_grad():
        module.get_parameter("grid.bias")[:4] = -2.0 * torch.linspace(-1.0, 1.0, 4)
        visible = frames(14, "guided", 1, 2, 2)
        torch.testing.assert_close(module(visible), -_layers.luminance(visible), atol=1e-5, rtol=0.0)


def test_guided_is_still_where_the_picture_is_flat() -> None:
    visible = torch.full((1, 3, 32, 64), 0.25, requires_grad=True)
    drawn("guided", shrunk("guided_s"))(visible).sum().backward()
    assert visible.grad is not None and visible.grad.isfinite().all()


def test_guided_costs_a_tenth_of_the_cascade() -> None:
    flops = {}
    for size in ("guided_s", "cascade_s"):
        with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
            generators.build(*generators.settings_of(size)).eval()(torch.zeros(1, 3, 512, 640))
        flops[size] = counter.get_total_flops()
    assert flops["guided_s"] < min(2.5e9, 0.1 * flops["cascade_s"])


def test_the_table_of_sizes_is_measured() -> None:
    guide = (Path(__file__).parents[1] / "docs/guides/systems.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \| (\d+) \|$", guide, re.MULTILINE)
    assert {generators.settings_of(size)[0] for size, *_ in rows} == set(NETWORKS)
    for size, millions, gflop, multiple in rows:
        network, settings = generators.settings_of(size)
        height, width = padded(512, 640, generators.stride_of(network))
        with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
            module = generators.build(network, settings).eval()
            module(torch.zeros(1, 3, height, width))
        parameters = sum(parameter.numel() for parameter in module.parameters())
        measured = (f"{parameters / 1e6:.2f}", f"{counter.get_total_flops() / 1e9:.2f}", generators.stride_of(network))
        assert (millions, gflop, int(multiple)) == measured, size
