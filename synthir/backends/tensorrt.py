"""TensorRT, or TensorRT for RTX where that is what is installed: strongly typed plans for a range of sizes.

The plan and, beside it, the float32 network as ONNX are the payload: what the plan cannot do, the CPU does in float32.
Releases differ in little; `Flavour` is all of it. RTX plans are built without a GPU, for several architectures.
"""

import importlib
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..comparison import comparison_frames
from ..device import gpu, gpu_name
from ..engine import Engine
from ..errors import BackendMissing, EngineIncompatible
from ..profiles import ANY, BuildProfile, Range
from ..specs import EngineSpec, Precision
from ._timing_cache import place_of, timed
from .onnxruntime import OnnxRuntimeEngine, session

if TYPE_CHECKING:
    from torch import nn

ENDING = ".plan"
FALLBACK = ".fallback"
"""The float32 network as ONNX; not `.onnx`, which an engine of ONNX Runtime may have beside it."""
ENDINGS = (ENDING, FALLBACK)
PIXELS = True
FIX = 'pip install ".[tensorrt]", or pip install tensorrt_rtx'
AGAIN = "compile it here again: synthir compile --backend tensorrt"
FOREIGN = {b"PK": "a zip, as torch.save writes it", b"\x80": "a pickle", b"\x08": "ONNX", b"<?xml": "XML"}
"""What files of other kinds begin with."""


@dataclass(frozen=True)
class Flavour:
    """What differs between the packages that have this API."""

    package: str
    portable: bool
    """Plans run on other GPUs than the one they were built on, and are built without one."""
    begins: bytes
    """The first bytes of a plan; nothing where that is not known."""
    times: bool
    """Building times kernels, which can be kept for the next build. RTX chooses them where the plan runs: its calls for
    a timing cache do nothing."""


FLAVOURS = (
    Flavour("tensorrt", portable=False, begins=b"", times=True),  # 10.x asks for strong typing, 11.x knows nothing else
    Flavour("tensorrt_rtx", portable=True, begins=b"vtrt", times=False),
)
"""The first that is installed is taken."""


def flavour(package: str = "") -> tuple[Flavour, ModuleType]:
    """The package of that name, or the first there is, and its module. Raises BackendMissing."""
    for one in FLAVOURS:
        if package in ("", one.package):
            try:
                return one, importlib.import_module(one.package)
            except ImportError:
                continue
    what = f"{package or 'TensorRT'} is not installed"
    raise BackendMissing(what, why=f"looked for {package or ' and '.join(f.package for f in FLAVOURS)}", fix=FIX)


def machine() -> str:
    """Operating system and processor, which a plan is bound to."""
    return f"{sys.platform}-{platform.machine()}"


def versions() -> dict[str, str]:
    """Package -> version, the machine, and the GPU where the plan is bound to it, for the papers."""
    one, package = flavour()
    bound = {} if one.portable else {"gpu": gpu()}
    return {one.package: package.__version__, "machine": machine(), **bound}


def precisions() -> tuple[Precision, ...]:
    """float16 first, which is what it is for."""
    return (Precision.FLOAT16, Precision.FLOAT32)


def build(module: "nn.Module", stride: int, precision: Precision, profile: BuildProfile) -> dict[str, bytes]:
    """The plan, and the float32 network as ONNX. Raises BackendMissing, EngineIncompatible, DeviceMissing."""
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
        return {ENDING: plan_of(exact, stride, profile, one, package), FALLBACK: exact}
    kept = frozenset(layer.node for layer in compared(graph, comparison_frames(stride)) if layer.kept)
    if profile.via == "torch-tensorrt":
        from ._torch_tensorrt import plan_through_torch

        return {ENDING: plan_through_torch(graph, stride, kept, profile), FALLBACK: exact}
    return {ENDING: plan_of(to_onnx(graph, stride, kept), stride, profile, one, package), FALLBACK: exact}


def plan_of(data: bytes, stride: int, profile: BuildProfile, one: Flavour, package: Any) -> bytes:
    """Parse ONNX and build. Raises EngineIncompatible with what the runtime said."""
    heard = listener(package)
    builder = package.Builder(heard)
    network = parsed(builder, data, package, heard)
    settings = builder.create_builder_config()
    if profile.workspace_mib:
        settings.set_memory_pool_limit(package.MemoryPoolType.WORKSPACE, profile.workspace_mib << 20)
    if one.portable and profile.targets:
        settings.num_compute_capabilities = len(profile.targets)
        for number, target in enumerate(profile.targets):
            settings.set_compute_capability(capability(target, package), number)
    settings.add_optimization_profile(shapes_of(builder, network.get_input(0).name, profile.ranges(stride)))
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
    here, built = gpu(), spec.built_with.get("gpu", "unknown")
    if not one.portable and built != here:
        why = f"built on {built}, here is {here}"
        raise EngineIncompatible("a plan for another GPU", where=spec.generator, why=why, fix=AGAIN)
    from ._tensorrt_run import TensorRTEngine

    fallback = OnnxRuntimeEngine(spec, session(files[FALLBACK], spec))
    runtime = package.Runtime(listener(package))
    runtime.engine_host_code_allowed = False
    return TensorRTEngine(spec, runtime, files[ENDING], package, fallback)


def built_by(spec: EngineSpec) -> tuple[Flavour, ModuleType]:
    """The package a plan was built with, and its module. Raises BackendMissing, EngineIncompatible."""
    named = next((one.package for one in FLAVOURS if one.package in spec.built_with), "")
    if not named:
        why = "they name neither tensorrt nor tensorrt_rtx"
        raise EngineIncompatible("papers of no TensorRT", where=spec.generator, why=why, fix=AGAIN)
    return flavour(named)


def refuse_foreign(plan: bytes, spec: EngineSpec, one: Flavour) -> None:
    """Raises EngineIncompatible for bytes that are no plan, whatever the file is called."""
    kind = next((kind for start, kind in FOREIGN.items() if plan.startswith(start)), "")
    if kind or not plan.startswith(one.begins):
        why = f"it looks like {kind}" if kind else f"a plan of {one.package} begins otherwise"
        raise EngineIncompatible("not a plan", where=spec.generator, why=why, fix=AGAIN)


def refuse_elsewhere(spec: EngineSpec, one: Flavour, release: str) -> None:
    """Raises EngineIncompatible for a plan of another release, operating system or processor."""
    here = {one.package: release, "machine": machine()}
    built = {name: spec.built_with.get(name) for name in here}
    differs = [f"{name} {built[name]}, here {found}" for name, found in here.items() if built[name] != found]
    if differs:
        why = f"built with {'; '.join(differs)}"
        raise EngineIncompatible("a plan of another TensorRT or machine", where=spec.generator, why=why, fix=AGAIN)
