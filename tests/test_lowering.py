"""Networks as graphs: folding changes nothing, float16 is taken only where it is as good."""

import pytest
import torch
from torch import Tensor, nn

from synthir.borders import PAD
from synthir.generators._layers import repeat_border
from synthir.lowering import ATEN, Lowered, compared, graph_of
from tests import tiny
from tests.small import STRIDE, small

FRAMES = 2.0 * torch.rand((2, 3, 12, 16), generator=torch.Generator().manual_seed(1)) - 1.0


def batch_norms(graph: torch.fx.GraphModule) -> int:
    return sum(node.target is ATEN.batch_norm.default for node in graph.graph.nodes)


def test_batch_norm_goes_into_the_convolution_before_it_and_nowhere_else() -> None:
    module = small()
    graph = graph_of(module, STRIDE)
    assert batch_norms(graph) == 1, "the one behind a ReLU has no convolution to go into"
    with torch.inference_mode():
        torch.testing.assert_close(graph(FRAMES), module(FRAMES), atol=1e-6, rtol=0.0)


class Bordered(nn.Module):
    """Repeats borders by two and by one, and joins three things that are no border."""

    def forward(self, visible: Tensor) -> Tensor:
        wide = repeat_border(repeat_border(visible, 2), 1)
        lookalike = torch.cat(
            (wide[..., :1].expand(-1, -1, -1, 2), wide, wide[..., -2:-1].expand(-1, -1, -1, 2)), dim=3
        )
        return lookalike.mean(dim=1, keepdim=True)


def test_repeated_borders_become_padding_and_what_only_looks_like_one_stays() -> None:
    graph = graph_of(Bordered(), STRIDE)
    targets = [node.target for node in graph.graph.nodes if node.op == "call_function"]
    assert targets.count(PAD) == 1, "all four in one, since nobody else reads what lies between"
    assert targets.count(ATEN.cat.default) == 1
    assert torch.equal(graph(FRAMES), Bordered()(FRAMES))


def test_the_default_generator_keeps_its_numbers_and_loses_its_slices() -> None:
    module = tiny.network()
    graph = graph_of(module, 32)
    targets = [node.target for node in graph.graph.nodes if node.op == "call_function"]
    assert batch_norms(graph) == 0 and targets.count(PAD) > 20 and targets.count(ATEN.slice.Tensor) <= 20
    visible = torch.from_numpy(tiny.frames(1, 1, 3, 64, 96))
    with torch.inference_mode():
        torch.testing.assert_close(graph(visible), module(visible), atol=2e-5, rtol=0.0)


def test_the_module_is_left_as_it_was() -> None:
    module = small()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    Lowered(graph_of(module, STRIDE), frozenset())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_what_overflows_stays_in_float32() -> None:
    module = small(loud=1e6)
    graph = graph_of(module, STRIDE)
    rows = {row.node: row for row in compared(graph, [FRAMES])}
    kept = frozenset(name for name, row in rows.items() if row.kept)
    operations = {rows[name].layer.split()[-1] for name in kept}
    assert operations == {"mul", "mean", "div"} and len(rows) > 2 * len(kept)
    with torch.inference_mode():
        exact = module(FRAMES)
        mixed, halves = (Lowered(graph, names)(FRAMES)[0].float() for names in (kept, frozenset()))
    torch.testing.assert_close(mixed, exact, atol=5e-3, rtol=0.0)
    assert not torch.isfinite(halves).all() or (halves - exact).abs().max() > 0.05


def test_nothing_is_kept_where_float16_is_as_good() -> None:
    graph = graph_of(small(), STRIDE)
    rows = compared(graph, [FRAMES, 0.1 * FRAMES])
    assert rows and not any(row.kept for row in rows)
    first = next(row for row in rows if row.layer == "enter.0 conv2d")
    assert 0.0 < first.mean_difference <= first.max_difference < 0.01 * first.largest


@pytest.mark.parametrize("kept", [frozenset(), None])
def test_types_are_those_that_were_chosen(kept: frozenset[str] | None) -> None:
    graph = graph_of(small(), STRIDE)
    everything = frozenset(node.name for node in graph.graph.nodes)
    lowered = Lowered(graph, everything if kept is None else kept)
    dtype = torch.float32 if kept is None else torch.float16
    assert {p.dtype for p in lowered.graph.parameters()} == {dtype}
    with torch.inference_mode():
        infrared, unclamped = lowered(FRAMES)
    assert infrared.dtype == dtype
    torch.testing.assert_close(unclamped.clamp(-1.0, 1.0), infrared)


def test_what_is_before_the_clamp_shows_what_it_hides() -> None:
    module = small()
    with torch.no_grad():
        module.state_dict()["leave.bias"].fill_(5.0)
    graph = graph_of(module, STRIDE)
    with torch.inference_mode():
        infrared, unclamped = Lowered(graph, frozenset())(FRAMES)
    assert infrared.max() == 1.0 < unclamped.min()
