"""Leakage: by bytes, by the scene in a name, by looks, and by what a generator's record says; unknown is said too."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir.errors import ConfigError
from synthir.gain_data import read
from synthir.labelled import LabelledPicture, LabelSource, read_labelled
from synthir.leakage import leaks, scene_of
from synthir.pairs import PairSource
from synthir.seen import record
from synthir.specs import Band
from synthir.train_config import TrainConfig
from tests import streets, tiny


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


def test_a_scene_by_name(drawn: Path) -> None:
    (picture,) = street(drawn, "c")[:1]
    assert scene_of(picture, "^([a-z])") == "c"
    assert scene_of(picture, r"^(\d)") == "no scene in infrared/c00.png"
    one, other = street(drawn, "c")[:8], street(drawn, "c")[8:]
    (found,) = leaks({"test": one, "train": other}, {}, {}, "^([a-z])").found
    assert found.startswith("8 of 8 test pictures are of a scene in train, e.g.")
    assert leaks({"test": one, "train": other}, {}, {}, "").found == ()


def test_real_infrared_of_the_same_place_looks_alike(drawn: Path, tmp_path: Path) -> None:
    test = street(drawn, "c")
    brighter = []
    for picture in test[:5]:
        grey = np.asarray(cv2.imread(str(picture.path), cv2.IMREAD_GRAYSCALE))
        path = tmp_path / f"{picture.path.stem}.jpg"
        cv2.imwrite(str(path), cv2.convertScaleAbs(grey, alpha=1.1, beta=5))
        brighter.append(LabelledPicture(path.name, path, 160, 128, ()))
    (found,) = leaks({"test": test, "real": brighter}, {}, {}, "").found
    assert int(found.split()[0]) >= 5 and "of 16 test pictures look like one in real, e.g. c0" in found
    assert leaks({"test": test, "real": street(drawn, "a")}, {}, {}, "").found == ()


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
