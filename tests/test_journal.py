"""The journal survives kills and torn lines; the manifest is plain, exact JSON; one process holds a target."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from synthir.errors import NoSpace, TargetBusy, TargetNotEmpty, VerificationFailed
from synthir.journal import JOURNAL, Journal, files_below, locked, read_journal, remove_journal, standing
from synthir.manifest import (
    MANIFEST,
    Converted,
    Job,
    Label,
    Manifest,
    Refusal,
    job_of,
    label_hashes,
    manifest_bytes,
    read_manifest,
)
from tests.fake_engine import fake_spec

JOB = Job("e" * 64, {"ext": "keep"}, "coco", "1" * 64)
ONE, TWO = Converted("a/ü.png", "1" * 64, "2" * 64), Converted("b.png", "3" * 64, "4" * 64)


def written(target: Path) -> bytes:
    journal = Journal(target, JOB)
    for picture in (ONE, TWO):
        journal.begin([picture.place])
        (target / picture.place).parent.mkdir(exist_ok=True)
        journal.done(picture)
    journal.begin(["c.png"])
    journal.close()
    return (target / JOURNAL).read_bytes()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_journal(tmp_path / JOURNAL) is None
    size = len(written(tmp_path))
    records = read_journal(tmp_path / JOURNAL)
    assert records and records.job == JOB and records.size == size
    assert records.done == {ONE.place: ONE, TWO.place: TWO} and records.begun == {ONE.place, TWO.place, "c.png"}


def test_names_are_durable_before_the_lines_that_tell_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    journal = Journal(tmp_path, JOB)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    folder, lines = ((tmp_path / name).stat().st_ino for name in ("a", JOURNAL))
    journal.begin([ONE.place, TWO.place])
    assert synced == [lines], "what is about to be written is known, whatever happens"
    journal.done(ONE)
    journal.close()
    assert synced == [lines, folder, lines]


def test_a_journal_cut_anywhere_keeps_its_whole_lines_and_goes_on(tmp_path: Path) -> None:
    whole = written(tmp_path)
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        (tmp_path / JOURNAL).write_bytes(whole[:cut])
        records = read_journal(tmp_path / JOURNAL)
        lines = sum(end <= cut for end in ends)
        assert (records.size if records else 0) == (ends[lines - 1] if lines else 0)
        assert len(records.done if records else {}) == (0, 0, 0, 1, 1, 2, 2)[lines]
        if cut % 7 == 0:
            journal = Journal(tmp_path, JOB)
            journal.done(TWO)
            journal.close()
            records = read_journal(tmp_path / JOURNAL)
            assert records and records.done[TWO.place] == TWO
            assert all(msgspec.json.decode(line) for line in (tmp_path / JOURNAL).read_bytes().splitlines())


def test_a_journal_with_a_hole_stops_there(tmp_path: Path) -> None:
    whole = written(tmp_path)
    hole = whole.index(b'["b.png"')
    (tmp_path / JOURNAL).write_bytes(whole[:hole] + b"\0" * 20 + whole[hole + 20 :])
    records = read_journal(tmp_path / JOURNAL)
    assert records and records.done == {ONE.place: ONE} and records.size == hole


def test_another_job_or_anew_begins_an_empty_journal(tmp_path: Path) -> None:
    written(tmp_path)
    other = Job("f" * 64, {"ext": "keep"}, "coco", "1" * 64)
    Journal(tmp_path, other).close()
    records = read_journal(tmp_path / JOURNAL)
    assert records and records.job == other and records.done == {}
    written(tmp_path)
    Journal(tmp_path, JOB, anew=True).close()
    records = read_journal(tmp_path / JOURNAL)
    assert records and records.job == JOB and records.done == {}


def test_differences_are_named() -> None:
    other = Job("e" * 64, {"ext": "png", "batch": 2}, "yolo", "1" * 64)
    assert JOB.differences(other) == ["format", "option batch: None, now 2", "option ext: keep, now png"]
    assert JOB.differences(JOB) == []


def test_a_job_sees_engine_options_and_every_label_byte() -> None:
    labels = label_hashes({"a.txt": b"1", "b.txt": b"2"})
    jobs = [
        job_of(fake_spec(), {"ext": "keep"}, "yolo", labels),
        job_of(fake_spec(name="other"), {"ext": "keep"}, "yolo", labels),
        job_of(fake_spec(), {"ext": "png"}, "yolo", labels),
        job_of(fake_spec(), {"ext": "keep"}, "yolo", label_hashes({"a.txt": b"1", "b.txt": b"3"})),
        job_of(fake_spec(), {"ext": "keep"}, "yolo", label_hashes({"a.txt": b"1", "c.txt": b"2"})),
    ]
    assert len({msgspec.json.encode(job) for job in jobs}) == 5
    assert jobs[0] == job_of(fake_spec(), {"ext": "keep"}, "yolo", dict(reversed(labels.items())))


def test_a_full_disk_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path, JOB)
    os.dup2(os.open("/dev/full", os.O_WRONLY), journal.handle)
    with pytest.raises(NoSpace):
        journal.begin(["a.png"])


MADE = Manifest(
    version=1,
    synthetic=True,
    digital_source_type="x",
    caution="y",
    job=JOB,
    engine=fake_spec(),
    counts={"pictures": 2},
    notes=(),
    refused=(Refusal("c.jpg", "SIR301", "no"),),
    labels=(Label("l.json", "1" * 64, "1" * 64),),
    pictures=(ONE, Converted("b.png", "3" * 64, "4" * 64, "b.jpg")),
)


def test_the_manifest_is_json_with_a_picture_a_line(tmp_path: Path) -> None:
    data = manifest_bytes(MADE)
    (tmp_path / MANIFEST).write_bytes(data)
    assert read_manifest(tmp_path) == MADE
    plain = json.loads(data)
    assert plain["pictures"][1]["source"] == "b.jpg" and plain["notes"] == [] and plain["engine"]["generator"] == "fake"
    assert sum(b'"place"' in line for line in data.splitlines()) == 3


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"version": 1, "pictures": 7}', b"\xff"])
def test_a_broken_manifest_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(data)
    with pytest.raises(VerificationFailed, match="cannot be read"):
        read_manifest(tmp_path)


def test_no_manifest_is_said(tmp_path: Path) -> None:
    with pytest.raises(VerificationFailed, match="no manifest"):
        read_manifest(tmp_path)


def test_standing_joins_manifest_and_journal(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(manifest_bytes(MADE))
    (tmp_path / "mine.txt").write_bytes(b"")
    journal = Journal(tmp_path, JOB)
    journal.done(Converted("d.png", "5" * 64, "6" * 64))
    journal.close()
    found = standing(tmp_path)
    assert found.present == {MANIFEST, "mine.txt"} and found.records
    assert set(found.records.done) == {ONE.place, "b.png", "d.png"}
    assert found.listed == {MANIFEST, "l.json", ONE.place, "b.png", "d.png"}
    remove_journal(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", MANIFEST]


def test_linked_folders_in_a_target_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "f").write_bytes(b"")
    assert list(files_below(tmp_path / "out")) == ["a/f"]
    (tmp_path / "out" / "b").symlink_to(tmp_path)
    with pytest.raises(TargetNotEmpty, match="linked"):
        list(files_below(tmp_path / "out"))


@pytest.mark.skipif(sys.platform == "win32", reason="no file locks there")
def test_two_processes_cannot_hold_one_target(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, synthir.journal as j\n"
        "with j.locked(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "t")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline() == b"held\n"
        with pytest.raises(TargetBusy), locked(tmp_path / "t"):
            pass
        other.kill()
        other.wait()
    with locked(tmp_path / "t"):
        assert list((tmp_path / "t").iterdir()) == []


@pytest.mark.parametrize("linked", [JOURNAL, ".synthir"])
def test_a_linked_journal_is_refused_and_not_written_through(tmp_path: Path, linked: str) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    before = written(other)
    (out / linked).parent.mkdir(parents=True)
    (out / linked).symlink_to(other / linked)
    for look in (
        standing,
        lambda target: Journal(target, JOB),
        lambda t: Journal(t, JOB, anew=True),
    ):
        with pytest.raises(TargetNotEmpty, match="link"):
            look(out)
    assert (other / JOURNAL).read_bytes() == before and (out / linked).is_symlink()


def test_a_foreign_file_beside_the_journal_stays(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / ".synthir" / ".DS_Store").write_bytes(b"x")
    remove_journal(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".DS_Store"]
