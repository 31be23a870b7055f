"""Running a plan: two lanes a GPU, each with its stream, pinned buffers and a captured graph for every shape it met.

While one lane moves a batch the other computes: the pipeline calls `run` from as many threads as there are lanes.
"""

import contextlib
import functools
import queue
import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ..engine import Infrared, check_batch, check_extent, failed
from ..errors import EngineIncompatible
from ..frames import UInt8
from ..specs import EngineSpec
from ._tensorrt_kinds import AGAIN, TORCH, Flavour
from .onnxruntime import OnnxRuntimeEngine

if TYPE_CHECKING:
    import torch

LANES_A_GPU = 2
SHAPES = 8
"""Shapes of batches that each lane keeps buffers, scratch memory and a graph for."""
PREPARING = threading.Lock()
"""Held while a graph is captured: another thread that allocates memory then would spoil it."""


class TensorRTEngine:
    """A plan on every GPU of one kind; CUDA_VISIBLE_DEVICES says which those are."""

    def __init__(
        self, spec: EngineSpec, runtime: Any, plan: bytes, one: Flavour, package: Any, fallback: OnnxRuntimeEngine
    ) -> None:
        """plan: bytes that were checked. fallback: the float32 network on the CPU. Raises EngineIncompatible."""
        import torch

        self.spec = spec
        self._fallback = fallback
        self._runtime = runtime  # an engine must not outlive it
        kinds = [torch.cuda.get_device_capability(device) for device in range(torch.cuda.device_count())]
        alike = [device for device, kind in enumerate(kinds) if kind == kinds[0]]
        devices = [torch.device("cuda", device) for device in alike]
        self._lanes = [lane for device in devices for lane in lanes(runtime, plan, device, one, package)]
        if not self._lanes:
            why = "; ".join(runtime.logger.lines[-3:])[:400]
            fix = f"{AGAIN}; where that was just done it does not serve this GPU: {TORCH.format(spec.generator)}"
            raise EngineIncompatible("TensorRT cannot open the plan", where=spec.generator, why=why, fix=fix)
        self._free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for lane in self._lanes:
            self._free.put(lane)
        self.lanes = len(self._lanes)

    def run(self, visible: UInt8, /) -> Infrared:
        """See synthir.engine.Engine. Raises EngineIncompatible where a batch does not fit, EngineFailed if it fails."""
        import torch

        check_batch(visible, self.spec)
        lane = self._free.get()
        try:
            infrared, extent = lane.run(visible)
        except RuntimeError as error:  # torch's out of memory is one, too
            error.__traceback__ = None  # its frames hold the buffers of the batch
            lane.forget()
            with contextlib.suppress(RuntimeError):  # a GPU that has given up fails here, too
                torch.cuda.empty_cache()
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
        for lane in self._lanes:
            lane.forget()
        self._fallback.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


def lanes(runtime: Any, plan: bytes, device: "torch.device", one: Flavour, package: Any) -> "list[Lane]":
    """The lanes of one GPU; none where the runtime does not take the plan."""
    import torch

    with torch.cuda.device(device):
        engine = runtime.deserialize_cuda_engine(plan)
        return [Lane(engine, device, one, package) for _ in range(LANES_A_GPU)] if engine else []


class Lane:
    """A stream of one GPU and what it keeps for each shape; one thread at a time."""

    def __init__(self, engine: Any, device: "torch.device", one: Flavour, package: Any) -> None:
        import torch

        self._engine = engine
        self._one = one
        self._package = package
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._shaped = functools.lru_cache(SHAPES)(self._prepare)

    def run(self, visible: UInt8) -> tuple[UInt8, NDArray[np.float32]]:
        """Infrared and extent of a batch; both are the caller's. Raises RuntimeError."""
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

        with PREPARING, torch.cuda.device(self._device):
            made = Shaped(self._engine, shape, self._stream, self._one, self._package)
        if made.uncaptured:
            warnings.warn(f"batches {shape} run without a CUDA graph, slower: {made.uncaptured}", stacklevel=2)
        return made


