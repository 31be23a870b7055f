"""Leakage: by bytes, by name and boxes, by scene, by looks, by what a generator's record says; unknown is said too."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir.dataset import Object
from synthir.errors import ConfigError
from synthir.gain import Rules
from synthir.gain_data import read
from synthir.labelled import LabelledPicture, LabelSource, read_labelled
from synthir.leakage import leaks, scene_of
from synthir.pairs import PairSource
from synthir.seen import record
from synthir.specs import Band
from synthir.train_config import TrainConfig
from synthir.verdict import judge
from tests import streets, tiny
from tests.trials import arm, draws

OTHERS = ("train", "real", "validation", "elsewhere", "before")
"""What pictures may be for besides the test; the last one is the name of a dataset."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return streets.draw(tmp_path_factory.mktemp("streets"))


def street(drawn: Path, name: str) -> list[LabelledPicture]:
    return read_labelled(drawn, LabelSource(f"{name}.json", "infrared"))


def model_that_saw(drawn: Path, folder: Path, street: str) -> str:
    """A model folder whose record holds the pictures of one street."""
    tiny.model_folder(folder)
    sources = (PairSource("folders", "visible", "infrared", pattern=f"{street}*"),)
    record(folder, TrainConfig(generator="cascade_s", band=Band.LWIR, sources=sources, steps=1), drawn)
    return str(folder)


