"""The perceptual term: the network's shape, its weights from files, and numbers worked out by hand."""

import pickle
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from synthir.errors import ConfigError
from synthir.perceptual import load_vgg, perceptual, vgg
from tests import tiny

LAYER = "conv2_1"
"""Deep enough to have a pool below it, small enough for a test."""


def weights(layer: str = LAYER) -> dict[str, Tensor]:
    """Random weights up to a layer, named as torchvision names them."""
    rng = torch.Generator().manual_seed(0)
    state = vgg("vgg19", layer).state_dict()
    drawn = {f"features.{name}": 0.1 * torch.randn(like.shape, generator=rng) for name, like in state.items()}
    return {**drawn, "classifier.0.bias": torch.zeros(3)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vgg.pth"
    torch.save(weights(), path)
    return path


def test_the_default_is_the_first_36_of_torchvisions_features() -> None:
    network = vgg("vgg19")
    # what torchvision's vgg19 lists: 64 64 M 128 128 M 256 x4 M 512 x4 M 512 x4
    kinds = "".join({nn.Conv2d: "c", nn.ReLU: "r", nn.MaxPool2d: "M"}[type(step)] for step in network)
    assert kinds == "crcrM" * 2 + "crcrcrcrM" * 2 + "crcrcrcr"
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes["0.weight"] == (64, 3, 3, 3) and shapes["5.weight"] == (128, 64, 3, 3)
    assert shapes["10.weight"] == (256, 128, 3, 3) and shapes["19.weight"] == (512, 256, 3, 3)
    assert shapes["34.weight"] == (512, 512, 3, 3) and sum(name.endswith("bias") for name in shapes) == 16
    assert network(torch.zeros(1, 3, 64, 32, device="meta")).shape == (1, 512, 4, 2)


def test_vgg_16_is_seen_from_its_tensors_and_looked_at_in_its_last_layer(tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(1)
    drawn = {name: 0.1 * torch.randn(like.shape, generator=rng) for name, like in vgg("vgg16").state_dict().items()}
    kinds = "".join({nn.Conv2d: "c", nn.ReLU: "r", nn.MaxPool2d: "M"}[type(step)] for step in vgg("vgg16"))
    assert kinds == "crcrM" * 2 + "crcrcrM" * 2 + "crcrcr"  # 64 64 M 128 128 M 256 x3 M 512 x3 M 512 x3
    save_file({f"features.{name}": value for name, value in drawn.items()}, tmp_path / "vgg16.safetensors")
    network, picture = load_vgg(tmp_path / "vgg16.safetensors"), torch.from_numpy(tiny.frames(0, 1, 3, 32, 32))
    x = picture
    for number in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28):
        x = F.max_pool2d(x, 2) if number in (5, 10, 17, 24) else x
        x = F.relu(F.conv2d(x, drawn[f"{number}.weight"], drawn[f"{number}.bias"], padding=1))
    torch.testing.assert_close(network(picture), x)
    with pytest.raises(ConfigError, match=r"conv5_4: VGG-16 has no such layer.*conv5_1 to conv5_3$"):
        load_vgg(tmp_path / "vgg16.safetensors", "conv5_4")


def test_an_unknown_layer_lists_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"conv5_5: VGG-19 has no such layer\. Next: choose one of conv1_1 to conv1_2"
    ):
        vgg("vgg19", "conv5_5")


@pytest.mark.parametrize("form", ["pth", "legacy.pth", "safetensors"])
def test_weights_come_from_any_form_of_file(tmp_path: Path, form: str) -> None:
    state, path = weights(), tmp_path / f"vgg.{form}"
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "pth")
    loaded = load_vgg(path, LAYER).state_dict()
    assert set(loaded) == {"0.weight", "0.bias", "2.weight", "2.bias", "5.weight", "5.bias"}
    assert all(torch.equal(value, state[f"features.{name}"]) for name, value in loaded.items())


def test_features_are_those_of_the_plain_convolutions(file: Path) -> None:
    state, picture = weights(), torch.from_numpy(tiny.frames(0, 1, 3, 12, 12))
    x = picture
    for name, pool in (("0", False), ("2", True), ("5", False)):
        x = F.relu(F.conv2d(x, state[f"features.{name}.weight"], state[f"features.{name}.bias"], padding=1))
        x = F.max_pool2d(x, 2) if pool else x
    torch.testing.assert_close(load_vgg(file, LAYER)(picture), x)


