"""Two processes train as one does on the same global batch, within TOLERANCE; one of them speaks, each has its GPU."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from synthir import distributed
from synthir.checkpoint import load_model
from synthir.errors import TrainingError
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
CYCLE_TOLERANCE = dict.fromkeys(("discriminator", "back_discriminator", "adversarial", "cycle", "identity"), 1e-3)
"""The same for CycleGAN."""
CONFIG = """
band = "lwir"
steps = 3
warmup = 0
save_every = 1
block = 1
validate_share = 3
bfloat16 = false
"""
PAIRED = """
start = "{start}"
batch = 4
[augmentation]
sizes = [64]
[weights]
features = 0.0
"""
CYCLE = """
system = "cycle"
generator = "cyclegan_6"
batch = 2
adversary = "lsgan"
discriminator_norm = "instance"
[augmentation]
sizes = [64]
zoom = [1.0, 1.0]
[weights]
stages = [1.0]
l1 = 0.0
aligned = 0.0
structure = 0.0
gradient = 0.0
features = 0.0
adversarial = 1.0
cycle = 10.0
identity = 5.0
"""
NARROW = "from synthir.generators import cyclegan as c; c.cyclegan_6 = lambda: c.Settings(width=4, blocks=1); "
"""Said in each process before the program: CycleGAN's size of that name is a narrow one."""


class Run(NamedTuple):
    """What a training left behind."""

    model: Path
    log: list[dict[str, str]]
    printed: list[str]
    """The lines on stdout."""
    rows: list[str]
    """The lines on stderr that are rows of the log."""


def train(folder: Path, pairs: Path, processes: int, config: str, before: str = "") -> Run:
    """A training in that many processes."""
    start = tiny.model_folder(folder / "start")
    (folder / "train.toml").write_text(CONFIG + config.format(start=start.as_posix()), encoding="utf-8")
    words = ["train", str(folder / "train.toml"), "--data", str(pairs), "--out", str(folder / "run"), "--device", "cpu"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "--no-python"]
    alone = [sys.executable, "-c", f"{before}from synthir.cli import main; main()", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = alone if processes == 1 else [sys.executable, *launch, *alone]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with (folder / "run/log.csv").open(encoding="utf-8") as file:
        log = list(csv.DictReader(file))
    rows = [line for line in done.stderr.splitlines() if "  rate " in line]
    return Run(folder / "run/model", log, done.stdout.splitlines(), rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "before", "tolerances"),
    [(PAIRED, "", TOLERANCE), (CYCLE, NARROW, CYCLE_TOLERANCE)],
    ids=["gan", "cycle"],
)
def test_two_processes_lose_what_one_does_and_one_of_them_speaks(
    config: str, before: str, tolerances: dict[str, float], tmp_path: Path
) -> None:
    pairs = textured(tiny.draw_pairs(tmp_path / "pairs", 6))
    one, two = (train(tmp_path / str(count), pairs, count, config, before) for count in (1, 2))
    assert len(one.log) == len(two.log) == 3
    for alone, shared in zip(one.log, two.log, strict=True):
        for term, tolerance in tolerances.items():
            assert float(shared[term]) == pytest.approx(float(alone[term]), rel=tolerance, abs=1e-6), term
    weights = [load_model(run.model)[0].state_dict() for run in (one, two)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-2, atol=2e-3, msg=name)
    for run in (one, two):
        assert run.printed == [str(run.model)]
        assert [line.partition("  ")[0] for line in run.rows] == ["step 1", "step 2", "step 3"]


def textured(pairs: Path) -> Path:
    """The pictures with noise: on a flat crop instance norm divides by nothing, and no order of sums is right."""
    for number, path in enumerate(sorted(pairs.rglob("*.png"))):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        noise = np.random.default_rng(number).integers(-30, 31, picture.shape)
        cv2.imwrite(str(path), np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8))
    return pairs


def launched(rank: int, beside: int, machines: int = 1) -> dict[str, str]:
    """What torchrun sets for a process; `beside` run on each machine."""
    return {
        "WORLD_SIZE": str(beside * machines),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank % beside),
        "LOCAL_WORLD_SIZE": str(beside),
    }


def test_each_process_of_a_machine_has_its_own_gpu() -> None:
    """What torch.cuda.set_device is given; no GPU was there to give."""
    gpu = torch.device("cuda")
    taken = [str(distributed.own_device(gpu, launched(rank, 2, machines=2), 2)) for rank in range(4)]
    assert taken == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert distributed.own_device(gpu, {}, 2) == gpu
    cpu, third = torch.device("cpu"), torch.device("cuda:3")
    assert distributed.own_device(cpu, launched(1, 2), 0) == cpu
    assert distributed.own_device(third, launched(1, 1, machines=2), 4) == third


def test_a_process_without_a_gpu_of_its_own_is_told() -> None:
    with pytest.raises(TrainingError, match=r"cuda:2.*3 processes on this machine, GPUs 2.*--nproc-per-node 2"):
        distributed.own_device(torch.device("cuda"), launched(2, 3), 2)
    with pytest.raises(TrainingError, match="one GPU for several processes"):
        distributed.own_device(torch.device("cuda:1"), launched(0, 2), 2)


def test_loss_values_on_the_cpu_have_a_way_beside_the_gpus() -> None:
    """As torch itself reads the names."""
    ways = {
        kind: dist.BackendConfig(dist.Backend(distributed.backend(torch.device(kind)))).get_device_backend_map()
        for kind in ("cpu", "cuda")
    }
    assert ways["cuda"] == {"cpu": "gloo", "cuda": "nccl"}
    assert ways["cpu"]["cpu"] == "gloo"


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
