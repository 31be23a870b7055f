"""Commands that need an extra say so where it is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from synthir.cli import main; main()"


@pytest.mark.parametrize(
    "words",
    [
        ["compile", "cascade-lwir-s", "--out", "x.xml"],
        ["train", "x.toml", "--data", ".", "--out", "run"],
        ["evaluate", "cascade-lwir-s", "--protocol", "x.toml", "--data", ".", "--out", "run"],
    ],
    ids=lambda words: words[0],
)
def test_a_core_installation_says_what_to_install(tmp_path: Path, default_model: Path, words: list[str]) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr.startswith("SIR503 torch is not installed") and ".[train]" in done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())
