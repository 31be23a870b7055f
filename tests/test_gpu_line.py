"""GPU tests are never skipped in silence: the last lines of a run say how many were not run, and why."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_closing_line_counts_gpu_tests(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, tmp_path)
    gpu = "@pytest.mark.gpu\ndef test_{}(): raise SystemError\n"
    text = f"import pytest\n{gpu.format('a')}{gpu.format('b')}def test_c(): pass\n"
    (tmp_path / "test_one.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_one.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "1 passed, 2 skipped" in done.stdout, done.stdout
    assert "GPU tests not run: 2, because " in done.stdout
