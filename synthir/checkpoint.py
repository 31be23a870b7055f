"""Weights and training states on disk: safetensors with JSON beside them, never pickle.

A model folder holds `model.safetensors` (float16, batch-norm statistics float32), `model.json`, its GeneratorSpec, and,
where it is known what it was trained on, `model.seen` (synthir.seen).
A training state is one safetensors file, named by the JSON that is replaced last: a kill between the two loses nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from . import generators
from .errors import EngineUntrusted, TrainingError
from .files import sha256_bytes, write_atomic
from .seen import RECORD, SPEC, record_bytes
from .specs import Band, GeneratorSpec, Polarity, read_generator_spec, to_json

WEIGHTS, STATE = "model.safetensors", "state.json"


def compact(module: nn.Module) -> dict[str, Tensor]:
    """The weights as float16; batch-norm statistics stay float32, since small variances vanish in float16."""
    state = {name: value for name, value in module.state_dict().items() if value.is_floating_point()}
    return {
        name: (value if "running_" in name else value.half()).detach().cpu().contiguous()
        for name, value in sorted(state.items())
    }


def save_model(
    module: nn.Module, folder: Path, network: str, settings: dict[str, Any], band: Band, seen: bytes = b""
) -> GeneratorSpec:
    """Write a model folder; gives the spec that pins its weights and the record `seen`, empty where there is none."""
    weights = save(compact(module))
    stride, digest = generators.stride_of(network), sha256_bytes(weights)
    pin = sha256_bytes(seen) if seen else ""
    spec = GeneratorSpec(network, settings, stride, band, Polarity.WHITE_HOT, digest, pin)
    write_atomic(folder / WEIGHTS, weights)
    if seen:
        write_atomic(folder / RECORD, seen)
    write_atomic(folder / SPEC, to_json(spec))
    return spec


def load_model(folder: Path) -> tuple[nn.Module, GeneratorSpec]:
    """The network of a model folder in float32, ready to infer. Raises EngineUntrusted if it is not what it says."""
    spec, weights = read_model(folder)
    module = generators.build(spec.network, spec.settings)
    state = {name: value.float() for name, value in load(weights).items()}
    expected = {name for name, value in module.state_dict().items() if value.is_floating_point()}
    if set(state) != expected:
        why = f"{len(expected ^ set(state))} tensors differ from network {spec.network}"
        raise EngineUntrusted("weights of another network", where=str(folder), why=why, fix="train again")
    try:
        module.load_state_dict(state, strict=False)
    except RuntimeError as error:  # the names of that network, the shapes of other settings
        why = " ".join(str(error).split())[:200]
        raise EngineUntrusted("weights of other settings", where=str(folder), why=why, fix="train again") from None
    return module.eval(), spec


def start_from(module: nn.Module, network: str, folder: Path) -> int:
    """Take from a model folder every tensor that `module` has in the same shape; gives how many those are.

    Raises EngineUntrusted, and TrainingError where the folder holds another network or nothing fits.
    """
    spec, weights = read_model(folder)
    own = module.state_dict()
    fit = {
        name: value.float() for name, value in load(weights).items() if value.shape == own.get(name, value[:0]).shape
    }
    if spec.network != network or not fit:
        why = f"it holds {spec.network}, this is {network}"
        raise TrainingError("no weights to start from", where=str(folder), why=why, fix="choose another start")
    module.load_state_dict(fit, strict=False)
    return len(fit)


def read_model(folder: Path) -> tuple[GeneratorSpec, bytes]:
    """Spec and weights of a model folder, the hashes checked, that of its record also. Raises EngineUntrusted."""
    spec = read_generator_spec(folder / SPEC)
    record_bytes(folder, spec)
    try:
        weights = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        fix = "synthir models ls shows what is shipped; synthir train makes another"
        raise EngineUntrusted("no model there", where=str(folder), why=str(error), fix=fix) from error
    if sha256_bytes(weights) != spec.weights_sha256:
        why = "the weights do not have the sha256 that model.json names"
        raise EngineUntrusted("weights changed", where=str(folder / WEIGHTS), why=why, fix="take both from one place")
    return spec, weights


def flatten(tree: Any, prefix: str = "") -> tuple[dict[str, Tensor], Any]:
    """Tensors of a state dict by path, and the rest as JSON with each tensor replaced by its path."""
    if isinstance(tree, Tensor):
        return {prefix: tree.detach().contiguous()}, {"tensor": prefix}
    if isinstance(tree, Mapping):
        parts = {str(key): flatten(value, f"{prefix}/{key}") for key, value in tree.items()}
        keys = [key if isinstance(key, str) else int(key) for key in tree]
        return merge(parts), {"map": [[key, parts[str(key)][1]] for key in keys]}
    if isinstance(tree, list | tuple):
        parts = {str(i): flatten(value, f"{prefix}/{i}") for i, value in enumerate(tree)}
        return merge(parts), {"list": [part[1] for part in parts.values()]}
    return {}, {"value": tree}


def merge(parts: Mapping[str, tuple[dict[str, Tensor], Any]]) -> dict[str, Tensor]:
    """All tensors of several flattened trees."""
    return {name: tensor for tensors, _ in parts.values() for name, tensor in tensors.items()}


def unflatten(tensors: Mapping[str, Tensor], shape: Any) -> Any:
    """The inverse of flatten; tuples come back as lists."""
    kind, content = next(iter(shape.items()))
    if kind == "tensor":
        return tensors[content]
    if kind == "map":
        return {key: unflatten(tensors, value) for key, value in content}
    return [unflatten(tensors, value) for value in content] if kind == "list" else content


def save_state(folder: Path, step: int, tree: Mapping[str, Any]) -> None:
    """Write a training state; the one before is deleted only when this one is complete."""
    tensors, shape = flatten(tree)
    data = save(tensors)
    name = f"state-{step:07d}.safetensors"
    write_atomic(folder / name, data)
    entry = {"step": step, "file": name, "sha256": sha256_bytes(data), "shape": shape}
    write_atomic(folder / STATE, msgspec.json.encode(entry))
    for old in folder.glob("state-*.safetensors"):
        if old.name != name:
            old.unlink()


def load_state(folder: Path) -> tuple[int, Any] | None:
    """(step, tree) of the last complete training state, or None. Raises TrainingError if it was changed."""
    if not (folder / STATE).is_file():
        return None
    entry = msgspec.json.decode((folder / STATE).read_bytes())
    data = (folder / entry["file"]).read_bytes()
    if sha256_bytes(data) != entry["sha256"]:
        fix = "delete the training folder's state.json to start again"
        raise TrainingError("training state changed", where=str(folder / entry["file"]), fix=fix)
    return entry["step"], unflatten(load(data), entry["shape"])


def copy_average(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Exponential moving average of weights and batch-norm statistics: average = decay average + (1 - decay) module."""
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), module.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1.0 - decay)
            else:
                kept.copy_(new)
