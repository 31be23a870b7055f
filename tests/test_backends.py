"""Every file in synthir/backends keeps the contract; a new one is tested by being there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from synthir import specs
from synthir.checkpoint import load_model
from synthir.compile import compile_engine, measure
from synthir.engine import Engine, Infrared, open_engine, read_payload
from synthir.errors import AgreementFailed, BackendMissing, DeviceMissing, EngineIncompatible
from synthir.files import sha256_bytes
from synthir.folders import load, names
from synthir.frames import normalised
from synthir.profiles import profile_of
from synthir.specs import Band, EngineSpec, Polarity, Precision
from tests import tiny

TOLERANCE = {"openvino": 2e-3, "torch": 1e-6, "onnxruntime": 0.51 / 127.5, "tensorrt": 0.51 / 127.5}
"""Largest difference to the float32 network in units of [-1, 1]: openvino keeps weights in float16, others round."""


def papers(backend: str, payload: dict[str, bytes]) -> EngineSpec:
    """Papers of the narrow pix2pix."""
    pins = {ending: sha256_bytes(data) for ending, data in payload.items()}
    kind = (backend, Precision.FLOAT32, Band.LWIR, Polarity.WHITE_HOT)
    maker = load("synthir.backends", backend)
    return EngineSpec(
        *(*kind, 256, 0, 0, 0, "tiny", "", maker.versions(), None, pins, "pix2pix", tiny.NARROW, maker.PIXELS)
    )


@pytest.fixture(scope="module", params=names("synthir.backends"))
def built(request: pytest.FixtureRequest) -> tuple[str, dict[str, bytes]]:
    """A backend and the payload it builds of the narrow pix2pix."""
    backend: str = request.param
    try:
        maker = load("synthir.backends", backend)
        profile = profile_of(backend)
        payload: dict[str, bytes] = maker.build(tiny.narrow(), 256, Precision.FLOAT32, profile, profile.ranges(256))
    except BackendMissing as error:
        pytest.skip(str(error))
    return backend, payload


@pytest.fixture(scope="module")
def engine(built: tuple[str, dict[str, bytes]]) -> Iterator[Engine]:
    """The payload, started."""
    backend, payload = built
    try:
        started = load("synthir.backends", backend).start(payload, papers(backend, payload))
    except DeviceMissing as error:
        pytest.skip(str(error))
    with started:
        yield started


def in_reals(infrared: Infrared) -> np.ndarray[Any, Any]:
    """Infrared in [-1, 1], whichever way it is given."""
    return infrared.astype(np.float64) / 127.5 - 1.0 if infrared.dtype == np.uint8 else infrared


@pytest.mark.parametrize("shape", [(1, 256, 512, 3), (1, 512, 256, 3), (3, 256, 256, 3)])
def test_it_computes_what_the_network_computes(engine: Engine, shape: tuple[int, ...]) -> None:
    visible = tiny.pictures(6, *shape)
    with torch.no_grad():
        expected = tiny.narrow()(torch.from_numpy(normalised(visible))).numpy()
    for got in (engine.run(visible), engine.run_float32(visible)):
        assert got.dtype == (np.uint8 if engine.spec.pixels else np.float32)
        np.testing.assert_allclose(in_reals(got), expected, atol=TOLERANCE[engine.spec.backend], rtol=0)


def test_the_caller_owns_the_result(engine: Engine) -> None:
    visible = tiny.pictures(7, 1, 256, 256, 3)
    first = engine.run(visible)
    kept = first.copy()
    second = engine.run(tiny.pictures(8, 1, 256, 256, 3))
    np.testing.assert_array_equal(first, kept)
    second[:] = 0
    np.testing.assert_array_equal(engine.run(visible), kept)


@pytest.mark.parametrize("shape", [(1, 250, 256, 3), (1, 256, 256, 1), (256, 256, 3)])
def test_a_batch_that_does_not_fit_is_refused(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineIncompatible, match="multiples of 256"):
        engine.run(tiny.pictures(9, *shape))


def test_its_files_have_the_endings_it_names(built: tuple[str, dict[str, bytes]]) -> None:
    backend, payload = built
    assert tuple(payload) == load("synthir.backends", backend).ENDINGS


def test_a_damaged_payload_is_refused(built: tuple[str, dict[str, bytes]]) -> None:
    backend, payload = built
    damaged = {ending: data[len(data) // 2 :] for ending, data in payload.items()}
    with pytest.raises(EngineIncompatible, match="synthir compile"):
        load("synthir.backends", backend).start(damaged, papers(backend, damaged))


@pytest.mark.parametrize("backend", names("synthir.backends"))
def test_the_seats_of_a_backend(backend: str) -> None:
    module = load("synthir.backends", backend)
    assert module.ENDINGS and all(ending.startswith(".") for ending in module.ENDINGS)
    assert Precision.FLOAT32 in module.precisions()
    assert isinstance(module.PIXELS, bool) and profile_of(backend).backend == backend
    built = module.versions(profile_of(backend))
    assert all(built.values()) and any("." in text for text in built.values()), "a version, and what it is bound to"


def test_bfloat16_papers_run_in_float32_where_there_is_no_bfloat16_and_say_so(
    built: tuple[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, payload = built
    if name != "openvino":
        pytest.skip("torch computes in bfloat16 everywhere")
    backend = load("synthir.backends", name)
    monkeypatch.setattr(backend, "precisions", lambda core=None: (Precision.FLOAT32,))
    exact, low = papers(name, payload), msgspec.structs.replace(papers(name, payload), precision=Precision.BFLOAT16)
    visible = tiny.pictures(9, 1, 256, 256, 3)
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
    monkeypatch.setitem(specs.BARS, Precision.BFLOAT16, specs.Bar(500.0, 255.0))
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
    with pytest.raises(AgreementFailed, match=r"dB in bfloat16 on one picture, the bar is 500 dB.*--precision float32"):
        compile_engine(model, model.with_name("made.xml"), "openvino", Precision.BFLOAT16)
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_a_batch_side_by_side_is_what_its_frames_are_alone(tmp_path: Path) -> None:
    """Whatever computes it: the same picture alone and in company, to a rounding of the last digits."""
    target = compile_engine(tiny.model_folder(tmp_path / "model"), tmp_path / "e.xml", "openvino", Precision.FLOAT32)
    pictures = tiny.pictures(4, 5, 64, 96, 3)
    with open_engine(target) as engine:
        together = engine.run(pictures)
        again = engine.run(pictures)
        alone = np.concatenate([engine.run(picture[None]) for picture in pictures])
    np.testing.assert_array_equal(together, again)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.abs(alone[0] - alone[1]).max() > 0.01
    together[0] = 7.0
    assert again.max() <= 1.0, "the result is the caller's"
