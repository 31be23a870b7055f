"""Compiling: an engine is written with papers that fit, compared, and opened by what they say."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from synthir import specs
from synthir.checkpoint import load_model, save_model
from synthir.compile import compare, compile_engine, results
from synthir.engine import check_papers, open_engine, papers_of
from synthir.errors import AgreementFailed, EngineIncompatible, EngineUntrusted, UnknownName, UsageError
from synthir.files import sha256_file
from synthir.folders import load
from synthir.frames import normalised
from synthir.specs import Band, EngineSpec, Precision, seal_of, to_json
from tests import tiny


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny cascade compiled for OpenVINO in float32."""
    folder = tmp_path_factory.mktemp("compiled")
    model = tiny.model_folder(folder / "tiny-lwir")
    return compile_engine(model, folder / "tiny.xml", "openvino", Precision.FLOAT32)


def test_the_papers_say_what_was_built_and_how_it_agrees(engine: Path) -> None:
    spec = check_papers(engine)
    assert (spec.backend, spec.precision, spec.generator) == ("openvino", Precision.FLOAT32, "tiny-lwir")
    assert spec.weights_sha256 == sha256_file(engine.parent / "tiny-lwir" / "model.safetensors")
    assert spec.files[".bin"] == sha256_file(engine.with_suffix(".bin"))
    assert set(spec.built_with) == {"openvino", "torch"}
    agreement = spec.agreement
    assert agreement and agreement.pictures == 12 and 0.0 < agreement.max_abs < 5e-3 and agreement.psnr_db > 80.0


def test_the_stated_agreement_is_the_measured_one(engine: Path) -> None:
    module, _ = load_model(engine.parent / "tiny-lwir")
    with open_engine(engine) as opened, torch.no_grad():
        pairs = [(made, module(torch.from_numpy(normalised(one))).numpy()) for one, made in results(opened)]
    differences = [np.abs(got - expected) for got, expected in pairs]
    stated = check_papers(engine).agreement
    assert stated and stated.max_abs == pytest.approx(max(d.max() for d in differences), abs=1e-6)
    assert stated.mean_abs == pytest.approx(np.mean([d.mean() for d in differences]), abs=1e-7)


