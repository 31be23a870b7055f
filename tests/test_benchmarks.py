"""The benchmark measures what it says; its numbers are nobody's test."""

import json
from pathlib import Path

import cv2
import pytest

from synthir import formats
from synthir.benchmarks import (
    RATE,
    Result,
    bench_convert,
    figure,
    first_picture,
    make_coco,
    make_pictures,
    pipeline_alone,
    planning,
    with_engine,
    without_engine,
)
from synthir.convert import verify
from synthir.errors import TargetError, UnrecognisedDataset, UsageError
from synthir.stopwatch import in_child, waiting


def test_pictures_are_made_as_told(tmp_path: Path) -> None:
    source = make_pictures(tmp_path / "src", 40, 48, 64)
    assert len(formats.read(source).images) == 40
    assert len({path.read_bytes() for path in source.iterdir()}) == 16


def test_a_child_converts_everything_and_reports_its_own_memory(tmp_path: Path) -> None:
    ballast = bytearray(400 << 20)
    ballast[:: 1 << 12] = b"x" * len(ballast[:: 1 << 12])
    spent, memory = in_child(pipeline_alone, make_pictures(tmp_path / "src", 20, 48, 64), tmp_path / "out")
    assert spent > 0 and 30 < memory < 400
    report = verify(tmp_path / "out", tmp_path / "src")
    assert (report.pictures, report.inputs, report.problems) == (20, 20, ())


def test_the_table_has_medians() -> None:
    text = Result("two cores", (figure("rate", "pictures/s", ">= 10", [12.0, 11.0, 90.0]),), "The engine.").markdown()
    assert "| rate | 12 pictures/s | >= 10 | 11 to 90 of 3 |" in text


def test_the_chart_has_the_rates_alone(tmp_path: Path) -> None:
    figures = [
        figure("whole", RATE, "", [10.0, 12.0, 14.0]),
        figure("memory", "MB", "", [99.0]),
        figure("half", RATE, "", [6.0]),
    ]
    Result("two cores", tuple(figures), "The engine.").chart(tmp_path / "bench.png")
    drawn = cv2.imread(str(tmp_path / "bench.png"))
    assert drawn is not None and drawn.shape == (54 + 2 * 44 + 6, 900, 3)
    bars = [int((drawn[70 + 44 * number] == (160, 110, 40)).all(axis=1).sum()) for number in range(2)]
    assert bars == [301, 151]


def test_the_scratch_folder_must_be_new(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists"):
        bench_convert(tmp_path / "engine.xml", tmp_path)


def test_there_must_be_something_to_measure(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="repeats 0"):
        bench_convert(tmp_path / "engine.xml", tmp_path / "new", repeats=0)
    assert not (tmp_path / "new").exists()


def test_an_error_in_a_child_comes_back_whole(tmp_path: Path) -> None:
    with pytest.raises(UnrecognisedDataset) as caught:
        in_child(pipeline_alone, tmp_path / "nowhere", tmp_path / "out")
    assert caught.value.where == str(tmp_path / "nowhere") and caught.value.fix


def test_the_coco_file_is_as_large_as_told_and_can_be_planned(tmp_path: Path) -> None:
    source = make_coco(tmp_path / "coco", images=30, annotations=70)
    content = json.loads(source.read_text())
    assert [image["id"] for image in content["images"]] == list(range(30))
    assert [shape["image_id"] for shape in content["annotations"]] == [*range(30), *range(30), *range(10)]
    places = [ref.place for ref in formats.read(source).images]
    assert places == [f"images/{number:012d}.jpg" for number in range(30)]


def test_planning_is_measured_on_that_file(tmp_path: Path) -> None:
    time, memory = planning(tmp_path / "coco", repeats=1, images=300, annotations=2000)
    assert time.name == "plan COCO, 300 images, 2,000 annotations" and memory.name == f"{time.name}: peak memory"
    assert time.value > 0 and 20 < memory.value < 600
    assert not (tmp_path / "coco-out").exists()


def test_runs_with_an_engine_convert_all_pictures(tmp_path: Path, small_engine: Path) -> None:
    alone, whole = with_engine(small_engine, tmp_path, pictures=2, repeats=2)
    assert len(alone) == len(whole) == 2 and min(*alone, *whole) > 0
    for out in ("out0", "out1"):
        report = verify(tmp_path / out, tmp_path / "src")
        assert (report.pictures, report.problems) == (2, ())


def test_runs_without_an_engine_convert_few_pictures_and_many(tmp_path: Path) -> None:
    rate, few, many = without_engine(tmp_path, many=20, repeats=1)
    assert (few.name, many.name) == ("peak memory, 2 pictures", "peak memory, 20 pictures")
    assert rate.value > 0 and min(few.value, many.value) > 30
    assert [verify(tmp_path / out).pictures for out in ("out0", "out")] == [2, 20]


def test_the_first_picture_is_waited_for_in_a_fresh_process(tmp_path: Path, small_engine: Path) -> None:
    assert first_picture(small_engine, tmp_path, repeats=1).value > 0
    assert verify(tmp_path / "out0", tmp_path / "src").problems == ()  # it was left to finish


def test_a_command_that_fails_has_no_figure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TargetError, match=r"synthir convert nowhere: .*exit status 1.*run it alone"):
        waiting(["convert", "nowhere"])
    assert capfd.readouterr().err.startswith("SIR")  # its own line says why


def test_a_command_that_does_not_write_the_file_has_no_figure(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"it did not write .*never"):
        waiting(["--help"], tmp_path / "never")
