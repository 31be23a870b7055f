"""The benchmark measures what it says; its numbers are nobody's test."""

from pathlib import Path

import pytest

from synthir import formats
from synthir.benchmarks import Result, bench_convert, figure, in_child, make_pictures, pipeline_alone
from synthir.convert import verify
from synthir.errors import UnrecognisedDataset, UsageError


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
