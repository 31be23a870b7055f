"""The timing cache of TensorRT: kept between builds where a folder is named, ignored with a warning where it is bad."""

import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from synthir.backends import tensorrt
from synthir.backends._tensorrt_kinds import flavour
from synthir.backends._timing_cache import DIGITS, place_of, timed
from synthir.cli_engines import compile_
from synthir.errors import BackendMissing
from synthir.files import sha256_bytes
from synthir.lowering import graph_of
from synthir.onnx_export import to_onnx
from synthir.profiles import BuildProfile
from tests.small import STRIDE, small


@dataclass
class Cache:
    """What a build timed."""

    data: bytes

    def serialize(self) -> bytes:
        return self.data


@dataclass
class Settings:
    """The part of TensorRT's builder configuration that keeps timings; `foreign` are those of another GPU."""

    foreign: bytes = b"of another GPU"
    given: list[bytes] = field(default_factory=list)
    used: Cache | None = None

    def create_timing_cache(self, data: bytes) -> Cache:
        self.given.append(data)
        return Cache(data)

    def set_timing_cache(self, cache: Cache, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        if cache.data == self.foreign:
            return False
        self.used = cache
        return True


def build(place: Path | None, finds: bytes) -> Settings:
    """A build that times something."""
    settings = Settings()
    with timed(settings, place):
        if settings.used:
            settings.used.data += finds
    return settings


def test_what_was_timed_is_there_in_the_next_build(tmp_path: Path) -> None:
    place = place_of(tmp_path / "cache", "tensorrt", "10.15.1", "nvidia-h200")
    assert place.name == "tensorrt-10.15.1-nvidia-h200.timing"
    assert build(place, b"first ").given == [b""]
    assert build(place, b"second").given == [b"first "]
    assert place.read_bytes() == sha256_bytes(b"first second").encode() + b"first second"
    assert build(None, b"").given == [], "nothing is asked for without a folder"


@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: d[:-1], lambda d: d[:70] + b"X" + d[71:], lambda d: b"PK"])
def test_a_damaged_file_is_ignored_with_a_warning_and_replaced(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    place = tmp_path / "one.timing"
    build(place, b"timed before")
    place.write_bytes(damage(place.read_bytes()))
    with pytest.warns(UserWarning, match=r"one\.timing: the timing cache is ignored \(it is not as it was written\)"):
        assert build(place, b"anew").given == [b""]
    assert place.read_bytes()[DIGITS:] == b"anew"


def test_timings_of_another_gpu_are_ignored_with_a_warning_and_replaced(tmp_path: Path) -> None:
    place, foreign = tmp_path / "one.timing", Settings().foreign
    place.write_bytes(sha256_bytes(foreign).encode() + foreign)
    with pytest.warns(UserWarning, match="another release or GPU"):
        assert build(place, b"anew").given == [foreign, b""]
    assert place.read_bytes()[DIGITS:] == b"anew"


def test_a_folder_that_cannot_be_used_costs_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.warns(UserWarning) as said:
        build(tmp_path / "file" / "one.timing", b"timed")
    assert ["ignored" in str(one.message) or "not kept" in str(one.message) for one in said] == [True, True]


def test_a_build_that_fails_keeps_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), timed(Settings(), tmp_path / "one.timing"):
        raise ValueError("broken")
    assert list(tmp_path.iterdir()) == []


def test_the_packages_that_are_here_are_asked_as_the_table_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        found, package = flavour()
    except BackendMissing as missing:
        pytest.skip(str(missing))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    profile = BuildProfile("tensorrt", batch=(1, 1, 1), height=(8, 8, 8), width=(8, 8, 8), timing_cache=tmp_path)
    data = to_onnx(graph_of(small(), STRIDE), STRIDE, frozenset())
    if not found.times:
        tensorrt.plan_of(data, profile.ranges(STRIDE), profile, found, package)
        assert list(tmp_path.iterdir()) == [], "RTX has nothing to keep"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # RTX says that these calls do nothing; they are TensorRT's
        tensorrt.plan_of(data, profile.ranges(STRIDE), profile, replace(found, times=True), package)
        place = place_of(tmp_path, found.package, package.__version__, "nvidia-h200")
        assert place.read_bytes()[:DIGITS] == sha256_bytes(place.read_bytes()[DIGITS:]).encode()
        tensorrt.plan_of(data, profile.ranges(STRIDE), profile, replace(found, times=True), package)
    assert list(tmp_path.iterdir()) == [place]


def test_the_command_takes_a_folder_or_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from synthir.cli_engines import _profile

    monkeypatch.setenv("SYNTHIR_CACHE", str(tmp_path))
    words = ["cascade-lwir-s", "--profile", "tensorrt_fp16"]
    read = compile_.make_context("compile", [*words]).params
    assert _profile(read).timing_cache == tmp_path
    read = compile_.make_context("compile", [*words, "--timing-cache", "here"]).params
    assert _profile(read).timing_cache == Path("here")
    monkeypatch.delenv("SYNTHIR_CACHE")
    assert _profile(compile_.make_context("compile", [*words]).params).timing_cache is None
