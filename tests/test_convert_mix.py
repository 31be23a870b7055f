"""A mixture: some pictures are written in grayscale, their names decide which, and all else stays as it was."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir import convert
from synthir.cli import main
from synthir.convert import Options
from synthir.dataset import ImageRef
from synthir.errors import EngineIncompatible, JobMismatch, UsageError
from synthir.files import sha256_tree
from synthir.images import is_marked
from synthir.picture_io import stays_visible
from synthir.specs import Polarity
from tests.datasets import SIZES, converted, described, hand_made, picture, place, write_picture
from tests.fake_engine import FakeEngine, fake_spec

COUNT = 24
HALF = [number for number in range(COUNT) if stays_visible(place(number, ".png"), 0.5)]
"""Pictures of hand_made that half a mixture leaves visible."""


def stored(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.uint16]]:
    """The samples of a file, as they are."""
    samples = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert samples is not None
    return samples.astype(samples.dtype)


def luma(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return cv2.cvtColor(picture(number, *SIZES[number % 3]), cv2.COLOR_RGB2GRAY).astype(np.uint8)


def test_names_alone_decide_and_a_larger_share_holds_the_smaller() -> None:
    names = [f"images/{number:06}.jpg" for number in range(4000)]
    shares = {share: {name for name in names if stays_visible(name, share)} for share in (0.0, 0.25, 0.5, 1.0)}
    assert not shares[0.0] and shares[1.0] == set(names)
    assert shares[0.25] < shares[0.5]
    assert abs(len(shares[0.25]) / 4000 - 0.25) < 0.03 and abs(len(shares[0.5]) / 4000 - 0.5) < 0.03


@pytest.mark.parametrize("batch", [1, 3])
def test_half_is_luma_and_half_is_what_it_would_be_alone(tmp_path: Path, batch: int) -> None:
    dataset = hand_made(tmp_path / "src", COUNT)
    engine = FakeEngine()
    manifest = converted(dataset, tmp_path / "out", Options(mix=0.5, batch=batch), engine)
    converted(dataset, tmp_path / "whole", Options(batch=batch))
    assert 6 < len(HALF) < 18
    for number in range(COUNT):
        path = tmp_path / "out" / place(number, ".png")
        if number in HALF:
            assert np.array_equal(stored(path), luma(number))
        else:
            assert path.read_bytes() == (tmp_path / "whole" / place(number, ".png")).read_bytes()
        assert is_marked(path.read_bytes()) == (number not in HALF), "a photograph is not marked as machine-made"
    assert (tmp_path / "out/boxes.json").read_bytes() == (tmp_path / "src/boxes.json").read_bytes()
    assert manifest.counts == {"pictures": COUNT, "refused": 0, "labels": 1, "grayscale": len(HALF)}
    assert [line.place for line in manifest.pictures if line.grayscale] == [place(number, ".png") for number in HALF]
    assert not convert.verify(tmp_path / "out", tmp_path / "src").problems


def test_all_of_it_is_a_grayscale_copy_and_the_engine_rests(tmp_path: Path) -> None:
    class Resting(FakeEngine):
        def run(self, visible: object, /) -> object:  # type: ignore[override]
            raise AssertionError("nothing is for the engine to do")

    dataset = hand_made(tmp_path / "src", 7)
    converted(dataset, tmp_path / "out", Options(mix=1.0), Resting())
    for number in range(7):
        assert np.array_equal(stored(tmp_path / "out" / place(number, ".png")), luma(number))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(mix=1.0, polarity=Polarity.BLACK_HOT), lambda grey: grey),
        (Options(mix=1.0, max_side=8), lambda grey: grey),
        (Options(mix=1.0, bit_depth=16), lambda grey: grey.astype(np.uint16) * 257),
        (Options(mix=1.0, channels=3), lambda grey: np.dstack([grey] * 3)),
    ],
)
def test_luma_is_whole_and_never_turned(tmp_path: Path, options: Options, expected: object) -> None:
    assert callable(expected)
    converted(hand_made(tmp_path / "src", 2), tmp_path / "out", options)
    assert np.array_equal(stored(tmp_path / "out" / place(1, ".png")), expected(luma(1)))


@pytest.mark.parametrize("ext", [".jpg", ".tif", ".webp", ".bmp"])
def test_no_format_marks_a_photograph(tmp_path: Path, ext: str) -> None:
    write_picture(tmp_path / f"src/a{ext}", picture(0, 24, 32))
    (tmp_path / "src/boxes.json").write_text("{}")
    converted(described(tmp_path / "src", [f"a{ext}"]), tmp_path / "out", Options(mix=1.0))
    assert not is_marked((tmp_path / f"out/a{ext}").read_bytes())


def test_a_broken_picture_of_either_half_is_refused_and_costs_only_itself(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", COUNT)
    infrared = next(number for number in range(COUNT) if number not in HALF)
    for number in (HALF[0], infrared):
        (tmp_path / "src" / place(number, ".png")).write_bytes(b"broken")
    manifest = converted(dataset, tmp_path / "out", Options(mix=0.5))
    assert {row.name for row in manifest.refused} == {place(HALF[0], ".png"), place(infrared, ".png")}
    assert len(manifest.pictures) == COUNT - 2


def test_another_mixture_is_another_job_and_none_is_that_of_older_releases(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 7)
    engine = FakeEngine()
    manifest = converted(dataset, tmp_path / "out", Options(), engine)
    assert "mix" not in manifest.job.options
    with pytest.raises(JobMismatch, match="mix"):
        convert.plan(dataset, tmp_path / "out", engine.spec, Options(mix=0.5))
    converted(dataset, tmp_path / "mixed", Options(mix=0.5), engine)
    before = sha256_tree(tmp_path / "mixed")
    assert len(convert.plan(dataset, tmp_path / "mixed", engine.spec, Options(mix=0.5)).done) == 7
    assert sha256_tree(tmp_path / "mixed") == before


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_that_cannot_be_is_refused(tmp_path: Path, share: float) -> None:
    dataset = hand_made(tmp_path / "src", 1)
    with pytest.raises(UsageError, match=f"mix {share}"):
        convert.plan(dataset, tmp_path / "out", fake_spec(), Options(mix=share))


def test_pictures_that_the_engine_could_not_serve_are_refused_alike(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 1)
    sized = described(
        tmp_path / "src",
        [place(0, ".png")],
        **{place(0, ".png"): ImageRef(place(0, ".png"), tmp_path / "src" / place(0, ".png"), "x", 32, 24)},
    )
    assert dataset.images
    planned = convert.plan(sized, tmp_path / "out", fake_spec(height=64, width=64), Options(mix=1.0))
    ((_, error),) = planned.refused
    assert isinstance(error, EngineIncompatible)


def test_the_command_says_how_many(tmp_path: Path, capsys: pytest.CaptureFixture[str], small_engine: Path) -> None:
    for number in range(6):
        write_picture(tmp_path / f"photos/{number}.png", picture(number, 24, 32))
    grey = sum(stays_visible(f"{number}.png", 0.5) for number in range(6))
    words = ["convert", str(tmp_path / "photos"), "--engine", str(small_engine), "--mix", "0.5", "--quiet"]
    with pytest.raises(SystemExit) as left:
        main([*words, "--out", str(tmp_path / "out")])
    assert left.value.code == 0
    assert f"{6 - grey} infrared pictures, {grey} in grayscale, " in capsys.readouterr().out and 0 < grey < 6
