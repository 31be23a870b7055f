"""TensorRT, or TensorRT for RTX where that is what is installed: strongly typed plans for a range of sizes.

The plan and, beside it, the float32 network as ONNX are the payload: what the plan cannot do, the CPU does in float32.
Releases differ in little: see `_tensorrt_kinds.py`. RTX plans are built without a GPU, for several architectures.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..comparison import comparison_frames
from ..device import gpu, gpu_name
from ..engine import Engine
from ..errors import EngineIncompatible
from ..profiles import ANY, BuildProfile, Range
from ..specs import EngineSpec, Precision
from ._tensorrt_kinds import (
    OWN_CHOICE,
    Flavour,
    built_by,
    flavour,
    machine,
    refuse_elsewhere,
    refuse_foreign,
    refuse_gpu,
)
from ._timing_cache import place_of, timed
from .onnxruntime import OnnxRuntimeEngine, session

if TYPE_CHECKING:
    from torch import nn

ENDING = ".plan"
FALLBACK = ".fallback"
"""The float32 network as ONNX; not `.onnx`, which an engine of ONNX Runtime may have beside it."""
ENDINGS = (ENDING, FALLBACK)
PIXELS = True


def versions(profile: BuildProfile | None = None) -> dict[str, str]:
    """Package -> version, the machine, and the GPUs that a plan is bound to, for the papers.

    profile: what names the targets of a portable plan; none of them is the package's own choice.
    """
    one, package = flavour()
    targets = " ".join(profile.targets if profile else ()).lower() or OWN_CHOICE
    bound = {"targets": targets} if one.portable else {"gpu": gpu()}
    return {one.package: package.__version__, "machine": machine(), **bound}


def precisions() -> tuple[Precision, ...]:
    """float16 first, which is what it is for."""
    return (Precision.FLOAT16, Precision.FLOAT32)


def build(
    module: "nn.Module", stride: int, precision: Precision, profile: BuildProfile, ranges: Mapping[str, Range]
) -> dict[str, bytes]:
    """The plan for those ranges, and the float32 network as ONNX.

    Raises BackendMissing, EngineIncompatible, DeviceMissing.
    """
    from ..lowering import compared, graph_of, operations
    from ..onnx_export import to_onnx

    one, package = flavour()
    if not one.portable:
        gpu()  # its builder times kernels where the plan will run
    if missing := [name for name, bounds in profile.bounds.items() if bounds == ANY]:
        why = f"the profile leaves {', '.join(missing)} open"
        raise EngineIncompatible("TensorRT builds for ranges", why=why, fix="name them: engines/tensorrt_fp16.toml")
    graph = graph_of(module, stride)
    exact = to_onnx(graph, stride, operations(graph))
    if precision == Precision.FLOAT32:
        return {ENDING: plan_of(exact, ranges, profile, one, package), FALLBACK: exact}
    kept = frozenset(layer.node for layer in compared(graph, comparison_frames(stride)) if layer.kept)
    if profile.via == "torch-tensorrt":
        from ._torch_tensorrt import plan_through_torch

        return {ENDING: plan_through_torch(graph, stride, kept, ranges, profile.workspace_mib), FALLBACK: exact}
    return {ENDING: plan_of(to_onnx(graph, stride, kept), ranges, profile, one, package), FALLBACK: exact}


def plan_of(data: bytes, ranges: Mapping[str, Range], profile: BuildProfile, one: Flavour, package: Any) -> bytes:
    """Parse ONNX and build. Raises EngineIncompatible with what the runtime said."""
    heard = listener(package)
    builder = package.Builder(heard)
    network = parsed(builder, data, package, heard)
    settings = settings_of(builder, profile, one, package)
    settings.add_optimization_profile(shapes_of(builder, network.get_input(0).name, ranges))
    keeps = one.times and profile.timing_cache
    place = place_of(keeps, one.package, package.__version__, gpu_name()) if keeps else None
    with timed(settings, place):
        plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise unbuilt("cannot build the network", heard)
    return bytes(plan)


def parsed(builder: Any, data: bytes, package: Any, heard: Any) -> Any:
    """ONNX as a strongly typed network: nothing is computed in another type than it says. Raises EngineIncompatible."""
    typed = getattr(package.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = package.OnnxParser(network, heard)
    if not parser.parse(data):
        heard.lines += [parser.get_error(number).desc() for number in range(parser.num_errors)]
        raise unbuilt("cannot parse the network", heard)
    return network


def settings_of(builder: Any, profile: BuildProfile, one: Flavour, package: Any) -> Any:
    """The builder's configuration: memory, targets, and arithmetic as it is written. Raises EngineIncompatible."""
    settings = builder.create_builder_config()
    settings.clear_flag(package.BuilderFlag.TF32)  # set unless cleared: float32 with the digits of float16
    for name in one.flags:
        settings.set_flag(getattr(package.BuilderFlag, name))
    if profile.workspace_mib:
        settings.set_memory_pool_limit(package.MemoryPoolType.WORKSPACE, profile.workspace_mib << 20)
    if one.portable and profile.targets:
        settings.num_compute_capabilities = len(profile.targets)
        for number, target in enumerate(profile.targets):
            settings.set_compute_capability(capability(target, package), number)
    return settings


def shapes_of(builder: Any, name: str, ranges: Mapping[str, Range]) -> Any:
    """The optimisation profile of the input of that name: least, usual and most (N, H, W, 3)."""
    shapes = builder.create_optimization_profile()
    bounds = zip(*(ranges[axis] for axis in ("batch", "height", "width")), strict=True)
    shapes.set_shape(name, *((count, height, width, 3) for count, height, width in bounds))
    return shapes


def capability(target: str, package: Any) -> Any:
    """The runtime's word for an architecture. Raises EngineIncompatible with those it knows."""
    known = package.ComputeCapability.__members__
    if target.upper() not in known:
        why = f"it knows {', '.join(name.lower() for name in known)}"
        raise EngineIncompatible(f"cannot build for {target}", why=why, fix="correct targets in the profile")
    return known[target.upper()]


def unbuilt(what: str, heard: Any) -> EngineIncompatible:
    """The error for what the runtime would not do."""
    why = "; ".join(heard.lines[-3:]) or "it gave no reason"
    fix = "another --backend, or another generator"
    if "OutOfMemory" in why:
        fix = "raise workspace_mib in the profile or set it to 0, or lower the most of its ranges"
    return EngineIncompatible(f"TensorRT {what}", why=why[:400], fix=fix)


def listener(package: Any) -> Any:
    """A logger that keeps warnings and errors in `lines`, where the runtime's own prints them."""

    class Listener(package.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            package.ILogger.__init__(self)
            self.lines: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= package.ILogger.Severity.ERROR:
                self.lines.append(" ".join(message.split()))

    return Listener()


def start(files: Mapping[str, bytes], spec: EngineSpec) -> Engine:
    """Check whose plan it is, then deserialise it. Raises BackendMissing, DeviceMissing, EngineIncompatible."""
    one, package = built_by(spec)
    refuse_foreign(files[ENDING], spec, one)
    refuse_elsewhere(spec, one, package.__version__)
    refuse_gpu(spec, one, package, gpu())
    from ._tensorrt_run import TensorRTEngine

    fallback = OnnxRuntimeEngine(spec, session(files[FALLBACK], spec))
    runtime = package.Runtime(listener(package))
    runtime.engine_host_code_allowed = False
    return TensorRTEngine(spec, runtime, files[ENDING], one, package, fallback)