def test_half_precision_weights_are_used_as_float32(tmp_path: Path) -> None:
    state = {name: value.half() for name, value in weights().items()}
    save_file(state, tmp_path / "vgg.safetensors")
    loaded = load_vgg(tmp_path / "vgg.safetensors", LAYER).state_dict()
    assert {value.dtype for value in loaded.values()} == {torch.float32}
    assert torch.equal(loaded["0.weight"], state["features.0.weight"].float())


def test_the_term_by_hand(tmp_path: Path) -> None:
    state = {name: torch.zeros_like(value) for name, value in weights("conv1_1").items()}
    for channel in range(3):  # three of the 64 show the normalised colours as they are
        state["features.0.weight"][channel, channel, 1, 1] = 1.0
    save_file(state, tmp_path / "vgg.safetensors")
    module = load_vgg(tmp_path / "vgg.safetensors", "conv1_1")
    white, grey = torch.ones(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.4)  # 1.0 and 0.7 in [0, 1]
    expected = sum((0.3 / deviation) ** 2 for deviation in (0.229, 0.224, 0.225)) / 64
    assert perceptual(module, white, grey).item() == pytest.approx(expected, rel=1e-4)
    # black is below the mean in each channel, so the ReLU leaves nothing of it
    means = zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
    expected = sum(((1.0 - mean) / deviation) ** 2 for mean, deviation in means) / 64
    assert perceptual(module, white, -white).item() == pytest.approx(expected, rel=1e-4)


def test_it_trains_the_prediction_alone(file: Path) -> None:
    module = load_vgg(file, LAYER)
    made, real = (torch.from_numpy(tiny.frames(seed, 2, 1, 16, 16)).requires_grad_() for seed in (1, 2))
    perceptual(module, made, real).backward()  # type: ignore[no-untyped-call]
    assert made.grad is not None and made.grad.flatten(1).norm(dim=1).min().item() > 0
    assert real.grad is None
    assert not module.training and not any(value.requires_grad for value in module.parameters())
    assert all(value.grad is None for value in module.parameters())


def test_grey_is_the_same_as_three_equal_channels(file: Path) -> None:
    module = load_vgg(file, LAYER)
    made, real = (torch.from_numpy(tiny.frames(seed, 1, 1, 16, 16)) for seed in (3, 4))
    coloured = perceptual(module, made.repeat(1, 3, 1, 1), real.repeat(1, 3, 1, 1))
    assert perceptual(module, made, real).item() == pytest.approx(coloured.item())
    assert perceptual(module, real, real).item() == 0.0


def test_an_absent_file_is_refused_with_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_vgg(tmp_path / "vgg19-dcbb9e9d.pth")
    assert caught.value.why == "no such file" and caught.value.where.endswith("vgg19-dcbb9e9d.pth")
    assert 'torchvision.models.vgg19(weights="IMAGENET1K_V1")' in caught.value.fix
    assert "://" not in str(caught.value)


@pytest.mark.parametrize("name", ["vgg.pth", "vgg.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x80\x02garbage", b"PK\x03\x04cut short", b"(lp0"])
def test_a_broken_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_vgg(tmp_path / name, LAYER)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("by", ["torch", "pickle"])
def test_a_file_that_runs_code_is_refused_and_does_not_run(tmp_path: Path, by: str) -> None:
    path, mark = tmp_path / "vgg.pth", tmp_path / "ran"
    held = {"features.0.weight": Trap(mark)}
    if by == "torch":
        torch.save(held, path)
    else:
        path.write_bytes(pickle.dumps(held, protocol=2))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_vgg(path, LAYER)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("missing", r"features\.5\.bias should be a tensor of \(128,\), the file has none"),
        ("shape", r"features\.5\.bias should be a tensor of \(128,\), the file has one of \(127,\)"),
        ("list", "no state dict"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, fault: str, why: str) -> None:
    state = weights()
    if fault == "missing":
        del state["features.5.bias"]
    else:
        state["features.5.bias"] = torch.zeros(127)
    torch.save([state] if fault == "list" else state, tmp_path / "vgg.pth")
    with pytest.raises(ConfigError, match=why):
        load_vgg(tmp_path / "vgg.pth", LAYER)
