"""Pictures without labels, and how a format is found or not."""

import os
from pathlib import Path

import pytest

from synthir.errors import DatasetError, UnknownName, UnrecognisedDataset, UnsupportedPicture, UsageError
from synthir.formats import read, recognised

from .conftest import Make


def test_pictures_sorted_by_name(make: Make) -> None:
    names = ["b.jpg", "a/z.PNG", "a.jpg", "B.jpeg", "a/b/c.tiff"]
    root = make({**dict.fromkeys(names, (8, 8)), "a/.hidden.jpg": (8, 8), ".cache/x.jpg": (8, 8), "readme.md": "x"})
    dataset = read(root)
    assert [ref.place for ref in dataset.images] == sorted(names)
    assert dataset.notes == () and dataset.labels.files({}) == {} and dataset.root == root


def test_one_picture(make: Make) -> None:
    root = make({"a.jpg": (8, 8), "b.jpg": (8, 8), "a.txt": "x"})
    dataset = read(root / "a.jpg")
    assert [(ref.place, ref.path) for ref in dataset.images] == [("a.jpg", root / "a.jpg")]
    assert dataset.notes == () and dataset.root == root / "a.jpg"


def test_labels_beside_pictures_are_spoken_of(make: Make) -> None:
    root = make({"p/a.jpg": (8, 8), "p/a.txt": "x", "p/b.txt": "x", "p/a.xml": "x", "l.json": "{}"})
    assert "1 .json, 2 .txt, 1 .xml beside them are not carried" in read(root).notes[0]


def test_links_are_followed_once(make: Make) -> None:
    root = make({"a/x.jpg": (8, 8), "b/y.jpg": (8, 8)})
    (root / "a/loop").symlink_to(root, target_is_directory=True)
    (root / "c").symlink_to(root / "b", target_is_directory=True)
    assert [ref.place for ref in read(root).images] == ["a/x.jpg", "b/y.jpg"]


def test_a_name_that_is_not_text_is_refused(make: Make) -> None:
    root = make({"a.jpg": (8, 8)})
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/\xff.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("this disk has no such names")
    dataset = read(root)
    assert [ref.place for ref in dataset.images] == ["a.jpg"]
    assert [type(error) for _, error in dataset.refused] == [UnsupportedPicture]
    assert str(dataset.refused[0][1]).isprintable()


def test_images_go_with_labels(make: Make) -> None:
    root = make({"a.jpg": (8, 8)})
    with pytest.raises(UsageError):
        read(root, root)


def test_nothing_fits(make: Make) -> None:
    root = make({"notes.txt": "x", "results.json": "[1]", "deep/readme.md": "x"})
    for source in (root, root / "notes.txt", root / "results.json", root / "deep"):
        with pytest.raises(UnrecognisedDataset) as caught:
            read(source)
        assert all(f"{name}: " in caught.value.why for name in ("coco", "folder", "voc", "yolo"))
        assert "--format coco|folder|voc|yolo" in caught.value.fix


def test_several_fit_until_one_is_forced(make: Make) -> None:
    xml = "<annotation><filename>a.jpg</filename></annotation>"
    root = make({"images/a.jpg": (8, 8), "labels/a.txt": "0 0.5 0.5 1 1", "Annotations/a.xml": xml})
    assert recognised(root) == ("voc", "yolo")
    with pytest.raises(UnrecognisedDataset) as caught:
        read(root)
    assert "several formats fit: voc, yolo" in caught.value.what
    assert "--format voc|yolo" in caught.value.fix
    assert {name: read(root, format=name).format for name in ("voc", "yolo", "folder")} == {
        name: name for name in ("voc", "yolo", "folder")
    }


def test_calls_that_cannot_be_meant(make: Make) -> None:
    root = make({"a.jpg": (8, 8)})
    with pytest.raises(UnrecognisedDataset, match="nothing is there"):
        read(root / "nothing")
    with pytest.raises(UnrecognisedDataset, match="not a folder"):
        read(root, root / "a.jpg")
    with pytest.raises(UnknownName, match="did you mean 'folder'"):
        read(root, format="foldr")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(make: Make) -> None:
    root = make({"labels/a.txt": "0 0.5 0.5 1 1", "images/a.jpg": (8, 8)})
    (root / "labels").chmod(0)
    try:
        with pytest.raises(DatasetError, match="check its rights"):
            read(root, format="yolo")
    finally:
        (root / "labels").chmod(0o700)


def test_relative_paths(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make({"a/x.jpg": (8, 8)})
    monkeypatch.chdir(root)
    assert read(Path("a/../a")).root == root / "a"
    assert read(Path("a")).images[0].path == root / "a/x.jpg"


def test_a_forced_format_that_cannot_be_says_so(make: Make) -> None:
    root = make({"a.jpg": (8, 8), "coco.json": '{"images": []}'})
    with pytest.raises(UnrecognisedDataset, match="a folder is no COCO file") as caught:
        read(root, format="coco")
    assert "SOURCE" in caught.value.fix and "rights" not in str(caught.value)
    with pytest.raises(UnrecognisedDataset, match=r"not a picture \(its ending is '.json'\)"):
        read(root / "coco.json", format="folder")
