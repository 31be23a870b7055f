"""Networks as graphs: folding changes nothing, float16 is taken only where it is as good."""

import pytest
import torch

from synthir.lowering import ATEN, Lowered, compared, graph_of
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
