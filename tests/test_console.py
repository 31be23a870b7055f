"""The manners of the command line, function by function."""

import errno
import os

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
