"""recipes/translation.py, as its first lines say: every system trained, measured and tabulated; resumable."""

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from synthir import config as configuration
from synthir import recipes
from synthir.generators import cascade
from synthir.train_config import TrainConfig
from tests import tiny

ROOT = Path(__file__).parents[1]
SOURCE = 'layout = "folders"\nvisible = "train/visible"\ninfrared = "train/infrared"\n'
TRAINING = """
generator = "cascade_s"
band = "lwir"
batch = 1
steps = 1000
discriminator = "light"
discriminator_width = 8
bfloat16 = false
[augmentation]
sizes = [64]
zoom = [1.0, 1.0]
"""
PROTOCOL = f"""
[[training]]
{SOURCE}
[[protocols]]
name = "P"
allow_shared_scenes = true
[protocols.pairs]
layout = "folders"
visible = "test/visible"
infrared = "test/infrared"
"""


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with a narrow network under the default's name."""
    monkeypatch.setattr(cascade, "cascade_s", lambda: tiny.SIZE)
    return cast(ModuleType, recipes.load("translation"))


@pytest.fixture
def chosen(tmp_path: Path) -> Path:
    """A comparison of a narrow cascade and the control on drawn pairs."""
    tiny.draw_pairs(tmp_path / "train", 14)
    tiny.draw_pairs(tmp_path / "test", 2)
    (tmp_path / "train_narrow.toml").write_text(TRAINING)
    (tmp_path / "protocol.toml").write_text(PROTOCOL)
    systems = f'["{tmp_path / "train_narrow.toml"}", "train_analytic.toml"]'
    head = (
        f'minutes = 0.001\nseeds = [1]\nshipped = []\nprotocol = "{tmp_path / "protocol.toml"}"\nsystems = {systems}\n'
    )
    (tmp_path / "chosen.toml").write_text(f"{head}[[sources]]\n{SOURCE}")
    return tmp_path / "chosen.toml"


def call(recipe: ModuleType, chosen: Path) -> str:
    """The tables, of a run beside its configuration."""
    config = configuration.load(chosen, recipe.Config)
    found: str = recipe.run(config, chosen.parent, chosen.parent / "out", lambda line: None).table
    return found


@pytest.mark.slow
def test_all_systems_stand_in_one_table_and_what_is_done_is_kept(
    recipe: ModuleType, chosen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = call(recipe, chosen)
    methods = [line.split("|")[2].strip() for line in first.splitlines() if line.startswith("| P ")]
    assert sorted(methods) == ["analytic-1", "constant", "grayscale", "inverted", "narrow-1"]
    assert (
        json.loads((chosen.parent / "out/narrow-1/done.json").read_text())["pictures"] == 10
    )  # ten steps are the least
    assert "| narrow-1 | 10 | 10 |" in first
    assert (chosen.parent / "out/table.md").read_text() in first

    def never(*_: object, **__: object) -> None:
        raise AssertionError("done already")

    for name in ("train", "compile_engine", "evaluate_from", "cost_table"):
        monkeypatch.setattr(recipe, name, never)
    assert call(recipe, chosen) == first


def test_budgets_are_measured_before_anything_is_trained(
    recipe: ModuleType, chosen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, kept = chosen.parent / "out", []

    def stopped(*_: object, **__: object) -> None:
        kept.extend(sorted(path.parent.name for path in out.glob("*/steps.json")))
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        call(recipe, chosen)
    assert kept == ["analytic-1", "narrow-1"]


def test_what_would_be_done_is_said(recipe: ModuleType, chosen: Path) -> None:
    config = configuration.load(chosen, recipe.Config)
    assert recipe.plan(config, chosen.parent) == ["2 trainings of 0.001 minutes on 14 pairs, 0 shipped models"]


def test_the_costs_of_each_system_are_measured_side_by_side(recipe: ModuleType, chosen: Path) -> None:
    lines = recipe.cost_table(configuration.load(chosen, recipe.Config)).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in cells] == ["narrow", "analytic"]
    assert cells[1][3] == "-" and float(cells[0][3]) > 0  # the control has nothing to learn


def test_every_system_that_can_be_trained_on_pairs_is_compared(recipe: ModuleType) -> None:
    listed = set(configuration.load(ROOT / "recipes/translation.toml", recipe.Config).systems)
    shipped = {path.name for path in (ROOT / "recipes").glob("train_*.toml")}
    apart = {
        "train_cascade_lwir_s.toml",
        "train_cascade_nir_s.toml",
        "train_pix2pix_visible.toml",
        "train_cascade_g1.toml",
    }
    assert shipped - listed == apart | {"train_cgan_unet.toml"}  # that one wants a VGG-19 file


def test_every_part_of_a_training_is_timed_by_its_length() -> None:
    recipe: Any = recipes.load("translation")
    stagewise = configuration.load(ROOT / "recipes/train_cascade_s_stagewise.toml", TrainConfig)
    assert recipe.parts(stagewise) == {0: 2000, 2000: 2500, 4500: 1500, 6000: 3000}
    plain = configuration.load(ROOT / "recipes/train_guided.toml", TrainConfig)
    assert recipe.parts(plain) == {0: 12000}
    assert recipe.parts(replace(plain, finish_from=9000)) == {0: 9000, 9000: 3000}
