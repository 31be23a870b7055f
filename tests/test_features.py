"""Features for FID and KID: of torchvision's networks with weights from a file, where torchvision is installed."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synthir.errors import BackendMissing, ConfigError
from synthir.features import load_features, prepared
from synthir.torchvision_cpu import mend_torchvision


@pytest.fixture
def models() -> Any:
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed; the extra recipes brings it")
    mend_torchvision()
    return importlib.import_module("torchvision.models")


def test_without_torchvision_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("torchvision", "torchvision.models"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(BackendMissing, match=r"torchvision is not installed .*leave inception empty"):
        load_features(tmp_path / "weights.pth", "resnet18")


def test_pictures_are_clipped_resized_and_normalised() -> None:
    picture = np.full((10, 20), 300.0)
    seen = prepared(picture, 8)
    assert seen.shape == (1, 3, 8, 8)
    for plane, mean, deviation in zip(seen[0], (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True):
        np.testing.assert_allclose(plane, (1.0 - mean) / deviation, rtol=1e-5)


def test_features_are_those_before_the_last_layer(models: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = models.resnet18(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "resnet18.pth")
    picture = np.random.default_rng(0).integers(0, 256, (50, 60)).astype(np.uint8)
    features = load_features(tmp_path / "resnet18.pth", "resnet18")(picture)
    assert features.shape == (512,) and features.dtype == np.float32
    with torch.no_grad():
        whole = network(prepared(picture, 224))[0]
        np.testing.assert_allclose(network.fc(torch.from_numpy(features)), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_inception_gives_2048(models: Any, tmp_path: Path) -> None:
    network = models.inception_v3(weights=None, init_weights=False)
    torch.save(network.state_dict(), tmp_path / "inception.pth")
    features = load_features(tmp_path / "inception.pth", "inception_v3")(np.zeros((50, 60), np.uint8))
    assert features.shape == (2048,) and np.isfinite(features).all()


def test_other_networks_and_other_weights_are_refused(models: Any, tmp_path: Path) -> None:
    torch.save(models.resnet18(weights=None).state_dict(), tmp_path / "resnet18.pth")
    for name in ("vgg16", "no_such_network"):
        with pytest.raises(ConfigError, match=f"no features of that network|{name}"):
            load_features(tmp_path / "resnet18.pth", name)
    with pytest.raises(ConfigError, match="weights of another network"):
        load_features(tmp_path / "resnet18.pth", "resnet50")
    with pytest.raises(ConfigError, match="no weights for the features of resnet18"):
        load_features(tmp_path / "none.pth", "resnet18")
