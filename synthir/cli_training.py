"""The commands that train and measure generators: train, finetune, adapt, evaluate, pairs. See synthir.cli."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from . import console
from .errors import UsageError

PATH = click.Path(path_type=Path)
OUT = click.option("--out", type=PATH, required=True, help="Folder of the run; the model is OUT/model.")
MINUTES = click.option(
    "--max-minutes", type=float, default=float("inf"), help="Stop then; the same command goes on.", metavar="N"
)
SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides initial weights and batches."
)
DEVICE = click.option("--device", default="auto", show_default=True, help="cpu, cuda, or what is there.")
RECIPE = click.option("--config", "recipe", type=PATH, help="TOML file in place of the shipped one.")
LEVELS = click.option(
    "--levels", type=(float, float), metavar="LOW HIGH", help="Values of infrared of more than 8 bits: black and white."
)
QUIET = click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")


def trained(training: Callable[..., Path], *pictures: object, quiet: bool, **how: Any) -> None:
    """Run a training and print its model folder; of several processes the first one alone prints, progress too."""
    from .distributed import started

    first = started(os.environ).rank == 0
    with console.training(quiet or not first) as report:
        model = training(*pictures, report=report, **how)
    if first:
        click.echo(model)


@click.command()
@click.argument("config", type=PATH)
@click.option("--data", type=PATH, required=True, help="Folder of the pictures.")
@OUT
@MINUTES
@SEED
@DEVICE
@QUIET
def train(config: Path, data: Path, out: Path, quiet: bool, **how: Any) -> int:
    """Train the generator that a TOML file describes."""
    from .training import train_from

    trained(train_from, config, data, out, quiet=quiet, **how)
    return 0


@click.command()
@click.argument("name")
@click.option("--pairs", type=PATH, required=True, help="Folder with visible/ and infrared/, pairs by name.")
@OUT
@MINUTES
@SEED
@DEVICE
@RECIPE
@LEVELS
@QUIET
def finetune(name: str, pairs: Path, out: Path, quiet: bool, **how: Any) -> int:
    """Train a model further on a few pairs of your camera.

    NAME is a shipped model, or the folder of a trained one.
    """
    from .further import finetune

    trained(finetune, name, pairs, out, quiet=quiet, **how)
    return 0


@click.command()
@click.argument("name")
@click.option("--infrared", type=PATH, required=True, help="Folder of your camera's infrared pictures.")
@click.option("--visible", type=PATH, help="Folder of visible pictures such as you will convert; needed.")
@OUT
@MINUTES
@SEED
@DEVICE
@RECIPE
@LEVELS
@QUIET
def adapt(name: str, visible: Path | None, infrared: Path, out: Path, quiet: bool, **how: Any) -> int:
    """Make a model's results look like your camera's pictures; no pairs are needed.

    NAME is a shipped model, or the folder of a trained one.
    """
    if visible is None:
        why = "what the model makes of them is compared with your camera's pictures"
        fix = "give --visible, a folder of pictures such as you will convert; none need belong to an infrared one"
        raise UsageError("visible pictures are missing", why=why, fix=fix)
    from .further import adapt

    trained(adapt, name, visible, infrared, out, quiet=quiet, **how)
    return 0


@click.command()
@click.argument("name")
@click.option("--protocol", type=PATH, help="TOML file that says what is measured on which pictures.")
@click.option("--data", type=PATH, help="Folder of the protocol's pictures.")
@click.option("--pairs", type=PATH, help="Without a protocol: folder with visible/ and infrared/, pairs by name.")
@click.option(
    "--config", type=PATH, help="With --pairs: TOML file with a protocol's other keys, e.g. lpips or inception."
)
@click.option("--allow-shared-scenes", is_flag=True, help="With --pairs: measure although the model has seen them.")
@click.option("--out", type=PATH, required=True, help="Folder of the report.")
@LEVELS
@QUIET
def evaluate(
    name: str, protocol: Path | None, data: Path | None, pairs: Path | None, out: Path, quiet: bool, **how: Any
) -> int:
    """Measure a model beside plain baselines, on --pairs or by a --protocol on --data.

    NAME is a shipped model, the folder of a trained one, or the file of an engine.
    """
    from .evaluate import evaluate_from, evaluate_pairs, model_alone

    if folder := model_alone(name):
        faster = f"synthir compile {folder} --out {folder / 'engine.xml'} makes an engine"
        console.say(quiet, f"{name} has no engine: its network is measured, float32 on the CPU. {faster}")
    with console.progress(quiet) as progress:
        if pairs and not (protocol or data):
            table = evaluate_pairs(name, pairs, out, progress=progress, **how)
        elif protocol and data and not (pairs or any(how.values())):
            table = evaluate_from(name, protocol, data, out, progress)
        else:
            ways = "give either --pairs, or --protocol with --data"
            raise click.UsageError(f"{ways}; --config, --levels and --allow-shared-scenes go with --pairs")
    click.echo(table)
    return 0


@click.group()
def pairs() -> None:
    """Look at pairs before training on them."""


@pairs.command("check")
@click.argument("folder", type=PATH)
@click.option(
    "--layout", default="folders", show_default=True, help="How the pairs lie: docs/guides/bring-your-pairs.md."
)
@click.option("--visible", help="Visible folder below FOLDER; FOLDER itself for published layouts, else visible.")
@click.option("--infrared", default="infrared", show_default=True, help="Infrared folder below FOLDER.")
@click.option("--limit", type=float, default=3.0, show_default=True, help="Pixels that a pair may be off.")
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Look at each n-th pair.")
@LEVELS
def check(
    folder: Path,
    layout: str,
    visible: str | None,
    infrared: str,
    limit: float,
    every: int,
    levels: tuple[float, float] | None,
) -> int:
    """Say which pairs are misaligned, or cannot be read; exit status 1 where there are any."""
    from .layouts import find_pairs
    from .pairs import Layout, PairSource
    from .registration import check, report

    below = visible or ("visible" if layout in ("folders", "unpaired") else ".")
    found = find_pairs(folder, PairSource(cast(Layout, layout), below, infrared, levels=levels))[::every]
    rows = list(check(found))
    click.echo(report(rows, limit))
    return int(any(row.problem or (row.sure and row.distance > limit) for row in rows))


COMMANDS = (train, finetune, adapt, evaluate, pairs)
"""What synthir.cli adds to the program."""
