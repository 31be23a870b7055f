"""Papers are sealed, hold the bar that was asked for, and are not believed where they were changed."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from synthir.cli import main
from synthir.compile import compare_engine, compile_engine, differences, papers, reference, results
from synthir.engine import check_papers, open_engine, papers_of
from synthir.errors import AgreementFailed, EngineIncompatible, EngineUntrusted
from synthir.folders import load
from synthir.profiles import BuildProfile
from synthir.specs import BARS, Band, Bar, EngineSpec, GeneratorSpec, Polarity, Precision, read_engine_spec, to_json
from tests import tiny
from tests.conftest import build_small_engine
from tests.fake_engine import FakeEngine, fake_spec

CHANGES: list[dict[str, Any]] = [
    {"polarity": "black-hot"},
    {"band": "nir"},
    {"precision": "float16"},
    {"stride": 64},
    {"pixels": True},
    {"profile": {"height": [8, 16, 32]}},
    {"built_with": {"openvino": "1"}},
    {"weights_sha256": "0" * 64},
    {"agreement": {"pictures": 1, "max_abs": 0.0, "mean_abs": 0.0, "psnr_db": 126.0, "worst_psnr_db": 126.0}},
    {"bar": {"psnr_db": 1.0, "grey_levels": 255.0}},
    {"papers_sha256": "0" * 64},
]


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    """The small engine, in a folder that a test may spoil."""
    return build_small_engine(tmp_path)


def rewritten(payload: Path, **changes: Any) -> EngineSpec:
    """Papers with other words, sealed as they should be."""
    spec = msgspec.structs.replace(check_papers(payload), **changes)
    papers_of(payload).write_bytes(to_json(spec))
    return spec


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_changed_line_is_noticed_and_the_command_that_compiles_again_is_named(
    payload: Path, change: dict[str, Any]
) -> None:
    entries = msgspec.json.decode(papers_of(payload).read_bytes())
    papers_of(payload).write_bytes(msgspec.json.encode(entries | change))
    with pytest.raises(EngineUntrusted, match=r"seal is of other.*synthir compile mean --backend openvino --out new"):
        open_engine(payload)


def test_a_file_that_is_no_longer_named_is_noticed(payload: Path) -> None:
    entries = msgspec.json.decode(papers_of(payload).read_bytes())
    del entries["files"][".bin"]
    papers_of(payload).write_bytes(msgspec.json.encode(entries))
    with pytest.raises(EngineUntrusted, match="not as they were written"):
        open_engine(payload)


def test_papers_without_a_seal_say_that_they_are_old(payload: Path) -> None:
    entries = msgspec.json.decode(papers_of(payload).read_bytes())
    del entries["papers_sha256"]
    papers_of(payload).write_bytes(msgspec.json.encode(entries))
    with pytest.raises(EngineUntrusted, match=r"no seal.*synthir compile mean --backend openvino"):
        open_engine(payload)


def test_spaces_and_the_order_of_lines_are_no_change(payload: Path) -> None:
    entries = msgspec.json.decode(papers_of(payload).read_bytes())
    before = check_papers(payload)
    papers_of(payload).write_bytes(msgspec.json.encode(dict(reversed(entries.items()))))
    assert check_papers(payload) == before


def test_a_whole_number_where_others_have_a_fraction_is_sealed_as_it_is_written(payload: Path) -> None:
    rewritten(payload, bar=Bar(60, 2), settings={"width": 4, "sizes": (1, 2), "rate": 1.0})
    assert check_papers(payload).bar == Bar(60.0, 2.0)


@pytest.mark.parametrize(
    ("precision", "worst", "levels", "asked", "said"),
    [
        (Precision.FLOAT16, 50.0, 2.0, Bar(), ""),
        (Precision.FLOAT16, 49.9, 2.0, Bar(), "49.9 dB in float16 on one picture, the bar is 50 dB"),
        (Precision.FLOAT16, 70.0, 2.1, Bar(), "2.1 grey levels off in float16, the bar is 2"),
        (Precision.BFLOAT16, 50.0, 9.0, Bar(), ""),
        (Precision.BFLOAT16, 50.0, 9.0, Bar(grey_levels=8.0), "9.0 grey levels off in bfloat16, the bar is 8"),
        (Precision.FLOAT32, 74.9, 0.5, Bar(), "74.9 dB in float32 on one picture, the bar is 75 dB"),
        (Precision.FLOAT32, 80.0, 0.5, Bar(90.0), "80.0 dB in float32 on one picture, the bar is 90 dB"),
        (Precision.FLOAT32, 80.0, 0.5, Bar(1.0), ""),
    ],
)
def test_an_engine_under_its_bar_is_not_opened(
    payload: Path, precision: Precision, worst: float, levels: float, asked: Bar, said: str
) -> None:
    agreed = check_papers(payload).agreement
    assert agreed
    agreed = msgspec.structs.replace(agreed, worst_psnr_db=worst, max_abs=levels / 127.5, psnr_db=126.0)
    spec = rewritten(payload, precision=precision, agreement=agreed, bar=asked)
    assert spec.shortfall() == said
    if said:
        with pytest.raises(EngineUntrusted, match=f"under its bar.*{said}.*synthir compile mean"):
            open_engine(payload)
    else:
        open_engine(payload).close()


@pytest.mark.parametrize(("bucket", "most", "wanted"), [(0, 1056, 1056), (64, 1056, 1088), (100, 1024, 1024)])
def test_an_engine_is_built_for_the_sizes_that_its_papers_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: int, most: int, wanted: int
) -> None:
    """The bucket widens them, and the backend is told what the papers say; it is asked, and builds nothing."""
    told: list[Any] = []

    class Told(Exception):
        """What the backend was asked for is known."""

    def build(*given: Any) -> None:
        told.append(given)
        raise Told

    profile = BuildProfile("torch", bucket=bucket, batch=(1, 2, 4), height=(70, 512, most), width=(64, 640, 1280))
    generator = GeneratorSpec("cascade", {}, 32, Band.LWIR, Polarity.WHITE_HOT, "")
    promised = papers(generator, "tiny", profile, Precision.FLOAT32)
    monkeypatch.setattr(load("synthir.backends", "torch"), "build", build)
    with pytest.raises(Told):
        compile_engine(tiny.model_folder(tmp_path / "model"), tmp_path / "made.safetensors", profile=profile)
    _, stride, _, _, ranges = told[0]
    assert stride == 32 and ranges == promised.profile
    assert ranges["height"][2] == wanted and promised.stride == max(32, -(-bucket // 32) * 32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny cascade as a model folder."""
    return tiny.model_folder(tmp_path_factory.mktemp("bars") / "model")


