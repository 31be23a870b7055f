"""Every layout as a tree of tiny files: exactly its pairs, names and scenes; and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from synthir.errors import TrainingError, UnknownName
from synthir.layouts import LAYOUTS, find_pairs
from synthir.pairs import Layout, Pair, PairSource
from tests import tiny

FOLDERS = PairSource("folders", "visible", "infrared")


def tree(root: Path, *places: str) -> Path:
    """Empty files: finding pairs opens none."""
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).touch()
    return root


def found(root: Path, source: PairSource) -> list[tuple[str, str, str, str]]:
    """Name, visible and infrared below the root, and scene of every pair."""
    pairs = find_pairs(root, source)
    assert {(pair.stretch, pair.levels) for pair in pairs} == {(source.stretch, source.levels)}
    return [
        (p.name, p.visible.relative_to(root).as_posix(), p.infrared.relative_to(root).as_posix(), p.scene)
        for p in pairs
    ]


def test_every_layout_has_a_function_of_its_name() -> None:
    assert set(LAYOUTS) == set(get_args(Layout))
    unknown: Any = "lvip"
    with pytest.raises(UnknownName, match=r"no layout is named 'lvip' \(known are folders, side-by-side, .*osu\)"):
        find_pairs(Path(), PairSource(unknown, "."))


def test_folders_by_name_and_by_stem_with_scenes_inside(tmp_path: Path) -> None:
    left = ("b.png", "a.jpg", "one/1.jpg", "one/2.jpg", "two/1.jpg", ".DS_Store", "._a.jpg", "notes.txt")
    right = ("b.png", "a.tif", "one/1.png", "one/2.png", "two/1.jpg")
    tree(tmp_path, *(f"visible/{name}" for name in left), *(f"infrared/{name}" for name in right))
    assert found(tmp_path, replace(FOLDERS, stretch=1.25, levels=(1.0, 2.0))) == [
        ("a.jpg", "visible/a.jpg", "infrared/a.tif", ""),
        ("b.png", "visible/b.png", "infrared/b.png", ""),
        ("one/1.jpg", "visible/one/1.jpg", "infrared/one/1.png", "visible/one"),
        ("one/2.jpg", "visible/one/2.jpg", "infrared/one/2.png", "visible/one"),
        ("two/1.jpg", "visible/two/1.jpg", "infrared/two/1.jpg", "visible/two"),
    ]
    before = [pair.previous for pair in find_pairs(tmp_path, FOLDERS)]
    assert before == [None, None, None, tmp_path / "visible/one/1.jpg", None]
    assert [row[0] for row in found(tmp_path, replace(FOLDERS, part="two"))] == ["two/1.jpg"]


def test_side_by_side_with_scenes_inside(tmp_path: Path) -> None:
    tree(tmp_path, "both/b.jpg", "both/a.jpg", "both/one/1.jpg")
    assert found(tmp_path, PairSource("side-by-side", "both")) == [
        ("a.jpg", "both/a.jpg", "both/a.jpg", ""),
        ("b.jpg", "both/b.jpg", "both/b.jpg", ""),
        ("one/1.jpg", "both/one/1.jpg", "both/one/1.jpg", "both/one"),
    ]


def test_a_list_of_names_chooses(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{side}/{name}" for side in ("visible", "infrared") for name in ("a b.png", "c.png", "d/e.png")))
    tree(tmp_path, "visible/alone.png", "infrared/strange.png")
    (tmp_path / "list.txt").write_text("d/e.png\na b.png\n\n", encoding="utf-8")
    assert [row[0] for row in found(tmp_path, replace(FOLDERS, names="list.txt"))] == ["a b.png", "d/e.png"]
    (tmp_path / "list.txt").write_text("c.png\nx.png\ny.png\n", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"list\.txt: .*2 of 3 listed names are not there, first x\.png"):
        find_pairs(tmp_path, replace(FOLDERS, names="list.txt"))
    with pytest.raises(TrainingError, match="no list of names"):
        find_pairs(tmp_path, replace(FOLDERS, names="other.txt"))


def test_llvip(tmp_path: Path) -> None:
    names = ("train/010002.jpg", "train/010001.jpg", "train/020001.jpg", "test/190001.jpg", "test/odd.jpg")
    tree(tmp_path, *(f"LLVIP/{side}/{name}" for side in ("visible", "infrared") for name in names))
    source = PairSource("llvip", "LLVIP")
    rows = [
        ("010001.jpg", "LLVIP/visible/train/010001.jpg", "LLVIP/infrared/train/010001.jpg", "LLVIP/01"),
        ("010002.jpg", "LLVIP/visible/train/010002.jpg", "LLVIP/infrared/train/010002.jpg", "LLVIP/01"),
        ("020001.jpg", "LLVIP/visible/train/020001.jpg", "LLVIP/infrared/train/020001.jpg", "LLVIP/02"),
        ("190001.jpg", "LLVIP/visible/test/190001.jpg", "LLVIP/infrared/test/190001.jpg", "LLVIP/19"),
        ("odd.jpg", "LLVIP/visible/test/odd.jpg", "LLVIP/infrared/test/odd.jpg", ""),
    ]
    assert found(tmp_path, source) == rows
    assert found(tmp_path, replace(source, part="train")) == rows[:3]
    assert found(tmp_path, replace(source, part="test")) == rows[3:]
    assert found(tmp_path / "LLVIP", replace(source, visible="."))[0][3] == "01"


@pytest.mark.parametrize("top", ["", "images/"])
def test_kaist(tmp_path: Path, top: str) -> None:
    places = (
        "set00/V000/{}/I00001.jpg",
        "set00/V000/{}/I00000.jpg",
        "set00/V001/{}/I00000.jpg",
        "set06/V000/{}/I0.jpg",
    )
    tree(tmp_path, *(f"{top}{place.format(side)}" for place in places for side in ("visible", "lwir")))
    tree(tmp_path, "annotations/set00/V000/I00000.txt")
    rows = [
        (f"{scene}/{name}", f"{top}{scene}/visible/{name}", f"{top}{scene}/lwir/{name}", scene)
        for scene, name in (
            ("set00/V000", "I00000.jpg"),
            ("set00/V000", "I00001.jpg"),
            ("set00/V001", "I00000.jpg"),
            ("set06/V000", "I0.jpg"),
        )
    ]
    source = PairSource("kaist", ".")
    assert found(tmp_path, source) == rows
    assert found(tmp_path, replace(source, part="set00")) == rows[:3]
    assert found(tmp_path, replace(source, part="set00/V001")) == rows[2:3]
    before = [pair.previous and pair.previous.name for pair in find_pairs(tmp_path, source)]
    assert before == [None, "I00000.jpg", None, None]


@pytest.mark.parametrize("lists", ["", "ImageSets/Main/"])
def test_flir(tmp_path: Path, lists: str) -> None:
    ends = ("RGB.jpg", "PreviewData.jpeg")
    tree(tmp_path, *(f"align/JPEGImages/FLIR_0000{n}_{end}" for n in (3, 1, 2) for end in ends))
    tree(tmp_path, f"align/{lists}align_validation.txt", "align/AnnotatedImages/FLIR_00001_RGB.jpg")
    (tmp_path / f"align/{lists}align_validation.txt").write_text("FLIR_00003_PreviewData\nFLIR_00001_PreviewData\n")
    rows = [(f"FLIR_0000{n}_RGB.jpg", *(f"align/JPEGImages/FLIR_0000{n}_{end}" for end in ends), "") for n in (1, 2, 3)]
    source = PairSource("flir", "align")
    assert found(tmp_path, source) == rows
    assert found(tmp_path, replace(source, part="validation")) == [rows[0], rows[2]]
    with pytest.raises(TrainingError, match=r"align_train\.txt: no list of names"):
        find_pairs(tmp_path, replace(source, part="train"))
    (tmp_path / "align/JPEGImages/FLIR_00002_PreviewData.jpeg").unlink()
    with pytest.raises(TrainingError, match="1 visible without infrared partner, first FLIR_00002_RGB"):
        find_pairs(tmp_path, source)


@pytest.mark.parametrize(("left", "right"), [("vi", "ir"), ("Vis", "Ir")])
def test_m3fd(tmp_path: Path, left: str, right: str) -> None:
    tree(tmp_path, *(f"M3FD/{side}/{name}" for side in (left, right) for name in ("00001.png", "00000.png")))
    assert found(tmp_path, PairSource("m3fd", "M3FD")) == [
        (name, f"M3FD/{left}/{name}", f"M3FD/{right}/{name}", "") for name in ("00000.png", "00001.png")
    ]


def test_msrs(tmp_path: Path) -> None:
    names = ("train/{}/00001D.png", "train/{}/00003N.png", "test/{}/00004N.png", "test/{}/00055D.png")
    tree(tmp_path, *(place.format(side) for place in names for side in ("vi", "ir")))
    tree(tmp_path, "train/Segmentation_labels/00001D.png")
    rows = [(place[-10:], place.format("vi"), place.format("ir"), "") for place in names]
    source = PairSource("msrs", ".")
    assert found(tmp_path, source) == rows
    assert found(tmp_path, replace(source, part="train")) == rows[:2]
    assert found(tmp_path, replace(source, part="night")) == rows[1:3]
    assert found(tmp_path, replace(source, part="test/day")) == rows[3:]
    with pytest.raises(TrainingError, match=r"no pictures found; .*train, test, day, night"):
        find_pairs(tmp_path, replace(source, part="dusk"))


def test_aau_vap(tmp_path: Path) -> None:
    tree(tmp_path, *(f"Scene {n}/{side}/0000{n}.jpg" for n in (2, 1) for side in ("SyncRGB", "SyncT", "SyncD")))
    rows = [
        (f"Scene {n}/0000{n}.jpg", f"Scene {n}/SyncRGB/0000{n}.jpg", f"Scene {n}/SyncT/0000{n}.jpg", f"Scene {n}")
        for n in (1, 2)
    ]
    source = PairSource("aau-vap", ".")
    assert found(tmp_path, source) == rows
    assert found(tmp_path, replace(source, part="Scene 2")) == rows[1:]


def test_osu_has_its_thermal_pictures_in_a(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{n}{side}/img_0000{frame}.bmp" for n in (1, 4) for side in "ab" for frame in (1, 2)))
    rows = [
        (f"{n}/img_0000{frame}.bmp", f"{n}b/img_0000{frame}.bmp", f"{n}a/img_0000{frame}.bmp", str(n))
        for n in (1, 4)
        for frame in (1, 2)
    ]
    assert found(tmp_path, PairSource("osu", ".")) == rows
    assert found(tmp_path, PairSource("osu", ".", part="4")) == rows[2:]


def test_of_unpaired_folders_the_smaller_one_goes_round(tmp_path: Path) -> None:
    tree(tmp_path, "visible/day/x.jpg", "visible/y.jpg", "infrared/1.png", "infrared/2.png", "infrared/3.png")
    source = PairSource("unpaired", "visible", "infrared")
    pairs = find_pairs(tmp_path, source)
    left, right = tmp_path / "visible", tmp_path / "infrared"
    assert pairs == [
        Pair("x.jpg + 1.png", left / "day/x.jpg", right / "1.png", registered=False),
        Pair("x.jpg + 3.png", left / "day/x.jpg", right / "3.png", registered=False),
        Pair("y.jpg + 2.png", left / "y.jpg", right / "2.png", registered=False),
    ]
    for picture in right.iterdir():
        picture.unlink()
    with pytest.raises(TrainingError, match=r"no pictures found; .*two folders of unrelated pictures"):
        find_pairs(tmp_path, source)


def test_of_two_unpaired_folders_the_empty_one_is_named(tmp_path: Path) -> None:
    tree(tmp_path, "full/x.jpg", "full/y.jpg", "empty/notes.txt")
    for visible, infrared, named in (
        ("full", "empty", "empty: .*no pictures found"),
        ("empty", "full", "empty: .*no pictures found"),
        ("full", "gone", r"gone: .*no such folder"),
    ):
        with pytest.raises(TrainingError, match=rf"{tmp_path.name}/{named}"):
            find_pairs(tmp_path, PairSource("unpaired", visible, infrared))


@pytest.mark.parametrize(
    ("gone", "why"),
    [
        (
            ["infrared/001.png", "infrared/002.png"],
            r"infrared/001\.png: .*\(2 visible without infrared partner, first 001",
        ),
        (["visible/003.png"], r"visible/003\.png: .*\(1 infrared without visible partner, first 003\.png\)"),
        (["infrared/001.png", "visible/003.png"], r"first 001\.png; 1 infrared without visible partner, first 003"),
    ],
)
def test_missing_partners_are_counted_and_the_first_is_named(tmp_path: Path, gone: list[str], why: str) -> None:
    tiny.draw_pairs(tmp_path, 4)
    for place in gone:
        (tmp_path / place).unlink()
    with pytest.raises(TrainingError, match=why + r".* Next: .*names"):
        find_pairs(tmp_path, FOLDERS)


def test_two_pictures_of_one_stem_are_not_clear(tmp_path: Path) -> None:
    tree(tmp_path, "visible/a.jpg", "visible/a.png", "infrared/a.tif")
    with pytest.raises(TrainingError, match=r"a\.jpg and a\.png both belong to a\.tif"):
        find_pairs(tmp_path, FOLDERS)


@pytest.mark.parametrize("layout", get_args(Layout))
def test_an_empty_folder_says_what_the_layout_expects(tmp_path: Path, layout: Layout) -> None:
    source = PairSource(layout, "data", "data")
    with pytest.raises(TrainingError, match=r"data: pairs incomplete \(no such folder\)"):
        find_pairs(tmp_path, source)
    (tmp_path / "data").mkdir()
    with pytest.raises(TrainingError, match=r"no pictures found; .*(visible|vi|RGB|colour).*Next: .*layout"):
        find_pairs(tmp_path, source)
