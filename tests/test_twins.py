"""`--mix both`: every picture in infrared and in grayscale, each with its labels, in one dataset."""

import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from synthir import convert, folders
from synthir.cli import main
from synthir.convert import Options
from synthir.dataset import Dataset
from synthir.errors import JobMismatch, UnrecognisedDataset, UsageError
from synthir.files import sha256_tree
from synthir.formats import read
from synthir.images import is_marked
from synthir.manifest import read_manifest
from synthir.specs import Band
from synthir.twins import marked
from tests.datasets import converted, hand_made, picture, write_picture
from tests.fake_engine import FakeEngine, fake_spec
from tests.formats.test_coco_twins import boxed, images

GOLDEN = Path(__file__).parent / "data"
BOTH = Options(mix="both")
FORMATS = folders.names("synthir.formats")


def golden(name: str, home: Path) -> tuple[Dataset, Path]:
    """A copy of the golden dataset of a format, and its SOURCE relative to the dataset's root."""
    shutil.copytree(GOLDEN / name / "source", home / "source")
    inner = Path(json.loads((GOLDEN / name / "expected.json").read_text("utf-8"))["source"]).relative_to("source")
    return read(home / "source" / inner), inner


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", FORMATS)
def test_each_half_is_what_it_is_alone(tmp_path: Path, name: str, batch: int) -> None:
    dataset, inner = golden(name, tmp_path)
    engine = FakeEngine()
    manifest = converted(dataset, tmp_path / "out", Options(mix="both", batch=batch), engine)
    converted(dataset, tmp_path / "infrared", Options(batch=batch))
    converted(dataset, tmp_path / "gray", Options(mix=1.0, batch=batch))
    assert sum(shape[0] for shape in engine.shapes) == len(dataset.images), "a twin is none of the engine's"
    for ref in dataset.images:
        infrared, gray = (tmp_path / "out" / place for place in (ref.place, marked(ref.place, "_gray")))
        assert infrared.read_bytes() == (tmp_path / "infrared" / ref.place).read_bytes()
        assert gray.read_bytes() == (tmp_path / "gray" / ref.place).read_bytes()
        assert is_marked(infrared.read_bytes()) and not is_marked(gray.read_bytes())
    count = len(dataset.images)
    assert manifest.counts["pictures"] == 2 * count and manifest.counts["grayscale"] == count
    assert [line.grayscale for line in manifest.pictures] == [False, True] * count
    assert [line.source for line in manifest.pictures[1::2]] == [ref.place for ref in dataset.images]
    assert any("stands twice" in note for note in manifest.notes)
    again = read(tmp_path / "out" / inner)
    assert {ref.place for ref in again.images} == {line.place for line in manifest.pictures} and not again.refused
    once, boxes = dataset.labels.boxes(), again.labels.boxes()
    assert boxes == once | {marked(place, "_gray"): found for place, found in once.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_it_verifies_and_a_changed_byte_is_found(tmp_path: Path, name: str) -> None:
    dataset, _ = golden(name, tmp_path)
    out, source = tmp_path / "out", tmp_path / "source"
    manifest = converted(dataset, out, BOTH)
    report = convert.verify(out, source)
    labels = dataset.labels.files({})
    assert not report.problems
    assert (report.pictures, report.inputs) == (2 * len(dataset.images), len(dataset.images))
    assert report.source_labels == len(labels)
    pinned = {label.place: label.source_sha256 for label in manifest.labels if not label.outside}
    assert pinned.keys() == labels.keys()
    for label in manifest.labels:
        path = out / label.place
        data = path.read_bytes()
        path.write_bytes(data[:-1] + b"?")
        assert [fault.where for fault in convert.verify(out).problems] == [str(path)]
        path.write_bytes(data)
    for place in labels:
        data = (source / place).read_bytes()
        (source / place).write_bytes(data + b" ")
        assert [fault.where for fault in convert.verify(out, source).problems] == [str(source / place)]
        (source / place).write_bytes(data)


@pytest.mark.parametrize("ext", ["keep", "png"])
@pytest.mark.parametrize("name", FORMATS)
def test_stopped_and_resumed_it_is_the_same(tmp_path: Path, name: str, ext: str) -> None:
    dataset, inner = golden(name, tmp_path)
    options = Options(mix="both", ext=ext, batch=1)
    converted(dataset, tmp_path / "whole", options)

    def stop(done: int, refused: int, total: int) -> None:
        assert total == 2 * len(dataset.images)
        if done >= 3:
            raise KeyboardInterrupt

    engine, out = FakeEngine(), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        convert.run(convert.plan(dataset, out, engine.spec, options), engine, stop)
    assert convert.plan(dataset, out, engine.spec, options).done
    with pytest.raises(JobMismatch, match=r"mix: both, now 0\.5"):
        convert.plan(dataset, out, engine.spec, Options(mix=0.5, ext=ext, batch=1))
    converted(dataset, out, options)
    assert sha256_tree(out) == sha256_tree(tmp_path / "whole")
    again = read(out / inner)
    assert {ref.place for ref in again.images} == {line.place for line in read_manifest(out).pictures}
    assert len(again.images) == 2 * len(dataset.images) and not again.refused
    converted(dataset, out, options)
    assert sha256_tree(out) == sha256_tree(tmp_path / "whole"), "a finished one is left as it is"


def test_a_mixture_by_share_is_resumed_the_same(tmp_path: Path) -> None:
    dataset, options = hand_made(tmp_path / "src", 9), Options(mix=0.5, batch=1)
    whole = converted(dataset, tmp_path / "whole", options)

    def stop(done: int, refused: int, total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    engine = FakeEngine()
    with pytest.raises(KeyboardInterrupt):
        convert.run(convert.plan(dataset, tmp_path / "out", engine.spec, options), engine, stop)
    assert converted(dataset, tmp_path / "out", options).counts == whole.counts
    assert sha256_tree(tmp_path / "out") == sha256_tree(tmp_path / "whole")


def test_coco_tools_read_it(tmp_path: Path) -> None:
    tool = pytest.importorskip("pycocotools.coco")
    for name in ("a.jpg", "b.jpg"):
        write_picture(tmp_path / "src/images" / name, picture(ord(name[0]), 24, 32))
    shape = {"segmentation": [[1, 2, 9, 2, 9, 8]], "area": 24.0, "iscrowd": 0}
    objects = [{**row, **shape} for row in boxed((4, 1), (5, 2), (9, 1))]
    file = {"images": images(1, 2, width=32, height=24), "annotations": objects}
    file["categories"] = [{"id": 3, "name": "person"}]
    (tmp_path / "src/all.json").write_text(json.dumps(file))
    converted(read(tmp_path / "src/all.json"), tmp_path / "out", BOTH)
    coco = tool.COCO(tmp_path / "out/all.json")
    rows = coco.dataset["annotations"]
    assert len({row["id"] for row in rows}) == len(rows) == len(coco.anns) == 6
    assert {row["image_id"] for row in rows} == set(coco.imgs) and len(coco.imgs) == 4
    names = {image["file_name"]: key for key, image in coco.imgs.items()}
    for name in ("a.jpg", "b.jpg"):
        pair = [coco.loadAnns(coco.getAnnIds(imgIds=names[one])) for one in (name, marked(name, "_gray"))]
        known = [[{key: row[key] for key in row if key not in ("id", "image_id")} for row in found] for found in pair]
        assert known[0] == known[1] and known[0]
        assert (tmp_path / "out/images" / marked(name, "_gray")).is_file()


def test_pictures_read_from_elsewhere_and_one_alone_verify(tmp_path: Path) -> None:
    write_picture(tmp_path / "photos/a.png", picture(1, 24, 32))
    (tmp_path / "src/labels").mkdir(parents=True)
    (tmp_path / "src/labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    manifest = converted(read(tmp_path / "src", tmp_path / "photos"), tmp_path / "out", BOTH)
    assert [(line.place, line.source) for line in manifest.pictures] == [
        ("images/a.png", ""),
        ("images/a_gray.png", "images/a.png"),
    ]
    assert not convert.verify(tmp_path / "out", tmp_path / "photos").problems
    engine, alone = FakeEngine(), read(tmp_path / "photos/a.png")
    convert.run(convert.plan(alone, tmp_path / "one", engine.spec, BOTH), engine)
    assert not convert.verify(tmp_path / "one", tmp_path / "photos/a.png").problems


def test_a_broken_picture_costs_itself_and_its_twin(tmp_path: Path) -> None:
    for number in range(3):
        write_picture(tmp_path / f"src/{number}.png", picture(number, 24, 32))
    (tmp_path / "src/1.png").write_bytes(b"broken")
    manifest = converted(read(tmp_path / "src"), tmp_path / "out", BOTH)
    assert [row.name for row in manifest.refused] == ["1.png", "1_gray.png"]
    assert len({row.message for row in manifest.refused}) == 2 and "in grayscale" in manifest.refused[1].message
    assert [line.place for line in manifest.pictures] == ["0.png", "0_gray.png", "2.png", "2_gray.png"]
    assert not convert.verify(tmp_path / "out", tmp_path / "src").problems


def test_a_file_that_no_label_is_does_not_pass_for_a_twins(tmp_path: Path) -> None:
    write_picture(tmp_path / "src/images/a.png", picture(1, 24, 32))
    (tmp_path / "src/labels").mkdir()
    (tmp_path / "src/labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "src/labels/a_gray.txt").write_text("notes of mine\n")
    converted(read(tmp_path / "src"), tmp_path / "out", BOTH)
    assert (tmp_path / "out/labels/a_gray.txt").read_bytes() == b"0 0.5 0.5 0.5 0.5\n"
    assert not convert.verify(tmp_path / "out", tmp_path / "src").problems


def test_a_dry_run_and_a_limit_count_both(tmp_path: Path) -> None:
    dataset, _ = golden("folder", tmp_path)
    plain, both = (convert.plan(dataset, tmp_path / "out", fake_spec(), Options(mix=mix)) for mix in (0.0, "both"))
    assert len(both.images) == 2 * len(plain.images) and both.estimated_bytes == 2 * plain.estimated_bytes
    few = convert.plan(dataset, tmp_path / "out", fake_spec(), Options(mix="both", limit=2))
    assert few.places == both.places[:2] and not (tmp_path / "out").exists()


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    dataset, _ = golden("folder", tmp_path)
    with pytest.raises(UsageError, match="mix half"):
        convert.plan(dataset, tmp_path / "out", fake_spec(), Options(mix="half"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no infrared to mix with"):
        convert.plan(dataset, tmp_path / "out", replace(fake_spec(), band=Band.VISIBLE), BOTH)
    with pytest.raises(UnrecognisedDataset, match="stand twice"):
        convert.plan(hand_made(tmp_path / "src", 1), tmp_path / "out", fake_spec(), BOTH)


@pytest.mark.parametrize(("word", "status"), [("both", 0), ("half", 2), ("1.5", 2), ("nan", 2)])
def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], small_engine: Path, word: str, status: int
) -> None:
    golden("coco", tmp_path)
    source, out = tmp_path / "source/annotations/instances_val.json", tmp_path / "out"
    with pytest.raises(SystemExit) as left:
        main(["convert", str(source), "--engine", str(small_engine), "--mix", word, "--out", str(out)])
    said = capsys.readouterr()
    assert left.value.code == status
    assert out.exists() == (status == 0)
    if status:
        assert word in said.err and (word != "half" or "both" in said.err)
    else:
        assert "2 infrared pictures, 2 in grayscale" in said.out and "stands twice" in said.err
