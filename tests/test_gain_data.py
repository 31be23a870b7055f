"""The pictures of a comparison: classes by name, unknown kinds, leakage; every refusal before anything is made."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir.arms import Mix, Part
from synthir.errors import BrokenLabels, ConfigError, MissingPicture
from synthir.gain_compare import told
from synthir.gain_data import makers, read
from synthir.labelled import LabelSource
from synthir.model import SynthIR
from tests import streets


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return streets.draw(tmp_path_factory.mktemp("streets"))


def relabelled(folder: Path, out: Path, old: str, new: str) -> str:
    """A copy of the labels of street c with another class name."""
    text = (folder / "c.json").read_text().replace(f'"{old}"', f'"{new}"')
    (out / "other.json").write_text(text)
    return str(out / "other.json")


def test_what_would_be_done_is_said(drawn: Path) -> None:
    lines = told(streets.setup(streets.sources()), drawn)
    assert lines[0] == "train: 32 pictures, 88 boxes"
    assert lines[-1] == "2 arms, 3 seeds: 6 trainings"
    assert "note: no arm rgb: no difference to it" in lines


def test_classes_that_do_not_match_are_all_named(drawn: Path, tmp_path: Path) -> None:
    other = LabelSource(relabelled(drawn, tmp_path, "person", "pedestrian"), str(drawn / "infrared"))
    with pytest.raises(ConfigError) as caught:
        read(drawn, streets.sources(test=other), streets.ARMS)
    assert "train has 'person', the test labels have not" in caught.value.why
    assert "the test labels have 'pedestrian', train has not" in caught.value.why
    mapped = streets.sources(test=other, classes={"pedestrian": "person"})
    assert read(drawn, mapped, streets.ARMS).classes == {"person": 0}


def test_a_class_mapped_to_nothing_is_left_out(drawn: Path) -> None:
    with pytest.raises(ConfigError, match="no class of the test labels is left"):
        read(drawn, streets.sources(classes={"person": ""}), streets.ARMS)


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        (Mix("a", (Part("realistic"),)), "a: realistic"),
        (Mix("a", (Part("elsewhere"),)), "a: elsewhere"),
        (Mix("a", (Part("grayscale+real"),)), "cannot be layered"),
    ],
)
def test_kinds_that_nothing_makes_are_refused(drawn: Path, arm: Mix, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("+", r"\+")):
        read(drawn, streets.sources(), (arm,))


def test_more_real_pictures_than_there_are(drawn: Path) -> None:
    arms = (*streets.ARMS, Mix("many", (Part("real", count=33),)), Mix("large", (Part("grayscale", variants=3),)))
    with pytest.raises(ConfigError) as caught:
        told(streets.setup(streets.sources(), arms), drawn)
    assert "many: 33 of real, there are 32" in caught.value.why
    assert "large: 96 of grayscale, a round shows 64" in caught.value.why


@pytest.mark.parametrize("name", ["test", "train", "validation", "grayscale"])
def test_no_generator_takes_the_name_of_a_role_or_a_kind(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is the name of another kind"):
        streets.sources(generators={name: "cascade-lwir-s"})


def test_labels_without_boxes_are_refused(drawn: Path, tmp_path: Path) -> None:
    labels = json.loads((drawn / "c.json").read_text()) | {"annotations": []}
    (tmp_path / "none.json").write_text(json.dumps(labels))
    none = LabelSource(str(tmp_path / "none.json"), str(drawn / "infrared"))
    with pytest.raises(BrokenLabels, match="no boxes"):
        read(drawn, streets.sources(test=none), streets.ARMS)


def test_a_converted_dataset_is_an_arm(drawn: Path, tmp_path: Path, small_engine: Path) -> None:
    with SynthIR.from_engine(small_engine) as model:
        model.convert(drawn / "a.json", images=drawn / "visible", out=tmp_path / "ir")
    labels = next((tmp_path / "ir").rglob("a.json"))
    chosen = streets.sources(datasets={"before": LabelSource(str(labels), str(labels.parent / "visible"))})
    arms = (Mix("before", (Part("before"),)),)
    pictures = read(drawn, chosen, arms)
    assert len(pictures.by_role["before"]) == 32
    assert any("before has no record" in note for note in pictures.leakage.notes)  # the mean engine has none
    made = makers(drawn, chosen, pictures, ["before"], tmp_path, lambda line: None)["before"]
    visible = np.asarray(cv2.imread(str(drawn / "visible/a00.png")), np.float32)
    assert np.abs(made.paint(0).astype(np.float32) - visible.mean(axis=2)).max() <= 1.0


def test_an_empty_split_is_refused(drawn: Path) -> None:
    empty = replace(streets.sources(), validation=LabelSource("b.json", "infrared", pattern="x*"))
    with pytest.raises(MissingPicture, match="no pictures"):
        read(drawn, empty, streets.ARMS)


def test_a_test_on_training_pictures_is_refused_unless_told(drawn: Path) -> None:
    same = streets.sources(test=LabelSource("a.json", "infrared"))
    with pytest.raises(ConfigError) as caught:
        read(drawn, same, streets.ARMS)
    assert "32 of 32 test pictures are real pictures too" in caught.value.why
    assert (
        "32 of 32 test pictures are of a scene in train, e.g. infrared/a00.png and visible/a00.png, both a"
        in caught.value.why
    )
    allowed = read(drawn, replace(same, allow_leakage=True), streets.ARMS)
    assert any("are real pictures too" in line for line in allowed.leakage.found)


def test_a_generator_converts_the_training_pictures_alone(drawn: Path, tmp_path: Path, small_engine: Path) -> None:
    chosen = replace(streets.sources(small_engine), train=LabelSource("a.json", "visible", pattern="a0*"))
    arms = (Mix("mean", (Part("mean"),)),)
    pictures = read(drawn, replace(chosen, allow_leakage=True), arms)
    made = makers(drawn, chosen, pictures, ["mean"], tmp_path, lambda line: None)
    assert len(made["mean"].pictures) == 10
    visible = np.asarray(cv2.imread(str(drawn / "visible/a03.png")), np.float32)
    assert np.abs(made["mean"].paint(3).astype(np.float32) - visible.mean(axis=2)).max() <= 1.0
    assert sorted(path.name for path in tmp_path.rglob("a*.png")) == [f"a{n:02d}.png" for n in range(10)]
