"""The TensorRT backend without a GPU: plans are built, checked before they are opened, and refused with the way on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import onnx
import pytest
import torch

from synthir import generators
from synthir.backends import tensorrt
from synthir.backends._tensorrt_kinds import FLAVOURS, flavour
from synthir.backends.onnxruntime import session
from synthir.checkpoint import save_model
from synthir.cli import main
from synthir.engine import open_engine, papers_of, read_payload
from synthir.errors import BackendMissing, DeviceMissing, EngineIncompatible, EngineUntrusted
from synthir.files import sha256_bytes
from synthir.lowering import graph_of
from synthir.onnx_export import to_onnx
from synthir.profiles import BuildProfile, read_profile
from synthir.specs import Agreement, Band, EngineSpec, Polarity, Precision, to_json
from tests.small import STRIDE, small

try:
    RTX, PACKAGE = flavour()
except BackendMissing as missing:
    pytest.skip(str(missing), allow_module_level=True)

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
PROFILE = BuildProfile("tensorrt", batch=(1, 2, 4), height=(8, 32, 64), width=(8, 48, 96))


@pytest.fixture(scope="module")
def payload() -> dict[str, bytes]:
    """The small network in float16."""
    return tensorrt.build(small(), STRIDE, Precision.FLOAT16, PROFILE, PROFILE.ranges(STRIDE))


def papers(payload: dict[str, bytes], **changes: Any) -> EngineSpec:
    """Its papers."""
    pins = {ending: sha256_bytes(data) for ending, data in payload.items()}
    kind = ("tensorrt", Precision.FLOAT16, Band.LWIR, Polarity.WHITE_HOT)
    spec = EngineSpec(*kind, STRIDE, 0, 0, 0, "small", "", tensorrt.versions(), None, pins, pixels=True)
    return msgspec.structs.replace(spec, profile=PROFILE.ranges(STRIDE), **changes)


def test_the_plan_is_built_of_what_was_exported(payload: dict[str, bytes]) -> None:
    assert set(payload) == {".plan", ".fallback"} and len(payload[".plan"]) > 1000
    assert payload[".plan"].startswith(RTX.begins)
    weights = {
        t.data_type for t in onnx.load_model_from_string(payload[".fallback"]).graph.initializer if len(t.dims) == 4
    }
    assert weights == {onnx.TensorProto.FLOAT}, "what stands in for the plan computes in float32"


def test_the_parsed_network_has_bytes_at_both_ends_and_keeps_the_types_it_was_given() -> None:
    graph = graph_of(small(), STRIDE)
    heard = tensorrt.listener(PACKAGE)
    network = tensorrt.parsed(PACKAGE.Builder(heard), to_onnx(graph, STRIDE, frozenset()), PACKAGE, heard)
    ends = [network.get_input(0), *(network.get_output(number) for number in range(network.num_outputs))]
    assert [(end.name, end.dtype) for end in ends] == [
        ("visible", PACKAGE.DataType.UINT8),
        ("infrared", PACKAGE.DataType.UINT8),
        ("extent", PACKAGE.DataType.FLOAT),
    ]
    assert tuple(ends[0].shape) == (-1, -1, -1, 3)
    layers = [network.get_layer(number) for number in range(network.num_layers)]
    convolutions = [layer for layer in layers if layer.type == PACKAGE.LayerType.CONVOLUTION]
    assert {layer.get_output(0).dtype for layer in convolutions} == {PACKAGE.DataType.HALF}


def test_the_profile_of_the_input_is_that_of_the_papers(payload: dict[str, bytes]) -> None:
    builder = PACKAGE.Builder(tensorrt.listener(PACKAGE))
    shapes = tensorrt.shapes_of(builder, "visible", papers(payload).profile)
    assert [tuple(shape) for shape in shapes.get_shape("visible")] == [(1, 8, 8, 3), (2, 32, 48, 3), (4, 64, 96, 3)]


def test_a_range_that_is_left_open_is_asked_for() -> None:
    with pytest.raises(EngineIncompatible, match="width"):
        tensorrt.build(small(), STRIDE, Precision.FLOAT16, replace(PROFILE, width=(0, 0, 0)), {})


def settings(profile: BuildProfile) -> Any:
    """How the package that is here is told to build."""
    return tensorrt.settings_of(PACKAGE.Builder(tensorrt.listener(PACKAGE)), profile, RTX, PACKAGE)


def test_arithmetic_is_as_it_is_written() -> None:
    flags, made = PACKAGE.BuilderFlag, settings(PROFILE)
    assert not made.get_flag(flags.TF32), "which rounds float32 to the digits of float16"
    assert made.get_flag(flags.STRICT_NANS), "without it 0 * NaN may be 0"
    assert not RTX.just_in_time or made.get_flag(flags.REQUIRE_USER_ALLOCATION), "without it nothing is captured"


def test_memory_is_limited_where_the_profile_says_so() -> None:
    place = PACKAGE.MemoryPoolType.WORKSPACE
    assert settings(replace(PROFILE, workspace_mib=192)).get_memory_pool_limit(place) == 192 << 20
    free = PACKAGE.Builder(tensorrt.listener(PACKAGE)).create_builder_config().get_memory_pool_limit(place)
    assert settings(PROFILE).get_memory_pool_limit(place) == free


def test_targets_are_built_for_and_named_in_the_papers() -> None:
    if not RTX.portable:
        pytest.skip("this TensorRT builds for the GPU it is on")
    profile = replace(PROFILE, targets=("SM89", "sm86"))
    made = settings(profile)
    chosen = [made.get_compute_capability(number) for number in range(made.num_compute_capabilities)]
    assert chosen == [PACKAGE.ComputeCapability.SM89, PACKAGE.ComputeCapability.SM86]
    assert tensorrt.versions(profile)["targets"] == "sm89 sm86"
    assert settings(PROFILE).num_compute_capabilities == 0 and tensorrt.versions(PROFILE)["targets"] == "its own choice"
    with pytest.raises(EngineIncompatible, match="sm42"):
        settings(replace(PROFILE, targets=("sm42",)))


@pytest.mark.parametrize("known", [True, False])
def test_strong_typing_is_asked_for_where_it_can_be(known: bool) -> None:
    asked = []

    class Asked(Exception): ...

    def create_network(flags: int) -> None:
        asked.append(flags)
        raise Asked

    flags = SimpleNamespace(STRONGLY_TYPED=3) if known else SimpleNamespace()
    with pytest.raises(Asked):
        tensorrt.parsed(
            SimpleNamespace(create_network=create_network),
            b"",
            SimpleNamespace(NetworkDefinitionCreationFlag=flags),
            None,
        )
    assert asked == [8 if known else 0]


def test_an_architecture_that_it_does_not_know_is_refused() -> None:
    if not RTX.portable:
        pytest.skip("this TensorRT builds for the GPU it is on")
    with pytest.raises(EngineIncompatible, match=r"sm42.*sm89"):
        tensorrt.capability("sm42", PACKAGE)
    assert tensorrt.capability("sm89", PACKAGE) == PACKAGE.ComputeCapability.SM89


@without_gpu
def test_without_a_gpu_it_says_what_is_missing(payload: dict[str, bytes]) -> None:
    with pytest.raises(DeviceMissing, match=r"SIR506.*no GPU.*--engine cascade-lwir-s") as caught:
        tensorrt.start(payload, papers(payload))
    assert caught.value.exit_status == 5 and caught.value.why


def broken(plan: bytes) -> Iterator[tuple[str, bytes]]:
    """Files that are no plan, and what they are called."""
    yield "a pickle", b"\x80\x04" + plan
    yield "ONNX", b"\x08\x0a" + plan
    yield "a zip", b"PK\x03\x04" + plan
    yield "begins otherwise", plan[1:]
    yield "begins otherwise", b""


def test_what_is_no_plan_is_refused_before_a_gpu_is_asked_for(payload: dict[str, bytes]) -> None:
    for said, data in broken(payload[".plan"]):
        files = {**payload, ".plan": data}
        with pytest.raises(EngineIncompatible, match=f"not a plan.*{said}"):
            tensorrt.start(files, papers(files))


@pytest.mark.parametrize("name", [RTX.package, "machine"])
def test_a_plan_of_another_release_or_machine_is_refused(payload: dict[str, bytes], name: str) -> None:
    built = {**tensorrt.versions(), name: "9.1"}
    with pytest.raises(EngineIncompatible, match=rf"{name} 9\.1, here.*synthir compile --backend tensorrt"):
        tensorrt.start(payload, papers(payload, built_with=built))


def test_a_plan_of_a_package_that_is_not_here_is_refused(payload: dict[str, bytes]) -> None:
    other = next(one.package for one in FLAVOURS if one != RTX)
    with pytest.raises(BackendMissing, match=f"{other} is not installed"):
        tensorrt.start(payload, papers(payload, built_with={other: "10.13"}))
    with pytest.raises(EngineIncompatible, match="no TensorRT"):
        tensorrt.start(payload, papers(payload, built_with={}))


def test_weights_in_another_file_are_refused(payload: dict[str, bytes]) -> None:
    model = onnx.load_model_from_string(payload[".fallback"])
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    with pytest.raises(EngineUntrusted, match=r"outside.*\.\./\.\./etc/passwd"):
        session(model.SerializeToString(), papers(payload))
    hidden = onnx.load_model_from_string(payload[".fallback"])
    hidden.graph.node.add(op_type="Constant", output=["c"]).attribute.add(name="value").t.CopyFrom(tensor)
    with pytest.raises(EngineUntrusted, match=r"outside.*\.\./\.\./etc/passwd"):
        session(hidden.SerializeToString(), papers(payload))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A plan of a narrow pix2pix, and the exit status of the command that built it."""
    folder = tmp_path_factory.mktemp("plan")
    settings = {"width": 4}
    save_model(generators.build("pix2pix", settings).eval(), folder / "model", "pix2pix", settings, Band.LWIR)
    with pytest.raises(SystemExit) as left:
        main(["compile", str(folder / "model"), "--profile", "tensorrt_fp16", "--out", str(folder / "made.plan")])
    return folder / "made.plan", int(left.value.code or 0)


