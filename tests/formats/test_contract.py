"""What every format must keep. A new format with a golden dataset in tests/data is tested by existing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from synthir import folders
from synthir.errors import BrokenLabels
from synthir.files import sha256_tree
from synthir.formats import read, recognised

GOLDEN = Path(__file__).parents[1] / "data"
FORMATS = folders.names("synthir.formats")


def expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / name / "expected.json").read_text(encoding="utf-8"))
    return found


def test_every_format_has_a_golden_dataset() -> None:
    assert sorted(path.parent.name for path in GOLDEN.glob("*/expected.json")) == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_places_sizes_and_order(name: str) -> None:
    says = expected(name)
    dataset = read(GOLDEN / name / says["source"])
    assert dataset.format == name
    assert [ref.place for ref in dataset.images] == says["places"]
    assert [[ref.width, ref.height] for ref in dataset.images] == says["declared"]
    assert dataset.refused == ()
    assert [ref.path.read_bytes() for ref in dataset.images] == [
        (GOLDEN / name / "source" / place).read_bytes() for place in says["places"]
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_labels_are_the_bytes_that_were_read(name: str) -> None:
    says = expected(name)
    files = read(GOLDEN / name / says["source"]).labels.files({})
    assert sorted(files) == says["labels"]
    assert files == {place: (GOLDEN / name / "source" / place).read_bytes() for place in says["labels"]}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("renamed", [False, True])
def test_a_label_file_that_goes_or_changes_is_said(name: str, tmp_path: Path, renamed: bool) -> None:
    says = expected(name)
    renames = {place: f"{place}.png" for place in says["places"]} if renamed else {}
    for harm in (Path.unlink, lambda path: path.write_bytes(b"other")):
        for place in says["labels"]:
            shutil.rmtree(tmp_path / "source", ignore_errors=True)
            shutil.copytree(GOLDEN / name / "source", tmp_path / "source")
            dataset = read(tmp_path / says["source"])
            before = dict(dataset.labels.files({}))
            assert before[place] == (tmp_path / "source" / place).read_bytes()
            harm(tmp_path / "source" / place)
            with pytest.raises(BrokenLabels, match=place.rpartition("/")[2]):
                dict(dataset.labels.files(renames))


@pytest.mark.parametrize("name", FORMATS)
def test_boxes(name: str) -> None:
    says = expected(name)
    boxes = read(GOLDEN / name / says["source"]).labels.boxes()
    assert boxes.keys() == says["boxes"].keys()
    for place, wanted in says["boxes"].items():
        assert len(boxes[place]) == len(wanted)
        assert all(box == pytest.approx(want) for box, want in zip(boxes[place], wanted, strict=True))


@pytest.mark.parametrize("name", FORMATS)
def test_the_source_is_not_touched(name: str, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / name, tmp_path / name)
    before = sha256_tree(tmp_path / name)
    dataset = read(tmp_path / name / expected(name)["source"])
    dataset.labels.files({ref.place: f"{ref.place}.png" for ref in dataset.images})
    dataset.labels.boxes()
    assert sha256_tree(tmp_path / name) == before


@pytest.mark.parametrize("name", FORMATS)
def test_a_moved_target_reads_as_the_source_did(name: str, tmp_path: Path) -> None:
    says = expected(name)
    dataset = read(GOLDEN / name / says["source"])
    renames = {ref.place: str(Path(ref.place).with_suffix(".png")) for ref in dataset.images}
    for place, data in dataset.labels.files(renames).items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(data)
    for ref in dataset.images:
        (tmp_path / renames[ref.place]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ref.path, tmp_path / renames[ref.place])
    again = read(tmp_path / Path(says["source"]).relative_to("source"))
    assert [ref.place for ref in again.images] == [renames[ref.place] for ref in dataset.images]
    assert again.refused == ()
    boxes = dataset.labels.boxes()
    assert again.labels.boxes() == {renames[place]: found for place, found in boxes.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_recognised_by_exactly_one(name: str) -> None:
    assert recognised(GOLDEN / name / expected(name)["source"]) == (name,)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("stranger", ["readme.json", "notes.yaml", "labels.txt", "a.xml", "run.cache"])
def test_a_stranger_beside_it_changes_nothing(name: str, stranger: str, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / name / "source", tmp_path / "source")
    (tmp_path / "source" / stranger).write_text('{"hello": ["world"]}', encoding="utf-8")
    source = tmp_path / expected(name)["source"]
    assert recognised(source) == (name,)
    assert recognised(tmp_path / "source" / stranger) == ()
    assert [ref.place for ref in read(source).images] == expected(name)["places"]
    assert stranger not in read(source).labels.files({})


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_says_what_it_looks_for(name: str) -> None:
    assert folders.load("synthir.formats", name).LOOKS_FOR.strip()
