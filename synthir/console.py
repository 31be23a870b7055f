"""The manners of the command line: results on stdout, everything else on stderr, JSON for machines."""

import errno
import json
import math
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from .errors import DatasetError, SynthIRError, TargetError, UsageError
from .files import no_space

SHOWN = 20
"""Refused pictures that are printed; all of them are in the manifest."""
DENIED = (errno.EACCES, errno.EPERM)
WAYS_ON = {
    **dict.fromkeys(DENIED, "get the right to write there, or choose another --out"),
    errno.EROFS: "the disk is read-only: choose another --out",
    errno.ENAMETOOLONG: "choose a shorter --out",
    errno.ENOTDIR: "a file is where a folder should be: choose another --out",
    errno.EIO: "the disk fails: choose an --out on another one",
}
"""What the system says -> the next step."""
TERMINATED = 128 + signal.SIGTERM
"""Exit status after SIGTERM, as shells give it."""
EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""
EVERY_STEPS = 60.0
"""The same for a training, which takes hours."""


def result(as_json: bool, data: object, text: str) -> None:
    """The result on stdout, as JSON or as text."""
    click.echo(json.dumps(numbers(data), indent=2, allow_nan=False) if as_json else printable(text))


def numbers(data: object) -> object:
    """The data, with null for what is no number or infinite: JSON has no word for it."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: numbers(value) for key, value in data.items()}
    return [numbers(value) for value in data] if isinstance(data, list | tuple) else data


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


def misuse(error: click.ClickException) -> None:
    """Say as JSON what was wrong with a command's words, and whose help to read."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    fix = f"{context.command_path if context else 'synthir'} --help"
    failure(UsageError(error.format_message(), fix=fix), as_json=True)


def failure(error: SynthIRError, as_json: bool) -> None:
    """An error as one line on stderr, or as one JSON object; above it, or as `refused`, the refusals that led to it."""
    parts = {"code": error.code, "what": error.what, "where": error.where, "why": error.why, "fix": error.fix}
    led: list[str] = getattr(error, "__notes__", [])
    if as_json:
        click.echo(json.dumps({**parts, "refused": led} if led else parts), err=True)
        return
    refusals(led, "the report of --json")
    click.echo(str(error), err=True)


def coded(error: OSError) -> SynthIRError:
    """What the system refused, as an error with a code and a next step."""
    where, why = str(error.filename or ""), error.strerror or type(error).__name__
    if full := no_space(error, Path(where)):
        return full
    locked = error.errno in DENIED and Path(where).exists() and not os.access(where, os.R_OK)
    if error.errno == errno.ENOENT or locked:
        fix = "check that the file is there and may be read"
        return DatasetError("cannot be read", where=where, why=why, fix=fix)
    fix = WAYS_ON.get(error.errno or 0, "check path, rights and disk, then run the same command again")
    return TargetError("cannot be written", where=where, why=why, fix=fix)


def interrupted(arguments: Sequence[str]) -> None:
    """The command that goes on where this one was stopped."""
    again = shlex.join(["synthir", *(word for word in arguments if word != "--overwrite")])
    click.echo(printable(f"interrupted. Next: {again}"), err=True)


@contextmanager
def terminable(arguments: Sequence[str]) -> Iterator[None]:
    """Let SIGTERM end what runs inside as Ctrl-C does, with the same line, and leave with TERMINATED.

    Where somebody handles or ignores the signal already, and in a thread, it is left as it is.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def leave(*_: object) -> None:
        raise SystemExit(TERMINATED)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except SystemExit as left:
        if left.code == TERMINATED:
            interrupted(arguments)
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


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


@contextmanager
def training(quiet: bool) -> Iterator[Callable[[int, int, Mapping[str, float] | None], None]]:
    """Something to call with (step, steps, row of the log or None): a bar on a terminal, a line a minute elsewhere.

    Each row is a line, too.
    """
    if quiet:
        yield lambda step, steps, values: None
    elif not sys.stderr.isatty():
        yield _steps(time.monotonic)
    else:
        from tqdm import tqdm

        with tqdm(unit="step", dynamic_ncols=True) as bar:

            def move(step: int, steps: int, values: Mapping[str, float] | None) -> None:
                bar.total = steps
                bar.update(step - bar.n)
                if values:
                    with bar.external_write_mode(sys.stderr):
                        row(values)

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


def _steps(clock: Callable[[], float]) -> Callable[[int, int, Mapping[str, float] | None], None]:
    """Progress of a training as lines on stderr: how far it is and what a step takes, and the rows."""
    said, before = 0.0, 0

    def move(step: int, steps: int, values: Mapping[str, float] | None) -> None:
        nonlocal said, before
        now = clock()
        if not before:
            said, before = now, step  # the first step prepares, and is not what a step takes
        elif now - said >= EVERY_STEPS:
            click.echo(f"step {step} of {steps}, {(now - said) / (step - before):.2g} s a step", err=True)
            said, before = now, step
        if values:
            row(values)

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
