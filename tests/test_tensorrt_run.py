"""Running a plan, with a stand-in for TensorRT and its GPU: what is bound where, captured, refused and given back."""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from synthir.backends import tensorrt
from synthir.backends._tensorrt_kinds import FLAVOURS, OWN_CHOICE, Flavour, machine
from synthir.backends._tensorrt_run import TensorRTEngine
from synthir.compile import differences, reference
from synthir.errors import DeviceMissing, EngineFailed, EngineIncompatible, EngineOutput
from synthir.lowering import graph_of, operations
from synthir.onnx_export import to_onnx
from synthir.profiles import BuildProfile
from synthir.specs import EngineSpec, Precision
from tests import fake_tensorrt
from tests.fake_engine import fake_spec
from tests.fake_tensorrt import Graph, Kernels, Stand, Strategy, red, without_cuda
from tests.small import STRIDE, small

TENSORRT, RTX = FLAVOURS
VISIBLE = np.arange(2 * 8 * 16 * 3, dtype=np.uint8).reshape(2, 8, 16, 3)


@pytest.fixture(scope="module")
def exact() -> bytes:
    """What stands in for the plan: the small network in float32."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    graph = graph_of(small(), STRIDE)
    return to_onnx(graph, STRIDE, operations(graph))


def papers(**built_with: str) -> EngineSpec:
    """Papers of a plan of the stand-in."""
    kind = {"backend": "tensorrt", "precision": Precision.FLOAT16, "pixels": True}
    return msgspec.structs.replace(fake_spec(), **kind, built_with={"machine": machine(), **built_with})


Opened = Callable[..., TensorRTEngine]


@pytest.fixture
def opened(exact: bytes, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens the plan of a stand-in as `start` does, with papers of this machine or with others."""

    def opening(stand: Stand, one: Flavour = TENSORRT, **built: str) -> TensorRTEngine:
        monkeypatch.setitem(sys.modules, one.package, stand)
        bound = built or {"targets" if one.portable else "gpu": OWN_CHOICE if one.portable else "sm89"}
        spec = papers(**{one.package: stand.__version__}, **bound)
        made = tensorrt.start({".plan": one.begins + b"a plan", ".fallback": exact}, spec)
        assert isinstance(made, TensorRTEngine)
        return made

    return opening


