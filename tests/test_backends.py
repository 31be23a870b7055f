"""Every file in synthir/backends keeps the contract; a new one is tested by being there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from synthir import compile as compiling
from synthir.checkpoint import load_model
from synthir.compile import compile_engine, measure
from synthir.engine import Engine, open_engine, read_payload
from synthir.errors import AgreementFailed, BackendMissing, EngineIncompatible
from synthir.files import sha256_bytes
from synthir.folders import load, names
from synthir.specs import Band, EngineSpec, Polarity, Precision
from tests import tiny

TOLERANCE = {"openvino": 2e-3, "torch": 1e-6}
"""Largest difference to the float32 network in units of [-1, 1]; openvino keeps its weights in float16."""


def papers(backend: str, payload: dict[str, bytes]) -> EngineSpec:
    """Papers of the tiny cascade."""
    pins = {ending: sha256_bytes(data) for ending, data in payload.items()}
    kind = (backend, Precision.FLOAT32, Band.LWIR, Polarity.WHITE_HOT)
    return EngineSpec(*kind, 32, 0, 0, 0, "tiny", "", {}, None, pins, "cascade", tiny.SETTINGS)


@pytest.fixture(scope="module", params=names("synthir.backends"))
def built(request: pytest.FixtureRequest) -> tuple[str, dict[str, bytes]]:
    """A backend and the payload it builds of the tiny cascade."""
    backend: str = request.param
    try:
        payload: dict[str, bytes] = load("synthir.backends", backend).build(tiny.network(), Precision.FLOAT32)
    except BackendMissing as error:
        pytest.skip(str(error))
    return backend, payload


@pytest.fixture(scope="module")
def engine(built: tuple[str, dict[str, bytes]]) -> Iterator[Engine]:
    """The payload, started."""
    backend, payload = built
    with load("synthir.backends", backend).start(payload, papers(backend, payload)) as started:
        yield started


@pytest.mark.parametrize("shape", [(1, 3, 64, 96), (1, 3, 96, 32), (3, 3, 32, 64)])
def test_it_computes_what_the_network_computes(engine: Engine, shape: tuple[int, ...]) -> None:
    visible = tiny.frames(6, *shape)
    with torch.no_grad():
        expected = tiny.network()(torch.from_numpy(visible)).numpy()
    got = engine.run(visible)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=TOLERANCE[engine.spec.backend], rtol=0)


def test_the_caller_owns_the_result(engine: Engine) -> None:
    visible = tiny.frames(7, 1, 3, 32, 32)
    first = engine.run(visible)
    kept = first.copy()
    second = engine.run(tiny.frames(8, 1, 3, 32, 32))
    np.testing.assert_array_equal(first, kept)
    second[:] = 0.0
    np.testing.assert_array_equal(engine.run(visible), kept)


@pytest.mark.parametrize("shape", [(1, 3, 30, 32), (1, 1, 32, 32), (3, 32, 32)])
def test_a_frame_that_does_not_fit_is_refused(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineIncompatible, match="multiples of 32"):
        engine.run(tiny.frames(9, *shape))


def test_a_damaged_payload_is_refused(built: tuple[str, dict[str, bytes]]) -> None:
    backend, payload = built
    damaged = {ending: data[: len(data) // 2] for ending, data in payload.items()}
    with pytest.raises(EngineIncompatible, match="synthir compile"):
        load("synthir.backends", backend).start(damaged, papers(backend, damaged))


@pytest.mark.parametrize("backend", names("synthir.backends"))
def test_the_seats_of_a_backend(backend: str) -> None:
    module = load("synthir.backends", backend)
    assert module.ENDING.startswith(".")
    assert Precision.FLOAT32 in module.precisions()
    assert all(text and "." in text for text in module.versions().values())


def test_bfloat16_papers_run_in_float32_where_there_is_no_bfloat16_and_say_so(
    built: tuple[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, payload = built
    if name != "openvino":
        pytest.skip("torch computes in bfloat16 everywhere")
    backend = load("synthir.backends", name)
    monkeypatch.setattr(backend, "precisions", lambda core=None: (Precision.FLOAT32,))
    exact, low = papers(name, payload), msgspec.structs.replace(papers(name, payload), precision=Precision.BFLOAT16)
    visible = tiny.frames(9, 1, 3, 64, 64)
    with backend.start(payload, exact) as wanted, backend.start(payload, low) as got:
        assert got.spec == exact, "the manifest must say what ran"
        np.testing.assert_array_equal(got.run(visible), wanted.run(visible))


def test_starting_openvino_makes_one_core(small_engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = load("synthir.backends", "openvino")
    spec, files = read_payload(small_engine)
    made: list[Any] = []
    real = backend.runtime().Core

    def counted() -> Any:
        made.append(real())
        return made[-1]

    monkeypatch.setattr(backend.runtime(), "Core", counted)
    backend.start(files, spec).close()
    assert len(made) == 1


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny cascade as a model folder; OpenVINO computes in bfloat16 here, and no bfloat16 reaches the bar."""
    if Precision.BFLOAT16 not in load("synthir.backends", "openvino").precisions():
        pytest.skip("this CPU does not compute in bfloat16")
    monkeypatch.setitem(compiling.BAR_DB, Precision.BFLOAT16, 500.0)
    return tiny.model_folder(tmp_path / "model")


@pytest.mark.slow
def test_bfloat16_that_misses_the_bar_gives_way_to_float32(model: Path) -> None:
    spec, files = read_payload(compile_engine(model, model.with_name("made.xml"), "openvino"))
    assert spec.precision == Precision.FLOAT32
    low, (network, _) = msgspec.structs.replace(spec, precision=Precision.BFLOAT16), load_model(model)
    rejected = measure(network, low, files, load("synthir.backends", "openvino").start)
    assert spec.agreement and rejected.psnr_db < 80.0 <= spec.agreement.psnr_db


@pytest.mark.slow
def test_bfloat16_that_was_asked_for_is_not_replaced(model: Path) -> None:
    with pytest.raises(AgreementFailed, match=r"dB in bfloat16, the bar is 500 dB.*--precision float32"):
        compile_engine(model, model.with_name("made.xml"), "openvino", Precision.BFLOAT16)
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_a_batch_side_by_side_is_what_its_frames_are_alone(tmp_path: Path) -> None:
    """Whatever computes it: the same picture alone and in company, to a rounding of the last digits."""
    target = compile_engine(tiny.model_folder(tmp_path / "model"), tmp_path / "e.xml", "openvino", Precision.FLOAT32)
    frames = tiny.frames(4, 5, 3, 64, 96)
    with open_engine(target) as engine:
        together = engine.run(frames)
        again = engine.run(frames)
        alone = np.concatenate([engine.run(frame[None]) for frame in frames])
    np.testing.assert_array_equal(together, again)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.abs(alone[0] - alone[1]).max() > 0.01
    together[0] = 7.0
    assert again.max() <= 1.0, "the result is the caller's"