def test_a_stricter_bar_is_remembered_by_those_who_compare_later(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a plan is built without a GPU: nothing is compared, and the command that finishes names no profile."""
    target = compile_engine(model, tmp_path / "made.safetensors", "torch", profile=BuildProfile("torch"))
    spec = check_papers(target)
    generator = GeneratorSpec("cascade", {}, 32, Band.LWIR, Polarity.WHITE_HOT, "")
    strict = papers(generator, "tiny", BuildProfile("torch", least_psnr_db=500.0), Precision.FLOAT32)
    assert strict.bar == Bar(500.0, 1.0) and spec.bar == BARS[Precision.FLOAT32]
    unfinished = to_json(msgspec.structs.replace(spec, agreement=None, bar=strict.bar))
    papers_of(target).write_bytes(unfinished)
    with pytest.raises(SystemExit) as left:
        main(["compile", str(model), "--compare", "--out", str(target)])
    said = capsys.readouterr().err
    assert left.value.code == 5 and "the bar is 500 dB" in said
    assert "--precision float32" not in said, "which is what it has"
    assert papers_of(target).read_bytes() == unfinished


def test_comparing_with_a_stricter_profile_writes_its_bar_down(model: Path, tmp_path: Path) -> None:
    target = compile_engine(model, tmp_path / "made.safetensors", "torch")
    compare_engine(model, target, BuildProfile("torch", least_psnr_db=90.0))
    assert check_papers(target).bar == Bar(90.0, 1.0)
    with pytest.raises(AgreementFailed, match="500 dB"):
        compare_engine(model, target, BuildProfile("torch", least_psnr_db=500.0))
    assert check_papers(target).bar == Bar(90.0, 1.0)


def test_comparing_on_another_device_names_that_one(model: Path, tmp_path: Path) -> None:
    target = compile_engine(model, tmp_path / "made.safetensors", "torch")
    spec = check_papers(target)
    elsewhere = msgspec.structs.replace(spec, built_with={**spec.built_with, "device": "sm42"})
    papers_of(target).write_bytes(to_json(elsewhere))
    with pytest.raises(EngineIncompatible, match="--compare"):
        open_engine(target)
    compare_engine(model, target)
    assert check_papers(target) == spec


def test_where_float32_failed_it_is_not_advised(model: Path, tmp_path: Path) -> None:
    with pytest.raises(AgreementFailed) as caught:
        compile_engine(
            model, tmp_path / "made.safetensors", "torch", profile=BuildProfile("torch", least_psnr_db=500.0)
        )
    assert "--precision float32" not in caught.value.fix and "another --backend" in caught.value.fix


def test_the_worst_picture_is_stated_and_not_the_mean_alone(model: Path, tmp_path: Path) -> None:
    import torch

    from synthir.checkpoint import load_model
    from synthir.compile import compare

    module, _ = load_model(model)

    def dim(frames: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The network, but that dark pictures come out a hundredth too bright."""
        with torch.inference_mode():
            exact = module(torch.from_numpy(frames)).numpy()
        return np.asarray(exact + 0.01 * (frames.mean() < -0.5), dtype=np.float32)

    engine = FakeEngine(dim, fake_spec(stride=32))
    found = compare(module, engine)
    ratios = [
        10 * np.log10(4 / max(float(np.square(differences(made, reference(module, picture))).mean()), 1e-12))
        for picture, made in results(engine)
    ]
    assert found.worst_psnr_db == pytest.approx(46.02, abs=0.02) == pytest.approx(min(ratios), abs=0.02)
    assert found.psnr_db == pytest.approx(np.mean(ratios), abs=0.02) and found.psnr_db > 80.0
    spec = msgspec.structs.replace(fake_spec(), agreement=found, precision=Precision.BFLOAT16)
    assert "46.0 dB in bfloat16" in spec.shortfall()


def test_what_compiling_says_names_the_worst(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["compile", str(model), "--backend", "torch", "--out", str(tmp_path / "made.safetensors")])
    agreed = read_engine_spec(tmp_path / "made.safetensors.json").agreement
    assert left.value.code == 0 and agreed
    assert (
        f"{agreed.worst_psnr_db:.1f} dB or more from float32, {agreed.psnr_db:.1f} dB on the mean of 12 pictures"
        in (capsys.readouterr().out)
    )
