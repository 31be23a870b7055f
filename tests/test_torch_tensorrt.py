"""The way through Torch-TensorRT, with a stand-in for it: what it is given, to the last bit."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from synthir.backends import tensorrt
from synthir.backends._tensorrt_kinds import FLAVOURS
from synthir.comparison import comparison_frames
from synthir.lowering import Lowered, compared, graph_of, operations
from synthir.onnx_export import Pixels
from synthir.profiles import BuildProfile
from synthir.specs import Precision
from tests.small import STRIDE, small

RANGES = {"batch": (1, 2, 4), "height": (8, 32, 64), "width": (8, 48, 96)}
PROFILE = BuildProfile("tensorrt", batch=(1, 2, 4), height=(8, 30, 64), width=(8, 48, 96), via="torch-tensorrt")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the stand-in was called with; its plan is `made`."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    asked: dict[str, Any] = {}

    def convert(program: Any, **how: Any) -> bytes:
        asked.update(how, program=program, there=Path(how["timing_cache_path"]).parent.is_dir())
        return b"made"

    dynamo = SimpleNamespace(convert_exported_program_to_serialized_trt_engine=convert)
    stand = SimpleNamespace(dynamo=dynamo, Input=lambda **how: how)
    monkeypatch.setitem(sys.modules, "torch_tensorrt", stand)
    monkeypatch.setattr(tensorrt, "flavour", lambda: (FLAVOURS[1], None))
    return asked


def test_it_gets_the_ranges_the_memory_and_no_tf32(given: dict[str, Any]) -> None:
    limited = BuildProfile(**{**vars(PROFILE), "workspace_mib": 192})
    assert tensorrt.build(small(), STRIDE, Precision.FLOAT16, limited, RANGES)[".plan"] == b"made"
    shapes = {"min_shape": (1, 8, 8, 3), "opt_shape": (2, 32, 48, 3), "max_shape": (4, 64, 96, 3)}
    assert given["arg_inputs"] == [{**shapes, "dtype": torch.uint8, "name": "visible"}]
    assert given["workspace_size"] == 192 << 20 and given["disable_tf32"] and given["use_explicit_typing"]
    assert given["there"] and not Path(given["timing_cache_path"]).parent.exists(), "timings in a folder of its own"


def test_it_gets_the_network_with_the_types_that_were_compared(given: dict[str, Any]) -> None:
    module = small(loud=1e6)
    tensorrt.build(module, STRIDE, Precision.FLOAT16, PROFILE, RANGES)
    graph = graph_of(module, STRIDE)
    kept = frozenset(layer.node for layer in compared(graph, comparison_frames(STRIDE)) if layer.kept)
    visible = torch.randint(0, 256, (2, 48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        got = given["program"].module()(visible)[1]
        wanted, all_half, all_float = (
            Pixels(Lowered(graph, nodes)).eval()(visible)[1] for nodes in (kept, frozenset(), operations(graph))
        )
    assert torch.equal(got, wanted)
    assert not torch.equal(got, all_half) and not torch.equal(got, all_float), "this network can tell"
