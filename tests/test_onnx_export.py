"""The one export: bytes in, bytes out, for any size, and what ONNX Runtime makes of it is what torch does."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from synthir.frames import normalised
from synthir.lowering import graph_of
from synthir.onnx_export import to_onnx
from tests import tiny
from tests.small import STRIDE, small

SIZES = [(1, 8, 6, 3), (3, 10, 32, 3)]


def exported(*, half: bool, bias: float = 0.0) -> bytes:
    """The small network as ONNX, with something added to its results."""
    module = small()
    with torch.no_grad():
        module.state_dict()["leave.bias"].add_(bias)
    graph = graph_of(module, STRIDE)
    return to_onnx(graph, STRIDE, frozenset() if half else frozenset(node.name for node in graph.graph.nodes))


@pytest.fixture(scope="module", params=[False, True], ids=["float32", "float16"])
def model(request: pytest.FixtureRequest) -> tuple[bool, bytes]:
    return request.param, exported(half=request.param)


@pytest.mark.parametrize("shape", SIZES)
def test_it_gives_the_grey_levels_of_the_network(model: tuple[bool, bytes], shape: tuple[int, ...]) -> None:
    half, data = model
    visible = tiny.pictures(3, *shape)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    infrared, extent = session.run(None, {"visible": visible})
    with torch.inference_mode():
        expected = small()(torch.from_numpy(normalised(visible))).numpy()
    assert infrared.dtype == np.uint8 and infrared.shape == (shape[0], 1, *shape[1:3])
    level = (expected + 1.0) * 127.5
    assert np.abs(infrared - level).max() <= (1.0 if half else 0.5 + 1e-3)
    bounds = np.stack([expected.min((1, 2, 3)), expected.max((1, 2, 3)), expected.mean((1, 2, 3))], axis=1)
    np.testing.assert_allclose(extent, bounds, atol=5e-3 if half else 1e-5)


def test_the_graph_begins_with_a_cast_of_bytes_and_names_its_ends(model: tuple[bool, bytes]) -> None:
    half, data = model
    graph = onnx.load_model_from_string(data).graph
    reader = next(node for node in graph.node if "visible" in node.input and node.op_type != "Shape")
    assert reader.op_type == "Cast"
    assert [value.name for value in graph.input] == ["visible"]
    assert [value.name for value in graph.output] == ["infrared", "extent"]
    kinds = [value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)]
    assert kinds == [onnx.TensorProto.UINT8, onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT]
    assert all(axis.dim_param for axis in graph.input[0].type.tensor_type.shape.dim[:3])
    weights = {t.data_type for t in graph.initializer if len(t.dims) == 4 and t.dims[1] > 1}
    assert weights == {onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT}


def test_levels_are_clamped_and_the_extent_tells() -> None:
    session = onnxruntime.InferenceSession(exported(half=False, bias=float("nan")), providers=["CPUExecutionProvider"])
    _, extent = session.run(None, {"visible": tiny.pictures(3, 1, 8, 8, 3)})
    assert np.isnan(extent[0, 2]), "a clamp may turn what is no number into one: the mean before it does not"
