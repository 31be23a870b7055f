"""A plan through Torch-TensorRT, for those who prefer it to ONNX: the same bytes in and out, the same ranges."""

from typing import TYPE_CHECKING

from ..errors import BackendMissing
from ..profiles import BuildProfile

if TYPE_CHECKING:
    from torch.fx import GraphModule


def plan_through_torch(graph: "GraphModule", stride: int, kept: frozenset[str], profile: BuildProfile) -> bytes:
    """torch.export, then a serialised TensorRT engine. Wants a GPU. Raises BackendMissing."""
    try:
        import torch_tensorrt
    except ImportError as error:
        fix = "pip install torch-tensorrt, or leave --via out"
        raise BackendMissing("torch-tensorrt is not installed", why=str(error), fix=fix) from None
    import torch

    from ..onnx_export import exported

    ranges = profile.ranges(stride)
    low, usual, high = zip(*(ranges[axis] for axis in ("batch", "height", "width")), strict=True)
    given = torch_tensorrt.Input(
        min_shape=(*low, 3), opt_shape=(*usual, 3), max_shape=(*high, 3), dtype=torch.uint8, name="visible"
    )
    plan: bytes = torch_tensorrt.dynamo.convert_exported_program_to_serialized_trt_engine(
        exported(graph, stride, kept), arg_inputs=[given], use_explicit_typing=True
    )
    return bytes(plan)