@without_gpu
def test_the_plan_is_written_and_not_finished(made: tuple[Path, int]) -> None:
    plan, status = made
    spec, files = read_payload(plan, finished=False)
    assert status == 5 and spec.agreement is None and spec.precision == Precision.FLOAT16 and spec.pixels
    assert spec.stride == 256 and spec.profile == read_profile("tensorrt_fp16").ranges(256)
    assert set(files) == {".plan", ".fallback"} and spec.built_with.keys() >= {"torch", RTX.package, "machine"}


@without_gpu
def test_converting_with_it_says_how_to_finish_it(
    made: tuple[Path, int], sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["convert", str(sample), "--engine", str(made[0]), "--out", str(tmp_path / "out")])
    assert left.value.code == 5
    assert f"synthir compile model --compare --out {made[0]}" in capsys.readouterr().err


@without_gpu
def test_comparing_it_here_says_what_is_missing(made: tuple[Path, int], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["compile", str(made[0].parent / "model"), "--compare", "--out", str(made[0])])
    assert left.value.code == 5 and "SIR506" in capsys.readouterr().err


@without_gpu
@pytest.mark.parametrize("ending", [".plan", ".fallback"])
def test_a_flipped_or_missing_byte_is_not_opened(made: tuple[Path, int], tmp_path: Path, ending: str) -> None:
    for path in made[0].parent.glob("made.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    spec, _ = read_payload(made[0], finished=False)
    agreed = Agreement(10, 0.01, 0.001, 60.0, 60.0)
    papers_of(tmp_path / "made.plan").write_bytes(to_json(msgspec.structs.replace(spec, agreement=agreed)))
    whole = (tmp_path / f"made{ending}").read_bytes()
    for damaged in (whole[:-1], whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]):
        (tmp_path / f"made{ending}").write_bytes(damaged)
        with pytest.raises(EngineUntrusted, match="expected sha256"):
            open_engine(tmp_path / "made.plan")
    (tmp_path / f"made{ending}").write_bytes(whole)
    with pytest.raises(DeviceMissing):
        open_engine(tmp_path / "made.plan")


@without_gpu
def test_papers_of_another_plan_are_refused(made: tuple[Path, int], tmp_path: Path) -> None:
    spec, files = read_payload(made[0], finished=False)
    (tmp_path / "other.plan").write_bytes(files[".plan"])
    papers_of(tmp_path / "other.plan").write_bytes(to_json(msgspec.structs.replace(spec, files={".xml": "0" * 64})))
    with pytest.raises(EngineUntrusted, match="another engine"):
        open_engine(tmp_path / "other.plan")
