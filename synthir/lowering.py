"""A network as a graph of tensor operations, and the same graph computed in float16 wherever that is as good.

    graph_of(module)            any batch, height and width; batch norm folded into the convolutions before it
    compared(graph, frames)     each operation in float16 beside itself in float32: a row each, and the type it gets
    Lowered(graph, kept)        computes in float16, but for the operations that are kept in float32

Exporting a Lowered writes the casts into the graph: what a strongly typed runtime computes is what was compared here.
"""

import copy
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node
from torch.fx.node import map_aggregate

from .borders import join_borders

ATEN = torch.ops.aten
TOO_FAR = 0.01
"""An operation whose float16 result differs by more than this share of its largest value stays in float32."""
LEAST = 128
"""Pixels of the frame that is traced: nowhere inside a network may a single pixel be left, which is taken for fixed."""


@dataclass(frozen=True)
class Layer:
    """One operation in float16 beside itself in float32, on the same inputs."""

    node: str
    """Its name in the graph."""
    layer: str
    """The module it belongs to, and the operation: `heat.enter.0 conv2d`."""
    largest: float
    """Of its float32 results, absolute."""
    max_difference: float
    mean_difference: float

    @property
    def kept(self) -> bool:
        """Whether it stays in float32; also where a difference is not a number."""
        return not self.max_difference <= TOO_FAR * self.largest