def context_of(engine: Any, one: Flavour, package: Any) -> Any:
    """A context whose scratch memory we give it, for one shape and not for the largest. Raises RuntimeError."""
    ours = package.ExecutionContextAllocationStrategy.USER_MANAGED
    if not one.just_in_time:
        context = engine.create_execution_context(ours)
    else:  # kernels made for the shape before the first call, so that they are what the graph captures
        chosen = engine.create_runtime_config()
        chosen.set_execution_context_allocation_strategy(ours)
        chosen.dynamic_shapes_kernel_specialization_strategy = package.DynamicShapesKernelSpecializationStrategy.EAGER
        context = engine.create_execution_context(chosen)
    if context is None:
        raise RuntimeError("TensorRT gives no context; it may be out of memory")
    return context


class Shaped:
    """Pinned and device buffers for one shape of batch, and the graph that copies, computes and copies back."""

    def __init__(
        self, engine: Any, shape: tuple[int, ...], stream: "torch.cuda.Stream", one: Flavour, package: Any
    ) -> None:
        """A context of its own: one that changes its shape would move memory under a captured graph."""
        import torch

        self._context = context_of(engine, one, package)
        names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
        given = next(name for name in names if engine.get_tensor_mode(name) == package.TensorIOMode.INPUT)
        demand(self._context.set_input_shape(given, shape), f"the shape {shape}")
        needed = self._context.update_device_memory_size_for_shapes()
        self._scratch = torch.empty(max(1, needed), dtype=torch.uint8, device="cuda")
        self._context.set_device_memory(self._scratch.data_ptr(), needed)
        self.source = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self._input = torch.empty(shape, dtype=torch.uint8, device="cuda")
        demand(self._context.set_tensor_address(given, self._input.data_ptr()), given)
        self._outputs: list[tuple[torch.Tensor, torch.Tensor]] = []
        for name in names:
            if name == given:
                continue
            dtype = torch.uint8 if engine.get_tensor_dtype(name) == package.DataType.UINT8 else torch.float32
            there = torch.empty(tuple(self._context.get_tensor_shape(name)), dtype=dtype, device="cuda")
            demand(self._context.set_tensor_address(name, there.data_ptr()), name)
            self._outputs.append((there, torch.empty(there.shape, dtype=dtype, pin_memory=True)))
        self.infrared = next(here for there, here in self._outputs if there.dtype == torch.uint8)
        self.extent = next(here for there, here in self._outputs if there.dtype != torch.uint8)
        with torch.cuda.stream(stream):  # once as it is: the first call after a change of shape may not be captured
            self._enqueue(stream)
        stream.synchronize()
        able = not one.just_in_time or self._context.is_stream_capturable(stream.cuda_stream)
        self._graph, self.uncaptured = captured(lambda: self._enqueue(stream), stream, able)

    def _enqueue(self, stream: "torch.cuda.Stream") -> None:
        self._input.copy_(self.source, non_blocking=True)
        demand(self._context.execute_async_v3(stream.cuda_stream), "the batch")
        for there, here in self._outputs:
            here.copy_(there, non_blocking=True)

    def replay(self, stream: "torch.cuda.Stream") -> None:
        """Copy the pinned source there, compute, copy the results back."""
        import torch

        with torch.cuda.stream(stream):
            if self._graph:
                self._graph.replay()
            else:
                self._enqueue(stream)


def captured(
    work: Callable[[], None], stream: "torch.cuda.Stream", able: bool
) -> "tuple[torch.cuda.CUDAGraph | None, str]":
    """The graph of some work, or none and why it cannot be captured. able: whether TensorRT says that it can."""
    import torch

    if not able:
        return None, "TensorRT says that it cannot be captured"
    try:
        with torch.cuda.stream(stream):  # where a capture fails torch leaves the thread on that stream
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                work()
    except RuntimeError as error:
        return None, " ".join(str(error).split())[:200]
    return graph, ""


def demand(done: bool, what: str) -> None:
    """Raises RuntimeError where TensorRT says no."""
    if not done:
        raise RuntimeError(f"TensorRT would not take {what}; it may be out of memory")
