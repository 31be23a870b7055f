"""The published layouts as they are unpacked, and what is wrong with those that are not."""

from pathlib import Path

import pytest

from synthir.errors import BrokenLabels, DatasetError, EscapingPath, MissingPicture, UnrecognisedDataset
from synthir.reid.data import Layout, Source, Split, is_infrared, read_split


def touch(root: Path, *names: str) -> None:
    """Empty files: nothing is decoded by a loader."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def sysu(tmp_path: Path) -> Path:
    for identity in ("0001", "0002", "0003", "0006"):
        touch(tmp_path, *(f"cam{camera}/{identity}/0001.jpg" for camera in (1, 3, 6)))
    touch(tmp_path, "cam2/0006/0001.jpg", "cam2/0006/0002.jpg", "cam2/0006/notes.txt")
    for name, ids in (("train", "1,2"), ("val", "3"), ("test", "6")):
        write(tmp_path / f"exp/{name}_id.txt", ids + "\n")
    return tmp_path


@pytest.fixture
def regdb(tmp_path: Path) -> Path:
    """Two splits; in the second what was tested is trained on. Labels begin at 0 in each list, as published."""
    for number, (train, test) in enumerate((("1", "2"), ("2", "1")), start=1):
        for part, person in (("train", train), ("test", test)):
            for modality, folder in (("visible", "Visible"), ("thermal", "Thermal")):
                names = [f"{folder}/{person}/male_{shot}.bmp" for shot in (1, 2)]
                touch(tmp_path, *names)
                write(tmp_path / f"idx/{part}_{modality}_{number}.txt", "".join(f"{name} 0\n" for name in names))
    return tmp_path


@pytest.fixture
def llcm(tmp_path: Path) -> Path:
    for modality in ("vis", "nir"):
        name = f"{modality}/0001/0001_c03_s171429_f12990_{modality}.jpg"
        touch(tmp_path, name, f"test_{modality}/cam4/0007/0007_c04_s1_f1_{modality}.jpg")
        write(tmp_path / f"idx/train_{modality}.txt", f"{name} 0\n")
    touch(tmp_path, "test_vis/cam9/0007/x.jpg", "test_nir/cam9/0007/x.jpg", "test_nir/cam1/0007/x.jpg")
    touch(tmp_path, "test_vis/cam5/0099/x.jpg")  # not in the list of identities
    touch(tmp_path, "test_nir/cam3/0007/x.jpg", "test_vis/cam10/0007/x.jpg")  # cameras that the authors do not use
    write(tmp_path / "idx/test_id.txt", "7")
    return tmp_path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    for person in "abcd":
        touch(tmp_path, f"{person}/street/1.jpg", f"{person}/street_ir/1.png", f"{person}/roof/1.jpg")
    return tmp_path


def told(split: Split) -> tuple[list[tuple[str, str, bool]], ...]:
    return tuple([(p.identity, p.camera, p.infrared) for p in part] for part in (split.train, split.test))


def test_sysu(sysu: Path) -> None:
    train, test = told(read_split(Source("sysu"), sysu))
    assert train == [(i, f"cam{c}", c != 1) for i in ("0001", "0002", "0003") for c in (1, 3, 6)]
    assert test == [
        ("0006", "cam1", False),
        *[("0006", "cam2", False)] * 2,
        ("0006", "cam3", True),
        ("0006", "cam6", True),
    ]


def test_regdb_by_split(regdb: Path) -> None:
    first, second = (read_split(Source("regdb"), regdb, number) for number in (1, 2))
    assert {p.path for p in first.train} == {p.path for p in second.test}
    # a person is the folder, the same one in every split; labels count within a list
    assert told(first)[0] == [("1", "visible", False)] * 2 + [("1", "thermal", True)] * 2
    assert told(second)[1] == told(first)[0]


def test_llcm(llcm: Path) -> None:
    train, test = told(read_split(Source("llcm"), llcm))
    assert train == [("0", "cam3", False), ("0", "cam3", True)]
    visible, infrared = [("cam4", False), ("cam9", False)], [("cam1", True), ("cam4", True), ("cam9", True)]
    assert test == [("0007", *camera) for camera in (*visible, *infrared)]


def test_plain_by_share_and_by_list(plain: Path) -> None:
    train, test = told(read_split(Source(), plain))
    assert train == [(i, c, c == "street_ir") for i in "ac" for c in ("roof", "street", "street_ir")]
    assert {row[0] for row in test} == {"b", "d"}
    write(plain / "test_ids.txt", "a\n")
    assert {row[0] for row in told(read_split(Source(), plain))[1]} == {"a"}
    named = told(read_split(Source(infrared=("roof",)), plain))[1]
    assert named == [("a", "roof", True), ("a", "street", False), ("a", "street_ir", True)]


def test_regdb_labels_that_are_not_folders(regdb: Path) -> None:
    write(regdb / "idx/train_thermal_1.txt", "Thermal/1/male_1.bmp 0\nThermal/1/male_2.bmp 1\n")
    with pytest.raises(BrokenLabels, match="2 labels and 1 folders make 2 pairs"):
        read_split(Source("regdb"), regdb)


@pytest.mark.parametrize(("layout", "hidden"), [
    ("plain", ("a/street/._1.jpg", "a/.thumbnails/1.jpg", ".cache/street/1.jpg", ".cache/ir/1.jpg")),
    ("sysu", ("cam1/0001/.0001.jpg",)),
])  # fmt: skip
def test_names_that_begin_with_a_dot_are_no_pictures(
    layout: Layout, hidden: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    root: Path = request.getfixturevalue(layout)
    before = read_split(Source(layout), root)
    touch(root, *hidden)
    assert read_split(Source(layout), root) == before


def test_listed_names_may_hold_spaces(plain: Path) -> None:
    (plain / "a").rename(plain / "a b")
    write(plain / "test_ids.txt", "a b\n\nd\n")
    assert {row[0] for row in told(read_split(Source(), plain))[1]} == {"a b", "d"}


@pytest.mark.parametrize("name", ["ir", "IR2", "cam3_nir", "lwir-1", "thermal", "Infrared", "cam6ir"])
def test_a_camera_that_says_infrared(name: str) -> None:
    assert is_infrared(name, ())


@pytest.mark.parametrize("name", ["stairs", "cam3", "first", "airport", "visible"])
def test_a_camera_that_does_not(name: str) -> None:
    assert not is_infrared(name, ())
    assert is_infrared(name, (name,))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UnrecognisedDataset) as caught:
        read_split(Source("sysu"), tmp_path / "nowhere")
    assert caught.value.where.endswith("nowhere") and "dataset.root" in caught.value.fix


def test_another_layout_is_named(regdb: Path) -> None:
    with pytest.raises(UnrecognisedDataset) as caught:
        read_split(Source("sysu"), regdb)
    assert "exp/test_id.txt" in caught.value.why and 'layout = "regdb"' in caught.value.fix


def test_all_missing_pictures_of_a_list_are_counted(regdb: Path) -> None:
    for name in ("Visible/1/male_1.bmp", "Thermal/1/male_2.bmp"):
        (regdb / name).unlink()
    with pytest.raises(MissingPicture) as caught:
        read_split(Source("regdb"), regdb)
    assert "2 of 4" in caught.value.why and "Visible/1/male_1.bmp" in caught.value.why


def test_listed_identities_without_pictures(sysu: Path) -> None:
    write(sysu / "exp/test_id.txt", "6,77,78")
    with pytest.raises(MissingPicture, match="2 of 3 listed identities have no picture: 0077, 0078"):
        read_split(Source("sysu"), sysu)


@pytest.mark.parametrize(("layout", "place", "text", "said"), [
    ("sysu", "exp/val_id.txt", "3;4", "3;4"),
    ("regdb", "idx/train_thermal_1.txt", "Thermal/1/male_1.bmp\n", "train_thermal_1.txt line 1"),
])  # fmt: skip
def test_a_list_that_cannot_be_read(
    layout: Layout, place: str, text: str, said: str, request: pytest.FixtureRequest
) -> None:
    root: Path = request.getfixturevalue(layout)
    write(root / place, text)
    with pytest.raises(BrokenLabels, match=said):
        read_split(Source(layout), root)


def test_a_list_that_is_not_there_and_one_that_leaves(regdb: Path) -> None:
    with pytest.raises(BrokenLabels, match="train_visible_7"):
        read_split(Source("regdb"), regdb, 7)
    write(regdb / "idx/train_visible_1.txt", "../secret.jpg 0\n")
    with pytest.raises(EscapingPath):
        read_split(Source("regdb"), regdb)


def test_one_modality_only(plain: Path) -> None:
    (plain / "a/street_ir/1.png").unlink()
    (plain / "b/street/1.jpg").unlink()
    (plain / "b/roof/1.jpg").unlink()
    with pytest.raises(DatasetError) as caught:
        read_split(Source(), plain)
    assert caught.value.why == (
        "1 identities to train on have one modality only: a; 1 identities to test have one modality only: b"
    )


def test_published_layouts_may_test_identities_of_one_modality(sysu: Path) -> None:
    for camera in (3, 6):
        (sysu / f"cam{camera}/0006/0001.jpg").unlink()
    assert {p.infrared for p in read_split(Source("sysu"), sysu).test} == {False}


def test_nobody_to_train_on_or_to_test(tmp_path: Path) -> None:
    touch(tmp_path, "a/street/1.jpg", "a/ir/1.jpg")
    with pytest.raises(DatasetError, match="no identity to test"):
        read_split(Source(), tmp_path)
    write(tmp_path / "test_ids.txt", "a")
    with pytest.raises(DatasetError, match="no identity to train on"):
        read_split(Source(), tmp_path)


def test_trained_on_and_tested(regdb: Path) -> None:
    for camera in ("visible", "thermal"):
        (regdb / f"idx/test_{camera}_1.txt").write_text((regdb / f"idx/train_{camera}_1.txt").read_text())
    with pytest.raises(DatasetError, match="4 pictures are trained on and tested"):
        read_split(Source("regdb"), regdb)


def test_other_pictures_of_a_person_who_is_trained_on(regdb: Path) -> None:
    for camera, folder in (("visible", "Visible"), ("thermal", "Thermal")):
        touch(regdb, f"{folder}/1/male_3.bmp")
        write(regdb / f"idx/test_{camera}_1.txt", f"{folder}/1/male_3.bmp 0\n{folder}/2/male_1.bmp 1\n")
    with pytest.raises(DatasetError) as caught:
        read_split(Source("regdb"), regdb)
    assert caught.value.why == "1 identities are trained on and tested: 1"