@pytest.mark.parametrize("one", FLAVOURS, ids=lambda one: one.package)
def test_results_are_those_of_the_batch_and_a_shape_is_captured_once(
    one: Flavour, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_cuda(monkeypatch)
    stand = Stand()
    with opened(stand, one) as engine, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert stand.host_code == [False], "a plan may hold native code"
        for number in range(4):
            shown = VISIBLE + np.uint8(number)
            assert np.array_equal(engine.run(shown), red(shown))
        assert np.array_equal(engine.run(VISIBLE[:1]), red(VISIBLE[:1]))
        assert Graph.replays == 5 and engine.lanes == 2
        assert len(stand.contexts) == 3, "two lanes took the first shape, one of them the second"
        expected = reference(small(), VISIBLE)
        assert differences(engine.run_float32(VISIBLE), expected).max() <= 1.01 / 127.5


def test_a_context_gets_its_memory_from_us_and_of_rtx_kernels_for_its_shape(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_cuda(monkeypatch)
    stand = Stand()
    opened(stand).run(VISIBLE)
    assert stand.contexts == [Strategy.USER_MANAGED]
    stand = Stand()
    opened(stand, RTX).run(VISIBLE)
    chosen = stand.contexts[0]
    assert chosen.strategy == Strategy.USER_MANAGED
    assert chosen.dynamic_shapes_kernel_specialization_strategy == Kernels.EAGER


@pytest.mark.parametrize(
    ("capture", "capturable", "why"),
    [(fake_tensorrt.refused, True, "not permitted"), (fake_tensorrt.capture, False, "TensorRT says")],
)
def test_a_shape_that_cannot_be_captured_runs_without_a_graph_and_says_so_once(
    capture: Callable[..., Any], capturable: bool, why: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_cuda(monkeypatch, capture)
    engine = opened(Stand(capturable=capturable), RTX)
    with pytest.warns(UserWarning, match=rf"\(2, 8, 16, 3\) run without a CUDA graph.*{why}") as said:
        for number in range(6):
            shown = VISIBLE + np.uint8(number)
            assert np.array_equal(engine.run(shown), red(shown))
    assert Graph.replays == 0 and len(said) == engine.lanes == 2, "once a lane, not once a batch"


def test_tensorrt_itself_is_not_asked_what_it_does_not_know(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    without_cuda(monkeypatch)
    opened(Stand(capturable=False), TENSORRT).run(VISIBLE)
    assert Graph.replays == 1


@pytest.mark.parametrize("extent", [(-0.5, 0.5, np.nan), (-0.5, 0.5, np.inf), (-1.5, 0.5, 0.0), (-0.5, 1.5, 0.0)])
def test_a_result_that_is_none_is_not_given(
    extent: tuple[float, ...], opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_cuda(monkeypatch)
    stand = Stand()
    engine = opened(stand)
    stand.extent = extent  # type: ignore[assignment]
    for _ in range(3):  # more often than there are lanes: each comes back
        with pytest.raises(EngineOutput):
            engine.run(VISIBLE)
    stand.extent = (-0.5, 0.5, 0.0)
    assert np.array_equal(engine.run(VISIBLE), red(VISIBLE))


def test_a_batch_that_fails_gives_its_memory_and_its_lane_back(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    without_cuda(monkeypatch)
    engine = opened(Stand())
    empty = torch.empty
    taken: list[torch.Tensor] = []

    def full(*shape: Any, **how: Any) -> torch.Tensor:
        if len(taken) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        taken.append(empty(*shape, **how))
        return taken[-1]

    def sticky() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch, "empty", full)
    monkeypatch.setattr(torch.cuda, "empty_cache", sticky)
    for _ in range(3):
        taken.clear()
        with pytest.raises(EngineFailed, match="out of memory") as caught:
            engine.run(VISIBLE)
        cause = caught.value.__cause__
        assert cause is not None and cause.__traceback__ is None, "frames hold buffers"
    monkeypatch.setattr(torch, "empty", empty)
    assert np.array_equal(engine.run(VISIBLE), red(VISIBLE))


def test_a_plan_for_several_gpus_is_opened_on_each(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    for gpu in ((8, 6), (8, 9)):
        without_cuda(monkeypatch, gpus=(gpu,))
        assert np.array_equal(opened(Stand(), RTX, targets="sm86 sm89").run(VISIBLE), red(VISIBLE))


def test_gpus_of_the_first_ones_kind_are_used(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    without_cuda(monkeypatch, gpus=((8, 9), (8, 6), (8, 9)))
    assert opened(Stand()).lanes == 4


@pytest.mark.parametrize("one", FLAVOURS, ids=lambda one: one.package)
def test_a_plan_that_cannot_be_opened_where_it_was_built_leads_to_torch(
    one: Flavour, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_cuda(monkeypatch)
    with pytest.raises(EngineIncompatible, match=r"unsupported compute.*synthir compile fake --backend torch"):
        opened(Stand(opens=False), one)


@pytest.mark.parametrize(
    ("one", "built", "here", "fix"),
    [
        (TENSORRT, {"gpu": "sm90"}, (8, 9), "--backend tensorrt"),
        (TENSORRT, {"targets": "sm89"}, (8, 9), "--backend tensorrt"),
        (TENSORRT, {"gpu": OWN_CHOICE}, (8, 9), "--backend tensorrt"),
        (RTX, {"targets": "sm86"}, (8, 9), r'targets = \["sm89"\]'),
        (RTX, {"targets": "sm86 sm89"}, (9, 0), "--backend torch"),
        (RTX, {"gpu": "sm89"}, (8, 9), "--backend tensorrt"),
    ],
)
def test_a_plan_for_other_gpus_is_refused_before_it_is_deserialised(
    one: Flavour,
    built: dict[str, str],
    here: tuple[int, int],
    fix: str,
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_cuda(monkeypatch, gpus=(here,))
    stand = Stand()
    with pytest.raises(EngineIncompatible, match=f"SIR502.*another GPU.*here is sm{here[0]}{here[1]}.*{fix}"):
        opened(stand, one, **built)
    assert stand.host_code == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_what_is_bound_to_its_gpu_is_not_built_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", Stand())
    with pytest.raises(DeviceMissing):
        tensorrt.build(small(), STRIDE, Precision.FLOAT16, BuildProfile("tensorrt"), {})
