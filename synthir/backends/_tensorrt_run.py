"""Running a plan: two lanes a GPU, each with its stream, pinned buffers and a captured graph for every shape it met.

While one lane moves a batch the other computes: the pipeline calls `run` from as many threads as there are lanes.
"""

import functools
import queue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..engine import Infrared, check_batch, check_extent, failed
from ..frames import UInt8
from ..specs import EngineSpec
from .onnxruntime import OnnxRuntimeEngine

if TYPE_CHECKING:
    import torch

LANES_A_GPU = 2
SHAPES = 8
"""Shapes of batches that each lane keeps buffers and a graph for."""


class TensorRTEngine:
    """A plan on every GPU there is; CUDA_VISIBLE_DEVICES says which those are."""

    def __init__(self, spec: EngineSpec, runtime: Any, engine: Any, package: Any, fallback: OnnxRuntimeEngine) -> None:
        """engine: the plan, deserialised for the first GPU by `runtime`. fallback: the float32 network on the CPU."""
        import torch

        self.spec = spec
        self._fallback = fallback
        plan = engine.serialize() if torch.cuda.device_count() > 1 else b""
        engines = [engine]
        for device in range(1, torch.cuda.device_count()):
            with torch.cuda.device(device):
                engines.append(runtime.deserialize_cuda_engine(plan))
        self._runtime = runtime  # an engine must not outlive it
        self._free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        self.lanes = LANES_A_GPU * len(engines)
        for number in range(self.lanes):
            device = number % len(engines)
            self._free.put(Lane(engines[device], torch.device("cuda", device), package))

    def run(self, visible: UInt8, /) -> Infrared:
        """See synthir.engine.Engine. Raises EngineIncompatible where a batch does not fit, EngineOutput if it fails."""
        check_batch(visible, self.spec)
        lane = self._free.get()
        try:
            infrared, extent = lane.run(visible)
        except RuntimeError as error:  # torch's out of memory is one, too
            raise failed(error, self.spec, visible.shape) from error
        finally:
            self._free.put(lane)
        check_extent(extent, self.spec)
        return infrared

    def run_float32(self, visible: UInt8, /) -> Infrared:
        """The float32 network on the CPU."""
        return self._fallback.run(visible)

    def close(self) -> None:
        """Give the memory back."""
        while not self._free.empty():
            self._free.get().forget()
        self._fallback.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


class Lane:
    """A stream of one GPU and what it keeps for each shape; one thread at a time."""

    def __init__(self, engine: Any, device: "torch.device", package: Any) -> None:
        import torch

        self._engine = engine
        self._package = package
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._shaped = functools.lru_cache(SHAPES)(self._prepare)

    def run(self, visible: UInt8) -> tuple[UInt8, "np.ndarray[Any, np.dtype[np.float32]]"]:
        """Infrared and extent of a batch; both are the caller's."""
        shaped = self._shaped(visible.shape)
        shaped.source.numpy()[:] = visible
        shaped.replay(self._stream)
        self._stream.synchronize()
        return shaped.infrared.numpy().copy(), shaped.extent.numpy().copy()

    def forget(self) -> None:
        """Give the buffers back."""
        self._shaped.cache_clear()

    def _prepare(self, shape: tuple[int, ...]) -> "Shaped":
        import torch

        with torch.cuda.device(self._device):
            return Shaped(self._engine, shape, self._stream, self._package)


class Shaped:
    """Pinned and device buffers for one shape of batch, and the graph that copies, computes and copies back."""

    def __init__(self, engine: Any, shape: tuple[int, ...], stream: "torch.cuda.Stream", package: Any) -> None:
        """A context of its own: one that changes its shape would move memory under a captured graph."""
        import torch

        self._context = engine.create_execution_context()
        names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
        given = next(name for name in names if engine.get_tensor_mode(name) == package.TensorIOMode.INPUT)
        self._context.set_input_shape(given, shape)
        self.source = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self._input = torch.empty(shape, dtype=torch.uint8, device="cuda")
        self._context.set_tensor_address(given, self._input.data_ptr())
        self._outputs: list[tuple[torch.Tensor, torch.Tensor]] = []
        for name in names:
            if name == given:
                continue
            dtype = torch.uint8 if engine.get_tensor_dtype(name) == package.DataType.UINT8 else torch.float32
            there = torch.empty(tuple(self._context.get_tensor_shape(name)), dtype=dtype, device="cuda")
            self._context.set_tensor_address(name, there.data_ptr())
            self._outputs.append((there, torch.empty(there.shape, dtype=dtype, pin_memory=True)))
        self.infrared = next(here for there, here in self._outputs if there.dtype == torch.uint8)
        self.extent = next(here for there, here in self._outputs if there.dtype != torch.uint8)
        self._graph = self._capture(stream)

    def _enqueue(self, stream: "torch.cuda.Stream") -> None:
        self._input.copy_(self.source, non_blocking=True)
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError("TensorRT would not run the batch; it may be out of memory")
        for there, here in self._outputs:
            here.copy_(there, non_blocking=True)

    def _capture(self, stream: "torch.cuda.Stream") -> "torch.cuda.CUDAGraph":
        import torch

        with torch.cuda.stream(stream):  # once as it is: the first call after a change of shape may not be captured
            self._enqueue(stream)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            self._enqueue(stream)
        return graph

    def replay(self, stream: "torch.cuda.Stream") -> None:
        """Copy the pinned source there, compute, copy the results back."""
        import torch

        with torch.cuda.stream(stream):
            self._graph.replay()
