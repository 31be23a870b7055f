"""Label files are read one by one, when they are asked for: however many there are, one is in memory."""

import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from synthir import convert
from synthir.dataset import Dataset, LabelFiles
from synthir.errors import BrokenLabels
from synthir.files import sha256_bytes, sha256_file
from synthir.formats import read
from synthir.manifest import MANIFEST, read_manifest
from synthir.options import Options
from tests.fake_engine import FakeEngine, fake_spec

from .conftest import Make, Tree
from .test_yolo import ROW

COUNT, SIZE = 40, 250_000


def masks() -> Tree:
    xml = "<annotation><filename>a.jpg</filename></annotation>"
    large = {f"SegmentationClass/{number}.png": bytes([number]) * SIZE for number in range(COUNT)}
    return {"Annotations/a.xml": xml, "JPEGImages/a.jpg": (8, 8), **large}


def rows() -> Tree:
    tree: Tree = {f"images/{number}.jpg": (8, 8) for number in range(COUNT)}
    tree |= {f"labels/{number}.txt": ROW * (SIZE // len(ROW) + number) for number in range(COUNT)}
    return {"data.yaml": "train: images\nval: images\nnc: 1\n", **tree}


@pytest.mark.parametrize("tree", [masks(), rows()], ids=["voc", "yolo"])
@pytest.mark.parametrize("renamed", [False, True])
def test_one_is_in_memory_at_a_time(make: Make, tree: Tree, renamed: bool) -> None:
    root = make(tree)
    dataset = read(root)
    renames = {ref.place: f"{ref.place}.png" for ref in dataset.images} if renamed else {}
    tracemalloc.start()
    hashes = {place: sha256_bytes(data) for place, data in dataset.labels.files(renames).items()}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * SIZE < COUNT * SIZE // 2
    large = {place: content for place, content in tree.items() if place in hashes and len(content) > SIZE // 2}
    assert len(large) == COUNT
    assert hashes.items() >= {place: sha256_bytes((root / place).read_bytes()) for place in large}.items()


def carried(make: Make) -> Dataset:
    return read(make({"data.yaml": "train: images\nval: images\nnc: 1\n", "images/a.jpg": (8, 8), "labels/a.txt": ROW}))


def test_names_are_given_without_reading(make: Make) -> None:
    dataset = carried(make)
    files = dataset.labels.files({})
    (dataset.root / "labels/a.txt").unlink()
    assert list(files) == ["data.yaml", "labels/a.txt"] and len(files) == 2
    assert "labels/a.txt" in files and "labels/b.txt" not in files and frozenset({"x"}).union(files)
    assert files.get("labels/b.txt") is None
    with pytest.raises(KeyError):
        files["../source/labels/a.txt"]
    with pytest.raises(BrokenLabels, match="cannot be read"):
        files["labels/a.txt"]


def test_a_file_that_changes_between_two_readings_is_said(make: Make) -> None:
    dataset = carried(make)
    files = dataset.labels.files({})
    assert files["labels/a.txt"] == ROW.encode() == files["labels/a.txt"]
    (dataset.root / "labels/a.txt").write_bytes(ROW.encode())  # the same bytes are no change
    assert dataset.labels.files({"images/a.jpg": "images/a.png"})["labels/a.txt"] == ROW.encode()
    (dataset.root / "labels/a.txt").write_bytes(ROW.replace("5", "6").encode())
    for again in (files, dataset.labels.files({})):
        with pytest.raises(BrokenLabels, match="changed during the conversion") as caught:
            again["labels/a.txt"]
        assert caught.value.where == str(dataset.root / "labels/a.txt") and caught.value.fix


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"other")], ids=["goes", "changes"])
def test_a_conversion_whose_labels_go_or_change_ends_with_a_code(
    make: Make, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    dataset = carried(make)

    def meanwhile(done: int, refused: int, total: int) -> None:
        if done == total:
            harm(dataset.root / "labels/a.txt")

    with pytest.raises(BrokenLabels, match=r"labels/a\.txt"):
        convert.run(convert.plan(dataset, tmp_path / "out", fake_spec()), FakeEngine(), meanwhile)
    assert not (tmp_path / "out" / MANIFEST).exists()
    make({"labels/a.txt": ROW})
    convert.run(convert.plan(carried(make), tmp_path / "out", fake_spec()), FakeEngine())
    assert (tmp_path / "out" / "labels/a.txt").read_bytes() == ROW.encode()


@pytest.fixture
def opened() -> Iterator[Counter[str]]:
    """How often each path was opened, by whatever means."""
    counts, watching = Counter[str](), [True]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open":
            counts[str(arguments[0])] += 1

    sys.addaudithook(hook)
    yield counts
    watching.clear()


COCO = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}
LISTED = {"all.txt": "./images/a.jpg\n", "images/a.jpg": (8, 8), "labels/a.txt": ROW}
SOURCES: dict[str, tuple[str, Tree]] = {
    "coco": ("coco.json", {"coco.json": COCO, "images/a.jpg": (8, 8)}),
    "voc": ("", {"Annotations/a.xml": "<a><filename>a.jpg</filename></a>", "JPEGImages/a.jpg": (8, 8)}),
    "yolo": ("", {"data.yaml": "train: all.txt\nval: all.txt\nnc: 1\n", **LISTED}),
    "rewritten": ("", {"data.yaml": "path: .\ntrain: all.txt\nnc: 1\n", **LISTED, "all.txt": "images/a.jpg\n"}),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("ext", ["keep", "png"])
def test_a_conversion_begun_or_resumed_reads_each_twice(
    make: Make, tmp_path: Path, opened: Counter[str], name: str, ext: str
) -> None:
    source, tree = SOURCES[name]
    root = make(tree)
    dataset, options, out = read(root / source), Options(ext=ext), tmp_path / "out"
    places = list(dataset.labels.files({}))
    opened.clear()

    def stopped(done: int, refused: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert.run(convert.plan(dataset, out, fake_spec(), options), FakeEngine(), stopped)
    for _ in ("resumed", "done already"):
        opened.clear()
        convert.run(convert.plan(dataset, out, fake_spec(), options), FakeEngine())
        assert {place: opened[str(root / place)] for place in places} == dict.fromkeys(places, 2)
    opened.clear()
    convert.run(convert.plan(dataset, tmp_path / "fresh", fake_spec(), options), FakeEngine())
    assert {place: opened[str(root / place)] for place in places} == dict.fromkeys(places, 2)
    hashes = {label.place: label.source_sha256 for label in read_manifest(out).labels}
    assert hashes == {place: sha256_file(root / place) for place in places}


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("ext", ["keep", "png"])
def test_a_label_that_changes_between_plan_and_run_is_noticed(
    make: Make, tmp_path: Path, resumed: bool, ext: str
) -> None:
    root = make(SOURCES["voc"][1])
    out, options = tmp_path / "out", Options(ext=ext)
    if resumed:
        convert.run(convert.plan(read(root), out, fake_spec(), options), FakeEngine())
    planned = convert.plan(read(root), out, fake_spec(), options)
    make({"Annotations/a.xml": "<a><filename>b.jpg</filename></a>"})
    with pytest.raises(BrokenLabels, match="changed during the conversion"):
        convert.run(planned, FakeEngine())


def test_a_list_that_changes_after_it_was_read_is_said(make: Make) -> None:
    root = make({"data.yaml": "train: all.txt\nval: all.txt\nnc: 1\n", "images/a.jpg": (8, 8)})
    make({"all.txt": "./images/a.jpg\n"})
    dataset = read(root)
    (root / "all.txt").write_bytes(b"./images/b.jpg\n")
    with pytest.raises(BrokenLabels, match="changed during the conversion"):
        dataset.labels.files({})["all.txt"]


def test_an_xml_that_changes_after_it_was_read_is_said(make: Make) -> None:
    root = make({"Annotations/a.xml": "<a><filename>a.jpg</filename></a>", "JPEGImages/a.jpg": (8, 8)})
    dataset = read(root)
    (root / "Annotations/a.xml").write_bytes(b"<a><filename>b.jpg</filename></a>")
    with pytest.raises(BrokenLabels, match="changed during the conversion"):
        dataset.labels.files({})["Annotations/a.xml"]


def test_a_mapping_of_its_own_equals_a_dict(tmp_path: Path) -> None:
    files = LabelFiles(["b", "a", "b"], lambda place: place.encode())
    assert files == {"a": b"a", "b": b"b"} and list(files) == ["b", "a"] and dict(files) == files
    assert sorted(files.items()) == [("a", b"a"), ("b", b"b")]
