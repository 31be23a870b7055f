"""Weights that the user brings: a state dict as .safetensors or .pth, read as data alone. Nothing is downloaded."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .errors import ConfigError


def read_state(path: Path, what: str, how: str) -> dict[str, Tensor]:
    """The tensors of a state dict by name, on the CPU; code in the file is never run.

    what: whose weights these are, how: the way to get them, for the error. Raises ConfigError where the file is absent
    or holds anything but tensors by name.
    """
    if not path.is_file():
        raise ConfigError(f"no weights for {what}", where=str(path), why="no such file", fix=how)
    try:
        held = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, pickle.UnpicklingError, SafetensorError) as error:
        why = str(error).partition("\n")[0]
        raise ConfigError(f"weights for {what} cannot be read", where=str(path), why=why, fix=how) from None
    if not isinstance(held, Mapping) or not all(isinstance(value, Tensor) for value in held.values()):
        raise ConfigError(f"weights for {what} cannot be read", where=str(path), why="no state dict", fix=how)
    return {str(name): value for name, value in held.items()}


def pick(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], where: Path, how: str) -> dict[str, Tensor]:
    """Of a state dict the tensors of those names, as float32. Raises ConfigError unless each is there in that shape."""
    for name, like in wanted.items():
        found = state.get(name)
        if found is None or found.shape != like.shape:
            has = "none" if found is None else f"one of {(*found.shape,)}"
            why = f"{name} should be a tensor of {(*like.shape,)}, the file has {has}"
            raise ConfigError("weights of another network", where=str(where), why=why, fix=how)
    return {name: state[name].float() for name in wanted}
