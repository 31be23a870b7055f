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
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError

T = TypeVar("T")
BAD = object()
"""Stands for a value that was reported as a fault."""


def load(path: Path, cls: type[T]) -> T:
    """Read a TOML file into a dataclass of that class.

    Fields may be bool, int, float, str, Path, Enum, Literal, tuples, dict[str, X], X | None and further dataclasses.
    Raises ConfigError that names every fault in the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("configuration cannot be read", where=str(path), why=str(error)) from None
    return parse(text, cls, where=str(path))


def parse(text: str, cls: type[T], *, where: str = "TOML") -> T:
    """The same as load, from text; `where` is what an error names. Raises ConfigError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("not TOML", where=where, why=str(error), fix="correct that place and run again") from None
    faults: list[str] = []
    value = _dataclass(table, cls, "", faults)
    if faults:
        what = f"{len(faults)} fault{'s' * (len(faults) > 1)} in the configuration"
        raise ConfigError(what, where=where, why="; ".join(faults), fix="correct them all and run again")
    assert isinstance(value, cls)
    return value


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


def dump(config: Any) -> str:
    """A dataclass as TOML, fields in their order, tables last. None is left out: optional fields default to None."""
    return "\n".join(_lines(_fields(config), ""))


def _dataclass(table: dict[str, Any], cls: type[Any], place: str, faults: list[str]) -> Any:
    hints, fields = get_type_hints(cls), {f.name: f for f in dataclasses.fields(cls) if f.init}
    before = len(faults)
    faults += [f"{_at(place, key)} is unknown{_meant(key, list(fields))}" for key in table if key not in fields]
    values = {name: _value(table[name], hints[name], _at(place, name), faults) for name in fields if name in table}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in table:
            faults.append(f"{_at(place, name)} is missing, expected {_name(hints[name])}")
    if len(faults) > before:
        return BAD
    try:
        return cls(**values)
    except ValueError as error:  # what __post_init__ refuses
        faults.append(f"{place or 'the whole'}: {error}")
        return BAD


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


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    listed = f"expected one of {', '.join(known)}"
    return f", did you mean {near[0]}? {listed.capitalize()}" if near else f", {listed}"


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
