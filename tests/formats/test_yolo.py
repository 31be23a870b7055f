"""YOLO datasets in all the shapes that trainers read."""

from pathlib import Path

import pytest
import yaml

from synthir.errors import (
    BrokenLabels,
    EscapingPath,
    LabelWithoutPicture,
    MissingPicture,
    UnrecognisedDataset,
    UsageError,
)
from synthir.formats import read

from .conftest import Make, Tree

ROW = "0 0.5 0.5 0.5 0.5\n"
USUAL: Tree = {
    "images/train/a.jpg": (16, 8),
    "images/val/b.jpg": (16, 8),
    "labels/train/a.txt": ROW,
    "labels/val/b.txt": ROW,
}
PLACES = ["images/train/a.jpg", "images/val/b.jpg"]
LABELS = {"labels/train/a.txt": ROW.encode(), "labels/val/b.txt": ROW.encode()}


def places(source: Path) -> list[str]:
    return [ref.place for ref in read(source).images]


CARRIED = {
    "folders": "train: images/train\nval: images/val\nnames: [person]\n",
    "names as dict, no end of line": "train: images/train\nval: images/val\nnames:\n  0: person",
    "nc": "train: images/train\nval: images/val\nnc: 1\n",
    "flow": '{"train": "images/train", "val": "images/val/", "nc": 1}',
    "dots": "train: ./images/train\nval: images/../images/val\nnc: 1\n",
    "list of folders": "train: [images/train, images/val]\nval:\n- images/val\nnc: 1\n",
    "one folder above": "train: images\nval: images/val\nnc: 1\n",
    "validation": "train: images/train\nvalidation: images/val\nnc: 1\n",
    "empty test": "train: images/train\nval: images/val\ntest:\nnc: 1\nkpt_shape: [17, 3]\n",
    "empty path": "path:\ntrain: images/train\nval: images/val\nnc: 1\n",
    "windows lines and a mark": "\ufefftrain: images/train\r\nval: images/val\r\nnc: 1\r\n",
    "anchors": "train: &t [images/train, images/val]\nval: *t\nnc: 1\n",
}


@pytest.mark.parametrize("name", CARRIED)
def test_a_file_that_works_after_a_move_is_carried(make: Make, name: str) -> None:
    root = make({**USUAL, "data.yaml": CARRIED[name]})
    dataset = read(root / "data.yaml")
    assert [ref.place for ref in dataset.images] == PLACES
    assert dataset.root == root and dataset.refused == ()
    assert dataset.labels.files({}) == {"data.yaml": CARRIED[name].encode(), **LABELS}
    assert dataset.notes == ()


