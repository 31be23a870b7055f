"""torch: the float32 reference every engine is compared with, and the backend for a device without another."""

from collections.abc import Mapping
from contextlib import nullcontext
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from .. import generators
from ..engine import Float32, check_frame, failed
from ..errors import BackendMissing, EngineIncompatible
from ..specs import EngineSpec, Precision

if TYPE_CHECKING:
    from torch import nn

ENDING = ".safetensors"


def versions() -> dict[str, str]:
    """Package -> version, for the papers."""
    return {"torch": version("torch")}


def precisions() -> tuple[Precision, ...]:
    """The reference computes in float32; bfloat16 is there for devices that are fast in it."""
    return (Precision.FLOAT32, Precision.BFLOAT16)


def build(module: "nn.Module", precision: Precision) -> dict[str, bytes]:
    """The network's weights in float32; the network itself is code and is built anew by `start`."""
    from safetensors.torch import save

    return {ENDING: save({name: value.contiguous() for name, value in module.state_dict().items()})}


def start(files: Mapping[str, bytes], spec: EngineSpec) -> "TorchEngine":
    """Build the network of the papers and load the weights, on a GPU where there is one.

    Raises BackendMissing, EngineIncompatible.
    """
    try:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load
    except ImportError as error:
        fix = 'pip install ".[train]" in the checkout'
        raise BackendMissing("torch is not installed", where=spec.generator, why=str(error), fix=fix) from None
    module = generators.build(spec.network, spec.settings).eval()
    try:
        module.load_state_dict(load(files[ENDING]))
    except (SafetensorError, RuntimeError, KeyError) as error:
        why = " ".join(str(error).split())[:300]
        fix = "compile again with this version: synthir compile"
        raise EngineIncompatible("weights of another network", where=spec.generator, why=why, fix=fix) from None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return TorchEngine(spec, module.to(device), device)


class TorchEngine:
    """A torch module in eval mode on one device."""

    def __init__(self, spec: EngineSpec, module: "nn.Module", device: str) -> None:
        self.spec = spec
        self._module = module
        self._device = device

    def run(self, visible: Float32, /) -> Float32:
        """See synthir.engine.Engine. Raises EngineIncompatible where a frame does not fit, EngineOutput if it fails."""
        import torch

        check_frame(visible, self.spec)
        low = self.spec.precision == Precision.BFLOAT16
        try:
            with torch.inference_mode(), torch.autocast(self._device, torch.bfloat16) if low else nullcontext():
                infrared = self._module(torch.from_numpy(visible).to(self._device))
        except RuntimeError as error:
            raise failed(error, self.spec, visible.shape) from error
        result: Float32 = infrared.float().cpu().numpy()
        return np.ascontiguousarray(result)

    def close(self) -> None:
        """Nothing to give back: torch frees the module with the engine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()
