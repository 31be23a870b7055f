"""A conversion: the pixels, the labels, the ledger, the manifest, and what it does when something is wrong."""

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir import convert, picture_io
from synthir.convert import Options
from synthir.dataset import Dataset, ImageRef
from synthir.errors import (
    BrokenLabels,
    NameCollision,
    NoSpace,
    TargetBusy,
    TargetError,
    TooManyFailures,
)
from synthir.files import sha256_bytes, sha256_file, sha256_tree, write_atomic
from synthir.images import Infrared, decode, is_marked
from synthir.journal import JOURNAL
from synthir.manifest import MANIFEST
from synthir.specs import Polarity
from tests.datasets import SIZES, converted, described, hand_made, picture, place
from tests.fake_engine import FakeEngine, fake_spec, luminance, red


def stored(path: Path) -> Infrared:
    """The samples of a file, as they are."""
    samples = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert samples is not None
    return samples.astype(samples.dtype)


def test_every_picture_becomes_its_red_plane_on_its_own_grid(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 7)
    manifest = converted(dataset, tmp_path / "out")
    for number in range(7):
        out = tmp_path / "out" / place(number, ".png")
        assert np.array_equal(stored(out), picture(number, *SIZES[number % 3])[:, :, 0])
        assert is_marked(out.read_bytes())
    assert (tmp_path / "out" / "boxes.json").read_bytes() == (tmp_path / "src" / "boxes.json").read_bytes()
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {*(place(number, ".png") for number in range(7)), "boxes.json", MANIFEST}
    assert manifest.counts == {"pictures": 7, "refused": 0, "labels": 1}


def test_the_manifest_says_what_lies_there_and_where_it_came_from(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 5, ".jpg")
    converted(dataset, tmp_path / "out", Options(ext="png"))
    plain = json.loads((tmp_path / "out" / MANIFEST).read_bytes())
    assert [line["place"] for line in plain["pictures"]] == [place(number, ".png") for number in range(5)]
    for line in plain["pictures"]:
        assert line["sha256"] == sha256_file(tmp_path / "out" / line["place"])
        assert line["source_sha256"] == sha256_file(tmp_path / "src" / line["source"])
    (label,) = plain["labels"]
    assert label["sha256"] == sha256_file(tmp_path / "out" / "boxes.json")
    assert label["source_sha256"] == sha256_file(tmp_path / "src" / "boxes.json")
    assert plain["synthetic"] is True and plain["digital_source_type"].endswith("trainedAlgorithmicMedia")
    assert "not temperatures" in plain["caution"] and plain["engine"]["generator"] == "fake"
    assert str(tmp_path) not in json.dumps(plain)


def test_another_extension_changes_names_in_labels_and_nothing_else(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 4, ".jpg")
    converted(dataset, tmp_path / "out", Options(ext="png"))
    text = (tmp_path / "src" / "boxes.json").read_bytes()
    assert (tmp_path / "out" / "boxes.json").read_bytes() == text.replace(b'.jpg"', b'.png"')
    expected = decode((tmp_path / "src" / place(1, ".jpg")).read_bytes(), "x")[:, :, 0]
    assert np.array_equal(stored(tmp_path / "out" / place(1, ".png")), expected)


@pytest.mark.parametrize(
    ("options", "engine_polarity", "expected"),
    [
        (Options(), "white-hot", lambda red: red),
        (Options(polarity=Polarity.BLACK_HOT), "white-hot", lambda red: 255 - red),
        (Options(), "black-hot", lambda red: 255 - red),
        (Options(polarity=Polarity.BLACK_HOT), "black-hot", lambda red: red),
        (Options(channels=3), "white-hot", lambda red: np.dstack([red] * 3)),
        (Options(bit_depth=16), "white-hot", lambda red: red.astype(np.uint16) * 257),
    ],
)
def test_options_shape_the_samples(tmp_path: Path, options: Options, engine_polarity: str, expected: object) -> None:
    dataset = hand_made(tmp_path / "src", 1)
    engine = FakeEngine(red, fake_spec(polarity=engine_polarity))
    converted(dataset, tmp_path / "out", options, engine)
    assert callable(expected)
    wanted = expected(picture(0, *SIZES[0])[:, :, 0])
    found = stored(tmp_path / "out" / place(0, ".png"))
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= (1 if options.bit_depth == 16 else 0)


