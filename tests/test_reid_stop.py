"""A re-ID run that is shared, killed, out of space, or gone on with: nothing is lost, and nothing is mixed."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from synthir.errors import NoSpace, TargetBusy, TrainingError
from synthir.files import write_atomic
from synthir.journal import locked
from synthir.reid import runs
from synthir.reid.arms import Arm
from tests.test_reid_gain import ARMS, RECIPE, ROOT, Killed, chosen, figures, whole

__all__ = ["whole"]  # the fixture: an uninterrupted run

SCRIPT = """
import sys
from pathlib import Path
from tests.test_reid_gain import RECIPE, chosen
RECIPE.run(chosen(Path(sys.argv[1])), Path(), Path(sys.argv[2]), lambda line: print(line, flush=True))
"""


def quietly(engine: Path, out: Path, **changes: Any) -> Any:
    return RECIPE.run(chosen(engine, **changes), Path(), out, lambda line: None)


def test_two_processes_do_not_share_a_run(small_engine: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(small_engine), str(tmp_path)]
    with locked(tmp_path):
        with pytest.raises(TargetBusy, match="another process is writing here"):
            quietly(small_engine, tmp_path)
        other = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert other.returncode != 0 and "TargetBusy" in other.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_held_while_it_trains(
    small_engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(self: Any, done: int) -> None:
        with pytest.raises(TargetBusy), locked(tmp_path):
            pass
        raise Killed

    monkeypatch.setattr(RECIPE.Watch, "step", step)
    with pytest.raises(Killed):
        quietly(small_engine, tmp_path)


def test_a_comparison_of_systems_is_locked_too(tmp_path: Path) -> None:
    from synthir import recipes

    translation: Any = recipes.load("translation")
    config = translation.Config((), (), "evaluate_nir.toml", (), ())
    with locked(tmp_path), pytest.raises(TargetBusy):
        translation.run(config, tmp_path, tmp_path, lambda line: None)


def test_a_folder_of_another_recipe_is_left_as_it_is(small_engine: Path, tmp_path: Path) -> None:
    before = (ROOT / "recipes/detector_gain_smoke.toml").read_bytes()
    (tmp_path / "config.toml").write_bytes(before)
    with pytest.raises(TrainingError, match="a run of another kind lies there"):
        quietly(small_engine, tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()] == [before]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_killed_for_real_it_ends_as_an_uninterrupted_one(small_engine: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(small_engine), str(tmp_path / "run")]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while len(list((tmp_path / "run/runs").glob("*/run.json"))) < 2:
        assert running.poll() is None
        time.sleep(0.02)
    running.kill()
    running.wait()
    assert len(list((tmp_path / "run/runs").glob("*/run.json"))) < 8
    # in processes of their own, too: how many threads torch has here, other tests decide, and sums follow the threads
    for out in ("run", "whole"):
        subprocess.run([*command[:-1], str(tmp_path / out)], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    assert figures(tmp_path / "run") == figures(tmp_path / "whole")


def test_a_kill_between_weights_and_figures_loses_no_training(
    whole: tuple[Path, Any], small_engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = list[int]()

    def dying(path: Path, data: bytes) -> None:
        if path.name == runs.RUN:
            raise Killed
        write_atomic(path, data)

    monkeypatch.setattr(RECIPE.Watch, "step", lambda self, done: steps.append(done))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(runs, "write_atomic", dying)
        quietly(small_engine, tmp_path)
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "weights.safetensors").is_file() and (folder / "state.json").is_file()
    monkeypatch.setattr(runs, "forget_states", lambda folder: None)  # killed between the figures and the deleting
    quietly(small_engine, tmp_path, seeds=(1,))
    assert steps == [1, 2, 3, 4] * 4  # the first arm was not trained again
    monkeypatch.undo()
    assert (folder / "state.json").is_file()
    quietly(small_engine, tmp_path)
    assert {path.name for path in folder.iterdir()} == {"run.json", "weights.safetensors"}
    assert figures(tmp_path) == figures(whole[0])
    kept, expected = (
        load_file(next(p.glob("runs/baseline-*-seed1")) / "weights.safetensors") for p in (tmp_path, whole[0])
    )
    assert all(torch.equal(value, expected[name]) for name, value in kept.items())


@pytest.mark.parametrize("writes", [5, 40])  # while infrared is made, and while it trains
def test_a_full_disk_ends_it_and_more_space_ends_it_well(
    writes: int, whole: tuple[Path, Any], small_engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, list[int]()

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with monkeypatch.context() as patch, pytest.raises(NoSpace):
        patch.setattr(os, "fsync", full)
        quietly(small_engine, tmp_path)
    assert not list(tmp_path.rglob("*.synthir-part"))
    quietly(small_engine, tmp_path)
    assert figures(tmp_path) == figures(whole[0])


def test_infrared_is_made_for_every_arm_before_the_first_training(
    small_engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(self: Any, done: int) -> None:
        raise Killed

    monkeypatch.setattr(RECIPE.Watch, "step", step)
    with pytest.raises(Killed):
        quietly(small_engine, tmp_path)
    assert len(list((tmp_path / "synthetic").rglob("*.png"))) == 12  # of three persons by two cameras, two each
    before = json.loads((tmp_path / "inputs.json").read_text())
    assert before["device"] == "cpu" and before["torch"] == str(torch.__version__)


def test_further_seeds_and_arms_join_a_run(whole: tuple[Path, Any], small_engine: Path, tmp_path: Path) -> None:
    quietly(small_engine, tmp_path, arms=ARMS[:3], seeds=(2,))
    steps = list[str]()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/run.json")}
    RECIPE.run(chosen(small_engine), Path(), tmp_path, steps.append)
    assert {path: path.stat().st_mtime_ns for path in times} == times and len(times) == 3
    assert figures(tmp_path) == figures(whole[0])
    joint = Arm("joint", channel=1.0, joint=True)
    quietly(small_engine, tmp_path, arms=(joint, *ARMS))
    found = {(r["arm"], r["seed"]): r for r in figures(tmp_path)["runs"]}
    assert found[joint.name, 1]["losses"] != found["channel augmentation", 1]["losses"]
    assert found[joint.name, 1]["initial"] == found["channel augmentation", 1]["initial"]


def test_unfinished_runs_say_so_first(small_engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = runs.run_cell

    def second_dies(bench: Any, cell: Any, tell: Any) -> Any:
        if cell.seed == 2:
            raise Killed
        return real(bench, cell, tell)

    monkeypatch.setattr(RECIPE, "run_cell", second_dies)
    with pytest.raises(Killed):
        quietly(small_engine, tmp_path, arms=ARMS[:2])
    verdict = json.loads((tmp_path / "result.json").read_text())["verdict"]
    assert verdict[0] == "2 of 4 trainings are done." and verdict[1].startswith("No measurable gain")
