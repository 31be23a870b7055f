"""Weights and training states: what was saved comes back, and what was changed is refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from synthir.checkpoint import STATE, WEIGHTS, copy_average, load_model, load_state, save_state
from synthir.errors import EngineUntrusted, TrainingError
from tests import tiny


def test_a_model_comes_back_as_its_float16_weights(tmp_path: Path) -> None:
    saved = tiny.network()
    loaded, spec = load_model(tiny.model_folder(tmp_path))
    assert (spec.network, spec.stride) == ("cascade", 32)
    for name, value in saved.state_dict().items():
        if value.is_floating_point():
            expected = value if "running_" in name else value.half().float()
            assert torch.equal(loaded.state_dict()[name], expected), name
    assert not loaded.training


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    folder = tiny.model_folder(tmp_path)
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    with pytest.raises(EngineUntrusted, match="weights changed"):
        load_model(folder)


def test_a_folder_without_a_model_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(EngineUntrusted, match="synthir models ls"):
        load_model(tmp_path)


def trained() -> tuple[nn.Linear, torch.optim.Optimizer]:
    """A layer and its optimiser after one step."""
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    adam = torch.optim.Adam(layer.parameters(), lr=0.1)
    layer(torch.ones(1, 3)).sum().backward()
    adam.step()
    return layer, adam


def test_an_optimiser_goes_on_exactly(tmp_path: Path) -> None:
    layer, adam = trained()
    save_state(tmp_path, 7, {"layer": layer.state_dict(), "adam": adam.state_dict()})
    other = nn.Linear(3, 2)
    resumed = torch.optim.Adam(other.parameters(), lr=0.5)
    loaded = load_state(tmp_path)
    assert loaded and loaded[0] == 7
    other.load_state_dict(loaded[1]["layer"])
    resumed.load_state_dict(loaded[1]["adam"])
    for module, optimiser in ((layer, adam), (other, resumed)):
        optimiser.zero_grad()
        module(torch.full((1, 3), 2.0)).square().sum().backward()
        optimiser.step()
    assert torch.equal(layer.weight, other.weight)


def test_only_the_last_state_is_kept_and_a_half_written_one_is_not_seen(tmp_path: Path) -> None:
    save_state(tmp_path, 1, {"x": torch.ones(2)})
    save_state(tmp_path, 2, {"x": torch.full((2,), 5.0)})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state-0000002.safetensors", STATE]
    (tmp_path / "state-0000003.safetensors").write_bytes(b"torn")
    loaded = load_state(tmp_path)
    assert loaded and loaded[0] == 2 and torch.equal(loaded[1]["x"], torch.full((2,), 5.0))


def test_a_changed_state_is_refused(tmp_path: Path) -> None:
    save_state(tmp_path, 1, {"x": torch.ones(2)})
    (tmp_path / "state-0000001.safetensors").write_bytes(b"changed")
    with pytest.raises(TrainingError, match="training state changed"):
        load_state(tmp_path)


def test_no_state_is_none(tmp_path: Path) -> None:
    assert load_state(tmp_path) is None


def test_the_average_moves_by_one_minus_decay() -> None:
    average, module = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    module.weight.data.fill_(3.0)
    module.running_mean = torch.full((2,), 10.0)
    copy_average(average, module, 0.9)
    torch.testing.assert_close(average.weight.data, torch.full((2,), 1.2))
    torch.testing.assert_close(average.running_mean, torch.full((2,), 1.0))