@pytest.mark.parametrize("ending", [".xml", ".bin"])
def test_a_changed_byte_is_not_opened(engine: Path, tmp_path: Path, ending: str) -> None:
    for path in engine.parent.glob("tiny.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    changed = tmp_path / f"tiny{ending}"
    data = bytearray(changed.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(data)
    with pytest.raises(EngineUntrusted, match=f"tiny{ending}.*expected sha256"):
        open_engine(tmp_path / "tiny.xml")


def test_an_engine_without_papers_is_not_opened(engine: Path, tmp_path: Path) -> None:
    for ending in (".xml", ".bin"):
        (tmp_path / f"lone{ending}").write_bytes(engine.with_suffix(ending).read_bytes())
    with pytest.raises(EngineUntrusted, match="papers missing"):
        open_engine(tmp_path / "lone.xml")


def test_papers_may_be_renamed_with_their_engine(engine: Path, tmp_path: Path) -> None:
    for ending in (".xml", ".bin", ".xml.json"):
        (tmp_path / f"mine{ending}").write_bytes(engine.with_name(f"tiny{ending}").read_bytes())
    frame = tiny.pictures(1, 1, 32, 32, 3)
    with open_engine(engine) as one, open_engine(tmp_path / "mine.xml") as other:
        np.testing.assert_array_equal(one.run(frame), other.run(frame))


def test_papers_of_an_unknown_backend_are_refused(engine: Path, tmp_path: Path) -> None:
    for ending in (".xml", ".bin"):
        (tmp_path / f"odd{ending}").write_bytes(engine.with_suffix(ending).read_bytes())
    entry = msgspec.json.decode(papers_of(engine).read_bytes())
    odd = msgspec.convert(entry | {"backend": "abacus"}, EngineSpec)
    (tmp_path / "odd.xml.json").write_bytes(to_json(odd))
    with pytest.raises(EngineIncompatible, match="abacus"):
        open_engine(tmp_path / "odd.xml")


def test_an_engine_that_disagrees_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(specs.BARS, Precision.FLOAT32, specs.Bar(500.0, 1.0))
    model = tiny.model_folder(tmp_path / "model")
    with pytest.raises(AgreementFailed, match="500 dB"):
        compile_engine(model, tmp_path / "made.safetensors", "torch", Precision.FLOAT32)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def spoilt(folder: Path, bias: float) -> Path:
    """The narrow pix2pix with something added to its last layer, as a model folder."""
    module = tiny.narrow()
    with torch.no_grad():
        list(module.parameters())[-1].add_(bias)
    save_model(module, folder, "pix2pix", tiny.NARROW, Band.LWIR)
    return folder


def test_an_engine_that_gives_no_numbers_does_not_agree(tmp_path: Path) -> None:
    """Comparing with what is no number is false either way round, so the gate must ask whether it is good."""
    model = spoilt(tmp_path / "model", float("nan"))
    with pytest.raises(AgreementFailed, match="nan dB"):
        compile_engine(model, tmp_path / "made.safetensors", "torch")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_an_engine_that_refuses_its_own_result_does_not_agree(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; the extra onnx brings it")
    model = spoilt(tmp_path / "model", float("nan"))
    with pytest.raises(AgreementFailed, match="out of range"):
        compile_engine(model, tmp_path / "made.onnx", "onnxruntime")


def test_two_pictures_in_one_batch_are_compared_too(tmp_path: Path) -> None:
    model = spoilt(tmp_path / "model", 0.0)
    engine, (module, _) = compile_engine(model, tmp_path / "made.safetensors", "torch"), load_model(model)
    with open_engine(engine) as opened:
        right = compare(module, opened)
        run = opened.run
        opened.run = lambda visible: run(visible)[::-1]  # type: ignore[method-assign]
        swapped = compare(module, opened)
    assert right.pictures == swapped.pictures == 12
    assert right.max_abs < 1e-5 < 0.01 < swapped.max_abs


def test_the_reference_backend_agrees_exactly(tmp_path: Path) -> None:
    made = compile_engine(tiny.model_folder(tmp_path / "model"), tmp_path / "made.safetensors", "torch")
    agreement = check_papers(made).agreement
    assert agreement and agreement.max_abs < 1e-5, "but for rounding in a batch of two"


def test_a_wrong_ending_and_an_unknown_backend_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--out made\.xml"):
        compile_engine(tmp_path, tmp_path / "made.plan", "openvino")
    with pytest.raises(UnknownName, match="openvino"):
        compile_engine(tmp_path, tmp_path / "made.xml", "openvina")


def test_an_engine_that_is_there_is_not_written_over(engine: Path) -> None:
    before = engine.read_bytes()
    with pytest.raises(UsageError, match="there already"):
        compile_engine(engine.parent / "tiny-lwir", engine, "openvino", Precision.FLOAT32)
    assert engine.read_bytes() == before


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_a_precision_that_cannot_be_compared_here_is_refused(tmp_path: Path, backend: str) -> None:
    ending = load("synthir.backends", backend).ENDINGS[0]
    model = tiny.model_folder(tmp_path / "model")
    with pytest.raises(UsageError, match="cannot build float16 here"):
        compile_engine(model, tmp_path / f"made{ending}", backend, Precision.FLOAT16)


@pytest.mark.parametrize(
    "change",
    [
        {"stride": 0},
        {"batch": -1},
        {"files": {"bin": "0"}},
        {"files": {"./../x": "0"}},
        {"agreement": None},
        {"odd": 1},
        {"agreement": {"pictures": 0, "max_abs": 0.0, "mean_abs": 0.0, "psnr_db": 126.0, "worst_psnr_db": 126.0}},
    ],
    ids=str,
)
def test_papers_that_cannot_be_are_refused(engine: Path, tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "odd.xml").write_bytes(engine.read_bytes())
    (tmp_path / "odd.bin").write_bytes(engine.with_suffix(".bin").read_bytes())
    entry = msgspec.json.decode(papers_of(engine).read_bytes())
    odd = msgspec.json.encode(entry | change)
    (tmp_path / "odd.xml.json").write_bytes(msgspec.json.encode(entry | change | {"papers_sha256": seal_of(odd)}))
    with pytest.raises(EngineUntrusted, match="Next: "):
        open_engine(tmp_path / "odd.xml")


def test_a_file_beside_an_engine_names_the_engine(engine: Path) -> None:
    with pytest.raises(EngineUntrusted, match=r"give .*tiny\.xml, which has papers"):
        open_engine(engine.with_suffix(".bin"))
