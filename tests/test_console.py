"""The manners of the command line, function by function."""

import errno
import json
import math
import os
import signal

import pytest

from synthir import console


@pytest.mark.parametrize(
    ("number", "code", "step"),
    [
        (errno.ENOSPC, "SIR405", "free some space"),
        (errno.EROFS, "SIR400", "read-only"),
        (errno.EACCES, "SIR400", "choose another --out"),
        (errno.ENOENT, "SIR200", "may be read"),
        (errno.ELOOP, "SIR400", "check path, rights and disk"),
    ],
)
def test_every_fault_of_the_system_has_a_code_and_a_next_step(number: int, code: str, step: str) -> None:
    error = console.coded(OSError(number, os.strerror(number), "no/such/place"))
    assert error.code == code and step in error.fix and error.where == "no/such/place"
    assert error.why == os.strerror(number) and error.exit_status == (6 if code == "SIR405" else 1)


def delivered(number: signal.Signals) -> None:
    """What Python does for a signal, called and not raised; test_cli.py raises it, in a process of its own.

    pytest's stack for signals is too small for the registers of a CPU with AMX: once an engine has used them, the
    kernel kills the process.
    """
    handler = signal.getsignal(number)
    if callable(handler):
        handler(number, None)


def test_sigterm_ends_what_runs_and_names_the_way_on(capsys: pytest.CaptureFixture[str]) -> None:
    closed = []
    with pytest.raises(SystemExit) as left, console.terminable(["convert", "my photos", "--overwrite"]):
        try:
            delivered(signal.SIGTERM)
        finally:
            closed.append("journal")
    assert left.value.code == 143 and closed == ["journal"]
    assert capsys.readouterr().err == "interrupted. Next: synthir convert 'my photos'\n"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_sigterm_that_is_ignored_stays_so(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as left, console.terminable(["convert"]):
            delivered(signal.SIGTERM)
            raise SystemExit(3)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    assert left.value.code == 3 and capsys.readouterr().err == ""


def test_a_training_that_nobody_watches_says_how_far_it_is_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([5.0, 30.0, 66.0, 70.0])
    move = console._steps(lambda: next(times))
    for step in (1, 11, 41):
        move(step, 90, None)
    move(42, 90, {"step": 42.0, "l1": 0.25})
    assert capsys.readouterr().err == "step 41 of 90, 1.5 s a step\nstep 42  l1 0.25\n"


def test_what_is_no_number_is_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A layer that overflows in float16 is off by infinity, which JSON has no word for."""
    rows = [{"layer": "conv", "off": math.inf, "kept": True}, {"off": (math.nan, -math.inf, 1.5)}]
    console.result(True, {"rows": rows, "count": 2}, "")
    said = capsys.readouterr().out

    def refuse(word: str) -> None:
        raise AssertionError(word)

    found = json.loads(said, parse_constant=refuse)
    assert found == {"rows": [{"layer": "conv", "off": None, "kept": True}, {"off": [None, None, 1.5]}], "count": 2}
