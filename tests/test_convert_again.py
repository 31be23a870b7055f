"""The same command again: it goes on, makes what was lost or damaged anew, and leaves the rest."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from synthir import convert, pipeline
from synthir.convert import Options
from synthir.errors import (
    MissingPicture,
)
from synthir.files import sha256_tree
from synthir.journal import JOURNAL
from tests.datasets import SIZES, converted, described, hand_made, picture, place, write_picture
from tests.fake_engine import FakeEngine, fake_spec


def test_doing_it_again_does_nothing_and_repaired_pictures_are_done_then(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 6)
    path = tmp_path / "src" / place(4, ".png")
    path.write_bytes(b"broken")
    single = Options(batch=1)
    first = converted(dataset, tmp_path / "out", single)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    engine = FakeEngine()
    assert converted(dataset, tmp_path / "out", single, engine) == first and engine.shapes == []
    write_picture(path, picture(4, *SIZES[1]))
    repaired = converted(dataset, tmp_path / "out", single, engine)
    assert engine.shapes == [(1, 3, 24, 40)] and repaired.counts == {"pictures": 6, "refused": 0, "labels": 1}
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    converted(dataset, tmp_path / "fresh", single)
    assert sha256_tree(tmp_path / "out") == sha256_tree(tmp_path / "fresh")


def test_a_picture_that_fails_when_its_chunk_is_done_again_leaves_no_old_result(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 6)
    (tmp_path / "src" / place(4, ".png")).write_bytes(b"broken")
    converted(dataset, tmp_path / "out", Options(batch=2))
    (tmp_path / "src" / place(5, ".png")).write_bytes(b"broken too")
    assert converted(dataset, tmp_path / "out", Options(batch=2)).counts["refused"] == 2
    assert not convert.verify(tmp_path / "out", tmp_path / "src").problems


def test_a_picture_begun_before_a_kill_and_broken_after_it_leaves_nothing(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 6)
    with pytest.raises(KeyboardInterrupt):
        interrupted = convert.plan(dataset, tmp_path / "out", fake_spec())
        convert.run(interrupted, FakeEngine(), raising_at(3))
    journal = tmp_path / "out" / JOURNAL  # as a kill leaves it: pictures are written, and not yet known to be done
    lines = [line for line in journal.read_bytes().splitlines(keepends=True) if line.count(b",") != 2]
    journal.write_bytes(b"".join(lines))
    there = [number for number in range(6) if (tmp_path / "out" / place(number, ".png")).exists()]
    assert len(there) >= 3
    (tmp_path / "src" / place(there[0], ".png")).write_bytes(b"broken")
    names = [place(number, ".png") for number in range(6) if number != there[1]]
    refused = (place(there[1], ".png"), MissingPicture("gone"))
    dataset = replace(described(tmp_path / "src", names), refused=(refused,))
    assert converted(dataset, tmp_path / "out").counts["refused"] == 2
    assert not (tmp_path / "out" / place(there[0], ".png")).exists()
    assert not convert.verify(tmp_path / "out", tmp_path / "src").problems


def raising_at(count: int) -> Callable[[int, int, int], None]:
    """Progress that interrupts when so many are done."""

    def progress(done: int, refused: int, total: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    return progress


def test_a_lost_result_is_made_again(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 5)
    converted(dataset, tmp_path / "out")
    before = sha256_tree(tmp_path / "out")
    (tmp_path / "out" / place(2, ".png")).unlink()
    (tmp_path / "out" / "boxes.json").unlink()
    converted(dataset, tmp_path / "out")
    assert sha256_tree(tmp_path / "out") == before


@pytest.mark.parametrize("batch", [1, 2])
def test_a_damaged_result_is_made_again_also_of_an_unfinished_job(tmp_path: Path, batch: int) -> None:
    dataset, options = hand_made(tmp_path / "src", 12), Options(batch=batch)
    converted(dataset, tmp_path / "whole", options)
    whole = sha256_tree(tmp_path / "whole")
    (tmp_path / "whole" / place(4, ".png")).write_bytes(b"x")
    (tmp_path / "whole" / "boxes.json").write_bytes(b"x")
    engine = FakeEngine()
    converted(dataset, tmp_path / "whole", options, engine)
    chunk = 1 if batch == 1 else batch * pipeline.BATCHES_A_CHUNK
    assert sha256_tree(tmp_path / "whole") == whole and sum(shape[0] for shape in engine.shapes) == chunk
    with pytest.raises(KeyboardInterrupt):
        convert.run(convert.plan(dataset, tmp_path / "out", fake_spec(), options), FakeEngine(), raising_at(4))
    (tmp_path / "out" / place(0, ".png")).write_bytes(b"x")
    converted(dataset, tmp_path / "out", options)
    assert sha256_tree(tmp_path / "out") == whole


def test_limit_takes_the_first_and_the_rest_can_follow(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 9)
    for batch in (1, 2):
        out = tmp_path / f"out{batch}"
        manifest = converted(dataset, out, Options(limit=5, batch=batch))
        assert [line.place for line in manifest.pictures] == [place(number, ".png") for number in range(5)]
        converted(dataset, out, Options(batch=batch))
        converted(dataset, tmp_path / f"whole{batch}", Options(batch=batch))
        assert sha256_tree(out) == sha256_tree(tmp_path / f"whole{batch}")


def test_an_interruption_keeps_what_is_done(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 30)

    with pytest.raises(KeyboardInterrupt):
        plan = convert.plan(dataset, tmp_path / "out", fake_spec(), Options(batch=1))
        convert.run(plan, FakeEngine(), raising_at(11))
    engine = FakeEngine()
    converted(dataset, tmp_path / "out", Options(resume=True, batch=1), engine)
    assert len(engine.shapes) == 30 - 11
    converted(dataset, tmp_path / "whole", Options(batch=1))
    assert sha256_tree(tmp_path / "out") == sha256_tree(tmp_path / "whole")
