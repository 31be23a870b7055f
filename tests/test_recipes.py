"""`synthir recipe`: what is listed, copied, validated and run; and that every shipped recipe is one."""

import json
from pathlib import Path

import pytest

from synthir import config as configuration
from synthir import recipes
from synthir.cli import main
from synthir.errors import TargetNotEmpty, TrainingError, UnknownName
from synthir.shipped import recipes_folder

OWN = '''"""Counts to a number."""
from dataclasses import dataclass
from synthir.recipes import Outcome, claim

@dataclass(frozen=True)
class Config:
    number: int

def plan(config, data):
    return [f"count to {config.number} in {data}"]

def run(config, data, out, say):
    claim(out, config)
    for number in range(config.number):
        say(f"{number + 1}")
    (out / "page.html").write_text("counted")
    return Outcome("It was counted.", "| number |", out / "page.html", out / "result.json")
'''


def left(arguments: list[str]) -> int:
    """The exit status of a command."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(str(caught.value.code or 0))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A recipe of one's own with its configuration."""
    (tmp_path / "count.py").write_text(OWN)
    (tmp_path / "count.toml").write_text("number = 3\n")
    return tmp_path / "count.py"


@pytest.mark.parametrize("name", recipes.names())
def test_every_shipped_recipe_is_one(name: str) -> None:
    recipe = recipes.load(name)
    found = recipes.configurations(name)
    assert found[:1] == (name,)
    for stem in found:
        path = recipes_folder() / f"{stem}.toml"
        configuration.load(path, recipe.Config)
        assert recipes.first_line(path).startswith(("synthir recipe run", "python examples/")), path
    assert recipes.first_line(recipes.find(name)).endswith((".", "?"))


def test_ls_names_recipes_and_configurations(capsys: pytest.CaptureFixture[str]) -> None:
    assert left(["recipe", "ls", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in listed["recipes"]] == list(recipes.names())
    assert "detector_gain_smoke" in listed["recipes"][0]["configurations"]
    assert listed["configurations"]["finetune"].startswith("synthir finetune")


def test_cp_copies_a_recipe_and_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert left(["recipe", "cp", "detector_gain", str(tmp_path)]) == 0
    folder = recipes_folder()
    copied = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert copied[0] == tmp_path / "detector_gain.py" and tmp_path / "detector_gain.toml" in copied
    assert all(path.read_bytes() == (folder / path.name).read_bytes() for path in copied)
    with pytest.raises(TargetNotEmpty, match=r"detector_gain\.py is there already"):
        recipes.copy("detector_gain", tmp_path)
    assert recipes.copy("finetune", tmp_path) == [tmp_path / "finetune.toml"]


def test_a_recipe_of_ones_own_is_validated_and_run(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert left(["recipe", "validate", str(own), "--data", "here"]) == 0
    assert capsys.readouterr().out == "count to 3 in here\n"
    out = own.parent / "out"
    assert left(["recipe", "run", str(own), "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines() == ["1", "2", "3"]
    assert told.out.splitlines()[0] == "| number |" and "It was counted." in told.out
    assert (out / "config.toml").read_text() == "number = 3\n"


def test_a_run_of_another_configuration_is_refused(own: Path) -> None:
    recipe, config = recipes.configured(str(own), None)
    out = own.parent / "out"
    recipe.run(config, Path(), out, lambda line: None)
    recipe.run(config, Path(), out, lambda line: None)
    with pytest.raises(TrainingError, match="another run lies there"):
        recipe.run(recipe.Config(4), Path(), out, lambda line: None)


def test_unknown_names_are_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="nearest is detector_gain"):
        recipes.find("detector_gian")
    with pytest.raises(UnknownName, match="nearest is finetune"):
        recipes.copy("finetuen", tmp_path)
    (tmp_path / "other.py").write_text("Config = dict\n")
    with pytest.raises(UnknownName, match="it has no plan, run"):
        recipes.load(str(tmp_path / "other.py"))


def test_a_configuration_with_faults_names_them_all(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own.parent / "bad.toml").write_text('number = "x"\nnumbr = 2\n')
    assert left(["recipe", "run", str(own), "--config", str(own.parent / "bad.toml")]) == 2
    said = capsys.readouterr().err
    assert "numbr is unknown, did you mean number?" in said and "number is 'x', expected an integer" in said
