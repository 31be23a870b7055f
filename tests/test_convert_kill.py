"""kill -9 at any moment, the same command again: nothing is lost or differs. `tests/kill_many.py` does a hundred."""

import sys
from pathlib import Path

import pytest

from tests.kill_many import torture


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize(("kills", "batch"), [(12, 1), (8, 3)])
def test_killed_conversions_end_as_if_never_killed(tmp_path: Path, kills: int, batch: int) -> None:
    assert torture(tmp_path, kills, seed=11, batch=batch) >= 1
