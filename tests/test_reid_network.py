"""The re-ID network and its losses: sizes, first weights, weights from a file, and numbers computed by hand."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from synthir.errors import ConfigError
from synthir.reid.losses import distances, identity_loss, weighted_triplet
from synthir.reid.network import HOW, NonLocal, ReID, generalised_mean, start_from


def small(non_local: bool = False) -> ReID:
    torch.manual_seed(0)
    return ReID("small", 5, non_local=non_local).eval()


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_large_size_is_a_resnet50() -> None:
    with torch.device("meta"):
        network = ReID("resnet50", 395, non_local=False)
    # a ResNet-50 has 25,557,032 weights, 2,049,000 of them in its last layer
    assert count(network.stages) + count(network.visible) == 25_557_032 - 2_049_000
    assert count(network.infrared) == 64 * 3 * 49 + 2 * 64
    names = network.stages.state_dict()
    assert names["layer4.0.downsample.0.weight"].shape == (2048, 1024, 1, 1)
    assert "layer1.1.downsample.0.weight" not in names


def test_the_last_stage_keeps_its_size() -> None:
    seen: list[tuple[int, ...]] = []
    network = small()
    (block,) = network.stages["layer4"].children()
    block.register_forward_hook(lambda *hook: seen.append(tuple(hook[2].shape)))
    features = network.features(torch.rand(2, 3, 96, 48), infrared=False)
    assert seen == [(2, 256, 6, 3)]  # a sixteenth, where a plain ResNet has a thirty-second
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2))


def test_each_modality_has_its_own_first_layers() -> None:
    network, pictures = small(), torch.rand(2, 3, 32, 16)
    before = network.features(pictures, infrared=False)
    assert not torch.equal(before, network.features(pictures, infrared=True))
    nn.init.zeros_(network.infrared.conv1.weight)
    assert torch.equal(before, network.features(pictures, infrared=False))


def test_logits_are_of_visible_then_infrared() -> None:
    network, visible, infrared = small(), torch.rand(2, 3, 32, 16), torch.rand(3, 3, 32, 16)
    pooled, logits = network(visible, infrared)
    assert pooled.shape == (5, 256) and logits.shape == (5, 5)
    direct = network.pooled(network.infrared(infrared))
    torch.testing.assert_close(pooled[2:], direct, rtol=1e-4, atol=1e-5)


def test_non_local_blocks_change_nothing_at_first_and_something_later() -> None:
    network, pictures = small(non_local=True), torch.rand(1, 3, 32, 32)
    assert sorted(network.non_local) == ["layer2-0", "layer3-0"]
    before = network.features(pictures, infrared=False)
    for block in network.non_local.values():
        assert isinstance(block, NonLocal)
        nn.init.ones_(block.norm.weight)
    after = network.features(pictures, infrared=False)
    assert not torch.allclose(before, after, atol=1e-3)
    network.non_local = nn.ModuleDict()
    torch.testing.assert_close(network.features(pictures, infrared=False), before)


def test_a_non_local_block_adds_what_is_seen_elsewhere() -> None:
    block = NonLocal(2).eval()
    for layer in (block.theta, block.phi, block.g, block.out):
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    nn.init.ones_(block.norm.weight)
    x = torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]]]])  # sums over channels: 1 and 3
    # likeness of place i and j: s_i s_j / 2; seen at i: s_i (1 * 1 + 3 * 3) / 2 = 5 s_i
    expected = x + torch.tensor([[5.0, 15.0]]) / math.sqrt(1 + 1e-5)
    torch.testing.assert_close(block(x), expected)


def test_the_generalised_mean_by_hand() -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2)
    assert generalised_mean(x).item() == pytest.approx((100 / 4) ** (1 / 3))
    assert generalised_mean(torch.full((1, 1, 3, 3), 2.5)).item() == pytest.approx(2.5)


def imagenet() -> dict[str, Tensor]:
    """A state dict as a ResNet-50 in a file has it: one first layer, the stages, and a last layer nobody wants."""
    torch.manual_seed(3)
    network = ReID("resnet50", 2, non_local=False)
    state = network.visible.state_dict() | network.stages.state_dict()
    state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    return {**state, "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_imagenet_weights_fill_both_first_layers(ending: str, tmp_path: Path) -> None:
    path, state = tmp_path / f"weights.{ending}", imagenet()
    torch.save(state, path) if ending == "pth" else save_file(state, path)
    torch.manual_seed(4)
    network = ReID("resnet50", 2, non_local=True)
    start_from(network, "resnet50", path)
    for stem in (network.visible, network.infrared):
        assert torch.equal(stem.conv1.weight, state["conv1.weight"])
    last = network.stages.state_dict()["layer4.2.conv3.weight"]
    assert torch.equal(last, state["layer4.2.conv3.weight"])


def test_weights_that_are_not_there_are_refused_with_the_way_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        start_from(small(), "resnet50", tmp_path / "resnet50.pth")
    assert caught.value.fix == HOW and caught.value.where.endswith("resnet50.pth")


class Evil:
    """Writes a file if it is unpickled as Python would."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_code_in_a_weights_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"conv1.weight": Evil(tmp_path / "ran")}, tmp_path / "weights.pth")
    with pytest.raises(ConfigError, match="cannot be read"):
        start_from(small(), "resnet50", tmp_path / "weights.pth")
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_and_for_another_size(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(64, 1, 7, 7)}, tmp_path / "weights.pth")
    network = small()
    with pytest.raises(ConfigError, match="another network"):
        start_from(network, "resnet50", tmp_path / "weights.pth")
    with pytest.raises(ConfigError, match="network is small"):
        start_from(network, "small", tmp_path / "weights.pth")


def test_distances_by_hand() -> None:
    found = distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    torch.testing.assert_close(found, torch.tensor([[1e-6, 5.0], [5.0, 1e-6]]))


def test_the_weighted_triplet_loss_by_hand() -> None:
    # on a line: a at 0 and 1 and 3, b at 4
    features, labels = torch.tensor([[0.0], [1.0], [3.0], [4.0]]), torch.tensor([0, 0, 0, 1])
    b_negatives = [4.0, 3.0, 1.0]

    def mean(values: list[float], sign: float) -> float:
        weights = [math.exp(sign * value) for value in values]
        return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)

    anchors = [([1.0, 3.0], 4.0), ([1.0, 2.0], 3.0), ([3.0, 2.0], 1.0)]
    losses = [math.log1p(math.exp(mean(positives, 1.0) - negative)) for positives, negative in anchors]
    found = weighted_triplet(features[[0, 1, 2, 3, 3]], labels[[0, 1, 2, 3, 3]])
    # b is there twice, so that it has a positive; each anchor of a then sees b twice at one distance
    losses += [math.log1p(math.exp(1e-6 - mean(b_negatives, -1.0)))] * 2
    assert found.item() == pytest.approx(sum(losses) / 5, rel=1e-5)


def test_the_triplet_loss_has_gradients_also_between_equal_features() -> None:
    features = torch.zeros(4, 3, requires_grad=True)
    weighted_triplet(features, torch.tensor([0, 0, 1, 1])).backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None and bool(torch.isfinite(features.grad).all())


def test_the_identity_loss_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0]])
    assert identity_loss(logits, torch.tensor([1])).item() == pytest.approx(math.log(1 + math.exp(2.0)))
