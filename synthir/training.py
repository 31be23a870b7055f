"""`synthir train`: pairs in, a model folder out.

Each step, in order: draw a batch, judge it, improve the discriminator, improve the generator, average the weights, and
now and then validate and save. A killed training goes on from its last state and ends with the same weights.
"""

import csv
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import config as configuration
from . import generators, objectives
from .checkpoint import copy_average, load_state, save_model, save_state
from .config import at_least
from .discriminators import PatchGAN
from .errors import ConfigError, TrainingError
from .files import write_atomic
from .pairs import Augmentation, PairSource, Sampler, find_pairs, read_boxes, split_blocks
from .specs import Band
from .validation import HeldOut, hold_out, validate


@dataclass(frozen=True)
class Weights:
    """How much each loss term counts."""

    l1: float = 1.0
    """L1 on the raw picture, hot places weighted."""
    aligned: float = 2.0
    """L1 after a bounded gain and offset per picture, hot places weighted."""
    structure: float = 1.0
    """1 - SSIM of the aligned picture."""
    gradient: float = 2.0
    """L1 of the aligned picture's differences."""
    adversarial: float = 0.1
    features: float = 1.0
    """Feature matching through the discriminator."""
    hot: float = 4.0
    """Extra weight of a pixel 3 standard deviations above the mean of its real picture."""
    stages: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Weight of each stage's own result, the last stage last."""


@dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    generator: str
    """A named size, e.g. `cascade_s`."""
    band: Band
    sources: tuple[PairSource, ...]
    steps: int = 10_000
    batch: int = 8
    learning_rate: float = 4e-4
    """Of Adam, for generator and discriminator; warmed up, then cosine to a hundredth."""
    warmup: int = 200
    """Steps until the learning rate is reached."""
    ema: float = 0.999
    """Decay of the averaged weights, which are the ones shipped."""
    clip: float = 1.0
    """Largest gradient norm."""
    bfloat16: bool = True
    """Forward passes in bfloat16; weights, losses and optimiser stay float32."""
    discriminator_width: int = 24
    block: int = 16
    """Consecutive frames that validate together."""
    validate_share: int = 12
    """Each n-th block validates."""
    validate_most: int = 24
    """About so many pictures of a source validate, and all that have boxes."""
    save_every: int = 250
    """Steps between saved states and validations."""
    weights: Weights = field(default_factory=Weights)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, batch=self.batch, save_every=self.save_every, block=self.block)
        at_least(1, validate_most=self.validate_most, discriminator_width=self.discriminator_width)
        at_least(2, validate_share=self.validate_share)
        at_least(0, warmup=self.warmup, learning_rate=self.learning_rate, ema=self.ema, clip=self.clip)


@dataclass
class State:
    """What a training changes: the networks, their average and their optimisers."""

    generator: nn.Module
    average: nn.Module
    discriminator: nn.Module
    generator_optimiser: torch.optim.Optimizer
    discriminator_optimiser: torch.optim.Optimizer

    def tree(self) -> dict[str, Any]:
        """All of it as one tree of tensors and numbers."""
        return {name: part.state_dict() for name, part in vars(self).items()}

    def restore(self, tree: dict[str, Any]) -> None:
        """Take a tree back."""
        for name, part in vars(self).items():
            part.load_state_dict(tree[name])


Row = Mapping[str, float]
"""A row of the log: step, learning rate, loss terms, validation figures."""


def unseen(row: Row) -> None:
    """Progress that nobody watches."""


def train_from(
    path: Path,
    data: Path,
    out: Path,
    *,
    seed: int,
    max_minutes: float = math.inf,
    report: Callable[[Row], None] = unseen,
) -> Path:
    """Train what a TOML file says on the pairs below `data`; the model folder is `out/model`.

    Raises ConfigError, TrainingError. Started again with the same arguments it goes on where it stopped.
    """
    config = configuration.load(path, TrainConfig)
    return train(config, data, out, seed=seed, max_minutes=max_minutes, report=report)


