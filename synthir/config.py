"""A frozen dataclass from TOML, read strictly, and back again.

`load` reports every fault of a file at once: unknown keys with the nearest known one, wrong types, missing values.
`dump` writes the resolved configuration, to lie beside a result; `load` reads it back equal.
"""

import dataclasses
import difflib
import json
import math
import re
import tomllib
import types
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError

T = TypeVar("T")
BAD = object()
"""Stands for a value that was reported as a fault."""


def nothing_more(_: dict[str, Any]) -> Iterable[str]:
    """No further faults of a table."""
    return ()


def load(path: Path, cls: type[T], further: Callable[[dict[str, Any]], Iterable[str]] = nothing_more) -> T:
    """Read a TOML file into a dataclass of that class.

    Fields may be bool, int, float, str, Path, Enum, Literal, tuples, dict[str, X], X | None and further dataclasses.
    `further` says what else is wrong with the table, whatever types its values have. Raises ConfigError that names
    every fault in the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("configuration cannot be read", where=str(path), why=str(error)) from None
    return parse(text, cls, further, where=str(path))


def parse(
    text: str,
    cls: type[T],
    further: Callable[[dict[str, Any]], Iterable[str]] = nothing_more,
    *,
    where: str = "TOML",
) -> T:
    """The same as load, from text; `where` is what an error names. Raises ConfigError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("not TOML", where=where, why=str(error), fix="correct that place and run again") from None
    faults: list[str] = []
    value = _dataclass(table, cls, "", faults)
    faults += further(table)
    if faults:
        raise faulty(faults, where)
    assert isinstance(value, cls)
    return value


def faulty(faults: list[str], where: str = "") -> ConfigError:
    """The error that names every fault of a configuration."""
    what = f"{len(faults)} fault{'s' * (len(faults) > 1)} in the configuration"
    return ConfigError(what, where=where, why="; ".join(faults), fix="correct them all and run again")


def at_least(low: float, **values: float) -> None:
    """For __post_init__. Raises ValueError that names every value below `low`."""
    refuse(*below(low, **values))


def below(low: float, **values: float) -> list[str]:
    """What is to be said of the values below `low`: nothing, or a sentence that names them all."""
    wrong = [f"{name} is {value}" for name, value in values.items() if value < low]
    return [f"{', '.join(wrong)}, expected at least {low}"] if wrong else []


def refuse(*faults: str) -> None:
    """For __post_init__. Raises ValueError that says them all, where there are any."""
    if faults:
        raise ValueError("; ".join(faults))


def near_to(name: str, known: list[str]) -> list[str]:
    """The known name that was meant, where one is near."""
    return difflib.get_close_matches(name, known, 1)


def meant(name: str, known: list[str]) -> str:
    """For an error, after the name: the known names, the nearest one first."""
    near = near_to(name, known)
    listed = f"expected one of {', '.join(known)}"
    return f", did you mean {near[0]}? {listed.capitalize()}" if near else f", {listed}"


def dump(config: Any) -> str:
    """A dataclass as TOML, fields in their order, tables last. None is left out: optional fields default to None."""
    return "\n".join(_lines(_fields(config), ""))


def _dataclass(table: dict[str, Any], cls: type[Any], place: str, faults: list[str]) -> Any:
    hints, fields = get_type_hints(cls), {f.name: f for f in dataclasses.fields(cls) if f.init}
    before = len(faults)
    faults += [f"{_at(place, key)} is unknown{meant(key, list(fields))}" for key in table if key not in fields]
    values = {name: _value(table[name], hints[name], _at(place, name), faults) for name in fields if name in table}
    required = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in required if name not in table]
    faults += [f"{_at(place, name)} is missing, expected {_name(hints[name])}" for name in missing]
    sound = {name: value for name, value in values.items() if _sound(value)}
    typed = [near for key in table if key not in fields for near in near_to(key, list(fields))]
    doubtful = {*missing, *typed, *values} - {*sound}
    made = _built(cls, dict.fromkeys(required, BAD) | sound, doubtful, place, faults)
    return made if len(faults) == before else BAD