def test_the_same_bytes_under_another_name(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes((drawn / "infrared/c03.png").read_bytes())
    other = LabelledPicture("x.png", tmp_path / "x.png", 160, 128, ())
    (found,) = leaks({"test": street(drawn, "c"), "train": [other]}, {}, {}, "").found
    assert found == "1 of 16 test pictures are train pictures too, e.g. infrared/c03.png is x.png"


@pytest.mark.parametrize("role", OTHERS)
def test_the_same_view_in_another_band(drawn: Path, role: str) -> None:
    twins = read_labelled(drawn, LabelSource("c.json", "visible"))
    boxed = sum(bool(picture.objects) for picture in twins)
    (found,) = leaks({"test": street(drawn, "c"), role: twins}, {}, {}, "").found
    assert found == (
        f"{boxed} of 16 test pictures have the file name and the boxes of one in {role}, "
        f"e.g. infrared/c00.png and visible/c00.png, boxes: {len(twins[0].objects)}"
    )


BOX, FAR = Object("person", (10.0, 20.0, 16.0, 32.0)), Object("person", (90.0, 20.0, 16.0, 32.0))


@pytest.mark.parametrize(
    ("name", "objects", "scale", "same"),
    [
        ("1.jpg", (BOX, FAR), 1, True),
        ("1.png", (FAR, BOX), 1, True),
        ("1.jpg", (BOX._replace(box=(20.0, 40.0, 32.0, 64.0)), FAR._replace(box=(180.0, 40.0, 32.0, 64.0))), 2, True),
        ("1.jpg", (BOX._replace(box=(10.4, 20.0, 16.0, 32.0)), FAR), 1, True),  # under 0.005 of 160 pixels
        ("1.jpg", (BOX._replace(box=(11.0, 20.0, 16.0, 32.0)), FAR), 1, False),
        ("1.jpg", (BOX._replace(name="car"), FAR), 1, False),
        ("1.jpg", (BOX,), 1, False),
        ("1.jpg", (BOX, FAR, FAR), 1, False),
        ("1.jpg", (), 1, False),
        ("2.jpg", (BOX, FAR), 1, False),
    ],
)
def test_what_the_same_view_is(tmp_path: Path, name: str, objects: tuple[Object, ...], scale: int, same: bool) -> None:
    for number, path in enumerate((tmp_path / "test/1.jpg", tmp_path / "train" / name)):
        path.parent.mkdir()
        path.write_bytes(bytes([number]))
    test = LabelledPicture("1.jpg", tmp_path / "test/1.jpg", 160, 128, (BOX, FAR))
    bare = replace(test, name="bare.jpg", objects=())
    other = LabelledPicture(name, tmp_path / "train" / name, 160 * scale, 128 * scale, objects)
    found = leaks({"test": [bare, test], "train": [replace(other, objects=(FAR,)), other]}, {}, {}, "").found
    assert bool(found) is same
    assert not same or found[0].startswith("1 of 2 test pictures have the file name and the boxes of one in train")


def test_the_visible_twins_of_the_test_pictures_are_refused_unless_told(drawn: Path) -> None:
    twins = streets.sources(train=LabelSource("c.json", "visible"), scene="")
    with pytest.raises(ConfigError, match="of 16 test pictures have the file name and the boxes of one in train"):
        read(drawn, twins, streets.ARMS)
    (found,) = read(drawn, replace(twins, allow_leakage=True), streets.ARMS).leakage.found
    assert "of one in train" in found


def test_scenes_that_were_not_compared_are_a_sentence_of_the_verdict(drawn: Path) -> None:
    arms = [arm(name, [0.4, 0.41, 0.42]) for name in ("grayscale", "mix")]
    roles = {"test": street(drawn, "c")}
    unknown, known = (
        judge(arms, draws(arms), Rules(), notes=["a", *leaks(roles, {}, {}, scene).notes]) for scene in ("", "^(c)")
    )
    assert unknown.verdict[:2] == (
        "These figures may be of places that were seen in training: "
        "scenes were not compared by name: pictures.scene is empty.",
        "No measurable gain over grayscale.",
    )
    assert known.verdict == unknown.verdict[1:]
    assert unknown.notes == known.notes == ("a",)


@pytest.mark.parametrize("role", OTHERS)
def test_a_scene_is_looked_for_in_everything(drawn: Path, role: str) -> None:
    test, others = street(drawn, "c")[:8], street(drawn, "c")[8:]
    roles = {"test": test, "train": street(drawn, "a"), role: others}
    said = [line for line in leaks(roles, {}, {}, "^([a-z])").found if "of a scene in" in line]
    example = "e.g. infrared/c00.png and infrared/c08.png, both c"
    assert said == [f"8 of 8 test pictures are of a scene in {role}, {example}"]


def test_a_scene_by_name(drawn: Path) -> None:
    (picture,) = street(drawn, "c")[:1]
    assert scene_of(picture, "^([a-z])") == "c"
    assert scene_of(picture, r"^(\d)") == "no scene in infrared/c00.png"
    one, other = street(drawn, "c")[:8], street(drawn, "c")[8:]
    (found,) = leaks({"test": one, "train": other}, {}, {}, "^([a-z])").found
    assert found.startswith("8 of 8 test pictures are of a scene in train, e.g.")
    assert leaks({"test": one, "train": other}, {}, {}, "").found == ()


@pytest.mark.parametrize("role", OTHERS[1:])
def test_infrared_of_the_same_place_looks_alike(drawn: Path, tmp_path: Path, role: str) -> None:
    datasets = {"before": tmp_path} if role == "before" else {}
    test = street(drawn, "c")
    brighter = []
    for picture in test[:5]:
        grey = np.asarray(cv2.imread(str(picture.path), cv2.IMREAD_GRAYSCALE))
        path = tmp_path / f"{picture.path.stem}.jpg"
        cv2.imwrite(str(path), cv2.convertScaleAbs(grey, alpha=1.1, beta=5))
        brighter.append(LabelledPicture(path.name, path, 160, 128, ()))
    (found,) = leaks({"test": test, role: brighter}, {}, datasets, "").found
    assert int(found.split()[0]) >= 5 and f"of 16 test pictures look like one in {role}, e.g. c0" in found
    assert leaks({"test": test, role: street(drawn, "a")}, {}, datasets, "").found == ()


def test_what_a_generator_was_trained_on(drawn: Path, tmp_path: Path, small_engine: Path) -> None:
    saw_test, saw_other = (model_that_saw(drawn, tmp_path / name, name) for name in ("c", "a"))
    roles = {"test": street(drawn, "c")}
    (found,) = leaks(roles, {"mine": saw_test}, {}, "^(c)").found
    assert found == "16 of 16 test pictures look like one that mine was trained on, e.g. c00.png, 0 of 256 bits apart"
    assert leaks(roles, {"mine": saw_other}, {}, "^(c)") == leaks(roles, {}, {}, "^(c)")
    for path in small_engine.parent.iterdir():  # read wants an engine that could convert, too
        shutil.copy(path, Path(saw_test) / path.name.replace("mean", "engine"))
    with pytest.raises(ConfigError, match="16 of 16 test pictures look like one that mine was trained on"):
        read(drawn, streets.sources(generators={"mine": saw_test}), streets.ARMS)
    allowed = streets.sources(generators={"mine": saw_test}, allow_leakage=True)
    assert read(drawn, allowed, streets.ARMS).leakage.found == (found,)


def test_no_record_is_unknown_and_not_clean(drawn: Path, tmp_path: Path, small_engine: Path) -> None:
    seen = leaks({"test": street(drawn, "c")}, {"mean": str(small_engine)}, {}, "^(c)")
    assert seen.found == ()
    assert seen.notes == ("mean has no record of what it was trained on: whether it saw test pictures is not known",)


def test_the_shipped_model_knows_scene_01_and_not_scene_19(data: Path) -> None:
    source = LabelSource("llvip256_labelled/boxes_test.json", "llvip256_labelled/infrared/test")
    known = replace(
        source, source=source.source.replace("test", "train"), images=source.images.replace("test", "train")
    )
    place = {"shipped": "cascade-lwir-s"}
    assert leaks({"test": read_labelled(data, source)}, place, {}, "").found == ()
    (found,) = leaks({"test": read_labelled(data, known)}, place, {}, "").found
    assert found.startswith("210 of 210 test pictures look like one that shipped was trained on")
