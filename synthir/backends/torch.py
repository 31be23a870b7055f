"""torch: the float32 reference on the CPU, and the backend for GPUs without TensorRT, compiled, in float16.

On a GPU the network runs channels last, through torch.compile with CUDA graphs unless the profile says eager: the first
batch of each shape takes a minute, the others milliseconds. Bytes go there and floats come back, one batch at a time.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec
import numpy as np

from .. import generators
from ..device import gpu
from ..engine import Float32, check_batch, failed
from ..errors import BackendMissing, EngineIncompatible
from ..frames import UInt8
from ..profiles import BuildProfile, Range
from ..specs import EngineSpec, Precision

if TYPE_CHECKING:
    from torch import Tensor, nn

ENDING = ".safetensors"
ENDINGS = (ENDING,)
PIXELS = False
EAGER = "eager"
SHAPES = 256
"""Shapes of batches that are compiled on a GPU."""


def versions(profile: BuildProfile | None = None) -> dict[str, str]:
    """Package -> version, the device, on which the agreement hangs, and whether it runs eagerly, for the papers."""
    eager = {"mode": EAGER} if profile and profile.eager else {}
    return {"torch": version("torch"), "device": device(), **eager}


def device() -> str:
    """What an engine runs on here: `cpu`, or the architecture of the GPU, e.g. `sm90`."""
    import torch

    return gpu() if torch.cuda.is_available() else "cpu"


def precisions() -> tuple[Precision, ...]:
    """float16 first where there is a GPU, float32 where there is none; bfloat16 wherever it is asked for."""
    import torch

    if torch.cuda.is_available():
        return (Precision.FLOAT16, Precision.BFLOAT16, Precision.FLOAT32)
    return (Precision.FLOAT32, Precision.BFLOAT16)


def build(
    module: "nn.Module", stride: int, precision: Precision, profile: BuildProfile, ranges: Mapping[str, Range]
) -> dict[str, bytes]:
    """The network's weights in float32; the network itself is code and is built anew by `start`."""
    from safetensors.torch import save

    return {ENDING: save({name: value.contiguous() for name, value in module.state_dict().items()})}


def start(files: Mapping[str, bytes], spec: EngineSpec) -> "TorchEngine":
    """Build the network of the papers and load the weights, on a GPU where there is one.

    Raises BackendMissing, EngineIncompatible (also where the papers were written on another device).
    """
    try:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load
    except ImportError as error:
        fix = 'pip install ".[train]" in the checkout'
        raise BackendMissing("torch is not installed", where=spec.generator, why=str(error), fix=fix) from None
    spec = placed(spec)
    module = generators.build(spec.network, spec.settings).eval()
    try:
        module.load_state_dict(load(files[ENDING]))
    except (SafetensorError, RuntimeError, KeyError) as error:
        why = " ".join(str(error).split())[:300]
        fix = "compile again with this version: synthir compile"
        raise EngineIncompatible("weights of another network", where=spec.generator, why=why, fix=fix) from None
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    module = module.to(device=kind).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TorchEngine(spec, module, kind)


def placed(spec: EngineSpec) -> EngineSpec:
    """Papers that name the device here; those without agreement were compared on none yet.

    Raises EngineIncompatible where the engine was compared on another: it computes differently on each.
    """
    built, here = spec.built_with.get("device", "unknown"), device()
    if spec.agreement and built != here:
        what, why = "an engine that was compared on another device", f"compared on {built}, here is {here}"
        fix = f"compare it here: synthir compile {spec.generator} --compare --out FILE"
        raise EngineIncompatible(what, where=spec.generator, why=why, fix=fix)
    return msgspec.structs.replace(spec, built_with={**spec.built_with, "device": here})


class TorchEngine:
    """A torch module in eval mode on one device."""

    lanes = 1

    def __init__(self, spec: EngineSpec, module: "nn.Module", device: str) -> None:
        self.spec = spec
        self._module = module
        self._device = device
        self._network = module if device == "cpu" or spec.built_with.get("mode") == EAGER else quick(module)
        # torch's CUDA graphs belong to the thread that recorded them, and callers come from threads of their own.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="synthir-torch")

    def run(self, visible: UInt8, /) -> Float32:
        """See synthir.engine.Engine. Raises EngineIncompatible where a batch does not fit, EngineFailed if it fails."""
        return self._thread.submit(self._run, visible, self._network, self.spec.precision).result()

    def run_float32(self, visible: UInt8, /) -> Float32:
        """The same in float32, not compiled."""
        return self._thread.submit(self._run, visible, self._module, Precision.FLOAT32).result()

    def _run(self, visible: UInt8, network: Callable[["Tensor"], "Tensor"], precision: Precision) -> Float32:
        import torch

        check_batch(visible, self.spec)
        dtype = {Precision.BFLOAT16: torch.bfloat16, Precision.FLOAT16: torch.float16}.get(precision, torch.float32)
        try:
            with exact(), torch.inference_mode(), torch.autocast(self._device, dtype, enabled=dtype != torch.float32):
                pictures = torch.from_numpy(np.ascontiguousarray(visible)).to(self._device)
                # Moved as bytes; channels lie last already, which is how the network wants them.
                infrared = network(pictures.permute(0, 3, 1, 2) / 127.5 - 1.0)
                result: Float32 = infrared.float().cpu().numpy()
        except RuntimeError as error:
            error.__traceback__ = None  # its frames hold the tensors of the batch
            raise failed(error, self.spec, visible.shape) from error
        return np.ascontiguousarray(result)

    def close(self) -> None:
        """End its thread; torch frees the module with the engine."""
        self._thread.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """Without TF32: convolutions in float32 on a GPU have ten bits in place of 23 unless torch is told."""
    from torch import backends

    before = backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32
    backends.cudnn.allow_tf32 = backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32 = before


def quick(module: "nn.Module") -> Callable[["Tensor"], "Tensor"]:
    """The module through torch.compile with CUDA graphs; a CPU has no need of them."""
    import torch

    # Each shape of batch is a compilation; past the limit torch would go on uncompiled, with other last bits.
    torch._dynamo.config.recompile_limit = max(SHAPES, torch._dynamo.config.recompile_limit)
    compiled: Callable[[Tensor], Tensor] = torch.compile(module, mode="reduce-overhead", dynamic=False)
    return compiled
