"""Engines on a GPU, with nothing in its place: several shapes, threads, precisions, and memory that runs out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import pytest

from synthir.compile import differences, reference
from synthir.engine import Engine
from synthir.errors import BackendMissing, EngineFailed, EngineIncompatible
from synthir.folders import load
from synthir.frames import UInt8
from synthir.profiles import BuildProfile, profile_of, read_profile
from synthir.specs import EngineSpec, Precision
from tests import tiny
from tests.fake_engine import fake_spec

pytestmark = pytest.mark.gpu
SHAPES = ((1, 256, 256), (4, 256, 256), (2, 256, 512), (1, 512, 256))
HALF, WHOLE = 2.01 / 127.5, 0.01 / 127.5
"""How far a result may be off, in units of [-1, 1]."""


def papers(profile: BuildProfile, precision: Precision) -> EngineSpec:
    """Of a narrow pix2pix that is built here."""
    maker = load("synthir.backends", profile.backend)
    who: dict[str, Any] = {"backend": profile.backend, "network": "pix2pix", "settings": tiny.NARROW}
    what: dict[str, Any] = {"precision": precision, "pixels": maker.PIXELS, "profile": profile.ranges(256)}
    return msgspec.structs.replace(fake_spec(stride=256), **who, **what, built_with=maker.versions(profile))


def opened(profile: BuildProfile, precision: Precision) -> Engine:
    """A narrow pix2pix, built and opened."""
    maker, spec = load("synthir.backends", profile.backend), papers(profile, precision)
    payload = maker.build(tiny.narrow(), 256, precision, profile, spec.profile)
    engine: Engine = maker.start(payload, spec)
    return engine


@pytest.fixture(scope="module", params=["float32", "float16"])
def plan(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A TensorRT engine; skipped, with the reason, where TensorRT does not serve this GPU."""
    profile = BuildProfile("tensorrt", batch=(1, 2, 8), height=(256, 256, 512), width=(256, 256, 512))
    try:
        engine = opened(profile, Precision(request.param))
    except (BackendMissing, EngineIncompatible) as error:
        pytest.skip(str(error))
    with engine:
        yield engine


def pictures() -> list[UInt8]:
    """One batch of each shape."""
    return [tiny.pictures(number, *shape, 3) for number, shape in enumerate(SHAPES)]


def agree(engine: Engine, batches: list[UInt8], bar: float) -> None:
    """Every result is that of the float32 network on the CPU, whichever thread asked for it."""
    module = tiny.narrow()
    with ThreadPoolExecutor(engine.lanes) as pool:
        for visible, made in zip(batches * 3, pool.map(engine.run, batches * 3), strict=True):
            assert differences(made, reference(module, visible)).max() <= bar


def test_a_plan_agrees_in_all_shapes_and_lanes(plan: Engine) -> None:
    agree(plan, pictures(), HALF if plan.spec.precision == Precision.FLOAT16 else 1.01 / 127.5)
    assert plan.lanes >= 2


def test_a_plan_that_ran_out_of_memory_goes_on(plan: Engine) -> None:
    runs_out(plan, tiny.pictures(1, 8, 512, 512, 3))


@pytest.mark.parametrize(
    ("name", "precision"), [("torch", "float16"), ("torch", "bfloat16"), ("torch_eager", "float32")]
)
def test_torch_agrees_in_all_shapes(name: str, precision: str) -> None:
    with opened(read_profile(name), Precision(precision)) as engine:
        agree(engine, pictures(), {"float16": HALF, "bfloat16": 0.2, "float32": WHOLE}[precision])


def test_torch_that_ran_out_of_memory_goes_on() -> None:
    with opened(profile_of("torch"), Precision.FLOAT16) as engine:
        runs_out(engine, tiny.pictures(1, 8, 512, 512, 3))


def runs_out(engine: Engine, visible: UInt8) -> None:
    """A batch that there is no memory for is refused; the same is computed once there is."""
    import torch

    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (1 << 20)) / memory())
    try:
        with pytest.raises(EngineFailed, match="memory"):
            engine.run(visible)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert np.array_equal(engine.run(visible).shape, (len(visible), 1, *visible.shape[1:3]))


def memory() -> int:
    """Of the GPU, in bytes."""
    import torch

    return int(torch.cuda.get_device_properties(0).total_memory)


def test_papers_name_the_gpu() -> None:
    import torch

    major, minor = torch.cuda.get_device_capability()
    assert load("synthir.backends", "torch").versions(profile_of("torch"))["device"] == f"sm{major}{minor}"
