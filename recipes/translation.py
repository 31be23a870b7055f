"""Compare training systems on equal budgets: train each for the same minutes, measure all in the same way, one table.

    synthir recipe run translation --data DATA --out runs/translation

What is done is kept: started again, it goes on with the system and the step where it stopped. The number of steps that
fit the time is measured once for each system, one after the other before the first is trained, and kept too: what else
the machine does later changes no budget, and the learning rate falls over all steps. At the end the costs of a step and
of a picture of each system are measured one after the other; leave the machine alone then.
"""

import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from synthir import config as configuration
from synthir.compile import compile_engine
from synthir.evaluate import EvaluateConfig, evaluate_from
from synthir.files import write_atomic
from synthir.journal import locked
from synthir.layouts import find_pairs
from synthir.pairs import PairSource
from synthir.recipes import Outcome, Say, claim
from synthir.shipped import PAYLOAD
from synthir.systems import system_of
from synthir.train_config import TrainConfig
from synthir.train_data import prepare
from synthir.train_start import fresh_state
from synthir.train_state import Batch, State, take_step
from synthir.training import train

HERE = Path(__file__).parent
TRIAL = 8
"""Steps that are timed; the first two, which warm up, do not count."""


@dataclass(frozen=True)
class Config:
    """What is compared."""

    systems: tuple[str, ...]
    """Training configurations beside this file."""
    shipped: tuple[str, ...]
    """Shipped models that are measured as they are."""
    protocol: str
    """Beside this file: what is measured."""
    sources: tuple[PairSource, ...]
    seeds: tuple[int, ...]
    minutes: float = 20.0
    """Training time of each system."""


def plan(config: Config, data: Path) -> list[str]:
    """What would be done. Raises ConfigError, and TrainingError where pairs are missing."""
    for name in config.systems:
        system_config(config, name)
    configuration.load(HERE / config.protocol, EvaluateConfig)
    pairs = sum(len(find_pairs(data, source)) for source in config.sources)
    trainings = len(config.systems) * len(config.seeds)
    return [
        f"{trainings} trainings of {config.minutes:g} minutes on {pairs} pairs, {len(config.shipped)} shipped models"
    ]


def run(config: Config, data: Path, out: Path, say: Say) -> Outcome:
    """Train, measure and tabulate; the tables are in table.md and costs.md. Raises TargetBusy."""
    with locked(out):
        return compare(config, data, out, say)


def compare(config: Config, data: Path, out: Path, say: Say) -> Outcome:
    """The same in a folder that is held."""
    claim(out, config)
    runs = [(run_folder(out, name, seed), name, seed) for name in config.systems for seed in config.seeds]
    for folder, name, seed in runs:
        steps_in(system_config(config, name), data, folder / "steps.json", seed, config.minutes)
    for folder, name, seed in runs:
        say(f"{folder.name}: training and measuring")
        run_system(system_config(config, name), data, folder, seed, config.minutes)
        measure(str(folder / "run/model"), config, data, folder / "evaluate")
    for name in config.shipped:
        measure(name, config, data, out / name / "evaluate")
    if not (out / "costs.md").is_file():
        say("measuring costs")
        write_atomic(out / "costs.md", cost_table(config).encode())
    found = table(config, out)
    write_atomic(out / "table.md", found.encode())
    whole = f"{found}\n\n{(out / 'costs.md').read_text(encoding='utf-8')}"
    return Outcome("One seed is an anecdote: see the intervals.", whole, out / "table.md", out / "costs.md")


def run_folder(out: Path, name: str, seed: int) -> Path:
    """Where the training of a configuration lies."""
    return out / f"{Path(name).stem.removeprefix('train_')}-{seed}"


def system_config(chosen: Config, name: str) -> TrainConfig:
    """A shipped training on the pairs of the comparison; without pairs for systems that want none."""
    config = configuration.load(HERE / name, TrainConfig)
    return replace(config, sources=chosen.sources, block=12, validate_share=7)