def test_max_side_bounds_what_the_network_sees_and_keeps_the_grid(tmp_path: Path) -> None:
    engine = FakeEngine(luminance)
    converted(hand_made(tmp_path / "src", 3), tmp_path / "out", Options(max_side=16, batch=1), engine)
    assert engine.shapes == [(1, 3, 16, 16), (1, 3, 8, 16), (1, 3, 16, 16)]
    for number in range(3):
        assert stored(tmp_path / "out" / place(number, ".png")).shape == SIZES[number % 3]


def test_batches_hold_one_size_and_change_no_pixel(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 20)
    engine = FakeEngine()
    converted(dataset, tmp_path / "one")
    converted(dataset, tmp_path / "four", Options(batch=4), engine)
    sizes = [shape[0] for shape in engine.shapes]
    assert sum(sizes) == 20 and set(sizes) == {1, 2, 4}, "an engine prepares for few shapes: powers of two"
    for number in range(20):
        name = place(number, ".png")
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "four" / name).read_bytes()


def test_an_engine_of_a_fixed_batch_is_filled_up(tmp_path: Path) -> None:
    engine = FakeEngine(red, fake_spec(batch=4))
    converted(hand_made(tmp_path / "src", 5), tmp_path / "out", Options(), engine)
    assert {shape[0] for shape in engine.shapes} == {4}
    assert np.array_equal(stored(tmp_path / "out" / place(4, ".png")), picture(4, *SIZES[1])[:, :, 0])


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENAMETOOLONG])
def test_a_name_the_disk_does_not_take_costs_one_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def picky(path: Path, data: bytes, *, named: bool) -> None:
        if path.name == "002.png":
            raise OSError(code, os.strerror(code))
        write_atomic(path, data, named=named)

    monkeypatch.setattr("synthir.picture_io.write_atomic", picky)
    manifest = converted(hand_made(tmp_path / "src", 4), tmp_path / "out")
    assert [(line.name, line.code) for line in manifest.refused] == [(place(2, ".png"), "SIR302")]
    assert len(manifest.pictures) == 3


def test_one_bad_picture_costs_one_picture(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 6)
    names = [place(number, ".png") for number in range(6)]
    (tmp_path / "src" / names[1]).write_bytes(b"")
    data = (tmp_path / "src" / names[2]).read_bytes()
    (tmp_path / "src" / names[2]).write_bytes(data[: len(data) // 2])
    (tmp_path / "src" / names[3]).unlink()
    wrong_size = ImageRef(names[4], tmp_path / "src" / names[4], "boxes.json 4", 99, 24)
    dataset = described(tmp_path / "src", names, **{names[4]: wrong_size})
    seen: list[tuple[int, int, int]] = []
    plan = convert.plan(dataset, tmp_path / "out", fake_spec())
    manifest = convert.run(plan, FakeEngine(), lambda *counts: seen.append(counts))
    found = [(line.name, line.code) for line in manifest.refused]
    assert found == list(zip(names[1:5], ("SIR301", "SIR301", "SIR204", "SIR205"), strict=True))
    assert [line.place for line in manifest.pictures] == [names[0], names[5]]
    assert seen[0] == (0, 0, 6) and seen[-1] == (2, 4, 6)
    assert (tmp_path / "out" / "boxes.json").read_bytes() == (tmp_path / "src" / "boxes.json").read_bytes()
    assert not convert.verify(tmp_path / "out", tmp_path / "src").problems


@pytest.mark.parametrize("options", [Options(strict=True), Options(max_failures=0), Options(max_failures=1)])
def test_failures_stop_where_the_options_say_and_the_rest_resumes(tmp_path: Path, options: Options) -> None:
    dataset = hand_made(tmp_path / "src", 12)
    for number in (3, 7):
        (tmp_path / "src" / place(number, ".png")).write_bytes(b"no picture")
    with pytest.raises(TooManyFailures) as caught:
        converted(dataset, tmp_path / "out", options)
    assert "SIR301" in caught.value.why
    assert not (tmp_path / "out" / MANIFEST).exists() and (tmp_path / "out" / JOURNAL).exists()
    assert converted(dataset, tmp_path / "out").counts == {"pictures": 10, "refused": 2, "labels": 1}
    assert not (tmp_path / "out" / JOURNAL).exists()


def test_damaged_exif_data_costs_nothing(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 2, ".jpg")
    path = tmp_path / "src" / place(0, ".jpg")
    head = b"Exif\0\0II*\0\x08\0\0\0\xff\0\x12"
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(head) + 2).to_bytes(2) + head + data[2:])
    with pytest.warns(UserWarning, match="EXIF"):
        decode(path.read_bytes(), "x")
    assert converted(dataset, tmp_path / "out").counts["refused"] == 0


