"""The commands of recipes: ls, cp, run, validate. See synthir.cli."""

from pathlib import Path

import click

from . import console
from .cli_engines import JSON, PATH

CONFIG = click.option("--config", type=PATH, help="TOML file, or the name of a shipped one; NAME.toml if not given.")
DATA = click.option(
    "--data", type=PATH, default=Path(), help="Folder that the paths in the file are relative to; here if not given."
)


@click.group()
def recipe() -> None:
    """Was it worth it: train detectors and re-ID models, measure the gain."""


@recipe.command("ls")
@JSON
def ls(as_json: bool) -> int:
    """List the recipes, their configurations, and the configurations of other commands."""
    from . import recipes
    from .shipped import recipes_folder

    folder = recipes_folder()
    data = [
        {
            "name": name,
            "what": recipes.first_line(folder / f"{name}.py"),
            "configurations": recipes.configurations(name),
        }
        for name in recipes.names()
    ]
    rows = [(str(one["name"]), str(one["what"])) for one in data]
    rows += [("", f"--config {more}") for one in data for more in one["configurations"][1:]]
    lone = recipes.lone_configurations()
    rows += [("", ""), ("configurations", "of other commands"), *lone.items()]
    console.result(as_json, {"recipes": data, "configurations": lone}, console.table(rows))
    return 0


@recipe.command("cp")
@click.argument("name")
@click.argument("folder", type=PATH, default=Path())
def cp(name: str, folder: Path) -> int:
    """Copy a recipe and its configurations to FOLDER, to read and to edit; here if not given."""
    from . import recipes

    for path in recipes.copy(name, folder):
        click.echo(path)
    return 0


@recipe.command("validate")
@click.argument("name")
@CONFIG
@DATA
@JSON
def validate(name: str, config: Path | None, data: Path, as_json: bool) -> int:
    """Say what a recipe would do with a configuration, or what is wrong with it; nothing is trained or written."""
    from . import recipes

    module, chosen = recipes.configured(name, config)
    lines = list(module.plan(chosen, data))
    console.result(as_json, {"recipe": name, "plan": lines}, "\n".join(lines))
    return 0


@recipe.command("run")
@click.argument("name")
@CONFIG
@DATA
@click.option("--out", type=PATH, help="Folder of the run; runs/NAME if not given. A stopped run goes on there.")
@JSON
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def run(name: str, config: Path | None, data: Path, out: Path | None, as_json: bool, quiet: bool) -> int:
    """Run a recipe; started again with the same words it goes on where it stopped.

    NAME is a shipped recipe, or a .py file of yours.
    """
    from . import recipes

    module, chosen = recipes.configured(name, config)
    target = out or Path("runs") / (config or recipes.find(name)).stem
    found = module.run(chosen, data, target, lambda line: console.say(quiet, line))
    told = {"verdict": found.verdict, "page": str(found.page), "data": str(found.data)}
    console.result(as_json, told, f"{found.table}\n\n{found.verdict}\n\nlook at it: {found.page}")
    return 0


COMMANDS = (recipe,)
