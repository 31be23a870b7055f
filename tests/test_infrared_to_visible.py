"""The other way: infrared pictures with labels become colour pictures with the same labels, end to end."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from synthir import generators
from synthir.checkpoint import load_model, save_model
from synthir.cli import main
from synthir.compile import compile_engine
from synthir.frames import from_network, to_network
from synthir.images import is_marked
from synthir.manifest import CAUTION_COLOURS, MANIFEST
from synthir.specs import Band, Precision
from tests import tiny

SETTINGS = {"inputs": 1, "outputs": 3, "width": 4}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow pix2pix from infrared to visible, compiled; nobody trained it."""
    folder = tmp_path_factory.mktemp("colour")
    torch.manual_seed(0)
    module = generators.build("pix2pix", SETTINGS).eval()
    save_model(module, folder / "model", "pix2pix", SETTINGS, Band.VISIBLE)
    return compile_engine(folder / "model", folder / "engine.xml", precision=Precision.FLOAT32)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Grey pictures with a YOLO label each."""
    drawn = tiny.draw_pairs(tmp_path / "drawn", 3)
    for index, path in enumerate(sorted((drawn / "infrared").iterdir())):
        for kind in ("images", "labels"):
            (tmp_path / "thermal" / kind).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "thermal/images" / path.name)
        (tmp_path / "thermal/labels" / f"{path.stem}.txt").write_text(f"{index % 2} 0.5 0.5 0.25 0.2{index}\n")
    (tmp_path / "thermal/data.yaml").write_text("path: .\ntrain: images\nval: images\nnames: [car, person]\n")
    return tmp_path / "thermal"


def status(*words: str | Path) -> int:
    """The exit status of a command line."""
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return int(left.value.code or 0)


def test_grey_pictures_become_colour_pictures_with_their_labels(
    engine: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status("convert", source, "--engine", engine, "--quiet") == 0
    assert "3 colour pictures, 4 label files" in capsys.readouterr().out
    out = tmp_path / "thermal-rgb"
    module, _ = load_model(engine.parent / "model")
    for path in sorted((source / "images").iterdir()):
        data = (out / "images" / path.name).read_bytes()
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert bgr is not None and grey is not None and is_marked(data)
        made = bgr[:, :, ::-1]
        with torch.inference_mode():
            frame = torch.from_numpy(to_network(np.repeat(grey[:, :, None], 3, axis=2), 256)[None])
            expected = from_network(module(frame)[0].numpy(), *grey.shape)
        assert made.shape == (*grey.shape, 3) and np.abs(made.astype(int) - expected).max() <= 1
        assert np.ptp(made.astype(int), axis=2).max() > 0  # colours, not one plane three times
        label = f"labels/{path.stem}.txt"
        assert (out / label).read_bytes() == (source / label).read_bytes()
    assert json.loads((out / MANIFEST).read_text())["caution"] == CAUTION_COLOURS
    assert status("verify", out, "--source", source) == 0


def test_colours_have_no_polarity(engine: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("convert", source, "--engine", engine, "--polarity", "black-hot", "--out", source.parent / "out")
    assert status(*words) == 2
    assert "nothing in them is hot" in capsys.readouterr().err and not (source.parent / "out").exists()


def test_sixteen_bits_of_three_colours_do_not_fit_a_tif(
    engine: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("convert", source, "--engine", engine, "--bit-depth", "16", "--out", source.parent / "out")
    assert status(*words, "--ext", "tif") == 2
    assert "one channel only" in capsys.readouterr().err
