"""Borders that a network repeats with slices, as the padding they are: what a graph says in eleven nodes, in one.

`repeat_border` of the generators is written with slices because one exporter makes gathers of padding. For ONNX padding
is one node, which runtimes know, and export takes a third of the time.
"""

from typing import Any

import torch
from torch.fx import GraphModule, Node

ATEN = torch.ops.aten
PAD = ATEN.replication_pad2d.default
ALL = 2**63 - 1
"""The end of a slice that has none."""


def join_borders(graph: GraphModule) -> None:
    """Replace every concatenation of repeated first and last rows or columns by padding, in place."""
    for node in list(graph.graph.nodes):
        source, axis, count = border(node)
        if source is None:
            continue
        widths = [count, count, 0, 0] if axis == 3 else [0, 0, count, count]
        if source.target is PAD:  # rows after columns: one padding for both
            widths = [one + other for one, other in zip(widths, source.args[1], strict=True)]
            source = source.args[0]
        with graph.graph.inserting_before(node):
            padded = graph.graph.call_function(PAD, (source, widths))
        padded.meta = dict(node.meta)
        node.replace_all_uses_with(padded)
        graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def border(node: Any) -> tuple[Any, int, int]:
    """What a node repeats the border of, along which axis and how often; None, 0, 0 where it does not."""
    if node.target is not ATEN.cat.default or len(node.args) < 2 or len(node.args[0]) != 3:
        return None, 0, 0
    (before, source, after), axis = node.args
    counts = {edge(before, source, axis, (0, 1)), edge(after, source, axis, (-1, ALL))}
    count = counts.pop()
    return (source, axis, count) if count and not counts and axis in (2, 3) else (None, 0, 0)


def edge(node: Any, source: Node, axis: int, bounds: tuple[int, int]) -> int:
    """How often a node repeats the slice of the source with these bounds along an axis; 0 where it does not."""
    if node.target is not ATEN.expand.default:
        return 0
    sliced, sizes = node.args
    while sliced.target is ATEN.slice.Tensor and tuple(sliced.args[2:]) == (0, ALL):  # all of another axis
        sliced = sliced.args[0]
    if sliced.target is not ATEN.slice.Tensor or sliced.args != (source, axis, *bounds):
        return 0
    rest = [size for number, size in enumerate(sizes) if number != axis]
    return int(sizes[axis]) if rest == [-1, -1, -1] else 0
