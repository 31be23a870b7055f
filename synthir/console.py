"""The manners of the command line: results on stdout, everything else on stderr, JSON for machines."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

from .errors import SynthIRError

SHOWN = 20
"""Refused pictures that are printed; all of them are in the manifest."""
EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""


def result(as_json: bool, data: object, text: str) -> None:
    """The result on stdout, as JSON or as text."""
    click.echo(json.dumps(data, indent=2) if as_json else printable(text))


def say(quiet: bool, *lines: str) -> None:
    """Lines on stderr that a person may like to read while waiting."""
    if not quiet:
        for line in lines:
            click.echo(printable(line), err=True)


def row(values: Mapping[str, float]) -> None:
    """A row of a training's log as one line on stderr."""
    click.echo("  ".join(f"{name} {value:.4g}" for name, value in values.items()), err=True)


def printable(text: str) -> str:
    """The text with escapes for what is no text: a file name may be any bytes."""
    return text.encode("utf-8", "backslashreplace").decode()


def refusals(lines: Sequence[str], ledger: str) -> None:
    """The first refused inputs, one coded line each, and where the others are."""
    for line in lines[:SHOWN]:
        click.echo(printable(line), err=True)
    if len(lines) > SHOWN:
        click.echo(printable(f"and {len(lines) - SHOWN} more in {ledger}"), err=True)


def failure(error: SynthIRError, as_json: bool) -> None:
    """An error as one line on stderr, or as one JSON object."""
    parts = {"code": error.code, "what": error.what, "where": error.where, "why": error.why, "fix": error.fix}
    click.echo(json.dumps(parts) if as_json else str(error), err=True)


def interrupted(arguments: Sequence[str]) -> None:
    """The command that goes on where this one was stopped."""
    again = shlex.join(["synthir", *(word for word in arguments if word != "--overwrite")])
    click.echo(printable(f"interrupted. Next: {again}"), err=True)


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[int, int, int], None]]:
    """Something to call with (done, refused, total): a bar on a terminal, a line now and then elsewhere."""
    if quiet:
        yield lambda done, refused, total: None
    elif not sys.stderr.isatty():
        yield _lines()
    else:
        from tqdm import tqdm

        with tqdm(unit="picture", dynamic_ncols=True) as bar:

            def move(done: int, refused: int, total: int) -> None:
                bar.total = total
                if refused:
                    bar.set_postfix(refused=refused, refresh=False)
                bar.update(done + refused - bar.n)

            yield move


def _lines() -> Callable[[int, int, int], None]:
    """Progress as lines on stderr, the last one at the end."""
    said = time.monotonic()

    def move(done: int, refused: int, total: int) -> None:
        nonlocal said
        if done + refused == total or time.monotonic() - said >= EVERY:
            said = time.monotonic()
            click.echo(f"{done} of {many(total, 'picture')}" + (f", {refused} refused" if refused else ""), err=True)

    return move


def silence_stdout() -> None:
    """Let go of stdout when its reader has gone, e.g. `| head`, so that Python does not complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns; the last column is left as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    lines = ("  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def many(count: int, what: str) -> str:
    """A number of things: `1 picture`, `2 pictures`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def size(count: float) -> str:
    """Bytes for people: 1536 -> `1.54 kB`."""
    units = ["B", "kB", "MB", "GB"]
    while count >= 1000 and len(units) > 1:
        count /= 1000
        units.pop(0)
    return f"{count:.3g} {units[0]}"