def train(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    seed: int,
    max_minutes: float = math.inf,
    report: Callable[[Row], None] = unseen,
) -> Path:
    """Train and give the model folder `out/model`, written at every save, so that a stopped training is usable.

    seed decides initial weights and batches. On the CPU the same seed gives the same weights, resumed or not. `report`
    is given each row of the log.
    """
    network, settings = generators.settings_of(config.generator)
    started = time.monotonic()
    sampler, held_out = prepare_pairs(config, data, seed)
    state = fresh_state(config, network, settings, seed)
    first = resume(config, state, out, seed)
    with ThreadPoolExecutor(1) as loader:
        upcoming = loader.submit(sampler.batch, first, config.batch)
        for step in range(first, config.steps):
            visible, infrared = (channels_last(array) for array in upcoming.result())
            upcoming = loader.submit(sampler.batch, step + 1, config.batch)
            losses = train_step(config, state, visible, infrared, step)
            out_of_time = time.monotonic() - started > 60.0 * max_minutes
            if (step + 1) % config.save_every == 0 or step + 1 == config.steps or out_of_time:
                # The log first: a row that a kill left without its state is trimmed by the resumed run.
                row = {"step": step + 1, **losses, **validate(state.average, held_out, generators.stride_of(network))}
                log(out / "log.csv", row)
                report(row)
                save_model(state.average, out / "model", network, settings, config.band)
                save_state(out, step + 1, resumable(config, state, seed))
            if out_of_time:
                break
    return out / "model"


def resumable(config: TrainConfig, state: State, seed: int) -> dict[str, Any]:
    """All that a resumed training needs, and what it must be given again."""
    return {"networks": state.tree(), "config": configuration.dump(config), "seed": seed}


def resume(config: TrainConfig, state: State, out: Path, seed: int) -> int:
    """Take back the state of a stopped training of the same configuration and seed; gives the step to go on with.

    Writes the resolved configuration. Raises TrainingError where the folder holds another training.
    """
    resolved = configuration.dump(config)
    loaded = load_state(out)
    if loaded:
        tree = loaded[1]
        if (tree["config"], tree["seed"]) != (resolved, seed):
            fix = "go on with out/config.toml and its seed, or choose another --out"
            raise TrainingError(
                "another training lies there", where=str(out), why="configuration or seed differ", fix=fix
            )
        state.restore(tree["networks"])
    write_atomic(out / "config.toml", resolved.encode())
    first = loaded[0] if loaded else 0
    trim_log(out / "log.csv", first)
    return first


def prepare_pairs(config: TrainConfig, data: Path, seed: int) -> tuple[Sampler, list[HeldOut]]:
    """The sampler of training crops and the pairs that validate, by source. Raises TrainingError, ConfigError."""
    if not config.sources:
        raise ConfigError("no [[sources]]", fix="name at least one folder of pairs in the TOML")
    stride = generators.stride_of(generators.settings_of(config.generator)[0])
    odd = [str(size) for size in config.augmentation.sizes if size % stride]
    if odd:
        why = f"{config.generator} takes multiples of {stride} pixels"
        raise ConfigError(f"crop sizes {', '.join(odd)} do not fit", why=why, fix="change augmentation.sizes")
    chosen, validation = [], []
    for source in config.sources:
        training, held = split_blocks(find_pairs(data, source), config.block, config.validate_share)
        chosen.append((source.share, tuple(training)))
        if held:
            name = source.visible.partition("/")[0]
            validation.append(hold_out(name, held, read_boxes(data, source), config.validate_most))
    return Sampler(tuple(chosen), config.augmentation, seed), validation


