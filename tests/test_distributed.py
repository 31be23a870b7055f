"""Two processes train as one does on the same global batch, within TOLERANCE."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from synthir import distributed
from synthir.checkpoint import load_model
from tests import tiny

ROOT = Path(__file__).parents[1]
TOLERANCE = {
    "discriminator": 1e-4,
    "l1": 1e-4,
    "aligned": 1e-4,
    "structure": 1e-4,
    "gradient": 1e-4,
    "adversarial": 1e-3,
}
"""Largest relative difference of a loss term: sums in another order, through three steps of training."""
CONFIG = """
start = "{start}"
band = "lwir"
steps = 3
batch = 4
warmup = 0
save_every = 1
block = 1
validate_share = 3
bfloat16 = false
[augmentation]
sizes = [64]
[weights]
features = 0.0
"""


def train(folder: Path, pairs: Path, processes: int) -> list[dict[str, str]]:
    """The log of a training in that many processes."""
    start = tiny.model_folder(folder / "start")
    (folder / "train.toml").write_text(CONFIG.format(start=start.as_posix()), encoding="utf-8")
    words = ["train", str(folder / "train.toml"), "--data", str(pairs), "--out", str(folder / "run"), "--device", "cpu"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "--no-python"]
    alone = [sys.executable, "-c", "from synthir.cli import main; main()", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = alone if processes == 1 else [sys.executable, *launch, *alone]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with (folder / "run/log.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_two_processes_lose_what_one_does(tmp_path: Path) -> None:
    pairs = tiny.draw_pairs(tmp_path / "pairs", 6)
    one, two = (train(tmp_path / str(count), pairs, count) for count in (1, 2))
    assert len(one) == len(two) == 3
    for alone, shared in zip(one, two, strict=True):
        for term, tolerance in TOLERANCE.items():
            assert float(shared[term]) == pytest.approx(float(alone[term]), rel=tolerance, abs=1e-6), term
    weights = [load_model(tmp_path / f"{count}/run/model")[0].state_dict() for count in (1, 2)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-2, atol=2e-3, msg=name)


def test_a_process_alone_is_left_in_peace() -> None:
    assert not distributed.several()
    assert distributed.average_values({"l1": 2.0}) == {"l1": 2.0}
    assert distributed.any_of(True) and not distributed.any_of(False)
    with distributed.processes(torch.device("cpu")) as part:
        assert part == (0, 1)


def test_a_batch_norm_that_looks_at_all_processes_keeps_names_and_figures() -> None:
    """Alone it is the batch norm it stands for."""
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4)))
    names = list(plain.state_dict())
    picture = torch.rand(2, 3, 8, 8)
    expected = plain(picture)
    other = distributed.synced(plain)
    assert list(other.state_dict()) == names
    assert [type(part) for part in other.modules()][-1] is distributed.SyncedBatchNorm
    torch.testing.assert_close(other(picture), expected)
