"""The torch backend: its papers are of one device, float32 is float32, and what is eager is not compiled."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from synthir.backends import torch as backend
from synthir.compile import compare_engine, compile_engine
from synthir.engine import check_papers, open_engine, papers_of
from synthir.errors import EngineFailed, EngineIncompatible
from synthir.profiles import BuildProfile, profile_of, read_profile
from synthir.specs import Agreement, EngineSpec, Precision, to_json
from tests import tiny
from tests.fake_engine import fake_spec

AGREED = Agreement(12, 0.001, 0.0001, 90.0, 85.0)
VISIBLE = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(1, 8, 8, 3)
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


def papers(built_with: Mapping[str, str], agreement: Agreement | None = AGREED) -> EngineSpec:
    """Of a narrow pix2pix."""
    whose: dict[str, Any] = {"backend": "torch", "network": "pix2pix", "settings": tiny.NARROW}
    return msgspec.structs.replace(fake_spec(stride=256), **whose, built_with=dict(built_with), agreement=agreement)


@pytest.fixture(scope="module")
def payload() -> dict[str, bytes]:
    return backend.build(tiny.narrow(), 256, Precision.FLOAT32, BuildProfile("torch"), {})


@without_gpu
def test_papers_name_the_device_and_how_it_runs() -> None:
    plain = {"torch": torch.__version__, "device": "cpu"}
    assert backend.versions() == backend.versions(profile_of("torch")) == plain
    assert backend.versions(read_profile("torch_eager")) == {**plain, "mode": "eager"}


@without_gpu
@pytest.mark.parametrize("built", [{"device": "sm90"}, {}])
def test_what_was_compared_on_another_device_is_refused(payload: dict[str, bytes], built: dict[str, str]) -> None:
    why = f"SIR502.*compared on {built.get('device', 'unknown')}, here is cpu.*synthir compile fake --compare"
    with pytest.raises(EngineIncompatible, match=why):
        backend.start(payload, papers(built))
    with backend.start(payload, papers({"device": "cpu"})) as engine:
        assert engine.spec.built_with["device"] == "cpu"


@without_gpu
def test_what_was_compared_nowhere_is_opened_and_then_is_of_this_device(payload: dict[str, bytes]) -> None:
    with backend.start(payload, papers({"device": "sm90", "mode": "eager"}, None)) as engine:
        assert engine.spec.built_with == {"device": "cpu", "mode": "eager"}


@without_gpu
def test_comparing_it_here_is_the_way_on(tmp_path: Path) -> None:
    model = tiny.model_folder(tmp_path / "model")
    made = compile_engine(model, tmp_path / "made.safetensors", profile=read_profile("torch_eager"))
    here = check_papers(made)
    assert here.built_with == backend.versions(read_profile("torch_eager"))
    elsewhere = msgspec.structs.replace(here, built_with={**here.built_with, "device": "sm90"})
    papers_of(made).write_bytes(to_json(elsewhere))
    with pytest.raises(EngineIncompatible, match="compared on sm90"):
        open_engine(made)
    assert check_papers(compare_engine(model, made)) == here
    open_engine(made).close()


class Watched(nn.Module):
    """The mean of the planes, and whether TF32 was allowed while it ran; `broken` fails."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.broken = broken
        self.allowed: list[tuple[bool, bool]] = []

    def forward(self, visible: Tensor) -> Tensor:
        self.allowed.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        if self.broken:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return visible.mean(1, keepdim=True)


@pytest.fixture
def tf32() -> Iterator[list[Any]]:
    """What may be told to use TF32; as it was afterwards."""
    kinds: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    before = [kind.allow_tf32 for kind in kinds]
    yield kinds
    for kind, allowed in zip(kinds, before, strict=True):
        kind.allow_tf32 = allowed


@pytest.mark.parametrize("allowed", [True, False])
def test_float32_has_all_its_digits_and_the_setting_is_put_back(allowed: bool, tf32: list[Any]) -> None:
    for kind in tf32:
        kind.allow_tf32 = allowed
    module, broken = Watched(), Watched(broken=True)
    with backend.TorchEngine(fake_spec(), module, "cpu") as engine:
        engine.run(VISIBLE)
        engine.run_float32(VISIBLE)
    with backend.TorchEngine(fake_spec(), broken, "cpu") as engine, pytest.raises(EngineFailed) as caught:
        engine.run(VISIBLE)
    assert module.allowed == [(False, False)] * 2 and broken.allowed == [(False, False)]
    assert [kind.allow_tf32 for kind in tf32] == [allowed, allowed]
    cause = caught.value.__cause__
    assert cause is not None and cause.__traceback__ is None, "frames hold tensors"


def test_results_belong_to_the_caller() -> None:
    with backend.TorchEngine(fake_spec(), Watched(), "cpu") as engine:
        first = engine.run(VISIBLE)
        first += 1.0
        assert np.allclose(first - 1.0, engine.run(VISIBLE), atol=1e-6)


@pytest.mark.parametrize(
    ("device", "mode", "compiled"), [("cuda", "", 1), ("cuda", "eager", 0), ("cpu", "", 0), ("cpu", "eager", 0)]
)
def test_only_on_a_gpu_and_not_where_it_is_eager_the_network_is_compiled(
    device: str, mode: str, compiled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr(torch, "compile", lambda module, **how: given.append((module, how)))
    module = Watched()
    backend.TorchEngine(papers({"mode": mode} if mode else {}), module, device).close()
    assert given == [(module, {"mode": "reduce-overhead", "dynamic": False})] * compiled
