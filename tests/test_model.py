"""SynthIR in Python: one picture, a dataset, and a model folder that is saved and read again."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir import SynthIR, convert, formats, open_engine
from synthir.compile import compile_engine
from synthir.errors import UnknownName, UnsupportedPicture, UsageError
from synthir.files import sha256_file, walk_files
from synthir.frames import from_network, pad
from synthir.specs import Precision
from tests import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of the tiny cascade with its engine."""
    place = tiny.model_folder(tmp_path_factory.mktemp("model") / "tiny")
    compile_engine(place, place / "engine.xml", "openvino", Precision.FLOAT32)
    return place


def rgb(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (50, 71), (1, 1), (33, 200)])
def test_a_picture_keeps_its_grid(folder: Path, height: int, width: int) -> None:
    visible = rgb(height, width)
    with SynthIR.from_pretrained(folder) as model, open_engine(folder / "engine.xml") as engine:
        infrared = model(visible)
        expected = from_network(engine.run(pad(visible, 32)[None])[0], height, width)
    assert infrared.dtype == np.uint8
    np.testing.assert_array_equal(infrared, expected)


def test_a_lone_engine_gives_the_same_picture(folder: Path) -> None:
    visible = rgb(40, 60)
    with SynthIR.from_pretrained(folder) as model, SynthIR.from_engine(folder / "engine.xml") as lone:
        np.testing.assert_array_equal(model(visible), lone(visible))
        with pytest.raises(UsageError, match="no weights"):
            lone.save_pretrained(folder / "copy")


@pytest.mark.parametrize(
    "bad",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8), None, "a.jpg"],
)
def test_what_is_not_a_picture_is_refused(folder: Path, bad: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    with SynthIR.from_pretrained(folder) as model, pytest.raises(UnsupportedPicture, match="expected"):
        model(bad)


def test_a_saved_model_is_the_same_model(folder: Path, tmp_path: Path) -> None:
    with SynthIR.from_pretrained(folder) as model:
        saved = model.save_pretrained(tmp_path / "saved")
        with pytest.raises(UsageError, match="there already"):
            model.save_pretrained(tmp_path / "saved")
    for path in folder.iterdir():
        assert sha256_file(saved / path.name) == sha256_file(path)
    with SynthIR.from_pretrained(saved) as again, SynthIR.from_pretrained(folder) as model:
        np.testing.assert_array_equal(again(rgb(30, 30)), model(rgb(30, 30)))


def test_converting_in_python_writes_what_the_functions_below_write(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "pictures"
    source.mkdir()
    for index in range(3):
        cv2.imwrite(str(source / f"{index}.png"), rgb(20 + index, 30))
    with SynthIR.from_pretrained(folder) as model:
        manifest = model.convert(source, out=tmp_path / "one")
        planned = convert.plan(formats.read(source), tmp_path / "two", model.spec, convert.Options())
        convert.run(planned, model.engine, lambda done, refused, total: None)
    assert manifest.counts["pictures"] == 3
    one, two = (
        {p.relative_to(out): p.read_bytes() for p in walk_files(out)} for out in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two and len(one) == 4


def test_an_unknown_name_lists_what_is_shipped() -> None:
    with pytest.raises(UnknownName, match="synthir models ls"):
        SynthIR.from_pretrained("cascade-lwir-xxl")