def fresh_state(config: TrainConfig, network: str, settings: dict[str, Any], seed: int) -> State:
    """Networks with seeded weights and their optimisers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = generators.build(network, settings).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        discriminator = PatchGAN(config.discriminator_width).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    adam = [
        torch.optim.Adam(module.parameters(), lr=config.learning_rate, betas=(0.5, 0.99))
        for module in (generator, discriminator)
    ]
    return State(generator, deepcopy(generator), discriminator, adam[0], adam[1])


def channels_last(array: np.ndarray[Any, np.dtype[np.float32]]) -> Tensor:
    """The array as a tensor in the memory order that convolutions are fast in."""
    return torch.from_numpy(np.ascontiguousarray(array)).contiguous(memory_format=torch.channels_last)


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress)))


def train_step(config: TrainConfig, state: State, visible: Tensor, infrared: Tensor, step: int) -> dict[str, float]:
    """One step of both networks; gives the values of the loss terms."""
    rate = learning_rate(config, step)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        stages = [stage.float() for stage in state.generator.stages(visible)]  # type: ignore[operator]
    fake = stages[-1].clamp(-1.1, 1.1)
    judged = improve_discriminator(config, state, visible, infrared, fake.detach(), rate)
    terms = generator_terms(config, state, visible, infrared, stages, fake)
    total = torch.stack([getattr(config.weights, name) * term for name, term in terms.items()]).sum()
    improve(state.generator_optimiser, state.generator, total, rate, config.clip)
    copy_average(state.average, state.generator, min(config.ema, (1.0 + step) / (10.0 + step)))
    return {"rate": rate, "discriminator": judged, **{name: term.item() for name, term in terms.items()}}


def improve_discriminator(
    config: TrainConfig, state: State, visible: Tensor, infrared: Tensor, fake: Tensor, rate: float
) -> float:
    """One step of the discriminator; gives its loss."""
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        both = state.discriminator(visible.repeat(2, 1, 1, 1), torch.cat((infrared, fake)))[0].float()
    loss = objectives.hinge_discriminator(*both.chunk(2))
    improve(state.discriminator_optimiser, state.discriminator, loss, rate, config.clip)
    return loss.item()


def generator_terms(
    config: TrainConfig, state: State, visible: Tensor, infrared: Tensor, stages: list[Tensor], fake: Tensor
) -> dict[str, Tensor]:
    """The loss terms of the generator by the names of Weights, each stage weighted."""
    if len(stages) != len(config.weights.stages):
        why = f"{config.generator} has {len(stages)} stages, weights.stages has {len(config.weights.stages)} numbers"
        raise ConfigError("stages and their weights differ", why=why, fix="give weights.stages one number a stage")
    hot = objectives.hot_weights(infrared, config.weights.hot)
    terms = dict.fromkeys(("l1", "aligned", "structure", "gradient"), infrared.new_zeros(()))
    for weight, stage in zip(config.weights.stages, stages, strict=True):
        aligned = objectives.align(stage, infrared)
        terms["l1"] = terms["l1"] + weight * objectives.weighted_l1(stage, infrared, hot)
        terms["aligned"] = terms["aligned"] + weight * objectives.weighted_l1(aligned, infrared, hot)
        terms["structure"] = terms["structure"] + weight * objectives.structure(aligned, infrared)
        terms["gradient"] = terms["gradient"] + weight * objectives.gradient(aligned, infrared)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        with torch.no_grad():
            real_features = state.discriminator(visible, infrared)[1]
        score, features = state.discriminator(visible, fake)
    terms["adversarial"] = objectives.hinge_generator(score.float())
    terms["features"] = objectives.feature_matching([f.float() for f in features], [f.float() for f in real_features])
    return terms


def improve(optimiser: torch.optim.Optimizer, module: nn.Module, loss: Tensor, rate: float, clip: float) -> None:
    """Backward, clip, step."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(module.parameters(), clip)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()


def trim_log(path: Path, last: int) -> None:
    """Drop the rows of steps after `last`, which are trained again."""
    if path.is_file() and path.stat().st_size:
        head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in rows if int(row.partition(",")[0]) <= last]
        write_atomic(path, "".join([head, *kept]).encode())


def log(path: Path, row: Row) -> None:
    """Append a row to the CSV log."""
    new = not path.exists() or not path.stat().st_size
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
