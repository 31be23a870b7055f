"""ONNX Runtime: the portable fallback on the CPU. One file, float32, any batch, height and width, bytes in and out."""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..engine import Infrared, check_batch, check_extent, failed
from ..errors import BackendMissing, EngineIncompatible, EngineUntrusted
from ..frames import UInt8
from ..profiles import BuildProfile, Range
from ..specs import EngineSpec, Precision

if TYPE_CHECKING:
    from torch import nn

ENDING = ".onnx"
ENDINGS = (ENDING,)
PIXELS = True
FIX = 'pip install ".[onnx]" in the checkout'


def versions(profile: BuildProfile | None = None) -> dict[str, str]:
    """Package -> version, for the papers."""
    return {name: version(name) for name in ("onnx", "onnxruntime")}


def precisions() -> tuple[Precision, ...]:
    """float32; the CPU's kernels for float16 are few, and it would be cast back and forth."""
    return (Precision.FLOAT32,)


def build(
    module: "nn.Module", stride: int, precision: Precision, profile: BuildProfile, ranges: Mapping[str, Range]
) -> dict[str, bytes]:
    """The network as ONNX. Raises BackendMissing."""
    from ..lowering import graph_of, operations
    from ..onnx_export import to_onnx

    graph = graph_of(module, stride)
    return {ENDING: to_onnx(graph, stride, operations(graph))}


def start(files: Mapping[str, bytes], spec: EngineSpec) -> "OnnxRuntimeEngine":
    """Open the payload. Raises BackendMissing, EngineIncompatible, EngineUntrusted."""
    return OnnxRuntimeEngine(spec, session(files[ENDING], spec))


def session(data: bytes, spec: EngineSpec) -> Any:
    """A session on the CPU. Raises BackendMissing, EngineIncompatible, EngineUntrusted for data outside the file."""
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendMissing("onnxruntime is not installed", where=spec.generator, why=str(error), fix=FIX) from None
    refuse_outside(data, spec)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Its threads would turn in circles between calls and take the cores from those that decode and encode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except faults() as error:
        why, fix = " ".join(str(error).split())[:300], "compile again with this build: synthir compile"
        raise EngineIncompatible(
            "ONNX Runtime cannot open the engine", where=spec.generator, why=why, fix=fix
        ) from None


def faults() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its errors share no class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NoModel",
        "NotImplemented",
        "RuntimeException",
    )
    return (RuntimeError, *(getattr(state, name) for name in names))


def refuse_outside(data: bytes, spec: EngineSpec) -> None:
    """Raises EngineUntrusted where weights lie in another file, which no papers pin; BackendMissing without onnx."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise BackendMissing("onnx is not installed", where=spec.generator, why=str(error), fix=FIX) from None
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        fix = "compile again: synthir compile"
        raise EngineIncompatible("not ONNX", where=spec.generator, why=str(error)[:200], fix=fix) from None
    outside = [entry.value for tensor in tensors(model) for entry in tensor.external_data]
    if outside:
        why, fix = f"it names {outside[0]!r}", "compile again: synthir compile writes one file"
        raise EngineUntrusted("weights outside the engine's file", where=spec.generator, why=why, fix=fix)


def tensors(message: Any) -> Iterator[Any]:
    """Every tensor in a message of ONNX, wherever it stands: initializers, constants, branches, functions."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            many = value if hasattr(value, "__len__") and not hasattr(value, "DESCRIPTOR") else [value]
            yield from (tensor for inner in many for tensor in tensors(inner))


class OnnxRuntimeEngine:
    """A session; pictures go in as they are."""

    lanes = 1

    def __init__(self, spec: EngineSpec, session: Any) -> None:
        self.spec = spec
        self._session = session

    def run(self, visible: UInt8, /) -> Infrared:
        """See synthir.engine.Engine. Raises EngineIncompatible where a batch does not fit, EngineFailed if it fails."""
        check_batch(visible, self.spec)
        try:
            infrared, extent = self._session.run(None, {"visible": np.ascontiguousarray(visible)})
        except faults() as error:
            raise failed(error, self.spec, visible.shape) from error
        check_extent(extent, self.spec)
        result: UInt8 = infrared
        return result

    run_float32 = run

    def close(self) -> None:
        """Give the memory back."""
        self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()
