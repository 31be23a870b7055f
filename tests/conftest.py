"""What every test may use: the sample, the optional real data, the shipped model, and the rule for GPU tests."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from synthir.engine import papers_of
from synthir.files import sha256_file
from synthir.specs import Agreement, Band, EngineSpec, Polarity, Precision, to_json

ROOT = Path(__file__).parents[1]
NOT_RUN = pytest.StashKey[tuple[int, str]]()


@pytest.fixture(scope="session")
def sample() -> Path:
    """The labelled sample of the project: coco.json, data.yaml, images/, labels/."""
    return ROOT / "examples" / "sample"


@pytest.fixture(scope="session")
def data() -> Path:
    """Real pictures beside the checkout, or where SYNTHIR_DATA says; tests are skipped where there are none."""
    folder = Path(os.environ.get("SYNTHIR_DATA", ROOT / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SYNTHIR_DATA")
    return folder


@pytest.fixture(scope="session")
def default_model() -> Path:
    """The folder of the shipped default model; tests are skipped where it is not built."""
    folder = ROOT / "engines" / "cascade-lwir-s"
    if not (folder / "engine.xml").is_file():
        pytest.skip("engines/cascade-lwir-s is not built in this checkout")
    return folder


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    waiting = [item for item in items if item.get_closest_marker("gpu")]
    reason = no_gpu() if waiting else ""
    if reason:
        for item in waiting:
            item.add_marker(pytest.mark.skip(reason=reason))
        config.stash[NOT_RUN] = (len(waiting), reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    count, reason = config.stash.get(NOT_RUN, (0, ""))
    if count:
        terminalreporter.write_line(f"GPU tests not run: {count}, because {reason}", yellow=True)


def no_gpu() -> str:
    """Why GPU tests cannot run here; empty where they can."""
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed"
    import torch

    return "" if torch.cuda.is_available() else "this machine has no CUDA device"


@pytest.fixture(scope="session")
def small_engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real OpenVINO engine with papers and no weights: infrared is the mean of red, green and blue."""
    return build_small_engine(tmp_path_factory.mktemp("engine"))


def build_small_engine(folder: Path) -> Path:
    """Write the engine `mean.xml`, its `mean.bin` and its papers into a folder."""
    vars(sys)["modules"].setdefault("openvino_telemetry", None)  # it would look up a host
    import openvino
    from openvino import opset13

    visible = opset13.parameter([-1, 3, -1, -1], dtype=openvino.Type.f32, name="visible")
    infrared = opset13.reduce_mean(
        visible, openvino.op.Constant(openvino.Type.i64, openvino.Shape([1]), [1]), keep_dims=True
    )
    payload = folder / "mean.xml"
    openvino.save_model(openvino.Model([infrared], [visible], "mean"), payload, compress_to_fp16=False)
    files = {ending: sha256_file(payload.with_suffix(ending)) for ending in (".xml", ".bin")}
    spec = EngineSpec(
        backend="openvino",
        precision=Precision.FLOAT32,
        band=Band.LWIR,
        polarity=Polarity.WHITE_HOT,
        stride=8,
        batch=0,
        height=0,
        width=0,
        generator="mean",
        weights_sha256="",
        built_with={},
        agreement=Agreement(1, 0.0, 0.0, 120.0, 120.0),
        files=files,
    )
    papers_of(payload).write_bytes(to_json(spec))
    return payload
