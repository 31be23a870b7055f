"""A trained model trained further: on a few pairs, and on infrared pictures alone."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir import config as configuration
from synthir.checkpoint import load_model
from synthir.errors import UnknownName
from synthir.further import adapt, finetune
from synthir.layouts import find_pairs
from synthir.likeness import hold_apart
from synthir.pairs import PairSource, read_pair
from synthir.shipped import recipes_folder
from synthir.train_config import TrainConfig
from synthir.validation import painter
from tests import tiny

Short = Callable[[str, int, float], Path]
UNPAIRED = PairSource("unpaired", "visible", "infrared")


@pytest.fixture
def short(tmp_path: Path) -> Short:
    """The shipped recipe of the test, a few steps of two small crops long."""

    def made(name: str, steps: int, rate: float) -> Path:
        text = (recipes_folder() / name).read_text(encoding="utf-8")
        changes = {
            "steps": str(steps),
            "batch": "2",
            "warmup": "0",
            "save_every": str(steps),
            "sheet_every": str(steps),
            "learning_rate": f"{rate}",
        }
        lines = [
            f"{key} = {changes[key]}" if (key := line.partition("=")[0].strip()) in changes else line
            for line in text.splitlines()
        ]
        text = "\n".join(lines).replace("sizes = [160, 192, 224]", "sizes = [64]")
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return made


def error(folder: Path, pairs: Path) -> float:
    """Mean absolute difference to the real pictures, grey levels."""
    paint = painter(load_model(folder)[0], 32)
    found = [read_pair(pair) for pair in find_pairs(pairs, PairSource("folders", "visible", "infrared"))]
    return float(np.mean([np.abs(paint(visible).astype(float) - real).mean() for visible, real in found]))


def test_a_few_pairs_bring_a_model_nearer_to_them(tmp_path: Path, short: Short) -> None:
    start, pairs = tiny.model_folder(tmp_path / "start"), tiny.draw_pairs(tmp_path / "pairs", 6)
    recipe = short("finetune.toml", 40, 3e-3)
    made = finetune(str(start), pairs, tmp_path / "run", seed=0, recipe=recipe)
    assert error(made, pairs) < 0.7 * error(start, pairs)
    kept = configuration.load(tmp_path / "run/config.toml", TrainConfig)
    assert (kept.start, kept.generator, kept.steps) == (str(start), "", 40)


def test_infrared_alone_brings_the_tone_of_a_camera(tmp_path: Path, short: Short) -> None:
    """The camera's pictures are bright: so become the model's; what is brighter than its surroundings stays so.

    The log says so of pictures that were not trained on.
    """
    start, pairs = tiny.model_folder(tmp_path / "start"), tiny.draw_pairs(tmp_path / "pairs", 10)
    camera = tmp_path / "camera"
    camera.mkdir()
    for index in range(10):
        rng = np.random.default_rng(index)
        cv2.imwrite(str(camera / f"{index}.png"), rng.integers(200, 250, (96, 96)).astype(np.uint8))
    recipe = short("adapt.toml", 40, 3e-3)
    made = adapt(str(start), pairs / "visible", camera, tmp_path / "run", seed=0, recipe=recipe)
    before, after = (painter(load_model(folder)[0], 32) for folder in (start, made))
    visible = [read_pair(pair)[0] for pair in find_pairs(pairs, PairSource("folders", "visible", "infrared"))]
    levels = [np.mean([paint(rgb).mean() for rgb in visible]) for paint in (before, after)]
    assert abs(levels[1] - 225.0) < 0.8 * abs(levels[0] - 225.0), levels
    same = [np.corrcoef(before(rgb).ravel(), after(rgb).ravel())[0, 1] for rgb in visible]
    assert min(same) > 0.5, same
    (row,) = csv.DictReader((tmp_path / "run/log.csv").read_text(encoding="utf-8").splitlines())
    held = hold_apart("visible", find_pairs(pairs, replace(UNPAIRED, infrared=str(camera)))[8:], {}, most=9)
    assert float(row["visible_likeness"]) == pytest.approx(held.figures(after)["visible_likeness"], abs=0.01)
    assert float(row["visible_levels"]) > held.figures(before)["visible_levels"]
    assert sorted(path.name for path in (tmp_path / "run/sheets").iterdir()) == ["0000040-visible.png"]


def test_a_model_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="cascade-lwir-s"):
        finetune("cascade-lwir-x", tmp_path, tmp_path / "run", seed=0)
