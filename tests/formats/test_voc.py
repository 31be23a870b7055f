"""VOC folders as they are met in the wild."""

import os
from pathlib import Path

import pytest

from synthir.errors import BrokenLabels, EscapingPath, LabelWithoutPicture, MissingPicture, UnrecognisedDataset
from synthir.formats import read, recognised

from .conftest import Make, Tree

BOX = "<object><bndbox><xmin>1.5</xmin><ymin>2</ymin><xmax>4</xmax><ymax>6</ymax></bndbox></object>"


def xml(name: str, more: str = "<size><width>12</width><height>8</height></size>") -> str:
    """An annotation of a picture, with a size and a box."""
    return f"<annotation>\n\t<filename>{name}</filename>\n{more}{BOX}</annotation>"


def usual(**more: object) -> Tree:
    return {"Annotations/a.xml": xml("a.jpg"), "JPEGImages/a.jpg": (12, 8), **more}


def test_what_is_carried(make: Make) -> None:
    more = {"ImageSets/Main/x.txt": "a 1\n", "SegmentationClass/a.png": (12, 8), "other/b.txt": "no"}
    root = make({**usual(), **more})
    dataset = read(root)
    ref = dataset.images[0]
    assert (ref.place, ref.path, ref.where) == ("JPEGImages/a.jpg", root / "JPEGImages/a.jpg", "Annotations/a.xml")
    assert (ref.width, ref.height) == (12, 8)
    files = dataset.labels.files({"JPEGImages/a.jpg": "JPEGImages/a.tif"})
    assert sorted(files) == ["Annotations/a.xml", "ImageSets/Main/x.txt", "SegmentationClass/a.png"]
    assert files["Annotations/a.xml"].decode() == xml("a.tif")
    assert files["SegmentationClass/a.png"] == (root / "SegmentationClass/a.png").read_bytes()
    assert dataset.labels.boxes() == {"JPEGImages/a.jpg": [(1.5, 2, 2.5, 4)]}


