"""The one export: a network and what stands around it as ONNX, from bytes to bytes.

    visible (N, H, W, 3) uint8 -> cast -> x / 127.5 - 1 -> network -> (x + 1) * 127.5, rounded, clamped
        -> infrared (N, 1, H, W) uint8, and extent (N, 3) float32: least, greatest, mean before the network's last clamp

Every runtime that takes ONNX gets this graph, so that they agree, and one byte a sample moves to a device and back.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from .errors import BackendMissing
from .lowering import LEAST, Lowered

OPSET = 20
NAMES = ("visible", "infrared", "extent")
"""Of the input and the two outputs."""


class Pixels(nn.Module):
    """A network with its first and last steps inside, for export."""

    def __init__(self, network: nn.Module) -> None:
        """network: frames -> infrared and the same unclamped, as Lowered gives them."""
        super().__init__()
        self.network = network

    def forward(self, visible: Tensor) -> tuple[Tensor, Tensor]:
        """visible (N, H, W, 3) uint8 -> infrared (N, C, H, W) uint8, extent (N, 3) float32."""
        frames = visible.to(torch.float32).permute(0, 3, 1, 2) / 127.5 - 1.0  # the cast first: TensorRT insists
        infrared, unclamped = self.network(frames)
        infrared, unclamped = infrared.to(torch.float32), unclamped.to(torch.float32).flatten(1)
        extent = torch.stack((infrared.flatten(1).amin(1), infrared.flatten(1).amax(1), unclamped.mean(1)), dim=1)
        return ((infrared + 1.0) * 127.5).round().clamp(0.0, 255.0).to(torch.uint8), extent  # and this cast last


def to_onnx(graph: GraphModule, stride: int, kept: frozenset[str]) -> bytes:
    """The network with its first and last steps as ONNX for any batch, height and width.

    graph: see lowering.graph_of. kept: nodes in float32, the others are in float16. Raises BackendMissing.
    """
    if find_spec("onnxscript") is None:
        fix = 'pip install ".[onnx]" in the checkout'
        raise BackendMissing("onnxscript is not installed", why="torch.onnx writes with it", fix=fix)
    with quiet():
        made = torch.onnx.export(
            exported(graph, stride, kept),
            dynamo=True,
            opset_version=OPSET,
            input_names=NAMES[:1],
            output_names=NAMES[1:],
            verbose=False,
        )
    assert made is not None
    data: bytes = made.model_proto.SerializeToString()
    return data


def exported(graph: GraphModule, stride: int, kept: frozenset[str]) -> torch.export.ExportedProgram:
    """The network with its first and last steps, traced."""
    side = -(-LEAST // stride) * stride
    axes = dict.fromkeys((0, 1, 2), torch.export.Dim.AUTO)
    visible = torch.zeros(2, 2 * side, 3 * side, 3, dtype=torch.uint8)
    return torch.export.export(Pixels(Lowered(graph, kept)).eval(), (visible,), dynamic_shapes=(axes,))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what torch.onnx tells: names of packages that are not there, and its own deprecations."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
