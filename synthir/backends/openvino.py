"""OpenVINO: the CPU engine that works out of the box. Any batch, height and width; bfloat16 where the CPU has it."""

import functools
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np

from ..engine import Float32, check_batch, check_numbers, failed
from ..errors import BackendMissing, EngineIncompatible
from ..frames import UInt8, normalised
from ..profiles import BuildProfile, Range
from ..specs import EngineSpec, Precision

if TYPE_CHECKING:
    from torch import nn

ENDINGS = (".xml", ".bin")
PIXELS = False
SHAPES = 24
"""Shapes of batches that stay compiled: COCO's pictures have some forty, of which these are nearly all pictures."""
MOST_STREAMS = os.cpu_count() or 1
"""Frames of a batch that are computed side by side; more wait for their turn."""
Infer = Callable[[Float32], tuple[Float32, Float32]]
"""A batch of visible frames of one shape -> its infrared, and the mean of each before the network's last clamp."""
HINTS = {Precision.BFLOAT16: "bf16", Precision.FLOAT32: "f32"}


def runtime() -> ModuleType:
    """The openvino package, its telemetry kept out: that one looks a host up. Raises BackendMissing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise BackendMissing("openvino is not installed", why=str(error), fix="pip install openvino") from None
    module: ModuleType = openvino
    return module


def versions(profile: BuildProfile | None = None) -> dict[str, str]:
    """Package -> version, for the papers."""
    return {"openvino": version("openvino")}


def precisions(core: Any = None) -> tuple[Precision, ...]:
    """What this CPU computes in, best first: bfloat16 papers are written only where bfloat16 was compared.

    core: the openvino.Core to ask, if there is one already. Raises BackendMissing.
    """
    has_bfloat16 = "BF16" in (core or runtime().Core()).get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return (Precision.BFLOAT16, Precision.FLOAT32) if has_bfloat16 else (Precision.FLOAT32,)


def build(
    module: "nn.Module", stride: int, precision: Precision, profile: BuildProfile, ranges: Mapping[str, Range]
) -> dict[str, bytes]:
    """Export the network with any batch, height and width; weights are stored in float16 whatever it computes in.

    module: float32, in eval mode. Raises BackendMissing.
    """
    import torch

    openvino = runtime()
    axes = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    with warnings.catch_warnings():
        # torch.export of 2.13 warns of its own use of a name it is about to drop.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        # Multiples of every stride, and nowhere inside a network a single pixel, which export takes for a constant.
        program = torch.export.export(module, (torch.zeros(2, 3, 512, 768),), dynamic_shapes=(axes,))
        model = openvino.convert_model(program)
    model.reshape(openvino.PartialShape([-1, 3, -1, -1]))
    with tempfile.TemporaryDirectory() as folder:
        openvino.save_model(model, Path(folder) / "engine.xml", compress_to_fp16=True)
        return {ending: (Path(folder) / f"engine{ending}").read_bytes() for ending in (".xml", ".bin")}


def start(files: Mapping[str, bytes], spec: EngineSpec) -> "OpenVINOEngine":
    """Read the payload. Raises BackendMissing, EngineIncompatible.

    bfloat16 papers run in float32 on a CPU without bfloat16: slower, and nearer to the reference. The engine's spec
    says so, and with it the manifest; a job begun in the one is not continued in the other.
    """
    core = runtime().Core()
    if spec.precision not in precisions(core):
        spec = msgspec.structs.replace(spec, precision=Precision.FLOAT32)
    try:
        model = watched(core.read_model(files[".xml"], files[".bin"]))
    except (RuntimeError, KeyError) as error:
        raise unusable(error, spec) from None

    def fit(shape: tuple[int, ...], precision: Precision) -> Infer:
        fitted = model.clone()
        fitted.reshape((1, *shape[1:]))
        streams = str(min(shape[0], MOST_STREAMS))
        options = {"INFERENCE_PRECISION_HINT": HINTS[precision], "NUM_STREAMS": streams}
        compiled = core.compile_model(fitted, "CPU", options)
        return alone(compiled) if shape[0] == 1 else abreast(compiled, shape[0])

    return OpenVINOEngine(spec, fit)


def watched(model: Any) -> Any:
    """The model with a second output (N,): the mean before its last clamp, which makes -1 of what is no number."""
    from openvino import opset13

    last = model.output(0).get_node().input_value(0)
    clamp = last.get_node()
    before = clamp.input_value(0) if clamp.get_type_name() == "Clamp" else last
    model.add_outputs(opset13.reduce_mean(before, np.array([1, 2, 3]), keep_dims=False).output(0))
    return model


def alone(compiled: Any) -> Infer:
    """One frame at a time, on all cores."""
    request = compiled.create_infer_request()

    def infer(visible: Float32) -> tuple[Float32, Float32]:
        made = request.infer({0: visible})
        return np.array(made[0], dtype=np.float32), np.array(made[1], dtype=np.float32)

    return infer


def abreast(compiled: Any, count: int) -> Infer:
    """The frames of a batch side by side, each on cores of its own: none waits for another at every layer."""
    requests = [compiled.create_infer_request() for _ in range(count)]

    def infer(visible: Float32) -> tuple[Float32, Float32]:
        started: list[Any] = []
        try:
            for request, frame in zip(requests, visible, strict=True):
                request.start_async({0: frame[None]}, share_inputs=True)
                started.append(request)
        finally:
            waited = [waiting(request) for request in started]  # all of them: they read `visible`
        for fault in filter(None, waited):
            raise fault
        return gathered(requests, 0), gathered(requests, 1)

    return infer


def gathered(requests: list[Any], number: int) -> Float32:
    """An output of all requests, one after the other, in memory of its own."""
    parts = [request.get_output_tensor(number).data for request in requests]
    return np.concatenate(parts).astype(np.float32, copy=False)


def waiting(request: Any) -> RuntimeError | None:
    """Wait for a request; what went wrong, if anything."""
    try:
        request.wait()
    except RuntimeError as error:
        return error
    return None


def unusable(error: Exception, spec: EngineSpec) -> EngineIncompatible:
    """The error for a payload that this build of OpenVINO does not take."""
    why, fix = " ".join(str(error).split())[:300], "compile again with this build: synthir compile"
    return EngineIncompatible("OpenVINO cannot open the engine", where=spec.generator, why=why, fix=fix)


class OpenVINOEngine:
    """A model compiled anew for each shape of batch it meets; `run` is not to be called from two threads at once.

    A model for one shape is a third faster than one for any, and takes about 0.4 s to compile and 60 MB to keep: the
    last SHAPES are kept. Which one runs depends on the shape alone, so that a resumed conversion gives the same bytes.
    """

    lanes = 1

    def __init__(self, spec: EngineSpec, fit: Callable[[tuple[int, ...], Precision], Infer]) -> None:
        """fit: (N, 3, H, W) and a precision -> what computes a batch of that shape."""
        self.spec = spec
        self._fit = fit
        self._infer = functools.lru_cache(SHAPES)(fit)

    def run(self, visible: UInt8, /) -> Float32:
        """See synthir.engine.Engine. Raises EngineIncompatible where a batch does not fit, EngineFailed if it fails,
        EngineOutput where it gives what is no number."""
        return self._run(visible, self.spec.precision, self._infer)

    def run_float32(self, visible: UInt8, /) -> Float32:
        """The same in float32, compiled for this one call."""
        return self._run(visible, Precision.FLOAT32, self._fit)

    def _run(self, visible: UInt8, precision: Precision, fit: Callable[[tuple[int, ...], Precision], Infer]) -> Float32:
        check_batch(visible, self.spec)
        frames = normalised(visible)
        try:
            infrared, means = fit(frames.shape, precision)(frames)
        except RuntimeError as error:
            raise failed(error, self.spec, visible.shape) from error
        check_numbers(means, self.spec.generator)
        return infrared

    def close(self) -> None:
        """Give the memory back."""
        self._infer.cache_clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()
