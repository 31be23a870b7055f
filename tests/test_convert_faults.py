"""What an engine may do wrong, and pictures there is no memory for: one picture is lost, or the job ends."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir import convert, gpu_codec, picture_io
from synthir.convert import Options
from synthir.engine import Float32
from synthir.errors import (
    EngineIncompatible,
    EngineOutput,
)
from synthir.images import Infrared
from synthir.manifest import MANIFEST
from tests.datasets import converted, hand_made, place
from tests.fake_engine import FakeEngine, fake_spec, red


def stored(path: Path) -> Infrared:
    """The samples of a file, as they are."""
    samples = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert samples is not None
    return samples.astype(samples.dtype)


def spoiled(value: float) -> FakeEngine:
    """An engine whose result holds one value that cannot be, for pictures that are higher than wide."""

    def network(visible: Float32) -> Float32:
        out = red(visible)
        if visible.shape[2] > visible.shape[3]:
            out[0, 0, 1, 1] = value
        return out

    return FakeEngine(network)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.5, 1.03])
def test_results_that_cannot_be_are_refused(tmp_path: Path, value: float) -> None:
    manifest = converted(hand_made(tmp_path / "src", 6), tmp_path / "out", Options(batch=1), spoiled(value))
    assert [(line.name, line.code) for line in manifest.refused] == [
        (place(2, ".png"), "SIR505"),
        (place(5, ".png"), "SIR505"),
    ]
    assert not (tmp_path / "out" / place(2, ".png")).exists() and len(manifest.pictures) == 4


def failing(wide: bool, error: Exception) -> FakeEngine:
    """An engine that fails on pictures that are wider than 32 pixels, or on all of them."""

    def network(visible: Float32) -> Float32:
        if visible.shape[3] > 32 or not wide:
            raise error
        return red(visible)

    return FakeEngine(network)


@pytest.mark.parametrize("batch", [1, 6])
@pytest.mark.parametrize(
    "error", [EngineOutput("it failed", where="fake", why="no memory", fix="ask"), MemoryError("no memory")]
)
def test_a_picture_the_engine_fails_on_costs_one_picture(tmp_path: Path, error: Exception, batch: int) -> None:
    dataset, options = hand_made(tmp_path / "src", 6), Options(batch=batch)
    code = "SIR505" if isinstance(error, EngineOutput) else "SIR507"
    manifest = converted(dataset, tmp_path / "out", options, failing(True, error))
    assert [(line.name, line.code) for line in manifest.refused] == [
        (place(1, ".png"), code),
        (place(4, ".png"), code),
    ]
    advised = "float32 makes it no better" if isinstance(error, EngineOutput) else "--max-side"
    assert all(advised in line.message and f"boxes.json {line.name}" in line.message for line in manifest.refused)
    assert converted(dataset, tmp_path / "out", options, failing(True, error)) == manifest
    assert converted(dataset, tmp_path / "out", options).counts["refused"] == 0
    assert not convert.verify(tmp_path / "out", tmp_path / "src").problems


def broken() -> FakeEngine:
    """An engine that gives no numbers, as one of too low a precision does."""
    return FakeEngine(lambda visible: red(visible) * np.float32("nan"))


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("count", [1, 2, 9])
@pytest.mark.parametrize("kind", ["raises", "no numbers"])
def test_an_engine_that_fails_on_every_picture_ends_the_job(tmp_path: Path, count: int, batch: int, kind: str) -> None:
    engine = broken() if kind == "no numbers" else failing(False, EngineOutput("it failed", where="fake"))
    with pytest.raises(EngineOutput, match=r"it failed|nan to nan"):
        converted(hand_made(tmp_path / "src", count), tmp_path / "out", Options(batch=batch), engine)
    assert len(engine.shapes) <= 2 * 7 and not (tmp_path / "out" / MANIFEST).exists()
    assert converted(hand_made(tmp_path / "src", count), tmp_path / "out", Options(batch=batch)).counts["refused"] == 0


@pytest.mark.parametrize("error", [MemoryError(), cv2.error("Insufficient memory")])
@pytest.mark.parametrize("step", ["pad", "grow", "decode"])
def test_a_picture_there_is_no_memory_for_costs_one_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, step: str
) -> None:
    home = gpu_codec if step == "decode" else picture_io
    real = getattr(home, step)
    calls = iter(range(9))

    def scarce(*inputs: object) -> object:
        if next(calls) == 2:
            raise error
        return real(*inputs)

    monkeypatch.setattr(home, step, scarce)
    manifest = converted(hand_made(tmp_path / "src", 6), tmp_path / "out", Options(workers=1))
    assert [(line.code, "--max-side" in line.message) for line in manifest.refused] == [("SIR303", True)]
    assert len(manifest.pictures) == 5


def test_rounding_just_outside_the_range_is_clipped(tmp_path: Path) -> None:
    manifest = converted(hand_made(tmp_path / "src", 3), tmp_path / "out", Options(), spoiled(1.01))
    assert manifest.counts["refused"] == 0 and stored(tmp_path / "out" / place(2, ".png"))[1, 1] == 255


def test_an_engine_other_than_the_planned_one_is_refused(tmp_path: Path) -> None:
    plan = convert.plan(hand_made(tmp_path / "src", 1), tmp_path / "out", fake_spec())
    with pytest.raises(EngineIncompatible, match="another engine"):
        convert.run(plan, FakeEngine(red, fake_spec(stride=16)))
    assert not (tmp_path / "out").exists()


def test_a_result_of_another_shape_ends_the_job(tmp_path: Path) -> None:
    with pytest.raises(EngineIncompatible, match="another shape"):
        converted(hand_made(tmp_path / "src", 2), tmp_path / "out", Options(), FakeEngine(lambda visible: visible))
