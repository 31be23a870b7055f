"""A plan through Torch-TensorRT, for those who prefer it to ONNX: the same bytes in and out, the same ranges."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..errors import BackendMissing
from ..profiles import Range

if TYPE_CHECKING:
    from torch.fx import GraphModule


def plan_through_torch(
    graph: "GraphModule", stride: int, kept: frozenset[str], ranges: Mapping[str, Range], workspace_mib: int
) -> bytes:
    """torch.export, then a serialised TensorRT engine. Wants a GPU. Raises BackendMissing."""
    try:
        import torch_tensorrt
    except ImportError as error:
        fix = "pip install torch-tensorrt, or leave --via out"
        raise BackendMissing("torch-tensorrt is not installed", why=str(error), fix=fix) from None
    import torch

    from ..onnx_export import exported

    low, usual, high = zip(*(ranges[axis] for axis in ("batch", "height", "width")), strict=True)
    given = torch_tensorrt.Input(
        min_shape=(*low, 3), opt_shape=(*usual, 3), max_shape=(*high, 3), dtype=torch.uint8, name="visible"
    )
    with TemporaryDirectory() as scratch:  # it keeps timings, else where every user of the machine can write
        plan: bytes = torch_tensorrt.dynamo.convert_exported_program_to_serialized_trt_engine(
            exported(graph, stride, kept),
            arg_inputs=[given],
            use_explicit_typing=True,
            disable_tf32=True,
            workspace_size=workspace_mib << 20,
            timing_cache_path=str(Path(scratch) / "timing"),
        )
    return bytes(plan)