REWRITTEN = {
    "absolute path": ("path: {root}\ntrain: images/train\nval: images/val\nnc: 1\n", {}),
    "path is a dot": ("# top\npath: .  # here\ntrain: images/train # kept\nval: images/val\nnc: 1\n", {}),
    "path relative": ("nc: 1\ntrain: images/train\nval: images/val\npath: ../source\n", {}),
    "path of another machine": ("path: /no/such/place\ntrain: images/train\nval: images/val\nnc: 1\n", {}),
    "download": ("train: images/train\nval: images/val\nnc: 1\ndownload: |\n  import os\n  os.x()\n", {}),
    "flow": ('{{"path": "{root}", "train": "images/train", "val": "images/val", "nc": 1, "download": "x"}}', {}),
    "absolute splits": ("train: {root}/images/train\nval: '{root}/images/val'\nnc: 1\n", {}),
    "exported": ("train: ../images/train\nval: ../images/val\nnc: 1\n", {}),
    "windows": ("train: images\\train\nval: .\\images\\val\nnc: 1\n", {}),
    "list": ("train:\n- {root}/images/train\nval:\n  - ../images/val\nnc: 1\n", {"train": ["images/train"]}),
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_a_file_that_would_lead_back_is_rewritten(make: Make, name: str) -> None:
    text, wanted = REWRITTEN[name]
    root = make(USUAL)
    make({"data.yaml": text.format(root=root)})
    dataset = read(root / "data.yaml")
    assert [ref.place for ref in dataset.images] == PLACES
    files = dataset.labels.files({})
    assert {place: data for place, data in files.items() if place != "data.yaml"} == LABELS
    made = yaml.safe_load(files["data.yaml"])
    both = {"train": "images/train", "val": "images/val", "nc": 1}
    assert made == both | ({"train": ["images/train"], "val": ["images/val"]} if wanted else {})
    assert any("is rewritten" in note for note in dataset.notes)


def test_every_other_byte_of_a_rewritten_file_stays(make: Make) -> None:
    text = (
        "# é top\r\nnames:  {0: a, 1: 'b'}  # two\r\npath: /x\r\ntrain:   ../images/train   # t\r\nval: images/val\r\n"
    )
    dataset = read(make({**USUAL, "data.yaml": text}) / "data.yaml")
    made = text.replace("path: /x\r\n", "").replace("../images/train", "images/train")
    assert dataset.labels.files({})["data.yaml"] == made.encode()


def test_a_yaml_elsewhere_goes_to_the_top(make: Make) -> None:
    tree = {f"sets/one/{place}": content for place, content in USUAL.items()}
    root = make(
        {**tree, "configs/deep/one.yaml": "path: ../../sets/one\ntrain: images/train\nval: images/val\nnc: 1\n"}
    )
    dataset = read(root / "configs/deep/one.yaml")
    assert dataset.root == root / "sets/one"
    assert dataset.protected[0] == root / "configs/deep/one.yaml"
    assert dataset.labels.files({}) == {"one.yaml": b"train: images/train\nval: images/val\nnc: 1\n", **LABELS}


def test_a_yaml_in_a_folder_beside_the_pictures(make: Make) -> None:
    root = make({**USUAL, "config/data.yaml": "train: ../images/train\nval: ../images/val\nnc: 1\n"})
    dataset = read(root / "config/data.yaml")
    assert (dataset.root, [ref.place for ref in dataset.images]) == (root, PLACES)
    assert dataset.labels.files({})["config/data.yaml"] == (root / "config/data.yaml").read_bytes()


def test_path_that_ends_in_images(make: Make) -> None:
    root = make(USUAL)
    make({"data.yaml": f"path: {root}/images\ntrain: train\nval: val\nnc: 1\n"})
    dataset = read(root / "data.yaml")
    assert dataset.labels.files({}) == {"data.yaml": b"train: images/train\nval: images/val\nnc: 1\n", **LABELS}


def test_splits_first_then_pictures(make: Make) -> None:
    export: Tree = {"data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 1\n"}
    for split, name in (("train", "b"), ("train", "a"), ("valid", "c")):
        export |= {f"{split}/images/{name}.jpg": (8, 8), f"{split}/labels/{name}.txt": ROW}
    dataset = read(make(export))
    assert [ref.place for ref in dataset.images] == ["train/images/a.jpg", "train/images/b.jpg", "valid/images/c.jpg"]
    files = dict(dataset.labels.files({}))
    assert files.pop("data.yaml") == b"train: train/images\nval: valid/images\nnc: 1\n"
    assert sorted(files) == ["train/labels/a.txt", "train/labels/b.txt", "valid/labels/c.txt"]


def test_a_folder_of_that_shape_without_yaml(make: Make) -> None:
    root = make({"train/images/a.jpg": (8, 8), "train/labels/a.txt": ROW, "train/labels.cache": "x"})
    dataset = read(root)
    assert (dataset.format, [ref.place for ref in dataset.images]) == ("yolo", ["train/images/a.jpg"])
    assert list(dataset.labels.files({})) == ["train/labels/a.txt"]


def test_labels_beside_the_pictures(make: Make) -> None:
    tree = {"p/a.jpg": (8, 8), "p/a.txt": ROW, "p/classes.txt": "person", "p/readme.txt": "hello", "p/lost.txt": ROW}
    dataset = read(make({"data.yaml": "train: p\nval: p\nnc: 1\n", **tree}))
    assert sorted(dataset.labels.files({})) == ["data.yaml", "p/a.txt", "p/lost.txt"]
    assert [(place, type(error)) for place, error in dataset.refused] == [("p/lost.txt", LabelWithoutPicture)]


def test_the_last_images_folder_is_the_one_that_changes(make: Make) -> None:
    tree = {"images/x/images/y/a.b.jpg": (8, 8), "images/x/labels/y/a.b.txt": ROW}
    dataset = read(make({"data.yaml": "train: images/x/images\nval: images/x/images\nnc: 1\n", **tree}))
    assert sorted(dataset.labels.files({})) == ["data.yaml", "images/x/labels/y/a.b.txt"]


def test_rows_of_every_kind_are_carried_and_drawn(make: Make) -> None:
    rows = {
        "box": ("0 0.5 0.5 0.5 0.5", (4, 2, 8, 4)),
        "tracked": ("0 0.5 0.5 0.5 0.5 0.9", (4, 2, 8, 4)),
        "obb": ("0 0.25 0.25 0.75 0.25 0.75 0.5 0.25 0.5", (4, 2, 8, 2)),
        "segment": ("0 0.25 0.25 0.75 0.5 0.5 0.75", (4, 2, 8, 4)),
        "pose": ("0 0.5 0.5 0.5 0.5" + " 0.1 0.1 2" * 17, (4, 2, 8, 4)),
        "words": ("person here", None),
        "empty": ("", None),
    }
    tree: Tree = {"data.yaml": "train: images\nval: images\nnc: 1\n"}
    for kind, (row, _) in rows.items():
        tree |= {f"images/{kind}.png": (16, 8), f"labels/{kind}.txt": row}
    dataset = read(make(tree))
    files, boxes = dataset.labels.files({}), dataset.labels.boxes()
    for kind, (row, box) in rows.items():
        assert files[f"labels/{kind}.txt"] == row.encode()
        assert boxes[f"images/{kind}.png"] == ([pytest.approx(box)] if box else [])


def test_odd_pose_rows_need_kpt_shape(make: Make) -> None:
    row = "0 0.5 0.5 0.5 0.5 0.1 0.1"
    tree: Tree = {"images/a.png": (16, 8), "labels/a.txt": row, "data.yaml": "train: images\nval: images\nnc: 1\n"}
    assert read(make(tree)).labels.boxes()["images/a.png"] != [pytest.approx((4, 2, 8, 4))]
    tree["data.yaml"] += "kpt_shape: [1, 2]\n"
    assert read(make(tree)).labels.boxes()["images/a.png"] == [pytest.approx((4, 2, 8, 4))]


def test_backgrounds_and_lost_labels(make: Make) -> None:
    more: Tree = {"images/train/empty.jpg": (8, 8), "labels/train/lost.txt": ROW, "labels/train/classes.txt": "person"}
    more |= {"labels/deep/er/lost.txt": ROW, "images/._a.jpg": "", "images/.hidden/x.jpg": (8, 8)}
    dataset = read(make({**USUAL, **more, "data.yaml": "train: images\nval: images/val\nnc: 1\n"}))
    assert [ref.place for ref in dataset.images] == [PLACES[0], "images/train/empty.jpg", PLACES[1]]
    lost = ["labels/deep/er/lost.txt", "labels/train/lost.txt"]
    assert [place for place, _ in dataset.refused] == lost
    assert all(isinstance(error, LabelWithoutPicture) and error.code == "SIR207" for _, error in dataset.refused)
    assert sorted(dataset.labels.files({})) == sorted(["data.yaml", *LABELS, *lost])


def test_no_labels_at_all(make: Make) -> None:
    root = make({"data.yaml": "train: images\nval: images\nnc: 1\n", "images/a.jpg": (8, 8)})
    assert read(root).labels.boxes() == {"images/a.jpg": []}


def test_a_split_that_is_not_there(make: Make) -> None:
    text = "train: images/train\nval: images/val\ntest: {0}images/test\nnc: 1\n"
    root = make({**USUAL, "data.yaml": text.format("")})
    dataset = read(root)
    assert [(place, type(error)) for place, error in dataset.refused] == [("images/test", MissingPicture)]
    assert dataset.labels.files({})["data.yaml"] == text.format("").encode()
    make({"data.yaml": text.format("/elsewhere/")})
    assert read(root).labels.files({})["data.yaml"] == text.format("").encode()
    make({"data.yaml": "train: nowhere\nval: neither\nnc: 1\n"})
    with pytest.raises(MissingPicture, match="none of the splits is there"):
        read(root)


def test_a_split_outside_is_refused(make: Make) -> None:
    root = make(
        {**USUAL, "data.yaml": f"train: images/train\nval: images/val\ntest: [{Path(__file__).parent}]\nnc: 1\n"}
    )
    dataset = read(root / "data.yaml")
    assert [type(error) for _, error in dataset.refused] == [EscapingPath]
    assert places(root / "data.yaml") == PLACES
    assert str(Path(__file__).parent).encode() not in dataset.labels.files({})["data.yaml"]


LISTS = {
    "dots": ("./images/train/a.jpg\n./images/val/b.jpg\n", None),
    "no end of line, windows lines": ("./images/train/a.jpg\r\n./images/val/b.jpg", None),
    "plain": ("images/train/a.jpg\n\nimages/val/b.jpg\n", "./images/train/a.jpg\n\n./images/val/b.jpg\n"),
    "absolute": ("{root}/images/train/a.jpg\n./images/val/b.jpg\n", "./images/train/a.jpg\n./images/val/b.jpg\n"),
    "backslash": ("images\\train\\a.jpg\nimages/val/b.jpg\n", "./images/train/a.jpg\n./images/val/b.jpg\n"),
    "comment": ("# all\n./images/train/a.jpg\n./images/val/b.jpg\n", None),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists(make: Make, name: str) -> None:
    text, wanted = LISTS[name]
    root = make({**USUAL, "data.yaml": "train: all.txt\nval: [images/val, all.txt]\nnc: 1\n"})
    text = text.format(root=root)
    make({"all.txt": text})
    dataset = read(root)
    assert [ref.place for ref in dataset.images] == PLACES and dataset.refused == ()
    files = dataset.labels.files({})
    assert files["all.txt"].decode() == (wanted or text)
    assert files["data.yaml"] == (root / "data.yaml").read_bytes()
    assert any("all.txt" in note for note in dataset.notes) == (wanted is not None)
    renamed = dataset.labels.files({PLACES[0]: "images/train/a.png"})
    assert renamed["all.txt"].decode() == (wanted or text).replace("a.jpg", "a.png")
    assert renamed["labels/train/a.txt"] == ROW.encode()


def test_a_list_in_a_folder_of_its_own(make: Make) -> None:
    root = make({**USUAL, "lists/all.txt": "images/train/a.jpg\nimages/val/b.jpg\n"})
    make({"data.yaml": "train: lists/all.txt\nval: images/val\nnc: 1\n"})
    assert read(root).labels.files({})["lists/all.txt"] == b"images/train/a.jpg\nimages/val/b.jpg\n"


def test_bad_lines_of_a_list_are_refused_alone(make: Make) -> None:
    lines = "./images/train/a.jpg\n./images/train/gone.jpg\n../../x.jpg\n/etc/x.jpg\nnotes.md\n./images/train/A.jpg\n"
    root = make({**USUAL, "all.txt": lines, "data.yaml": "train: all.txt\nval: all.txt\nnc: 1\n"})
    make({"images/train/unlisted.jpg": (8, 8), "labels/train/unlisted.txt": ROW, "labels/train/lost.txt": ROW})
    dataset = read(root)
    assert [ref.place for ref in dataset.images] == PLACES[:1]
    kinds = [(name, type(error)) for name, error in dataset.refused]
    assert kinds == [
        ("./images/train/gone.jpg", MissingPicture),
        ("../../x.jpg", EscapingPath),
        ("/etc/x.jpg", EscapingPath),
        ("./images/train/A.jpg", MissingPicture),
        ("labels/train/lost.txt", LabelWithoutPicture),
    ]
    assert dataset.refused[0][1].where == "all.txt line 2"
    assert "other capitals" in dataset.refused[3][1].why
    assert any("not converted: 1." in note for note in dataset.notes)
    assert b"/etc/" not in dataset.labels.files({})["all.txt"]


def test_several_yamls_are_not_guessed(make: Make) -> None:
    text = "train: images/train\nval: images/val\nnc: 1\n"
    root = make({**USUAL, "one.yaml": text, "two.yaml": text})
    with pytest.raises(UnrecognisedDataset) as caught:
        read(root)
    assert "one.yaml, two.yaml" in caught.value.why
    assert places(root / "two.yaml") == PLACES


def test_images_given(make: Make) -> None:
    root = make({"labels/train/a.txt": ROW, "visible/train/a.jpg": (16, 8), "infrared/train/a.jpg": (16, 8)})
    with pytest.raises(MissingPicture) as caught:
        read(root)
    assert f"e.g. {root}/visible or {root}/infrared" in caught.value.fix
    dataset = read(root, root / "visible")
    assert [(ref.place, ref.path) for ref in dataset.images] == [("images/train/a.jpg", root / "visible/train/a.jpg")]
    assert dataset.labels.files({}) == {"labels/train/a.txt": ROW.encode()}
    assert dataset.labels.boxes() == {"images/train/a.jpg": [(4, 2, 8, 4)]}
    with pytest.raises(LabelWithoutPicture):
        read(root, root / "visible/train")
    make({"data.yaml": "train: visible\nval: visible\nnc: 1\n"})
    with pytest.raises(UsageError):
        read(root / "data.yaml", root / "visible")


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
)
BROKEN = {
    "python tag": ("train: images\nval: !!python/object/apply:os.system ['touch hacked']\nnames: [x]\n", "tag"),
    "other tag": ("train: images\nval: images\nnames: !mine [x]\n", "tag"),
    "no yaml": ("train: [images\nval: images\nnames: [x]\n", "not a YAML file"),
    "a tab": ("train: images\n\tval: images\nnames: [x]\n", "not a YAML file"),
    "no split": ("train:\nval: ~\nnames: [x]\n", "no pictures named"),
    "a split that is a dict": ("train: {a: b}\nval: images\nnames: [x]\n", "is no path"),
    "deep": ("train: images\nval: images\nnames: " + "[" * 5000 + "]" * 5000, "nested too deep"),
    "bytes": (b"train: images\nval: images\nnames: [\xff]\n", "not a YAML file"),
    "long": ("train: images\nval: images\nnames: [x]\n" + "#" * 1_000_000, "too long"),
    "a merged path": ("<<: {path: /x}\ntrain: images\nval: images\nnames: [x]\n", "a merge key"),
    "two documents": ("train: images\nval: images\nnames: [x]\n---\nx: 1\n", "not a YAML file"),
    "unknown alias": ("train: images\nval: *nothing\nnames: [x]\n", "not a YAML file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_yaml(make: Make, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    text, what = BROKEN[name]
    root = make({"images/a.jpg": (8, 8), "data.yaml": text})
    with pytest.raises(BrokenLabels, match=what) as caught:
        read(root / "data.yaml")
    assert "data.yaml" in caught.value.where and caught.value.fix
    assert not (tmp_path / "hacked").exists()


def test_an_alias_bomb_is_not_expanded(make: Make) -> None:
    text = BOMB + "path: /gone\ntrain: images\nval: images\nnames: *k\n"
    dataset = read(make({"images/a.jpg": (8, 8), "data.yaml": text}))
    assert dataset.labels.files({})["data.yaml"] == text.replace("path: /gone\n", "").encode()


def test_an_anchor_in_the_way_is_said(make: Make) -> None:
    text = "path: &p images\ntrain: .\nval: .\nnc: 1\nname: *p\n"
    with pytest.raises(BrokenLabels, match="cannot be rewritten"):
        read(make({"images/a.jpg": (8, 8), "data.yaml": text}))