def _built(cls: type[Any], values: dict[str, Any], doubtful: set[str], place: str, faults: list[str]) -> Any:
    """The dataclass. What __post_init__ refuses is a fault, but for what it says of fields already complained of."""
    try:
        return cls(**values)
    except ValueError as error:
        said = [part for part in str(error).split("; ") if not doubtful & set(re.findall(r"\w+", part))]
        faults += [f"{place or 'the whole'}: {'; '.join(said)}"] if said else []
    except (TypeError, AttributeError):
        if not doubtful:  # else it looked at a value that could not be read
            raise
    return BAD


def _sound(value: Any) -> bool:
    """Whether a value, and all that is in it, could be read."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
    return value is not BAD and all(_sound(item) for item in inner)


def _value(value: Any, hint: Any, place: str, faults: list[str]) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (hint,) = (arg for arg in args if arg is not types.NoneType)
        return _value(value, hint, place, faults)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return _dataclass(value, hint, place, faults)
    if origin is tuple and isinstance(value, list):
        return _tuple(value, args, place, faults)
    if origin is dict and isinstance(value, dict):
        return {key: _value(item, args[1], _at(place, key), faults) for key, item in value.items()}
    return _scalar(value, hint, place, faults)


def _tuple(values: list[Any], args: tuple[Any, ...], place: str, faults: list[str]) -> Any:
    hints = [args[0]] * len(values) if args[-1] is Ellipsis else list(args)
    if len(hints) != len(values):
        faults.append(f"{place} has {len(values)} values, expected {len(hints)}")
        return BAD
    pairs = enumerate(zip(values, hints, strict=True))
    return tuple(_value(value, hint, f"{place}[{index}]", faults) for index, (value, hint) in pairs)


def _scalar(value: Any, hint: Any, place: str, faults: list[str]) -> Any:
    choices = _choices(hint)
    if choices:
        # type as well as value: True == 1 in Python
        chosen = [c for key, c in choices if type(key) is type(value) and key == value]
        if chosen:
            return chosen[0]
    elif hint is Any or type(value) is hint:
        if not isinstance(value, float) or math.isfinite(value):
            return value
    elif hint is float and type(value) is int:
        return float(value)
    elif hint is Path and isinstance(value, str):
        return Path(value)
    faults.append(f"{place} is {value!r}, expected {_name(hint)}")
    return BAD


def _choices(hint: Any) -> list[tuple[Any, Any]]:
    """What stands in the file -> what it means, for an Enum or a Literal; else nothing."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [(member.value, member) for member in hint]
    return [(arg, arg) for arg in get_args(hint)] if get_origin(hint) is Literal else []


def _name(hint: Any) -> str:
    choices = _choices(hint)
    if choices:
        return "one of " + ", ".join(str(key) for key, _ in choices)
    if hint is float:
        return "a finite number"
    if dataclasses.is_dataclass(hint):
        return "a table"
    return {Path: "a path", str: "a string", int: "an integer", bool: "true or false"}.get(hint, str(hint))


def _at(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _fields(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config) if field.init}


def _table(value: Any) -> dict[str, Any] | None:
    """The value as a TOML table, or None where it is none."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    return value if isinstance(value, dict) else None


def _lines(table: dict[str, Any], place: str) -> list[str]:
    plain = {key: value for key, value in table.items() if value is not None and _table(value) is None}
    lines = [f"{_key(key)} = {_inline(value)}" for key, value in plain.items()]
    for key, value in table.items():
        inner = _table(value)
        if inner is not None:
            name = _at(place, _key(key))
            lines += ["", f"[{name}]", *_lines(inner, name)]
    return [*lines, ""] if not place else lines


def _inline(value: Any) -> str:
    if isinstance(value, Enum):
        return _inline(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(_inline(item) for item in value)}]"
    table = _table(value)
    if table is not None:
        pairs = (f"{_key(key)} = {_inline(item)}" for key, item in table.items() if item is not None)
        return f"{{{', '.join(pairs)}}}"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _inline(key)
