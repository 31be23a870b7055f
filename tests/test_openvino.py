"""OpenVINO alone: a clamp at the end of a graph hides what is no number, so the engine looks before it."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from synthir import attempts
from synthir.backends import openvino
from synthir.engine import open_engine, read_payload
from synthir.errors import EngineOutput
from synthir.frames import normalised
from synthir.profiles import profile_of
from synthir.specs import EngineSpec, Precision
from tests import tiny
from tests.fake_engine import fake_spec
from tests.small import STRIDE, small

VISIBLE = tiny.pictures(3, 2, 64, 96, 3)


def payload(bias: float) -> dict[str, bytes]:
    """The small network, something added to its last layer before the clamp."""
    module = small()
    with torch.no_grad():
        list(module.leave.parameters())[-1].add_(bias)
    return openvino.build(module, STRIDE, Precision.FLOAT32, profile_of("openvino"), {})


def papers(precision: Precision) -> EngineSpec:
    """Of any of them."""
    return msgspec.structs.replace(fake_spec(stride=STRIDE), precision=precision)


@pytest.mark.parametrize(
    ("bias", "precision"), [("nan", Precision.BFLOAT16), ("nan", Precision.FLOAT32), ("inf", Precision.BFLOAT16)]
)
def test_a_result_that_is_no_number_is_noticed_behind_the_clamp(bias: str, precision: Precision) -> None:
    with openvino.start(payload(float(bias)), papers(precision)) as engine:
        for visible in (VISIBLE[:1], VISIBLE):  # alone, and side by side
            with pytest.raises(EngineOutput, match=f"{bias} to {bias}"):
                engine.run(visible)
        with pytest.raises(EngineOutput, match="float32 makes it no better"):
            attempts.paint(engine, VISIBLE[0])


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_watched_is_the_mean_of_each_frame_before_the_clamp(count: int) -> None:
    visible = normalised(VISIBLE[:count])
    with openvino.start(payload(2.0), papers(Precision.FLOAT32)) as engine:
        infrared, means = engine._infer(visible.shape, Precision.FLOAT32)(visible)
    with torch.no_grad():
        inside = small()(torch.from_numpy(visible)).numpy()
    assert abs(inside).max() < 1.0 == infrared.max(), "2 more than what is not clamped is"
    assert means.shape == (count,) and means.dtype == np.float32
    np.testing.assert_allclose(means, inside.mean(axis=(1, 2, 3)) + 2.0, atol=2e-3)


def test_watching_changes_no_bit_of_what_the_shipped_engine_computes(default_model: Path) -> None:
    files = read_payload(default_model / "engine.xml")[1]
    with open_engine(default_model / "engine.xml") as engine:
        watched, precision = engine.run(VISIBLE[:1]), engine.spec.precision
    core = openvino.runtime().Core()
    model = core.read_model(files[".xml"], files[".bin"])
    model.reshape((1, 3, 64, 96))
    bare = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": openvino.HINTS[precision], "NUM_STREAMS": "1"})
    np.testing.assert_array_equal(watched, bare({0: normalised(VISIBLE[:1])})[0])
