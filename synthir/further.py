"""Train a trained model further, for another camera: `finetune` with pairs, `adapt` with infrared pictures alone.

Both are trainings with a shipped configuration, recipes/finetune.toml and recipes/adapt.toml, that start from the
model's weights. For other layouts of pictures, copy one of them, name your sources in it and use `synthir train`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from .checkpoint import read_model
from .levels import Levels
from .pairs import PairSource
from .shipped import model_place, recipes_folder
from .specs import Band
from .train_checks import read_config, shape_of
from .train_config import TrainConfig, Weights
from .training import train


def finetune(
    name: str,
    pairs: Path,
    out: Path,
    *,
    seed: int,
    recipe: Path | None = None,
    levels: Levels | None = None,
    **how: Any,
) -> Path:
    """Train a model on the pairs in `pairs/visible` and `pairs/infrared`; the model folder is `out/model`.

    name: a shipped model or a model folder. levels: see PairSource, for more than 8 bits. `how` as for
    `train`. Raises UnknownName, ConfigError, TrainingError.
    """
    source = PairSource("folders", "visible", "infrared", levels=levels)
    return train(further(name, recipe or recipes_folder() / "finetune.toml", source), pairs, out, seed=seed, **how)


def adapt(
    name: str,
    visible: Path,
    infrared: Path,
    out: Path,
    *,
    seed: int,
    recipe: Path | None = None,
    levels: Levels | None = None,
    **how: Any,
) -> Path:
    """Train a model until what it makes of `visible` looks like the pictures in `infrared`; the two are unrelated.

    name: a shipped model or a model folder. levels: see PairSource, for more than 8 bits. `how` as for
    `train`. Raises UnknownName, ConfigError, TrainingError.
    """
    source = PairSource("unpaired", str(visible.resolve()), str(infrared.resolve()), levels=levels)
    return train(further(name, recipe or recipes_folder() / "adapt.toml", source), Path(), out, seed=seed, **how)


def further(name: str, recipe: Path, source: PairSource) -> TrainConfig:
    """The configuration of a recipe for that model and those pictures.

    The recipe is made for one generator. Of another one the model says which way it goes, what crops it takes and how
    many stages it has; where those of the recipe fit they stay.
    """
    spec = read_model(model_place(name))[0]
    config = replace(read_config(recipe), generator="", start=name, band=spec.band)
    shape = shape_of(config)
    crops = dict.fromkeys(-(-size // shape.stride) * shape.stride for size in config.augmentation.sizes)
    odd = any(size % shape.stride for size in config.augmentation.sizes)
    return replace(
        config,
        sources=(source,),
        direction="infrared-to-visible" if spec.band == Band.VISIBLE else "visible-to-infrared",
        augmentation=replace(config.augmentation, sizes=tuple(crops)) if odd else config.augmentation,
        weights=staged(config.weights, shape.stages),
        finish=staged(config.finish, shape.stages) if config.finish_from else config.finish,
    )


def staged(weights: Weights, stages: int) -> Weights:
    """The weights for a generator of that many stages: where they are for another number, each is half of the next."""
    if len(weights.stages) == stages:
        return weights
    return replace(weights, stages=tuple(0.5**later for later in reversed(range(stages))))
