"""The plan: names, refusals, and the folder it would write to, before one pixel."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthir import convert
from synthir.convert import Options, Plan, Progress
from synthir.dataset import Dataset, ImageRef, LabelCarry
from synthir.errors import (
    EngineIncompatible,
    JobMismatch,
    MissingPicture,
    NoSpace,
    SynthIRError,
    TargetError,
    TargetInsideSource,
    TargetNotEmpty,
    TooManyFailures,
    UsageError,
    VerificationFailed,
)
from synthir.files import PART, sha256_tree
from synthir.images import cannot_write, encode
from synthir.journal import JOURNAL, read_journal
from synthir.manifest import MANIFEST
from synthir.plan import estimated, ignores_case, size
from tests.datasets import hand_made, place
from tests.fake_engine import FakeEngine, fake_spec, red

DEFAULT = Options()


def named(*names: str, width: int = 0, height: int = 0, refused: tuple[str, ...] = ()) -> Dataset:
    """A dataset of names alone: planning opens no picture."""
    refs = tuple(ImageRef(name, Path("/nowhere/src") / name, f"row {name}", width, height) for name in names)
    faults: tuple[tuple[str, SynthIRError], ...] = tuple((name, MissingPicture("gone")) for name in refused)
    return Dataset("folder", Path("/nowhere/src"), refs, LabelCarry(lambda renames: {}, dict), faults)


def planned(dataset: Dataset, out: Path, options: Options = DEFAULT) -> Plan:
    return convert.plan(dataset, out, fake_spec(), options)


def codes(plan: Plan) -> list[tuple[str, str]]:
    return [(name, error.code) for name, error in plan.refused]


@pytest.mark.parametrize(
    ("ext", "places"),
    [
        ("keep", ["a.jpg", "b/c.JPEG", "d.png", "e.TIF"]),
        ("jpg", ["a.jpg", "b/c.JPEG", "d.jpg", "e.jpg"]),
        ("png", ["a.png", "b/c.png", "d.png", "e.png"]),
        ("tif", ["a.tif", "b/c.tif", "d.tif", "e.TIF"]),
    ],
)
def test_extensions_change_only_where_they_must(tmp_path: Path, ext: str, places: list[str]) -> None:
    plan = planned(named("a.jpg", "b/c.JPEG", "d.png", "e.TIF"), tmp_path / "out", Options(ext=ext))
    assert list(plan.places) == places and plan.refused == ()
    assert plan.renames() == {ref.place: new for ref, new in zip(plan.images, places, strict=True) if ref.place != new}
    assert not (tmp_path / "out").exists()


def test_formats_that_are_read_only_need_another_extension(tmp_path: Path) -> None:
    dataset = named("a.jpg", "b.gif", "c.mpo", "frame.0001")
    assert codes(planned(dataset, tmp_path / "out")) == [(n, "SIR302") for n in ("b.gif", "c.mpo", "frame.0001")]
    assert planned(dataset, tmp_path / "out", Options(ext="png")).places == (
        "a.png",
        "b.png",
        "c.png",
        "frame.0001.png",
    )


def test_names_that_collide_are_all_refused(tmp_path: Path) -> None:
    dataset = named("a.png", "a.jpg", "b.jpg", "c/a.jpg")
    assert codes(planned(dataset, tmp_path / "out")) == []
    plan = planned(dataset, tmp_path / "out", Options(ext="jpg"))
    assert codes(plan) == [("a.png", "SIR206"), ("a.jpg", "SIR206")] and plan.renames() == {}


def test_capitals_collide_only_where_the_disk_ignores_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = named("a.png", "A.png", "e\u0301.png", "\u00e9.png", "b.png")
    assert not ignores_case(tmp_path / "out") and codes(planned(dataset, tmp_path / "out")) == []
    monkeypatch.setattr("synthir.plan.ignores_case", lambda target: True)
    assert [name for name, _ in codes(planned(dataset, tmp_path / "out"))] == [r.place for r in dataset.images[:4]]


def test_names_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    long, fits = "x" * 252 + ".png", "ü" * 125 + ".png"
    plan = planned(named(long, fits, os.fsdecode(b"\xff.png"), ".synthir/a.png"), tmp_path / "out")
    assert [code for _, code in codes(plan)] == ["SIR302", "SIR302", "SIR206"] and plan.places == (fits,)


def test_refusals_of_the_dataset_come_first_and_count(tmp_path: Path) -> None:
    dataset = named("a.gif", "b.png", refused=("gone.png",))
    assert codes(planned(dataset, tmp_path / "out")) == [("gone.png", "SIR204"), ("a.gif", "SIR302")]
    planned(dataset, tmp_path / "out", Options(max_failures=2))
    for options in (Options(strict=True), Options(max_failures=1)):
        with pytest.raises(TooManyFailures, match="2 refused"):
            planned(dataset, tmp_path / "out", options)


@pytest.mark.parametrize(
    "options",
    [
        Options(ext="gif"),
        Options(channels=2),
        Options(bit_depth=12),
        Options(bit_depth=16, ext="jpg"),
        Options(bit_depth=16, channels=3, ext="tif"),
        Options(bit_depth=16),
        Options(max_side=-1),
        Options(limit=-1),
        Options(batch=-1),
        Options(workers=0),
        Options(overwrite=True, resume=True),
        Options(strict=True, max_failures=0),
        Options(max_failures=-2),
        Options(resume=True),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path: Path, options: Options) -> None:
    with pytest.raises(UsageError):
        planned(named("a.jpg"), tmp_path / "out", options)


def test_all_wrong_options_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="channels 2, batch -1"):
        planned(named("a.jpg"), tmp_path / "out", Options(channels=2, batch=-1))


def test_engines_that_cannot_serve_are_refused(tmp_path: Path) -> None:
    dataset = named("a.png", width=33, height=20)
    with pytest.raises(EngineIncompatible, match="--batch 4"):
        convert.plan(dataset, tmp_path / "out", fake_spec(batch=4), Options(batch=3))
    assert codes(convert.plan(dataset, tmp_path / "out", fake_spec(width=32, height=24))) == [("a.png", "SIR502")]
    assert codes(convert.plan(dataset, tmp_path / "out", fake_spec(width=40, height=24))) == []


def test_sizes_known_only_later_are_refused_then(tmp_path: Path) -> None:
    engine = FakeEngine(red, fake_spec(width=32, height=24))
    plan = convert.plan(hand_made(tmp_path / "src", 4), tmp_path / "out", engine.spec)
    manifest = convert.run(plan, engine)
    assert [(line.name, line.code) for line in manifest.refused] == [(place(n, ".png"), "SIR502") for n in (1, 2)]


@pytest.mark.parametrize("ext", [".jpg", ".png", ".tif", ".bmp"])
@pytest.mark.parametrize("bits", [8, 16])
def test_sizes_nobody_declared_are_guessed_lower_than_any_crop(ext: str, bits: int) -> None:
    flat = np.zeros((128, 64), np.uint16 if bits == 16 else np.uint8)
    if cannot_write(ext, bits):
        return
    guess = estimated(ImageRef(f"a{ext}", "a", "row 1"), f"a{ext}", Options(bit_depth=bits))
    assert 0 < guess < len(encode(flat, ext))
    assert guess * 126_000 < 2**28
    declared = ImageRef(f"a{ext}", "a", "row 1", 640, 512)
    assert estimated(declared, f"a{ext}", Options(bit_depth=bits)) > 20_000


def test_a_disk_that_is_surely_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSpace) as caught:
        planned(named("a.png", width=2**26, height=2**26), tmp_path / "out")
    assert caught.value.exit_status == 6 and "MiB" in caught.value.why


@pytest.mark.parametrize(
    "out", ["src", ".", "link", "src/my train", "src/my train/a/b", "link/my train/new", "link/.."]
)
def test_target_and_source_never_lie_in_one_another(tmp_path: Path, out: str) -> None:
    dataset = hand_made(tmp_path / "src", 1)
    (tmp_path / "link").symlink_to(tmp_path / "src")
    with pytest.raises(TargetInsideSource):
        planned(dataset, tmp_path / out)
    (tmp_path / "more").mkdir()
    with pytest.raises(TargetInsideSource):
        planned(replace(dataset, protected=(tmp_path / "more",)), tmp_path / "more" / "out")
    with pytest.raises(TargetInsideSource):
        planned(replace(dataset, protected=(tmp_path / "more" / "to come",)), tmp_path / "more")
    assert planned(dataset, tmp_path / "src-ir").places
    bare = replace(dataset, root=tmp_path / "more")  # its pictures lie elsewhere
    assert planned(bare, tmp_path / "more" / "out").places
    with pytest.raises(TargetInsideSource):
        planned(bare, tmp_path / "more")


def test_a_folder_in_the_dataset_is_a_target_unless_pictures_lie_loose_there(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 2)
    (tmp_path / "link").symlink_to(tmp_path / "src")
    for out in ("src/new", "src/new/er/out", "link/new/out", "src/val-ir"):
        assert planned(dataset, tmp_path / out).places
    with pytest.raises(TargetInsideSource):
        planned(dataset, tmp_path / "src" / Path(dataset.images[0].place).parts[0])
    with pytest.raises(TargetInsideSource):  # a format that searches its root protects it
        planned(replace(dataset, protected=(dataset.root,)), tmp_path / "src" / "new")
    first = dataset.images[0]
    loose = ImageRef(first.place, tmp_path / "src" / "loose.png", first.where)
    with pytest.raises(TargetInsideSource):
        planned(replace(dataset, images=(loose,)), tmp_path / "src" / "new")


def test_of_one_picture_its_file_is_all_that_is_read(tmp_path: Path) -> None:
    ref = hand_made(tmp_path / "src", 1).images[0]
    alone = Dataset("folder", ref.path, (ref,), LabelCarry(lambda renames: {}, dict), protected=(ref.path,))
    assert planned(alone, ref.path.parent / "new").places
    for out in (ref.path, ref.path.parent, tmp_path):
        with pytest.raises(TargetInsideSource):
            planned(alone, out)


def test_pictures_behind_a_link_are_not_written_to(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 2)
    (tmp_path / "src" / "val").rename(tmp_path / "real")
    (tmp_path / "src" / "val").symlink_to(tmp_path / "real", target_is_directory=True)
    for out in ("real", "real/out", "link/out"):
        if out.startswith("link"):
            (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
        with pytest.raises(TargetInsideSource, match="src/val"):
            planned(dataset, tmp_path / out)
    assert planned(dataset, tmp_path / "really").places


def test_a_place_nobody_can_write_to_is_not_called_full(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TargetError, match="nothing can be written there") as caught:
        planned(named("a.png"), tmp_path / "file" / "out")
    assert caught.value.fix == "choose another --out" and not isinstance(caught.value, NoSpace)


def test_sizes_below_a_mebibyte_are_in_kilobytes() -> None:
    assert [size(count) for count in (0, 1, 1000, 98304, 2**20, 5 * 2**30)] == [
        "0 kB",
        "1 kB",
        "1 kB",
        "99 kB",
        "1 MiB",
        "5120 MiB",
    ]


@pytest.mark.parametrize("name", ["val/139.png", "boxes.json"])
def test_a_resume_does_not_replace_what_somebody_else_wrote(tmp_path: Path, name: str) -> None:
    dataset = hand_made(tmp_path / "src", 140)  # the first GROUP of them is begun at once

    def stop(done: int, refused: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert.run(planned(dataset, tmp_path / "out", Options(workers=1)), FakeEngine(), stop)
    records = read_journal(tmp_path / "out" / JOURNAL)
    assert records and name not in records.begun and records.begun
    begun = tmp_path / "out" / sorted(records.begun)[0]
    begun.write_bytes(b"half of ours")  # begun by the job, so it may be written again
    assert planned(dataset, tmp_path / "out").places
    (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / name).write_bytes(b"mine")
    with pytest.raises(TargetNotEmpty, match="in the way") as caught:
        planned(dataset, tmp_path / "out")
    assert caught.value.where == str(tmp_path / "out" / name)
    assert (tmp_path / "out" / name).read_bytes() == b"mine"


def finished(tmp_path: Path, options: Options = DEFAULT) -> Dataset:
    """A finished conversion in out."""
    dataset = hand_made(tmp_path / "src", 4)
    convert.run(planned(dataset, tmp_path / "out", options), FakeEngine())
    return dataset


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_somebody_else_wrote_is_refused_and_stays(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_bytes(b"all of it")
    with pytest.raises(TargetNotEmpty, match="--overwrite would not"):
        planned(hand_made(tmp_path / "src", 1), tmp_path / "out", Options(overwrite=overwrite))
    with pytest.raises(TargetNotEmpty):
        planned(hand_made(tmp_path / "src", 1), tmp_path / "out" / "thesis.tex")
    assert (tmp_path / "out" / "thesis.tex").read_bytes() == b"all of it"


def test_another_job_is_refused_with_what_differs(tmp_path: Path) -> None:
    dataset = finished(tmp_path)
    with pytest.raises(JobMismatch, match="option channels: 1, now 3"):
        planned(dataset, tmp_path / "out", Options(channels=3))
    with pytest.raises(JobMismatch, match="engine"):
        convert.plan(dataset, tmp_path / "out", fake_spec(name="other"))
    with pytest.raises(JobMismatch, match="format"):
        planned(replace(dataset, format="coco"), tmp_path / "out")
    with pytest.raises(JobMismatch, match="pictures: 1 done"):
        planned(replace(dataset, images=dataset.images[1:]), tmp_path / "out")
    (tmp_path / "src" / "boxes.json").write_text("{}", "utf-8")
    with pytest.raises(JobMismatch, match="label files changed"):
        planned(dataset, tmp_path / "out")


def test_overwrite_takes_away_what_the_manifest_lists_and_no_more(tmp_path: Path) -> None:
    dataset = finished(tmp_path, Options(ext="tif"))
    mine = tmp_path / "out" / "val" / "mine.txt"
    mine.write_bytes(b"mine")
    plan = planned(dataset, tmp_path / "out", Options(overwrite=True))
    assert (tmp_path / "out" / place(0, ".tif")).exists()  # a plan writes nothing
    convert.run(plan, FakeEngine())
    assert not list((tmp_path / "out").rglob("*.tif")) and mine.read_bytes() == b"mine"
    mine.unlink()
    convert.run(planned(dataset, tmp_path / "fresh"), FakeEngine())
    assert sha256_tree(tmp_path / "out") == sha256_tree(tmp_path / "fresh")


def test_overwrite_refuses_a_foreign_file_that_is_in_the_way(tmp_path: Path) -> None:
    dataset = finished(tmp_path, Options(ext="tif"))
    (tmp_path / "out" / place(1, ".png")).write_bytes(b"mine")
    with pytest.raises(TargetNotEmpty, match="in the way"):
        planned(dataset, tmp_path / "out", Options(overwrite=True))


def test_overwrite_takes_away_an_unfinished_job_too(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 6)

    def stop(done: int, refused: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert.run(planned(dataset, tmp_path / "out", Options(ext="tif")), FakeEngine(), stop)
    convert.run(planned(dataset, tmp_path / "out", Options(overwrite=True)), FakeEngine())
    assert not list((tmp_path / "out").rglob("*.tif")) and not convert.verify(tmp_path / "out").problems


def test_torn_files_are_swept(tmp_path: Path) -> None:
    dataset = finished(tmp_path)
    before = sha256_tree(tmp_path / "out")
    (tmp_path / "out" / "val" / f"001.png{PART}").write_bytes(b"half")
    (tmp_path / "out" / JOURNAL).parent.mkdir()
    (tmp_path / "out" / f"{JOURNAL}{PART}").write_bytes(b"half")
    convert.run(planned(dataset, tmp_path / "out"), FakeEngine())
    assert sha256_tree(tmp_path / "out") == before


def test_a_manifest_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST).write_bytes(b"{}")
    with pytest.raises(VerificationFailed, match="cannot be read"):
        planned(hand_made(tmp_path / "src", 1), tmp_path / "out", Options(overwrite=True))


def test_overwriting_with_the_same_options_begins_anew(tmp_path: Path) -> None:
    dataset = finished(tmp_path)
    before = sha256_tree(tmp_path / "out")
    engine = FakeEngine()
    convert.run(planned(dataset, tmp_path / "out", Options(overwrite=True)), engine)
    assert sum(shape[0] for shape in engine.shapes) == 4 and sha256_tree(tmp_path / "out") == before

    def stop_at(number: int) -> Progress:
        def stop(done: int, refused: int, total: int) -> None:
            if done == number:
                raise KeyboardInterrupt

        return stop

    for number, options in ((3, Options(overwrite=True)), (0, Options(overwrite=True))):
        with pytest.raises(KeyboardInterrupt):
            convert.run(planned(dataset, tmp_path / "out", options), FakeEngine(), stop_at(number))
    records = read_journal(tmp_path / "out" / JOURNAL)
    assert records and records.done == {} and records.begun == set()
    convert.run(planned(dataset, tmp_path / "out"), FakeEngine())
    assert sha256_tree(tmp_path / "out") == before
