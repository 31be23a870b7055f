"""Files appear whole or not at all; names stay inside."""

import errno
import os
from pathlib import Path

import pytest

from synthir.errors import EscapingPath, NoSpace, TargetError
from synthir.files import (
    PART,
    check_writable,
    contained,
    free_bytes,
    sha256_bytes,
    sha256_file,
    sha256_tree,
    within,
    write_atomic,
)


def test_hashes_are_sha256(tmp_path: Path) -> None:
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_bytes(b"abc") == sha256_file(tmp_path / "a") == known


def test_a_tree_hash_sees_names_bytes_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"1")
    seen = [sha256_tree(tmp_path)]
    (tmp_path / "a" / "b").write_bytes(b"2")
    seen.append(sha256_tree(tmp_path))
    (tmp_path / "a" / "b").rename(tmp_path / "b")
    seen.append(sha256_tree(tmp_path))
    assert len(set(seen)) == 3


def test_a_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "x" / "y.bin"
    write_atomic(path, b"old")
    write_atomic(path, b"new", durable=False)
    assert path.read_bytes() == b"new" and list((tmp_path / "x").iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_file_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = tmp_path / "y.bin"
    write_atomic(path, b"old")

    def full(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpace) as caught:
        write_atomic(path, b"new")
    assert caught.value.where == str(path) and "same command" in caught.value.fix
    assert path.read_bytes() == b"old" and not list(tmp_path.glob(f"*{PART}"))


def test_the_longest_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + ".json")
    write_atomic(path, b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name] and len(path.name.encode()) == 255


def test_names_of_new_folders_are_durable_from_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    write_atomic(tmp_path / "a" / "b" / "c", b"x")
    inodes = [path.stat().st_ino for path in (tmp_path, tmp_path / "a", tmp_path / "a/b/c", tmp_path / "a/b")]
    assert synced == inodes


def test_other_faults_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        write_atomic(tmp_path / "file" / "below", b"")


KEPT = [
    ("a/./b.jpg", "a/b.jpg"),
    ("a\\b.jpg", "a/b.jpg"),
    ("ü/ .jpg", "ü/ .jpg"),
    ("1:a.jpg", "1:a.jpg"),
    ("é:a", "é:a"),
]


@pytest.mark.parametrize(("name", "place"), KEPT)
def test_names_inside_are_kept(name: str, place: str) -> None:
    assert contained(name, "x") == place


@pytest.mark.parametrize("name", ["../b", "a/../../b", "/b", "//b", "C:\\b", "c:b", "..\\b"])
def test_names_that_leave_are_refused(name: str) -> None:
    with pytest.raises(EscapingPath, match="leaves the images folder") as caught:
        contained(name, "labels.json images[2]")
    assert caught.value.where == "labels.json images[2]" and "--images" in caught.value.fix


@pytest.mark.parametrize(("name", "why"), [("", "empty"), (".", "the folder itself"), ("./", "empty"), ("a\0b", "NUL")])
def test_names_of_nothing_are_refused_for_what_they_are(name: str, why: str) -> None:
    with pytest.raises(EscapingPath, match="names no file") as caught:
        contained(name, "labels.json images[2]")
    assert caught.value.where == "labels.json images[2]" and why in caught.value.why


def test_within_compares_whole_parts() -> None:
    assert within("/a/b", "/a") and within("/a", "/a") and within("/a", "/")
    assert not within("/ab", "/a") and not within("/a", "/a/b")


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    check_writable(tmp_path)
    check_writable(tmp_path / "new" / "new")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TargetError, match="is a file"):
        check_writable(tmp_path / "file" / "out")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc here")
def test_a_file_system_without_files_is_refused() -> None:
    with pytest.raises(TargetError, match="/proc cannot be written") as caught:
        check_writable(Path("/proc/synthir-out"))
    assert (caught.value.code, caught.value.fix) == ("SIR400", "choose another --out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(TargetError, match="by this user"):
            check_writable(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


def test_free_bytes_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") > 0
