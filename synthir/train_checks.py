"""What is checked of a configuration before a training looks at a picture: do its names exist, and fit each other?

Types, unknown keys, single values and names are refused when the TOML is read, what is left once the generator itself
can be asked. Each time all faults are said at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import torch

from . import config as configuration
from . import generators, systems
from .config import faulty, meant
from .errors import UnknownName
from .folders import load, names
from .likeness import LIKENESS_FIGURES, LIKENESS_OBJECT_FIGURES
from .pairs import PairSource
from .shipped import model_place
from .specs import Band
from .systems import system_of
from .train_config import TrainConfig, Weights
from .train_start import network_of
from .validation import FIGURES, OBJECT_FIGURES


@dataclass(frozen=True)
class Shape:
    """What a generator takes and gives."""

    name: str
    """What the configuration calls it."""
    stages: int
    outputs: int
    """Planes of its result: 3 are colours, 1 is infrared."""
    stride: int
    """Pixels; crops are multiples of it."""


def read_config(path: Path) -> TrainConfig:
    """A training's TOML. Raises ConfigError that names every fault in it, names that there are not among them."""
    return configuration.load(path, TrainConfig, name_faults)


def refuse_odd(config: TrainConfig) -> None:
    """Raises ConfigError that names everything in the configuration that cannot be trained with."""
    named = {"generator": config.generator, "start": config.start, "system": config.system}
    faults = list(name_faults(named))
    if not list(name_faults({"system": config.system})):
        faults += system_faults(config)
    if not list(name_faults({"generator": config.generator} if config.generator else {"start": config.start})):
        shape = shape_of(config)
        faults += [*stage_faults(config, shape), *shape_faults(config, shape)]
    if not config.sources:
        faults.append("no [[sources]]: name at least one folder of pictures")
    faults += [*turn_faults(config), *best_faults(config)]
    if faults:
        raise faulty(faults)


def name_faults(table: dict[str, Any]) -> Iterator[str]:
    """A size, a system or a model to start from that there is not; `table` need not hold all of them."""
    known = {"generator": sizes(), "system": list(names(systems.__name__))}
    for field, choices in known.items():
        name = table.get(field)
        left_out = field == "generator" and not name
        if isinstance(name, str) and not left_out and name not in choices:
            yield f"{field} is {name!r}{meant(name, choices)}"
    start = table.get("start")
    try:
        model_place(start) if isinstance(start, str) and start else None
    except UnknownName as error:
        yield f"start is {start!r}, neither a shipped model nor the folder of one: {error.why}"


def sizes() -> list[str]:
    """Every size of a generator that can be named, sorted."""
    package = generators.__name__
    return sorted(
        name for network in names(package) for name in vars(load(package, network)) if name.startswith(f"{network}_")
    )


def shape_of(config: TrainConfig) -> Shape:
    """Of the generator of a configuration: it is built, and asked for one small frame."""
    network, settings = network_of(config)
    stride = generators.stride_of(network)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        results = generators.build(network, settings).eval().stages(torch.zeros(1, 3, stride, stride))  # type: ignore[operator]
    return Shape(config.generator or config.start, len(results), results[-1].shape[1], stride)


def turn_faults(config: TrainConfig) -> Iterator[str]:
    """Turns that would never come: without an end to them all stages learn at once."""
    if config.stages_from and config.joint_from <= config.stages_from[-1]:
        yield f"joint_from is {config.joint_from}: it ends the turns of stages_from, so it comes after the last of them"
    if list(config.stages_from) != sorted(set(config.stages_from)):
        yield f"stages_from is {list(config.stages_from)}: each stage's turn begins after that of the one before"


def stage_faults(config: TrainConfig, shape: Shape) -> Iterator[str]:
    """Weights and turns of stages that the generator does not have."""
    counting = {"weights": config.weights, **({"finish": config.finish} if config.finish_from else {})}
    there = f"{shape.name} has {shape.stages} stage{'s' * (shape.stages > 1)}"
    for table, weights in counting.items():
        if len(weights.stages) != shape.stages:
            why = f"{there}, {table}.stages has {len(weights.stages)}"
            yield f"{why}: give it one number a stage"
    turns = len(config.stages_from)
    if turns > shape.stages or (turns and shape.stages == 1):
        yield f"{there}, stages_from has {turns} turn{'s' * (turns > 1)}"


def shape_faults(config: TrainConfig, shape: Shape) -> Iterator[str]:
    """Crops that the generator does not take; a direction or a band that its results are not of."""
    odd = [str(size) for size in config.augmentation.sizes if size % shape.stride]
    if odd:
        fits = f"{shape.name} takes multiples of {shape.stride} pixels"
        yield f"crop sizes {', '.join(odd)} in augmentation.sizes do not fit: {fits}"
    colours = config.direction == "infrared-to-visible"
    if (shape.outputs == 3) != colours:
        made = "colours" if shape.outputs == 3 else "infrared"
        other = "visible-to-infrared" if colours else "infrared-to-visible"
        yield f'{shape.name} makes {made}, direction is {config.direction}: set direction = "{other}"' + (
            ", or take a generator that makes colours" if colours else ""
        )
    if (shape.outputs == 3) != (config.band == Band.VISIBLE):
        wanted = '"visible"' if shape.outputs == 3 else "a band of the infrared"
        yield f"{shape.name} does not make what band says, {config.band}: set band to {wanted}"


def system_faults(config: TrainConfig) -> Iterator[str]:
    """What the system does not do with these pictures, terms and generators."""
    system = system_of(config.system)
    loose = [source.visible for source in config.sources if source.layout == "unpaired"]
    if loose and system.paired(config):
        why = f"system {config.system} compares each result with its real picture"
        yield f'{loose[0]}: pictures that are no pairs, but {why}; choose system = "cycle"'
    idle = sorted(name for name in set(Weights().terms()) - system.terms(config) if config.uses(name))
    if idle:
        yield f"system {config.system} does not compute {', '.join(idle)}: set their weights to 0"
    if config.system == "cycle" and not config.generator:
        yield "system cycle wants generator: the way back is a network of the same size"


def name_of(source: PairSource) -> str:
    """What its figures are called after: the first folder of the visible pictures, the last one of an absolute path."""
    place = PurePath(source.visible)
    return place.name if place.is_absolute() else place.parts[0] if place.parts else ""


def best_faults(config: TrainConfig) -> Iterator[str]:
    """A `best` that no source of the configuration could give; whether one validates, its pictures say later."""
    found = [
        figure
        for source in config.sources
        for figure in figures_of(name_of(source), source.layout != "unpaired", bool(source.boxes))
    ]
    if config.best and config.best not in found:
        yield best_fault(config.best, found)


def figures_of(name: str, paired: bool, boxed: bool) -> list[str]:
    """The figures of a source that a best model can be chosen by; some are of objects, and need boxes."""
    figures, objects = (FIGURES, OBJECT_FIGURES) if paired else (LIKENESS_FIGURES, LIKENESS_OBJECT_FIGURES)
    return [f"{name}_{figure}" for figure in (*figures, *(objects if boxed else ()))]


def best_fault(best: str, found: list[str]) -> str:
    """That there is no such figure, and why not."""
    if best in Weights().terms():
        reason = ", a loss term: less of it is better, and more of best is"
    elif best.endswith(tuple(f"_{figure}" for figure in OBJECT_FIGURES)):
        reason = ", which no source gives that has no boxes"
    else:
        reason = ", which is no figure of this training"
    return f"best is {best!r}{reason}; {'choose one of ' + ', '.join(found) if found else 'nothing validates'}"
