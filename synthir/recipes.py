"""Recipes: files that train and measure something whole, found by path, read, copied and run.

`recipes/<name>.py` has `Config`, a frozen dataclass; `plan(config, data)`, which refuses what cannot be and says what
would be done; and `run(config, data, out, say) -> Outcome`. `recipes/<name>.toml` is its configuration, `<name>_*.toml`
are others. Only a recipe that is asked for is executed.
"""

import difflib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from . import config as configuration
from .errors import ConfigError, TargetNotEmpty, TrainingError, UnknownName
from .files import write_atomic
from .shipped import recipes_folder

Say = Callable[[str], None]
"""Takes one line of progress."""


@dataclass(frozen=True)
class Outcome:
    """What a recipe found."""

    verdict: str
    """Sentences that its numbers support."""
    table: str
    """Markdown."""
    page: Path
    """What a person opens."""
    data: Path
    """The same for machines, JSON."""


class Recipe(Protocol):
    """The module of a recipe."""

    Config: type[Any]

    def plan(self, config: Any, data: Path, /) -> Sequence[str]:
        """What would be done, in sentences. Raises SynthIRError for what cannot be, before anything is written."""

    def run(self, config: Any, data: Path, out: Path, say: Say, /) -> Outcome:
        """Do it, or go on with it, in the folder `out`. Paths of the configuration are relative to `data`."""


def names() -> tuple[str, ...]:
    """The shipped recipes, sorted."""
    return tuple(sorted(path.stem for path in recipes_folder().glob("*.py")))


def configurations(name: str) -> tuple[str, ...]:
    """The shipped configurations of a recipe: its own first, then `<name>_*`."""
    folder = recipes_folder()
    return tuple(path.stem for path in sorted(folder.glob(f"{name}.toml")) + sorted(folder.glob(f"{name}_*.toml")))


def lone_configurations() -> dict[str, str]:
    """Shipped configurations that other commands read, with the command in their first line."""
    taken = {one for name in names() for one in configurations(name)}
    return {path.stem: first_line(path) for path in sorted(recipes_folder().glob("*.toml")) if path.stem not in taken}


def first_line(path: Path) -> str:
    """What a recipe or a configuration says of itself first."""
    text = path.read_text(encoding="utf-8").splitlines()
    return text[0].strip('"# ') if text else ""


def find(place: str) -> Path:
    """The file of a recipe: a shipped one by name, or a .py file of yours. Raises UnknownName."""
    path = Path(place)
    if path.suffix == ".py" and path.is_file():
        return path.resolve()
    if place in names():
        return recipes_folder() / f"{place}.py"
    near = difflib.get_close_matches(place, names(), 1)
    why = f"known are {', '.join(names())}" + (f"; nearest is {near[0]}" if near else "")
    raise UnknownName(f"no recipe {place!r}", why=why, fix="synthir recipe ls")


def load(place: str) -> Recipe:
    """Execute the file of a recipe and give its module. Raises UnknownName, also for a file that is no recipe."""
    path = find(place)
    spec = importlib.util.spec_from_file_location(f"synthir_recipe_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UnknownName("not a Python file", where=str(path), fix="synthir recipe cp, and edit the copy")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    lacking = [name for name in ("Config", "plan", "run") if not hasattr(module, name)]
    if lacking:
        why = f"it has no {', '.join(lacking)}"
        raise UnknownName("a file that is no recipe", where=str(path), why=why, fix="synthir recipe cp, and edit that")
    return cast(Recipe, module)


def configured(place: str, chosen: Path | None) -> tuple[Recipe, Any]:
    """A recipe and its configuration: the file that is chosen, or the one of its name beside it.

    Raises UnknownName, ConfigError. A chosen file may be a shipped configuration by name.
    """
    recipe, path = load(place), find(place)
    if chosen is not None and not chosen.is_file() and chosen.name in configurations(path.stem):
        chosen = recipes_folder() / f"{chosen.name}.toml"
    return recipe, configuration.load(chosen or path.with_suffix(".toml"), recipe.Config)


def copy(name: str, folder: Path) -> list[Path]:
    """Copy a recipe with its configurations, or a lone configuration, to edit there; gives the copies.

    Raises UnknownName, and TargetNotEmpty where one of the files is there already.
    """
    known = [*names(), *(path.stem for path in sorted(recipes_folder().glob("*.toml")))]
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        why = f"nearest is {near[0]}" if near else ""
        raise UnknownName(f"no recipe or configuration {name!r}", why=why, fix="synthir recipe ls")
    stems = [f"{name}.py", *(f"{one}.toml" for one in configurations(name))] if name in names() else [f"{name}.toml"]
    there = [stem for stem in stems if (folder / stem).exists()]
    if there:
        raise TargetNotEmpty(f"{there[0]} is there already", where=str(folder), fix="choose another folder")
    for stem in stems:
        write_atomic(folder / stem, (recipes_folder() / stem).read_bytes())
    return [folder / stem for stem in stems]


def claim(out: Path, config: Any) -> None:
    """Write the resolved configuration into a run folder; in one that is being gone on with it must be the same.

    Raises TrainingError where the folder holds the run of another configuration.
    """
    path, resolved = out / "config.toml", configuration.dump(config).encode()
    if path.is_file() and path.read_bytes() != resolved:
        fix = "choose another --out, or take back what changed in the configuration"
        raise TrainingError("another run lies there", where=str(path), why="its configuration differs", fix=fix)
    write_atomic(path, resolved)


def refuse_other_runs(out: Path, config: object) -> None:
    """Raises TrainingError where the configuration in a folder is none of this recipe."""
    path = out / "config.toml"
    try:
        if path.is_file():
            configuration.load(path, type(config))
    except ConfigError as error:
        fix = "choose another --out; if an older version of this recipe made it, delete that file"
        raise TrainingError("a run of another kind lies there", where=str(path), why=str(error), fix=fix) from error
