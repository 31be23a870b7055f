"""The discriminators: what a score sees, which weights they have, and the history of made pictures."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from synthir.adversarial import adversarial
from synthir.discriminators import Norm, PatchGAN, pool_draw, published_patchgan
from tests import tiny

NORMS: tuple[Norm, ...] = ("spectral", "batch", "instance", "none")


def pictures(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(tiny.frames(seed, *shape))


def judge(norm: Norm = "spectral", source: int = 3, target: int = 1) -> PatchGAN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PatchGAN(8, norm=norm, source=source, target=target)


def test_a_patch_score_sees_seventy_pixels() -> None:
    infrared = pictures(5, 1, 1, 160, 160).requires_grad_()
    scores, features = judge().eval()(pictures(4, 1, 3, 160, 160), infrared)
    middle = scores.shape[-1] // 2
    scores[0, 0, middle, middle].backward()
    assert infrared.grad is not None
    seen = infrared.grad[0, 0].abs().sum(dim=0).nonzero()
    assert (seen.max() - seen.min() + 1).item() == 70
    assert [f.shape[1] for f in features] == [8, 16, 32, 32]


@pytest.mark.parametrize("norm", ["spectral", "none", "batch"])
def test_a_pixel_reaches_the_scores_whose_patch_holds_it_and_no_other(norm: Norm) -> None:
    network = judge(norm).eval()
    visible, infrared = pictures(0, 1, 3, 160, 160), pictures(1, 1, 1, 160, 160)
    changed = infrared.clone()
    row, column = 77, 61
    changed[0, 0, row, column] += 1.0
    with torch.no_grad():
        moved = (network(visible, changed)[0] - network(visible, infrared)[0])[0, 0].abs() > 1e-9
    # the patch of score i begins at 8 i less the padding of five layers: 1 + 2 + 4 + 8 + 8
    first = 8 * torch.arange(moved.shape[0]) - 23
    inside = [(first <= place) & (place < first + 70) for place in (row, column)]
    assert torch.equal(moved, inside[0][:, None] & inside[1][None])


def test_the_default_has_the_weights_it_always_had() -> None:
    names = {
        f"{layer}.{name}"
        for layer in ("blocks.0.0", "blocks.1.0", "blocks.2.0", "blocks.3.0", "score")
        for name in (
            "bias",
            "parametrizations.weight.original",
            "parametrizations.weight.0._u",
            "parametrizations.weight.0._v",
        )
    }
    state = PatchGAN().state_dict()
    assert set(state) == names
    widths = [state[f"blocks.{i}.0.parametrizations.weight.original"].shape[:2] for i in range(4)]
    assert widths == [(32, 4), (64, 32), (128, 64), (128, 128)]


def test_the_published_one_is_pix2pix() -> None:
    network = published_patchgan()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.stride[0]) for m in convolutions] == [
        (4, 64, 2),
        (64, 128, 2),
        (128, 256, 2),
        (256, 512, 1),
        (512, 1, 1),
    ]
    assert [m.bias is not None for m in convolutions] == [True, False, False, False, True]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [m.num_features for m in norms] == [128, 256, 512]
    assert [m.weight.mean().item() for m in norms] == pytest.approx([1.0] * 3, abs=0.01)
    # convolutions of 4x4, biases of the first layer and of the score, gain and offset of three norms
    assert sum(p.numel() for p in network.parameters()) == (
        16 * (4 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 64 + 1 + 2 * (128 + 256 + 512)
    )
    deviations = [m.weight.std().item() for m in convolutions]
    assert deviations == pytest.approx([0.02] * 5, rel=0.05)
    assert [m.bias.abs().max().item() for m in convolutions if m.bias is not None] == [0.0, 0.0]


def test_its_output_is_thirty_by_thirty_for_256() -> None:
    scores, _ = published_patchgan()(torch.zeros(1, 3, 256, 256), torch.zeros(1, 1, 256, 256))
    assert scores.shape == (1, 1, 30, 30)


def test_judging_the_target_alone_does_not_look_at_the_source() -> None:
    alone = judge(source=0)
    infrared = pictures(2, 1, 1, 64, 64)
    scores, others = (alone.eval()(pictures(seed, 1, 3, 64, 64), infrared)[0] for seed in (3, 4))
    assert torch.equal(scores, others)
    both = judge()
    scores, others = (both.eval()(pictures(seed, 1, 3, 64, 64), infrared)[0] for seed in (3, 4))
    assert not torch.equal(scores, others)


def test_it_judges_colour_too() -> None:
    visible, infrared = pictures(5, 1, 3, 64, 64), pictures(6, 1, 1, 64, 64)
    assert (
        judge(source=1, target=3)(infrared, visible)[0].shape == judge(source=0, target=3)(infrared, visible)[0].shape
    )


@pytest.mark.parametrize("norm", NORMS)
def test_only_batch_norm_ties_pictures_together(norm: Norm) -> None:
    network = judge(norm).eval() if norm == "spectral" else judge(norm).train()  # spectral norm moves in training
    visible, infrared = pictures(7, 2, 3, 64, 64), pictures(8, 2, 1, 64, 64)
    together, alone = network(visible, infrared)[0][:1], network(visible[:1], infrared[:1])[0]
    assert torch.allclose(together, alone, atol=1e-5) == (norm != "batch")


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_reach_every_parameter(norm: Norm) -> None:
    network = judge(norm)
    scores = network(pictures(9, 2, 3, 64, 64), pictures(10, 2, 1, 64, 64))[0]
    adversarial("bce").generator(scores).backward()  # type: ignore[no-untyped-call]
    sizes = {name: 0.0 if p.grad is None else p.grad.norm().item() for name, p in network.named_parameters()}
    assert {name for name, size in sizes.items() if size < 1e-7} == set()


def numbered(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1)


def test_a_pool_fills_before_it_gives_anything_else() -> None:
    fresh = numbered(1, 2)
    drawn, pool = pool_draw([], fresh, np.random.default_rng(0), size=3)
    assert drawn.flatten().tolist() == [1.0, 2.0]
    fresh += 100.0  # the pool has its own
    assert [p.item() for p in pool] == [1.0, 2.0]
    drawn, pool = pool_draw(pool, numbered(3), np.random.default_rng(0), size=3)
    assert drawn.flatten().tolist() == [3.0] and [p.item() for p in pool] == [1.0, 2.0, 3.0]


def test_a_full_pool_swaps_half_of_the_time_and_loses_nothing() -> None:
    rng, pool = np.random.default_rng(1), list(numbered(*range(50)))
    swaps = 0
    for number in range(50, 1050):
        before = sorted([*(p.item() for p in pool), number])
        drawn, pool = pool_draw(pool, numbered(number), rng)
        assert sorted([*(p.item() for p in pool), drawn.item()]) == before
        swaps += drawn.item() != number
    assert 440 < swaps < 560
    assert len({p.item() for p in pool} & set(range(50))) < 5  # swapped all over, not in one place


def test_a_pool_is_drawn_by_its_generator_and_leaves_what_it_was_given() -> None:
    pool, fresh = list(numbered(1)), numbered(*range(2, 12)).requires_grad_()  # fills first, then swaps
    first, second = (pool_draw(pool, fresh, np.random.default_rng(4), size=3) for _ in range(2))
    assert torch.equal(first[0], second[0]) and [p.item() for p in first[1]] == [p.item() for p in second[1]]
    assert [p.item() for p in pool] == [1.0] and len(first[1]) == 3
    assert first[0].flatten().tolist() != fresh.flatten().tolist()
    assert not first[0].requires_grad and not any(p.requires_grad for p in first[1])
    with torch.no_grad():
        fresh += 100.0
    assert max(p.item() for p in first[1]) < 100.0


def test_a_pool_of_none_gives_the_fresh_pictures() -> None:
    drawn, pool = pool_draw([], numbered(1, 2), np.random.default_rng(0), size=0)
    assert drawn.flatten().tolist() == [1.0, 2.0] and pool == []
