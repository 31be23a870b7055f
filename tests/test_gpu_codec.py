"""Decoding on a GPU, with a stand-in for nvimgcodec: what goes there, what does not, and that a job keeps to it."""

import sys
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from synthir import convert, device, gpu_codec
from synthir.cli import main
from synthir.convert import Options
from synthir.errors import (
    BackendMissing,
    DeviceMissing,
    JobMismatch,
    PictureError,
    SizeMismatch,
    UnreadablePicture,
    UsageError,
)
from synthir.files import sha256_tree
from synthir.images import PIXEL_LIMIT, UInt8, decode
from synthir.specs import EngineSpec
from tests.datasets import converted, hand_made
from tests.fake_engine import FakeEngine, fake_spec

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


@dataclass
class Codec:
    """The part of nvimgcodec that is used; it decodes one level brighter than a CPU, so that one sees who decoded."""

    fails: bool = False
    off: int = 1
    seen: list[bytes] = field(default_factory=list)
    made: list[dict[str, Any]] = field(default_factory=list)
    __version__ = "0.9.0"
    BackendKind = SimpleNamespace(HYBRID_CPU_GPU="hybrid")

    def Backend(self, kind: str) -> str:
        return f"only {kind}"

    def DecodeParams(self, *, apply_exif_orientation: bool) -> bool:
        return apply_exif_orientation

    def Decoder(self, **how: Any) -> "Codec":
        self.made.append(how)
        return self

    def decode(self, data: bytes, *, params: bool) -> SimpleNamespace | None:
        assert params is False
        self.seen.append(data)
        if self.fails:
            return None
        brighter = np.minimum(np.asarray(Image.open(BytesIO(data))), 255 - self.off) + np.uint8(self.off)
        return SimpleNamespace(cpu=lambda: brighter)


@pytest.fixture
def codec(monkeypatch: pytest.MonkeyPatch) -> Codec:
    """A machine with a GPU and nvimgcodec."""
    package = Codec()
    monkeypatch.setitem(sys.modules, gpu_codec.PACKAGE, package)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    return package


def picture(mode: str = "RGB", height: int = 24, width: int = 40) -> Image.Image:
    """A slope of greys and colours."""
    down, right = np.mgrid[0:height, 0:width].astype(np.uint8)
    return Image.fromarray(np.stack([right * 3, down * 4, 200 - right - down], axis=2)).convert(mode)


def saved(image: Image.Image, form: str = "JPEG", **how: Any) -> bytes:
    """The picture as a file."""
    out = BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