def run_system(config: TrainConfig, data: Path, folder: Path, seed: int, minutes: float) -> None:
    """Train for the time that is given, and compile."""
    if not (folder / "done.json").is_file():
        steps = steps_in(config, data, folder / "steps.json", seed, minutes)
        begun = time.monotonic()
        sized = replace(config, steps=steps, save_every=max(1, steps // 2), **phases(config, steps))
        train(sized, data, folder / "run", seed=seed)
        seen = {"steps": steps, "pictures": steps * config.batch, "minutes": (time.monotonic() - begun) / 60.0}
        write_atomic(folder / "done.json", json.dumps(seen).encode())
    if not (folder / "run/model" / PAYLOAD).is_file():
        compile_engine(folder / "run/model", folder / "run/model" / PAYLOAD)


def phases(config: TrainConfig, steps: int) -> dict[str, Any]:
    """The parts of a training at the same shares of other steps."""
    scale = steps / config.steps
    turns = tuple(round(first * scale) for first in config.stages_from)
    return {
        "finish_from": round(config.finish_from * scale),
        "stages_from": turns,
        "joint_from": round(config.joint_from * scale),
        "warmup": min(config.warmup, steps // 10),
    }


def steps_in(config: TrainConfig, data: Path, kept: Path, seed: int, minutes: float) -> int:
    """How many steps fit the time; measured once and kept, so that a resumed run has the same."""
    if kept.is_file():
        return int(json.loads(kept.read_text(encoding="utf-8"))["steps"])
    state = fresh_state(config, seed, torch.device("cpu"))
    steps = 1
    if "generator" in state.optimisers:
        draw, _ = prepare(config, data, seed)
        steps = max(10, int(60.0 * minutes / step_seconds(config, state, draw(0))))
    write_atomic(kept, json.dumps({"steps": steps, "minutes": minutes}).encode())
    return steps


def step_seconds(config: TrainConfig, state: State, batch: Batch) -> float:
    """What a step takes, in seconds: a few are timed in each part of the training, parts count by their length."""
    lengths = parts(config)
    whole = (statistics.median(seconds_from(config, state, batch, first)) * length for first, length in lengths.items())
    return sum(whole) / config.steps


def parts(config: TrainConfig) -> dict[int, int]:
    """The parts of a training in which different networks or terms learn: first step -> how many steps."""
    firsts = {0, *config.stages_from, config.joint_from, config.finish_from}
    ends = [*sorted(first for first in firsts if first < config.steps), config.steps]
    return {first: end - first for first, end in pairwise(ends)}


def seconds_from(config: TrainConfig, state: State, batch: Batch, first: int) -> list[float]:
    """Of a few training steps on one batch, seconds each; the two to warm up are left out."""
    system, seconds = system_of(config.system), []
    for step in range(first, first + TRIAL):
        begun = time.perf_counter()
        take_step(config, system, state, batch, step)
        seconds.append(time.perf_counter() - begun)
    return seconds[2:]


def measure(model: str, chosen: Config, data: Path, out: Path) -> None:
    """Evaluate a model where that was not done."""
    if not (out / "rows.json").is_file():
        evaluate_from(model, HERE / chosen.protocol, data, out)


def table(chosen: Config, out: Path) -> str:
    """The tables of all systems under each other, baselines once, and what each was given."""
    lines: list[str] = []
    budgets = ["| system | steps | pictures seen | minutes |", "| --- | --- | --- | --- |"]
    for folder in [run_folder(out, name, seed) for name in chosen.systems for seed in chosen.seeds]:
        done = json.loads((folder / "done.json").read_text(encoding="utf-8"))
        budgets.append(f"| {folder.name} | {done['steps']} | {done['pictures']} | {done['minutes']:.0f} |")
        lines += rows_of(folder / "evaluate/table.md", folder.name, baselines=not lines)
    for name in chosen.shipped:
        lines += rows_of(out / name / "evaluate/table.md", name, baselines=False)
    head, rule, *rows = lines
    return "\n".join([head, rule, *sorted(rows), "", *budgets])


def rows_of(path: Path, name: str, *, baselines: bool) -> Iterator[str]:
    """The lines of the first table of an evaluation: with its head and baselines, or the generator's alone."""
    first = path.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    for line in first:
        cells = line.split("|")
        plain = cells[2].strip() in ("method", "---", "grayscale", "inverted", "constant")
        if baselines or not plain:
            yield line if plain else "|".join([*cells[:2], f" {name} ", *cells[3:]])


def cost_table(chosen: Config) -> str:
    """One training step of 256x256 with one picture, and one picture through the network, of each, in turn."""
    lines = ["| system | parameters M | GFLOP | step ms | picture ms |", "| --- | --- | --- | --- | --- |"]
    visible, infrared = torch.rand(1, 3, 256, 256) * 2 - 1, torch.rand(1, 1, 256, 256) * 2 - 1
    for name in chosen.systems:
        config = system_config(chosen, name)
        state = fresh_state(config, 0, torch.device("cpu"))
        module = state.average
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(visible)
        seconds = []
        for _ in range(TRIAL):
            begun = time.perf_counter()
            with torch.inference_mode():
                module(visible)
            seconds.append(time.perf_counter() - begun)
        step = "-"  # the analytic control has nothing to learn
        if "generator" in state.optimisers:
            step = f"{1e3 * step_seconds(config, state, Batch(visible, infrared)):.0f}"
        million = sum(p.numel() for p in module.parameters()) / 1e6
        figures = f"{million:.1f} | {counter.get_total_flops() / 1e9:.1f} | {step}"
        figures += f" | {statistics.median(seconds[2:]) * 1e3:.0f}"
        lines.append(f"| {Path(name).stem.removeprefix('train_')} | {figures} |")
    return "\n".join(lines)
