"""The commands that train and measure, as users type them."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from synthir.checkpoint import load_model
from synthir.cli import main, program
from tests import tiny
from tests.test_registration import cut, town

ROOT = Path(__file__).parents[1]
RECIPE = """
start = "{start}"
band = "lwir"
steps = 2
batch = 2
save_every = 1
block = 1
validate_share = 3
[augmentation]
sizes = [64]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A tiny model in `start`, six pairs in `pairs`, and a recipe."""
    start = tiny.model_folder(tmp_path / "start")
    tiny.draw_pairs(tmp_path / "pairs", 6)
    (tmp_path / "train.toml").write_text(RECIPE.format(start=start.as_posix()), encoding="utf-8")
    return tmp_path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_train_says_where_the_model_is_and_what_it_saw(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("train", place / "train.toml", "--data", place / "pairs", "--out", place / "run")
    assert run(*words) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(place / "run/model")
    assert re.findall(r"^step (\d)", said.err, re.MULTILINE) == ["1", "2"]
    assert run(*words, "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_finetune_and_adapt_start_from_the_model(place: Path) -> None:
    for name, folders in (
        ("finetune", ("--pairs", place / "pairs")),
        ("adapt", ("--visible", place / "pairs/visible", "--infrared", place / "pairs/infrared")),
    ):
        recipe = place / f"{name}.toml"
        text = (ROOT / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
        recipe.write_text(
            re.sub(r"steps = \d+", "steps = 1", text).replace("[160, 192, 224]", "[64]"), encoding="utf-8"
        )
        assert run(name, place / "start", *folders, "--out", place / name, "--config", recipe, "--device", "cpu") == 0
        made, start = (load_model(folder)[0].state_dict() for folder in (place / name / "model", place / "start"))
        weights = [key for key in start if "running_" not in key and "tracked" not in key]
        far = max(float((made[key] - start[key]).abs().max()) for key in weights)
        assert 0.0 < far < 0.01, name


def test_adapt_says_what_visible_pictures_are_for(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("adapt", place / "start", "--infrared", place / "pairs/infrared", "--out", place / "none") == 2
    said = capsys.readouterr().err
    assert "SIR100 visible pictures are missing (what the model makes of them" in said and "give --visible" in said
    assert not (place / "none").exists()


def test_a_device_that_is_not_there_is_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("train", place / "train.toml", "--data", place / "pairs", "--out", place / "run", "--device", "gpu")
    assert run(*words) == 1
    said = capsys.readouterr().err
    assert said.startswith("SIR800") and "cpu, cuda or auto" in said and len(said.splitlines()) == 1


def test_pairs_check_names_what_is_off(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = town()
    for index, shift in enumerate((0, 9)):
        for kind, made in (("visible", cut(world, 0, 0)), ("infrared", cut(world, shift, 0))):
            (place / "off" / kind).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place / "off" / kind / f"{index}.png"), made)
    assert run("pairs", "check", place / "off") == 1
    said = capsys.readouterr().out
    assert said.startswith("1 of 2 pairs are off by more than 3 px") and "1.png  +9.0 +0.0 px" in said
    assert run("pairs", "check", place / "off", "--limit", 10) == 0


def test_pairs_check_finds_a_published_layout_in_the_folder_itself(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = town()
    for kind in ("visible", "infrared"):
        (place / "LLVIP" / kind / "train").mkdir(parents=True)
        cv2.imwrite(str(place / "LLVIP" / kind / "train/010001.jpg"), cut(world, 0, 0))
    assert run("pairs", "check", place / "LLVIP", "--layout", "llvip") == 0
    assert "0 of 1 pairs" in capsys.readouterr().out


def test_sixteen_bits_are_read_by_the_levels_that_are_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("visible", "infrared"):
        (place / "deep" / kind).mkdir(parents=True)
    made = cut(town(), 0, 0)
    cv2.imwrite(str(place / "deep/visible/0.png"), made)
    cv2.imwrite(str(place / "deep/infrared/0.png"), made.astype(np.uint16) * 20 + 7000)
    assert run("pairs", "check", place / "deep") == 1
    assert "levels" in capsys.readouterr().out
    assert run("pairs", "check", place / "deep", "--levels", 7000, 12100) == 0
    for words in (("finetune", "--pairs", place / "deep"), ("evaluate", "--pairs", place / "deep")):
        command, *rest = words
        assert run(command, "cascade-lwir-s", *rest, "--out", place / f"{command}-run") == 2
        assert "levels" in capsys.readouterr().err


def test_evaluate_wants_one_of_its_two_ways() -> None:
    done = CliRunner().invoke(program, ["evaluate", "cascade-lwir-s", "--out", "x"])
    assert done.exit_code == 2 and "either --pairs, or --protocol with --data" in done.output
    words = ["--protocol", "p.toml", "--data", "d", "--out", "x"]
    for more in (["--config", "c.toml"], ["--allow-shared-scenes"], ["--levels", "0", "9"], ["--pairs", "y"]):
        done = CliRunner().invoke(program, ["evaluate", "cascade-lwir-s", *words, *more])
        assert done.exit_code == 2 and "--allow-shared-scenes go with --pairs" in done.output
