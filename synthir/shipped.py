"""Where the shipped files lie: `engines/` and `recipes/`, in a wheel or in a checkout.

A shipped model is a folder `engines/<name>/` with `model.json`, `model.safetensors`, `engine.xml`, `engine.bin`,
the papers `engine.xml.json`, the card `README.md`, and what it has seen: `model.seen`, `engine.seen`.
"""

import difflib
from pathlib import Path

from .errors import UnknownName

PAYLOAD = "engine.xml"
"""The engine in the folder of a model."""


def engines_folder() -> Path:
    """The folder with one folder a shipped model."""
    return _shipped("engines")


def recipes_folder() -> Path:
    """The folder with the recipes and their configurations."""
    return _shipped("recipes")


def models() -> tuple[str, ...]:
    """The names of the shipped models, sorted."""
    return tuple(sorted(card.parent.name for card in engines_folder().glob("*/model.json")))


def model_folder(name: str) -> Path:
    """The folder of a shipped model. Raises UnknownName with the known names and the nearest one."""
    known = models()
    if name in known:
        return engines_folder() / name
    near = difflib.get_close_matches(name, known, 1)
    why = f"shipped are: {', '.join(known) or 'none'}" + (f"; nearest is {near[0]}" if near else "")
    raise UnknownName(f"no model {name!r}", why=why, fix="synthir models ls")


def model_place(place: str) -> Path:
    """The folder of a model: a shipped one by name, or a folder that holds `model.json`. Raises UnknownName."""
    return Path(place) if (Path(place) / "model.json").is_file() and place not in models() else model_folder(place)


def engine_payload(place: str) -> Path:
    """The file of an engine: of a shipped model by name, of a folder that holds `engine.xml`, or the file itself.

    Raises UnknownName where the place is neither a file, a folder nor a shipped model.
    """
    path = Path(place)
    if path.is_dir() and place not in models():
        return path / PAYLOAD
    if path.is_file() or path.suffix:
        return path
    return model_folder(place) / PAYLOAD


def _shipped(name: str) -> Path:
    package = Path(__file__).resolve().parent
    packed = package / f"_{name}"  # a wheel packs them below the package
    return packed if packed.is_dir() else package.parent / name