def test_a_full_disk_ends_the_job_and_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = hand_made(tmp_path / "src", 12)
    real, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if 10 < len(calls) < 40:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with monkeypatch.context() as patch, pytest.raises(NoSpace):
        patch.setattr(os, "fsync", full)
        converted(dataset, tmp_path / "out")
    left = [path.name for path in (tmp_path / "out").rglob("*.png*")]
    assert 0 < len(left) < 12 and all(name.endswith(".png") for name in left)
    converted(dataset, tmp_path / "out")
    converted(dataset, tmp_path / "whole")
    assert sha256_tree(tmp_path / "out") == sha256_tree(tmp_path / "whole")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 96 KiB; only root can make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def of_size(ref: ImageRef, width: int, height: int) -> ImageRef:
    """The picture, declared to have another size."""
    return ImageRef(ref.place, ref.file, ref.where, width, height)


def test_a_really_full_disk_ends_the_job_and_more_space_ends_it_well(tmp_path: Path, small_disk: Path) -> None:
    dataset = hand_made(tmp_path / "src", 40)
    refs = tuple(of_size(ref, 640, 512) for ref in dataset.images)
    with pytest.raises(NoSpace, match="will not fit"):
        convert.plan(replace(dataset, images=refs), small_disk / "out", fake_spec())
    sized = [(ref, SIZES[number % 3]) for number, ref in enumerate(dataset.images)]
    dataset = replace(dataset, images=tuple(of_size(ref, size[1], size[0]) for ref, size in sized))
    with pytest.raises(NoSpace, match="no space left"):
        converted(dataset, small_disk / "out")
    assert 0 < len(list((small_disk / "out").rglob("*.png"))) < 40 and not list(small_disk.rglob("*.synthir-part"))
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    converted(dataset, small_disk / "out")
    converted(dataset, tmp_path / "whole")
    assert sha256_tree(small_disk / "out") == sha256_tree(tmp_path / "whole")


def test_other_faults_of_the_disk_are_coded(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 2)
    plan = convert.plan(dataset, tmp_path / "out", fake_spec())
    with pytest.raises(TargetError, match="cannot write"):
        picture_io.write(tmp_path / "src" / "boxes.json" / "x", b"")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "val").write_bytes(b"in the way")
    with pytest.raises(TargetBusy, match="changed"):
        convert.run(plan, FakeEngine())


def test_labels_that_change_meanwhile_are_seen(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 3)
    plan = convert.plan(dataset, tmp_path / "out", fake_spec())

    def meddle(done: int, refused: int, total: int) -> None:
        (tmp_path / "src" / "boxes.json").write_text("{}", "utf-8")

    with pytest.raises(BrokenLabels, match="changed"):
        convert.run(plan, FakeEngine(), meddle)


def test_a_label_file_cannot_take_the_place_of_the_manifest(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 2)
    labels = type(dataset.labels)(lambda renames: {MANIFEST: b"{}"}, dict)
    dataset = Dataset("folder", dataset.root, dataset.images, labels)
    with pytest.raises(NameCollision):
        converted(dataset, tmp_path / "out")


def test_equal_runs_give_equal_trees(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 9, ".jpg")
    for name, workers in (("a", 1), ("b", 5)):
        converted(dataset, tmp_path / name, Options(workers=workers))
    assert sha256_tree(tmp_path / "a") == sha256_tree(tmp_path / "b")
    assert sha256_bytes((tmp_path / "a" / MANIFEST).read_bytes()) == sha256_file(tmp_path / "b" / MANIFEST)