@pytest.mark.parametrize("name", ["a.jpg", "", "  ", "a", "a.JPEG", "other.png", " a.jpg\n"])
def test_the_picture_is_found_by_filename_or_by_the_name_of_the_xml(make: Make, name: str) -> None:
    dataset = read(make(usual() | {"Annotations/a.xml": xml(name)}))
    assert [ref.place for ref in dataset.images] == ["JPEGImages/a.jpg"]
    renamed = dataset.labels.files({"JPEGImages/a.jpg": "JPEGImages/a.png"})["Annotations/a.xml"].decode()
    assert renamed == xml(name.replace("a.jpg", "a.png"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings(make: Make, encoding: str) -> None:
    declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    text = declared + xml("é &amp; b.jpg").replace(BOX, f"{BOX}<x>é</x>")
    dataset = read(make({"Annotations/x.xml": text.encode(encoding), "JPEGImages/é & b.jpg": (12, 8)}))
    place = "JPEGImages/é & b.jpg"
    assert [ref.place for ref in dataset.images] == [place]
    renamed = dataset.labels.files({place: "JPEGImages/é & b.png"})["Annotations/x.xml"]
    assert renamed == text.replace("b.jpg", "b.png").encode(encoding)


def test_pictures_elsewhere(make: Make) -> None:
    root = make({"set/Annotations/a.xml": xml("a.jpg"), "set/visible/a.jpg": (12, 8), "far/a.jpg": (12, 8)})
    with pytest.raises(MissingPicture) as caught:
        read(root / "set")
    assert str(root / "set/visible") in caught.value.fix
    assert [ref.place for ref in read(root / "set", root / "set/visible").images] == ["visible/a.jpg"]
    far = read(root / "set", root / "far")
    assert [(ref.place, ref.path) for ref in far.images] == [("JPEGImages/a.jpg", root / "far/a.jpg")]
    assert far.protected[0] == root / "far"
    renamed = far.labels.files({"JPEGImages/a.jpg": "JPEGImages/a.png"})
    assert renamed["Annotations/a.xml"].decode() == xml("a.png")


def test_folders_in_annotations(make: Make) -> None:
    root = make({"Annotations/x/a.xml": xml("a.jpg"), "Annotations/y/a.xml": xml("a.jpg")})
    make({"JPEGImages/x/a.jpg": (12, 8), "JPEGImages/y/a.jpg": (12, 8)})
    dataset = read(root)
    assert [ref.place for ref in dataset.images] == ["JPEGImages/x/a.jpg", "JPEGImages/y/a.jpg"]


def test_one_bad_file_costs_one_picture(make: Make) -> None:
    bad = {
        "bomb": '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + xml("a.jpg").replace("1.5", "&b;"),
        "outside": '<!DOCTYPE x SYSTEM "file:///etc/hosts">' + xml("a.jpg"),
        "broken": xml("a.jpg")[:-4],
        "climbs": xml("../../a.jpg"),
        "empty": "",
        "gone": xml("gone.jpg"),
        "UPPER": xml("UPPER.jpg"),
    }
    root = make(usual() | {f"Annotations/{name}.xml": text for name, text in bad.items()})
    make({"JPEGImages/upper.jpg": (12, 8), "JPEGImages/unlisted.jpg": (12, 8)})
    dataset = read(root)
    assert [ref.place for ref in dataset.images] == ["JPEGImages/a.jpg"]
    assert {Path(place).stem: type(error) for place, error in dataset.refused} == {
        **dict.fromkeys(("bomb", "outside", "broken", "empty"), BrokenLabels),
        "climbs": EscapingPath,
        "gone": LabelWithoutPicture,
        "UPPER": LabelWithoutPicture,
    }
    reasons = {Path(place).stem: error.why for place, error in dataset.refused}
    assert "document type" in reasons["bomb"] and "other capitals" in reasons["UPPER"]
    assert dataset.notes == ("Pictures in the folders read that no label names, not converted: 2.",)
    assert len(dataset.labels.files({})) == 8


def test_odd_sizes_and_boxes(make: Make) -> None:
    text = xml("a.jpg", "<size><width>12.5</width><height>-8</height></size>")
    text = text.replace("</annotation>", "<object><bndbox><xmin>x</xmin></bndbox></object></annotation>")
    dataset = read(make(usual() | {"Annotations/a.xml": text}))
    assert (dataset.images[0].width, dataset.images[0].height) == (0, 0)
    assert dataset.labels.boxes() == {"JPEGImages/a.jpg": [(1.5, 2, 2.5, 4)]}


def test_only_the_filename_of_the_picture_is_spliced(make: Make) -> None:
    parts = "<filename>a.jpg</filename><path>/x/a.jpg</path><object><part><filename>a.jpg</filename></part></object>"
    text = f"<annotation><source><filename>a.jpg</filename></source>{parts}<!-- a.jpg --></annotation>"
    dataset = read(make(usual() | {"Annotations/a.xml": text}))
    renamed = dataset.labels.files({"JPEGImages/a.jpg": "JPEGImages/a.png"})["Annotations/a.xml"].decode()
    head, tail = text.split(parts)
    assert renamed == head + parts.replace("a.jpg", "a.png", 1) + tail


def test_a_folder_without_xml_is_no_voc(make: Make) -> None:
    root = make({"Annotations/readme.txt": "x", "JPEGImages/a.jpg": (12, 8)})
    assert recognised(root) == ("folder",)


def test_label_names_that_are_not_text_are_refused(make: Make) -> None:
    root = make({**usual(), "ImageSets/x.txt": "a\n"})
    try:
        for place in (b"/Annotations/\xff.xml", b"/ImageSets/\xff.txt"):
            Path(os.fsdecode(os.fsencode(root) + place)).write_text(xml("a.jpg"), encoding="utf-8")
    except OSError:
        pytest.skip("this disk has no such names")
    dataset = read(root)
    assert list(dataset.labels.files({})) == ["Annotations/a.xml", "ImageSets/x.txt"]
    assert [(name, error.code) for name, error in dataset.refused] == [
        ("Annotations/\\udcff.xml", "SIR302"),
        ("ImageSets/\\udcff.txt", "SIR302"),
    ]


def test_a_file_is_no_voc_folder(make: Make) -> None:
    with pytest.raises(UnrecognisedDataset, match="a file is no VOC folder"):
        read(make(usual()) / "Annotations/a.xml", format="voc")
