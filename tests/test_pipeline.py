"""What the pipeline makes of engines: lanes, grey levels, profiles, batches that fail, results that are none."""

import threading
import weakref
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from synthir import convert
from synthir.attempts import paint
from synthir.convert import Options
from synthir.engine import Float32, check_batch, check_extent, failed
from synthir.errors import EngineFailed, EngineIncompatible, EngineOutput, TooManyFailures
from synthir.frames import UInt8, normalised
from synthir.journal import REDONE, Journal, read_journal
from synthir.manifest import MANIFEST, Converted, Job, read_manifest
from synthir.specs import EngineSpec, Polarity, Precision
from tests.datasets import converted, hand_made, place
from tests.fake_engine import FakeEngine, fake_spec, red

HALF = msgspec.structs.replace(fake_spec(), precision=Precision.FLOAT16)


def pixels(folder: Path, count: int) -> list[bytes]:
    """The bytes of all pictures of a target."""
    return [(folder / place(number, ".png")).read_bytes() for number in range(count)]


class Levels(FakeEngine):
    """The red plane as grey levels."""

    def run(self, visible: UInt8, /) -> UInt8:  # type: ignore[override]
        return visible[:, None, :, :, 0].copy()


def test_grey_levels_arrive_as_they_are(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 6)
    spec = msgspec.structs.replace(fake_spec(), pixels=True)
    for polarity in Polarity:
        converted(dataset, tmp_path / f"reals {polarity}", Options(polarity=polarity))
        converted(dataset, tmp_path / f"levels {polarity}", Options(polarity=polarity), Levels(spec=spec))
        assert pixels(tmp_path / f"levels {polarity}", 6) == pixels(tmp_path / f"reals {polarity}", 6)
    with pytest.raises(EngineIncompatible, match="8 bits"):
        convert.plan(dataset, tmp_path / "deep", spec, Options(bit_depth=16))


class Meeting(FakeEngine):
    """Runs only where two threads are in `run` at once."""

    lanes = 2

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(2)

    def run(self, visible: UInt8, /) -> Float32:
        self.both.wait(timeout=20)
        return red(normalised(visible))


def test_an_engine_with_two_lanes_is_kept_busy_on_both(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 8)
    converted(dataset, tmp_path / "one", Options(batch=1))
    converted(dataset, tmp_path / "two", Options(batch=1), Meeting())
    assert pixels(tmp_path / "two", 8) == pixels(tmp_path / "one", 8)


def test_a_batch_that_is_too_much_is_tried_in_halves(tmp_path: Path) -> None:
    def cramped(frames: Float32) -> Float32:
        if len(frames) > 2:
            raise EngineOutput("no memory")
        return red(frames)

    dataset = hand_made(tmp_path / "src", 24)
    engine = FakeEngine(cramped)
    manifest = converted(dataset, tmp_path / "out", Options(batch=8), engine)
    assert manifest.counts["pictures"] == 24 and not manifest.refused
    assert [shape[0] for shape in engine.shapes] == [8, 4, 2, 2, 4, 2, 2] * 3
    converted(dataset, tmp_path / "alone", Options(batch=1))
    assert pixels(tmp_path / "out", 24) == pixels(tmp_path / "alone", 24)


class Held:
    """Memory of a device."""


class Cramped(FakeEngine):
    """Has memory for one picture; a batch that fails leaves what it took on the stack of its error."""

    def __init__(self, kind: type[Exception]) -> None:
        super().__init__()
        self.kind = kind
        self.taken: list[weakref.ref[Held]] = []
        self.still_held: list[int] = []

    def run(self, visible: UInt8, /) -> Float32:
        self.still_held.append(sum(one() is not None for one in self.taken))
        try:
            return self.copied(visible)
        except RuntimeError as error:
            raise failed(error, self.spec, visible.shape) from error

    def copied(self, visible: UInt8) -> Float32:
        """The red plane."""
        buffers = Held()
        self.taken.append(weakref.ref(buffers))
        if len(visible) > 1:
            raise self.kind("out of memory")
        return super().run(visible)


@pytest.mark.parametrize("kind", [RuntimeError, EngineFailed])
def test_the_halves_of_a_batch_find_the_memory_of_the_whole_one_free(tmp_path: Path, kind: type[Exception]) -> None:
    engine = Cramped(kind)
    manifest = converted(hand_made(tmp_path / "src", 8), tmp_path / "out", Options(batch=8), engine)
    assert manifest.counts["pictures"] == 8 and len(engine.still_held) > 8
    assert not any(engine.still_held)


class Overflowing(FakeEngine):
    """float16 that is no number wherever the first red value is odd; float32 is right, or as wrong."""

    def __init__(self, *, hopeless: bool = False) -> None:
        super().__init__(red, HALF)
        self.hopeless = hopeless

    def run(self, visible: UInt8, /) -> Float32:
        result = super().run(visible)
        result[visible[:, 0, 0, 0] % 2 == 1] = np.nan
        return result

    def run_float32(self, visible: UInt8, /) -> Float32:
        return self.run(visible) if self.hopeless else FakeEngine.run(self, visible)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_result_that_is_none_is_computed_again_in_float32_and_the_manifest_says_so(
    tmp_path: Path, batch: int
) -> None:
    dataset = hand_made(tmp_path / "src", 12)
    manifest = converted(dataset, tmp_path / "out", Options(batch=batch), Overflowing())
    converted(dataset, tmp_path / "exact", Options(batch=batch))
    assert pixels(tmp_path / "out", 12) == pixels(tmp_path / "exact", 12)
    odd = [bool(picture(tmp_path, number) % 2) for number in range(12)]
    assert [line.redone for line in manifest.pictures] == odd and 0 < sum(odd) < 12
    assert [line.redone for line in read_manifest(tmp_path / "out").pictures] == odd
    assert (tmp_path / "out" / MANIFEST).read_bytes().count(b'"redone":true') == sum(odd)