def turned(orientation: int) -> bytes:
    """EXIF data that says so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def test_plain_jpegs_are_decoded_there_by_one_kind_of_decoder(codec: Codec) -> None:
    made = gpu_codec.decoder("nvimgcodec 0.9.0 on sm90", 3)
    for data in (saved(picture(), quality=90), saved(picture(), exif=turned(1)), saved(picture(), subsampling=0)):
        for declared in (None, (40, 24)):
            assert np.array_equal(made(data, "here", declared), decode(data, "here") + 1)
    assert codec.made == [{"max_num_cpu_threads": 1, "backends": ["only hybrid"], "options": ":fancy_upsampling=1"}] * 3


def others() -> dict[str, bytes]:
    """Pictures that are not for a GPU."""
    whole = saved(picture())
    jfif = whole.index(b"JFIF")
    return {
        "turned": saved(picture(), exif=turned(6)),
        "progressive": saved(picture(), progressive=True),
        "grey": saved(picture("L")),
        "CMYK": saved(picture("CMYK")),
        "no JFIF, so the colours are a guess": whole[:jfif] + b"XXXX" + whole[jfif + 4 :],
        "planes of RGB": saved(picture(), keep_rgb=True),
        "several pictures": saved(picture(), "MPO", save_all=True, append_images=[picture()]),
        "more behind the end": whole + b"\0",
        "PNG": saved(picture(), "PNG"),
        "PNG with alpha": saved(picture("RGBA"), "PNG"),
        "16 bits": saved(Image.fromarray(np.full((24, 40), 40000, np.uint16)), "PNG"),
    }


@pytest.mark.parametrize("name", others())
def test_all_else_is_decoded_as_always(codec: Codec, name: str) -> None:
    data = others()[name]
    assert np.array_equal(gpu_codec.decoder("gpu", 1)(data, "here", None), decode(data, "here"))
    assert codec.seen == []


def test_faults_are_those_of_the_cpu(codec: Codec) -> None:
    whole, made = saved(picture(), quality=90), gpu_codec.decoder("gpu", 1)
    size = whole.index(b"\xff\xc0") + 5
    huge = whole[:size] + (60000).to_bytes(2) * 2 + whole[size + 4 :]
    assert PIXEL_LIMIT < 60000**2
    for broken in (b"", b"no picture", whole[:-40], whole[: len(whole) // 3] + b"\xff\xd9", huge):
        told = []
        for way in (made, decode):
            try:
                told.append(way(broken, "here", None).tobytes())
            except PictureError as error:
                told.append(str(error).encode())
        assert told[0] == told[1]
    with pytest.raises(UnreadablePicture):
        made(whole[:-40], "here", None)
    with pytest.raises(SizeMismatch, match="41x24"):
        made(whole, "here", (41, 24))


class Failing(Codec):
    """A decoder that runs out of memory, or gives something else than was asked for."""

    answer: UInt8 | None = None

    def decode(self, data: bytes, *, params: bool) -> SimpleNamespace | None:
        if self.answer is None:
            raise RuntimeError("out of memory")
        return SimpleNamespace(cpu=lambda: self.answer)


@pytest.mark.parametrize("answer", [None, np.zeros((24, 41, 3), np.uint8), np.zeros((24, 40, 3), np.uint16)])
def test_what_the_gpu_cannot_do_the_cpu_does(answer: UInt8 | None) -> None:
    package = Failing()
    package.answer = answer
    data = saved(picture())
    assert np.array_equal(gpu_codec.GpuDecoder(package, 1)(data, "here"), decode(data, "here"))


def test_auto_follows_the_engine_and_a_name_says_what_decodes(codec: Codec) -> None:
    name = "nvimgcodec 0.9.0 on sm90"
    asked = [("cpu", "tensorrt"), ("auto", "openvino"), ("auto", "tensorrt"), ("auto", "torch"), ("gpu", "openvino")]
    assert [gpu_codec.resolved(*one) for one in asked] == ["cpu", "cpu", name, name, name]


@pytest.mark.parametrize(("codec_off", "said"), [(0, ""), (9, "9 levels off"), (None, "nvjpeg may be missing")])
def test_a_decoder_is_compared_before_it_is_trusted(codec: Codec, codec_off: int | None, said: str) -> None:
    codec.fails, codec.off = codec_off is None, codec_off or 0
    if not said:
        assert gpu_codec.resolved("gpu", "tensorrt").startswith("nvimgcodec")
        return
    with pytest.raises(BackendMissing, match=f"SIR503 --decode gpu: .*{said}.*--decode cpu"):
        gpu_codec.resolved("gpu", "tensorrt")
    assert gpu_codec.resolved("auto", "tensorrt") == "cpu"


def test_without_the_package_gpu_is_refused_and_auto_goes_on(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, gpu_codec.PACKAGE, None)
    with pytest.raises(BackendMissing, match=r"SIR503 --decode gpu: nvimgcodec is not installed.*gpu-codec") as caught:
        gpu_codec.resolved("gpu", "tensorrt")
    assert caught.value.why and caught.value.exit_status == 5
    assert gpu_codec.resolved("auto", "tensorrt") == "cpu"


def test_a_package_that_cannot_have_the_gpu_is_refused(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(**how: Any) -> Codec:
        raise RuntimeError("CUDA driver version\n is insufficient")

    monkeypatch.setattr(codec, "Decoder", busy)
    with pytest.raises(DeviceMissing, match=r"driver version is insufficient.*--decode cpu"):
        gpu_codec.resolved("gpu", "tensorrt")


@without_gpu
def test_without_a_gpu_the_command_ends_with_5_before_it_writes(
    tmp_path: Path, small_engine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = hand_made(tmp_path / "src", 1, ".jpg")
    words = ["convert", str(dataset.root), "--format", "folder", "--engine", str(small_engine), "--decode", "gpu"]
    with pytest.raises(SystemExit) as left:
        main([*words, "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert left.value.code == 5 and "SIR506" in said and "no GPU to decode on" in said and "--decode cpu" in said
    assert not (tmp_path / "out").exists()
    with pytest.raises(DeviceMissing, match="--engine cascade-lwir-s"):
        device.gpu()


def on_gpu() -> EngineSpec:
    """Papers of an engine that runs on a GPU."""
    return msgspec.structs.replace(fake_spec(), backend="torch")


def test_a_job_is_bound_to_its_decoder(codec: Codec, tmp_path: Path) -> None:
    dataset, out = hand_made(tmp_path / "src", 5, ".jpg"), tmp_path / "out"
    engine = FakeEngine(spec=on_gpu())
    made = converted(dataset, out, Options(decode="auto", ext="png"), engine)
    assert made.job.options["decode"] == "nvimgcodec 0.9.0 on sm90" and len(codec.seen) == 6, "five and the comparison"
    before = sha256_tree(out)
    assert converted(dataset, out, Options(decode="gpu", ext="png"), engine).job == made.job
    assert sha256_tree(out) == before
    codec.__version__ = "0.9.1"
    with pytest.raises(JobMismatch, match=r"decode: nvimgcodec 0\.9\.0 on sm90, now nvimgcodec 0\.9\.1"):
        convert.plan(dataset, out, engine.spec, Options(decode="auto", ext="png"))
    with pytest.raises(JobMismatch, match="decode: nvimgcodec"):
        convert.plan(dataset, out, engine.spec, Options(ext="png"))
    plain = converted(dataset, tmp_path / "cpu", Options(ext="png"), engine)
    assert "decode" not in plain.job.options, "as jobs were written before there was a choice"
    brighter = [one.sha256 for one in made.pictures]
    assert all(one.sha256 != other for one, other in zip(plain.pictures, brighter, strict=True))


def test_another_word_is_no_choice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="decode cuda"):
        convert.plan(hand_made(tmp_path / "src", 1), tmp_path / "out", fake_spec(), Options(decode="cuda"))
