"""Verification names every file that is not what the manifest says."""

from pathlib import Path

from synthir import convert
from synthir.convert import Options
from synthir.journal import JOURNAL
from tests.datasets import converted, described, hand_made, place


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
    assert len(convert.verify(tmp_path / "out", tmp_path / "elsewhere").problems) == 2
