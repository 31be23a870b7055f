"""Verification names every file that is not what the manifest says."""

from pathlib import Path

import pytest

from synthir import convert, formats
from synthir.convert import Options
from synthir.errors import VerificationFailed
from synthir.files import sha256_file
from synthir.journal import JOURNAL
from tests.datasets import converted, described, hand_made, picture, place, write_picture


def test_verify_names_every_fault(tmp_path: Path) -> None:
    dataset, out = hand_made(tmp_path / "src", 5), tmp_path / "out"
    converted(dataset, out)
    whole = convert.verify(out, tmp_path / "src")
    assert (whole.pictures, whole.labels, whole.refused, whole.inputs, whole.problems) == (5, 1, 0, 5, ())
    (out / place(0, ".png")).unlink()
    (out / place(1, ".png")).write_bytes(b"x")
    (out / "boxes.json").write_bytes(b"{}")
    (out / "val" / "extra.png").write_bytes(b"")
    (out / JOURNAL).parent.mkdir()
    (out / JOURNAL).write_bytes(b"")
    (tmp_path / "src" / place(3, ".png")).write_bytes(b"y")
    found = {(Path(problem.where).name, problem.what) for problem in convert.verify(out, tmp_path / "src").problems}
    assert found == {
        ("000.png", "missing"),
        ("001.png", "changed"),
        ("boxes.json", "changed"),
        ("extra.png", "not listed"),
        ("out", "unfinished"),
        ("003.png", "changed"),
    }


def test_inputs_are_verified_from_any_folder_above_them(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "src", 5, ".jpg")
    names = [place(number, ".jpg") for number in (1, 3)]
    converted(described(dataset.root, names), tmp_path / "out", Options(ext="png"))
    for folder in (tmp_path / "src", tmp_path / "src" / "val"):
        report = convert.verify(tmp_path / "out", folder)
        assert report.inputs == 2 and report.problems == ()
    for other, why in (("elsewhere", "no such source"), ("apart", "none of the converted pictures")):
        (tmp_path / "apart").mkdir(exist_ok=True)
        with pytest.raises(VerificationFailed, match=why):
            convert.verify(tmp_path / "out", tmp_path / other)


def test_one_picture_of_many_is_checked_by_itself(tmp_path: Path) -> None:
    converted(hand_made(tmp_path / "src", 5), tmp_path / "out")
    picked = tmp_path / "src" / place(3, ".png")
    report = convert.verify(tmp_path / "out", picked)
    assert (report.inputs, report.problems) == (1, ())
    picked.write_bytes(b"x")
    (problem,) = convert.verify(tmp_path / "out", picked).problems
    assert (problem.where, problem.what) == (str(picked), "changed")
    (tmp_path / "other.png").write_bytes(b"x")
    with pytest.raises(VerificationFailed, match="no picture of that name"):
        convert.verify(tmp_path / "out", tmp_path / "other.png")


def test_labels_of_the_source_are_verified_where_they_were_read(tmp_path: Path) -> None:
    converted(hand_made(tmp_path / "src", 3), tmp_path / "out")
    (tmp_path / "src" / "boxes.json").write_bytes(b"{}")
    (problem,) = convert.verify(tmp_path / "out", tmp_path / "src").problems
    assert (problem.where, problem.what) == (str(tmp_path / "src" / "boxes.json"), "changed")
    assert "--overwrite" in problem.fix
    below = convert.verify(tmp_path / "out", tmp_path / "src" / "val")
    assert (below.inputs, below.source_labels) == (3, 0)
    assert not convert.verify(tmp_path / "out").problems


@pytest.mark.parametrize("where", ["src/boxes.json", "src/labels/boxes.json"])
def test_the_label_file_that_was_converted_stands_for_its_folder(tmp_path: Path, where: str) -> None:
    converted(hand_made(tmp_path / "src", 3), tmp_path / "out")
    (tmp_path / "src" / "labels").mkdir()
    (tmp_path / "src" / "labels" / "boxes.json").write_bytes(b"{}")
    report = convert.verify(tmp_path / "out", tmp_path / where)
    assert (report.inputs, report.source_labels, report.problems) == (3, 1, ())
    (tmp_path / "src" / place(1, ".png")).write_bytes(b"y")
    (problem,) = convert.verify(tmp_path / "out", tmp_path / where).problems
    assert (problem.where, problem.what) == (str(tmp_path / "src" / place(1, ".png")), "changed")


def test_a_label_file_far_from_its_pictures_is_no_source(tmp_path: Path) -> None:
    converted(hand_made(tmp_path / "src", 3), tmp_path / "out")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "boxes.json").write_bytes(b"{}")
    with pytest.raises(VerificationFailed, match=r"lie elsewhere.*--source DIR"):
        convert.verify(tmp_path / "out", tmp_path / "a" / "b" / "boxes.json")


def test_a_label_file_read_from_outside_the_root_is_hashed_itself(tmp_path: Path) -> None:
    write_picture(tmp_path / "photos" / "a.png", picture(0, 24, 32))
    text = (
        '{"images": [{"id": 1, "file_name": "a.png", "width": 32, "height": 24}], "annotations": [], "categories": []}'
    )
    label = tmp_path / "x" / "y" / "z" / "boxes.json"
    label.parent.mkdir(parents=True)
    label.write_text(text)
    (tmp_path / "photos" / "boxes.json").write_text("another file")
    dataset = formats.read(label, tmp_path / "photos")
    assert dataset.root == tmp_path / "photos"
    (row,) = converted(dataset, tmp_path / "out").labels
    assert row.source_sha256 == row.sha256 == sha256_file(label) and row.outside
    report = convert.verify(tmp_path / "out", tmp_path / "photos")
    assert (report.inputs, report.source_labels, report.problems) == (1, 0, ())