def graph_of(module: nn.Module, stride: int) -> GraphModule:
    """The float32 network in eval mode as a graph, batch norm folded. Height and width are multiples of the stride."""
    side = -(-LEAST // stride) * stride
    frames = torch.zeros(2, 3, 2 * side, 3 * side)
    axes = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        graph = torch.export.export(module, (frames,), dynamic_shapes=(axes,)).module(check_guards=False)
    assert isinstance(graph, GraphModule)
    for node in list(graph.graph.nodes):
        if node.target is ATEN._assert_tensor_metadata.default:  # it insists on float32
            graph.graph.erase_node(node)
    fold(graph)
    join_borders(graph)
    return graph


def operations(graph: GraphModule) -> frozenset[str]:
    """The names of all nodes: what to keep for a network that stays in float32."""
    return frozenset(node.name for node in graph.graph.nodes)


def fold(graph: GraphModule) -> None:
    """Put every batch norm that follows a convolution alone into its weights and bias, in place."""
    for number, node in enumerate(list(graph.graph.nodes)):
        if node.target is not ATEN.batch_norm.default or not foldable(node.args[0]):
            continue
        conv, (gamma, beta, mean, variance) = node.args[0], (attribute(graph, name) for name in node.args[1:5])
        old = [attribute(graph, name) for name in (*conv.args[1:3], None)[:2]]
        transposed = conv.target is not ATEN.conv2d.default
        assert old[0] is not None and mean is not None and variance is not None
        new = nn.utils.fuse_conv_bn_weights(
            *(old[0], old[1], mean, variance, node.args[7], gamma, beta), transpose=transposed
        )
        names = (f"folded_{number}_weight", f"folded_{number}_bias")
        with graph.graph.inserting_before(conv):
            for name, value in zip(names, new, strict=True):
                setattr(graph, name, value)
            conv.args = (conv.args[0], *(graph.graph.get_attr(name) for name in names), *conv.args[3:])
        node.replace_all_uses_with(conv)
        graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.recompile()


def foldable(node: Any) -> bool:
    """Whether a node is a convolution whose result nobody else reads."""
    convolutions = (ATEN.conv2d.default, ATEN.conv_transpose2d.input)
    return isinstance(node, Node) and node.target in convolutions and len(node.users) == 1


def attribute(graph: GraphModule, node: Any) -> nn.Parameter | None:
    """The tensor that a get_attr node stands for, None for None."""
    if node is None:
        return None
    value: Any = graph
    for name in node.target.split("."):
        value = getattr(value, name)
    return nn.Parameter(value.detach(), requires_grad=False)


def cast(values: Any, dtype: torch.dtype) -> Any:
    """Nested values with every tensor of real numbers in another type."""
    return map_aggregate(values, lambda v: v.to(dtype) if isinstance(v, Tensor) and v.is_floating_point() else v)


def compared(graph: GraphModule, frames: Iterable[Tensor]) -> list[Layer]:
    """Every operation of the graph on its float32 inputs, in float16 and in float32; the worst over the frames.

    frames: (N, 3, H, W) float32 in [-1, 1].
    """
    worst: dict[str, Layer] = {}
    for frame in frames:
        meter = Meter(graph)
        with torch.inference_mode():
            meter.run(frame)
        for row in meter.rows:
            worst[row.node] = worse(worst.get(row.node, row), row)
    return list(worst.values())


def worse(one: Layer, other: Layer) -> Layer:
    """The greater figures of two rows of one operation; what is not a number stays so."""
    return replace(
        one,
        largest=greater(one.largest, other.largest),
        max_difference=greater(one.max_difference, other.max_difference),
        mean_difference=greater(one.mean_difference, other.mean_difference),
    )


def greater(one: float, other: float) -> float:
    """The greater of two numbers; not a number where one of them is none."""
    return float(np.maximum(one, other))


class Meter(Interpreter):
    """Runs a graph in float32 and each operation once more in float16."""

    def __init__(self, graph: GraphModule) -> None:
        super().__init__(graph)
        self.rows: list[Layer] = []

    def run_node(self, n: Node) -> Any:
        """The float32 result; a row is kept."""
        result = super().run_node(n)
        if n.op != "call_function" or not isinstance(result, Tensor) or not result.is_floating_point():
            return result
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        try:
            lowered = super().call_function(n.target, *cast((args, kwargs), torch.float16)).float()
        except (RuntimeError, NotImplementedError):  # this CPU has no such operation in float16
            lowered = torch.full_like(result, torch.nan)
        self.rows.append(row(n, result, lowered))
        return result


def row(node: Node, result: Tensor, lowered: Tensor) -> Layer:
    """What a Meter writes down of one operation."""
    off = (lowered - result).abs()
    path = [str(where[0]) for where in node.meta.get("nn_module_stack", {}).values()]
    operation = str(node.target).removeprefix("aten.").split(".")[0]
    named = " ".join(filter(None, (path[-1] if path else "", operation)))
    return Layer(node.name, named, float(result.abs().max()), float(off.max()), float(off.mean()))


class Lowered(nn.Module):
    """The graph in float16: frames (N, 3, H, W) -> infrared, and the same before the last clamp, which hides faults."""

    def __init__(self, graph: GraphModule, kept: frozenset[str]) -> None:
        """kept: names of the nodes that are computed in float32."""
        super().__init__()
        with warnings.catch_warnings():  # torch 2.13 warns of its own use of a name it is about to drop
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
            self.graph = copy.deepcopy(graph)
        self.kept = kept
        for node in self.graph.graph.nodes:
            if node.op == "get_attr" and not all(user.name in kept for user in node.users):
                halve(self.graph, node.target)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Both in the type they were computed in."""
        mixed = Mixed(self.graph, self.kept)
        result: Tensor = mixed.run(frames)
        return result, mixed.unclamped


def halve(graph: GraphModule, name: str) -> None:
    """Put a tensor of a graph into float16."""
    *path, last = name.split(".")
    owner: Any = graph
    for step in path:
        owner = getattr(owner, step)
    value = getattr(owner, last)
    if value.is_floating_point():
        value.data = value.data.half()


class Mixed(Interpreter):
    """Runs a graph operation by operation, each in its type."""

    def __init__(self, graph: GraphModule, kept: frozenset[str]) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.kept = kept
        self.unclamped = torch.empty(0)

    def run_node(self, n: Node) -> Any:
        """The result in float32 for a kept operation, else in float16."""
        if n.op != "call_function":
            return super().run_node(n) if n.op != "output" else self.finish(n)
        dtype = torch.float32 if n.name in self.kept else torch.float16
        args, kwargs = cast(self.fetch_args_kwargs_from_env(n), dtype)
        return cast(self.call_function(n.target, args, kwargs), dtype)

    def finish(self, n: Node) -> Any:
        """The output; `unclamped` is what its clamp was given, or the output itself where it has none."""
        last = n.all_input_nodes[0]
        before = last.all_input_nodes[0] if last.target is ATEN.clamp.default else last
        self.unclamped = self.env[before]
        result = super().run_node(n)
        return result[0] if isinstance(result, tuple) else result
