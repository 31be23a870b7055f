"""LPIPS with random weights: the numbers of the formula written out, the files that are taken, and those refused."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from synthir.errors import ConfigError
from synthir.lpips import BACKBONES, Lpips, load_lpips, lpips_of
from synthir.metrics import Grey

Weights = dict[str, Tensor]


def draw(name: str, seed: int = 0) -> tuple[Weights, Weights]:
    """Random weights with the published names: of the linear layers, and of the backbone with its classifier."""
    rng = torch.Generator().manual_seed(seed)
    module = Lpips(name)
    backbone = {
        f"features.{key}": torch.randn(value.shape, generator=rng) * value[0].numel() ** -0.5
        for key, value in module.features.state_dict().items()
    }
    linear = {
        f"lin{stage}.model.1.weight": torch.rand(weight.shape, generator=rng)
        for stage, weight in enumerate(module.linear)
    }
    return linear, backbone | {"classifier.1.bias": torch.zeros(3)}


def write(folder: Path, linear: Weights, backbone: Weights) -> tuple[Path, Path]:
    torch.save(linear, folder / "linear.pth")
    torch.save(backbone, folder / "backbone.pth")
    return folder / "linear.pth", folder / "backbone.pth"


def pictures(size: int = 64) -> tuple[Grey, Grey]:
    made, real = np.random.default_rng(0).integers(0, 256, (2, size, size)).astype(np.uint8)
    return made, real


def written_out(made: Grey, real: Grey, linear: Weights, w: Weights) -> float:
    """LPIPS of AlexNet, stage by stage, from the paper and the published constants."""

    def stages(picture: Grey) -> list[Tensor]:
        x = torch.from_numpy(picture.astype(np.float32) / 255.0 * 2.0 - 1.0).repeat(3, 1, 1)[None]
        for channel, (shift, scale) in enumerate(((-0.030, 0.458), (-0.088, 0.448), (-0.188, 0.450))):
            x[:, channel] = (x[:, channel] - shift) / scale
        x1 = F.relu(F.conv2d(x, w["features.0.weight"], w["features.0.bias"], stride=4, padding=2))
        x2 = F.relu(F.conv2d(F.max_pool2d(x1, 3, 2), w["features.3.weight"], w["features.3.bias"], padding=2))
        x3 = F.relu(F.conv2d(F.max_pool2d(x2, 3, 2), w["features.6.weight"], w["features.6.bias"], padding=1))
        x4 = F.relu(F.conv2d(x3, w["features.8.weight"], w["features.8.bias"], padding=1))
        x5 = F.relu(F.conv2d(x4, w["features.10.weight"], w["features.10.bias"], padding=1))
        return [x1, x2, x3, x4, x5]

    total = 0.0
    for stage, (a, b) in enumerate(zip(stages(made), stages(real), strict=True)):
        difference = (F.normalize(a, dim=1) - F.normalize(b, dim=1)) ** 2
        total += float(F.conv2d(difference, linear[f"lin{stage}.model.1.weight"]).mean())
    return total


def test_lpips_is_the_formula_written_out(tmp_path: Path) -> None:
    linear, backbone = draw("alexnet")
    distance = lpips_of(load_lpips(*write(tmp_path, linear, backbone)))
    made, real = pictures()
    assert distance(made, real) == pytest.approx(written_out(made, real, linear, backbone), rel=1e-4)
    assert distance(real, real) == 0.0
    assert distance(made, real) > 0.0


@pytest.mark.parametrize("name", BACKBONES)
def test_the_backbone_is_told_by_its_weights(name: str, tmp_path: Path) -> None:
    module = load_lpips(*write(tmp_path, *draw(name)))
    assert module.name == name and not module.training
    made, real = pictures(32)
    assert lpips_of(module)(made, real) > 0.0
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_vgg_stages_have_the_published_places() -> None:
    seen = Lpips("vgg16").stages(torch.zeros(1, 3, 64, 64))
    assert [(one.shape[1], one.shape[2]) for one in seen] == [(64, 64), (128, 32), (256, 16), (512, 8), (512, 4)]


def test_safetensors_are_taken_too_and_values_are_clipped(tmp_path: Path) -> None:
    linear, backbone = draw("alexnet")
    save_file(linear, tmp_path / "linear.safetensors")
    distance = lpips_of(load_lpips(tmp_path / "linear.safetensors", write(tmp_path, linear, backbone)[1]))
    made, real = pictures()
    beyond = np.where(made > 128, 400.0, made.astype(np.float64))
    assert distance(beyond, real) == distance(np.minimum(beyond, 255.0), real)


def test_small_pictures_have_none(tmp_path: Path) -> None:
    made, real = pictures(31)
    assert math.isnan(lpips_of(load_lpips(*write(tmp_path, *draw("alexnet"))))(made, real))


def test_an_absent_file_says_how_to_get_it(tmp_path: Path) -> None:
    linear, backbone = write(tmp_path, *draw("alexnet"))
    with pytest.raises(ConfigError, match=r"no weights for LPIPS \(no such file\).*lpips package"):
        load_lpips(tmp_path / "none.pth", backbone)
    with pytest.raises(ConfigError, match=r"no weights for LPIPS's backbone .*torchvision.models.alexnet"):
        load_lpips(linear, tmp_path / "none.pth")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    linear, backbone = draw("alexnet")
    of_vgg = write(tmp_path, draw("vgg16")[0], backbone)
    with pytest.raises(ConfigError, match=r"lin1.model.1.weight should be a tensor of \(1, 192, 1, 1\)"):
        load_lpips(*of_vgg)
    del backbone["features.8.bias"]
    with pytest.raises(ConfigError, match=r"features.8.bias should be .* the file has none"):
        load_lpips(*write(tmp_path, linear, backbone))


class Evil:
    """What a pickle could do."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("ran"),)  # type: ignore[return-value]


@pytest.mark.parametrize("what", ["code", "text", "list"])
def test_what_is_no_state_dict_is_refused_and_never_run(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    linear, backbone = write(tmp_path, *draw("alexnet"))
    if what == "text":
        linear.write_text("weights")
    else:
        torch.save({"lin0.model.1.weight": Evil()} if what == "code" else [1, 2], linear)
    with pytest.raises(ConfigError, match="weights for LPIPS cannot be read"):
        load_lpips(linear, backbone)
    assert not (tmp_path / "ran").exists()
