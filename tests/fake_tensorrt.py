"""TensorRT's API as far as a plan is run with it, on the CPU: `infrared` is the red plane, `extent` what it is told.

It stands in for the package and its GPU where there is none; `without_cuda` replaces torch's calls of CUDA.
"""

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from enum import Enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from synthir.frames import UInt8


class DataType(Enum):
    UINT8 = 0
    FLOAT = 1


class TensorIOMode(Enum):
    INPUT = 0
    OUTPUT = 1


class Strategy(Enum):
    STATIC = 0
    USER_MANAGED = 1


class Kernels(Enum):
    LAZY = 0
    EAGER = 1


class Graph:
    """A CUDA graph: what was asked for while it was captured, not done then, and done at each replay."""

    capturing: "Graph | None" = None
    replays = 0

    def __init__(self) -> None:
        self.steps: list[Callable[[], object]] = []

    def replay(self) -> None:
        Graph.replays += 1
        for step in self.steps:
            step()


def asked(step: Callable[[], object]) -> None:
    """Do a step of a stream, or capture it."""
    if Graph.capturing:
        Graph.capturing.steps.append(step)
    else:
        step()


@contextlib.contextmanager
def capture(graph: Graph, **how: Any) -> Iterator[None]:
    """torch.cuda.graph."""
    Graph.capturing = graph
    yield
    Graph.capturing = None


@contextlib.contextmanager
def refused(graph: Graph, **how: Any) -> Iterator[None]:
    """The same where CUDA does not allow it."""
    with capture(graph):
        yield
    raise RuntimeError("CUDA error: operation not permitted when stream is capturing")


NAMES = {"visible": DataType.UINT8, "extent": DataType.FLOAT, "infrared": DataType.UINT8}
"""Inputs and outputs in another order than the code may expect."""


class Stand:
    """A package `tensorrt`, and what it was asked for."""

    __version__ = "10.13"
    DataType, TensorIOMode = DataType, TensorIOMode
    ExecutionContextAllocationStrategy = Strategy
    DynamicShapesKernelSpecializationStrategy = Kernels
    ComputeCapability = Enum("ComputeCapability", "CURRENT SM86 SM89")

    class ILogger:
        class Severity:
            ERROR = 1

    def __init__(self, *, opens: bool = True, capturable: bool = True) -> None:
        self.opens, self.capturable = opens, capturable
        self.extent = (-0.5, 0.5, 0.0)
        self.host_code: list[bool] = []
        self.contexts: list[Any] = []

    def Runtime(self, heard: Any) -> "Runtime":
        return Runtime(self, heard)


class Runtime:
    def __init__(self, stand: Stand, heard: Any) -> None:
        self.stand, self.logger = stand, heard
        self.engine_host_code_allowed = True

    def deserialize_cuda_engine(self, plan: bytes) -> "Plan | None":
        self.stand.host_code.append(self.engine_host_code_allowed)
        if not self.stand.opens:
            self.logger.lines.append("unsupported compute capability")
        return Plan(self.stand) if self.stand.opens else None


class Plan:
    num_io_tensors = len(NAMES)

    def __init__(self, stand: Stand) -> None:
        self.stand = stand

    def get_tensor_name(self, number: int) -> str:
        return list(NAMES)[number]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name == "visible" else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return NAMES[name]

    def create_runtime_config(self) -> SimpleNamespace:
        chosen = SimpleNamespace(dynamic_shapes_kernel_specialization_strategy=Kernels.LAZY, strategy=Strategy.STATIC)
        chosen.set_execution_context_allocation_strategy = lambda strategy: setattr(chosen, "strategy", strategy)
        return chosen

    def create_execution_context(self, chosen: Any) -> "Context":
        self.stand.contexts.append(chosen)
        return Context(self.stand)


class Context:
    """Computes on the addresses it was given, in memory that was given to it."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.places: dict[str, int] = {}
        self.scratch = 0

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape
        return name == "visible"

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        count, height, width, _ = self.shape
        return (count, 3) if name == "extent" else (count, 1, height, width)

    def update_device_memory_size_for_shapes(self) -> int:
        return 64

    def set_device_memory(self, place: int, size: int) -> None:
        self.scratch = place if size == 64 else 0

    def set_tensor_address(self, name: str, place: int) -> bool:
        self.places[name] = place
        return True

    def is_stream_capturable(self, stream: int) -> bool:
        return self.stand.capturable

    def execute_async_v3(self, stream: int) -> bool:
        asked(self.compute)
        return self.scratch != 0

    def compute(self) -> None:
        visible = at(self.places["visible"], self.shape, np.uint8)
        at(self.places["infrared"], self.get_tensor_shape("infrared"), np.uint8)[:, 0] = visible[..., 0]
        at(self.places["extent"], self.get_tensor_shape("extent"), np.float32)[:] = self.stand.extent


def at(place: int, shape: tuple[int, ...], dtype: type[np.generic]) -> Any:
    """The array that lies there."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.ndarray(shape, dtype, memoryview((ctypes.c_char * size).from_address(place)))


class Stream:
    cuda_stream = 7

    def __init__(self, device: Any) -> None: ...

    def synchronize(self) -> None: ...


def without_cuda(
    monkeypatch: pytest.MonkeyPatch, graph: Callable[..., Any] = capture, gpus: tuple[tuple[int, int], ...] = ((8, 9),)
) -> None:
    """torch as if it had those GPUs, by compute capability; memory of theirs is the CPU's."""
    empty, copy = torch.empty, torch.Tensor.copy_

    def anywhere(*shape: Any, device: Any = None, pin_memory: bool = False, **how: Any) -> torch.Tensor:
        return empty(*shape, **how)

    def copied(target: torch.Tensor, source: torch.Tensor, non_blocking: bool = False) -> None:
        asked(lambda: copy(target, source))

    monkeypatch.setattr(torch, "empty", anywhere)
    monkeypatch.setattr(torch.Tensor, "copy_", copied)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(gpus))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=0: gpus[device])
    monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "stream", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(Graph, "replays", 0)


def red(visible: UInt8) -> UInt8:
    """What the stand-in computes."""
    return visible[..., :1].transpose(0, 3, 1, 2)