def picture(folder: Path, number: int) -> int:
    """The first red value of a source picture."""
    found = cv2.imread(str(folder / "src" / place(number, ".png")))
    assert found is not None
    return int(found[0, 0, 2])


def test_where_float32_is_no_better_the_picture_is_refused(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 12)
    manifest = converted(dataset, tmp_path / "out", Options(batch=4), Overflowing(hopeless=True))
    odd = [place(number, ".png") for number in range(12) if picture(tmp_path, number) % 2]
    assert [line.name for line in manifest.refused] == odd and {line.code for line in manifest.refused} == {"SIR505"}
    assert all("float32 makes it no better" in line.message for line in manifest.refused)
    assert not any("--precision" in line.message or "--max-side" in line.message for line in manifest.refused)
    for engine in (Overflowing(hopeless=True), FakeEngine(lambda frames: red(frames) * np.float32(np.nan))):
        with pytest.raises(EngineOutput, match="float32 makes it no better"):
            paint(engine, np.ones((16, 16, 3), np.uint8))
    np.testing.assert_array_equal(paint(Overflowing(), np.ones((16, 16, 3), np.uint8)), 1)


def test_a_resumed_job_remembers_what_was_computed_again(tmp_path: Path) -> None:
    dataset, engine = hand_made(tmp_path / "src", 12), Overflowing()
    (tmp_path / "src" / place(7, ".png")).rename(tmp_path / "away.png")
    with pytest.raises(TooManyFailures):
        plan = convert.plan(dataset, tmp_path / "out", HALF, Options(batch=1, strict=True))
        convert.run(plan, engine)
    (tmp_path / "away.png").rename(tmp_path / "src" / place(7, ".png"))
    resumed = convert.run(convert.plan(dataset, tmp_path / "out", HALF, Options(batch=1)), engine)
    whole = converted(dataset, tmp_path / "whole", Options(batch=1), Overflowing())
    assert resumed.pictures == whole.pictures and any(line.redone for line in resumed.pictures)


def test_the_journal_has_a_word_for_it(tmp_path: Path) -> None:
    job = read_manifest_job(tmp_path)
    journal = Journal(tmp_path, job)
    lines = [Converted("a.png", "1", "2"), Converted("b.png", "3", "4", redone=True)]
    for line in lines:
        journal.done(line)
    journal.close()
    found = read_journal(journal.path)
    assert found and list(found.done.values()) == lines
    assert journal.path.read_bytes().endswith(f'["b.png","3","4","{REDONE}"]\n'.encode())


def read_manifest_job(folder: Path) -> Job:
    """Any job."""
    dataset = hand_made(folder / "src", 1)
    return converted(dataset, folder / "done").job


def ranged() -> EngineSpec:
    """An engine for 16 to 24 lines, at most two at a time."""
    return msgspec.structs.replace(fake_spec(), profile={"batch": (1, 2, 2), "height": (16, 24, 24)})


def test_a_picture_outside_the_profile_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 3)  # 24, 17 and 32 lines
    manifest = converted(dataset, tmp_path / "out", Options(), FakeEngine(red, ranged()))
    (line,) = manifest.refused
    assert line.name == place(2, ".png") and line.code == "SIR502"
    assert "height 32, built for 16 to 24" in line.message
    assert "--max-side" in line.message and "compile" in line.message
    fits = converted(dataset, tmp_path / "fits", Options(max_side=24), FakeEngine(red, ranged()))
    assert not fits.refused


def test_a_picture_too_small_for_the_profile_is_not_told_to_be_seen_smaller(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 2)  # 24 and 17 lines
    spec = msgspec.structs.replace(fake_spec(), profile={"height": (32, 32, 64)})
    for options in (Options(), Options(max_side=32)):  # refused in the plan, and by the engine
        manifest = converted(dataset, tmp_path / f"out {options.max_side}", options, FakeEngine(red, spec))
        assert {line.code for line in manifest.refused} == {"SIR502"} and len(manifest.refused) == 2
        for line in manifest.refused:
            assert "built for 32 to 64" in line.message and "compile with a profile" in line.message
            assert "--max-side" not in line.message
    with pytest.raises(EngineIncompatible, match="--max-side"):
        check_batch(np.zeros((1, 72, 8, 3), np.uint8), spec)


def test_the_usual_batch_of_a_profile_is_taken_and_more_than_its_most_refused(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 3)
    spec = msgspec.structs.replace(ranged(), profile={"batch": (1, 6, 8)})
    assert convert.plan(dataset, tmp_path / "out", spec).options.batch == 6
    assert convert.plan(dataset, tmp_path / "out", fake_spec()).options.batch == 2
    with pytest.raises(EngineIncompatible, match="at most 8"):
        convert.plan(dataset, tmp_path / "out", spec, Options(batch=9))


@pytest.mark.parametrize(
    ("extent", "good"),
    [
        ((-1.0, 1.0, 0.0), True),
        ((-1.01, 1.01, 0.0), True),
        ((-1.0, 1.1, 0.0), False),
        ((-1.1, 1.0, 0.0), False),
        ((-1.0, 1.0, np.nan), False),
        ((-1.0, 1.0, np.inf), False),
        ((np.nan, 1.0, 0.0), False),
    ],
)
def test_an_extent_tells_what_grey_levels_cannot(extent: tuple[float, ...], good: bool) -> None:
    rows = np.array([(-0.5, 0.5, 0.0), extent], np.float32)
    if good:
        check_extent(rows, fake_spec())
    else:
        with pytest.raises(EngineOutput, match="out of range"):
            check_extent(rows, fake_spec())
