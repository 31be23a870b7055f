"""A trained model trained further: on a few pairs, and on infrared pictures alone."""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from synthir import config as configuration
from synthir import generators
from synthir.checkpoint import load_model, save_model
from synthir.errors import UnknownName
from synthir.further import adapt, finetune, further, staged
from synthir.layouts import find_pairs
from synthir.likeness import hold_apart
from synthir.pairs import PairSource, read_pair
from synthir.shipped import recipes_folder
from synthir.specs import Band
from synthir.train_config import TrainConfig, Weights
from synthir.validation import painter
from tests import tiny

Short = Callable[[str, int, float], Path]
FOLDERS = PairSource("folders", "visible", "infrared")
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


COLOURS = {"inputs": 1, "outputs": 3, "width": 4}
KINDS: list[tuple[str, dict[str, Any], Band]] = [
    ("guided", generators.settings_of("guided_s")[1], Band.LWIR),
    ("pix2pix", {"width": 4}, Band.NIR),
    ("pix2pix", COLOURS, Band.VISIBLE),
    ("cyclegan", {"width": 4, "blocks": 1}, Band.LWIR),
]


@pytest.mark.parametrize(("network", "settings", "band"), KINDS)
@pytest.mark.parametrize("kind", ["finetune", "adapt"])
def test_models_of_every_shape_are_trained_further_by_the_shipped_recipe(
    kind: str, network: str, settings: dict[str, Any], band: Band, tmp_path: Path
) -> None:
    """One stage, crops of 256 where the network halves eight times, and the direction that the model goes."""
    torch.manual_seed(0)
    save_model(generators.build(network, settings), tmp_path / "start", network, settings, band)
    pairs = tiny.draw_pairs(tmp_path / "pairs", 2)
    text = (recipes_folder() / f"{kind}.toml").read_text(encoding="utf-8")
    short = re.sub(r"(?m)^(steps|save_every|sheet_every|warmup) = \d+", r"\1 = 1", text)
    (tmp_path / "recipe.toml").write_text(re.sub(r"(?m)^batch = \d+", "batch = 2", short), encoding="utf-8")
    how = {"seed": 0, "recipe": tmp_path / "recipe.toml"}
    start, run = str(tmp_path / "start"), tmp_path / "run"
    if kind == "finetune":
        made = finetune(start, pairs, run, **how)  # type: ignore[arg-type]
    else:
        made = adapt(start, pairs / "visible", pairs / "infrared", run, **how)  # type: ignore[arg-type]
    kept = configuration.load(run / "config.toml", TrainConfig)
    assert kept.weights.stages == (1.0,) and kept.band == band
    assert kept.augmentation.sizes == ((256,) if network == "pix2pix" else (160, 192, 224))
    assert kept.direction == ("infrared-to-visible" if band == Band.VISIBLE else "visible-to-infrared")
    before, after = (load_model(folder)[0].state_dict() for folder in (tmp_path / "start", made))
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert load_model(made)[1].band == band


def test_what_fits_a_cascade_stays_as_the_recipe_says(tmp_path: Path) -> None:
    start = tiny.model_folder(tmp_path / "start")
    kept = further(str(start), recipes_folder() / "finetune.toml", FOLDERS)
    recipe = configuration.load(recipes_folder() / "finetune.toml", TrainConfig)
    assert kept == replace(recipe, start=str(start), sources=(FOLDERS,))
    assert staged(Weights(stages=(1.0,)), 3).stages == (0.25, 0.5, 1.0)


def test_a_model_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="cascade-lwir-s"):
        finetune("cascade-lwir-x", tmp_path, tmp_path / "run", seed=0)
