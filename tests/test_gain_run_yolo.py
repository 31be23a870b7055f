"""One training of recipes/detector_gain.py: what makes it another, what it begins with, and how it ends badly."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from synthir import recipes, watched_yolo
from synthir.detection import Found
from synthir.errors import NoSpace, TrainingError
from tests.streets import ROOT
from tests.test_detector_gain import shortest


@pytest.fixture(scope="module")
def recipe() -> Any:
    return recipes.load("detector_gain")


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Puts a class in the place of ultralytics' YOLO."""
    watched_yolo.silence()
    return lambda model: monkeypatch.setattr("ultralytics.models.YOLO", model)


class Stepping:
    """Stands for ultralytics: trains `steps` steps, leaves checkpoints, and detects one object."""

    steps = 4
    opened: ClassVar[list[str]] = []

    def __init__(self, place: str | Path) -> None:
        self.opened.append(Path(place).name)
        self.events: dict[str, Callable[[Any], None]] = {}

    def add_callback(self, event: str, call: Callable[[Any], None]) -> None:
        self.events[event] = call

    def train(self, *, project: str, batch: int, **more: Any) -> None:
        for _ in range(self.steps):
            self.events["on_train_batch_end"](SimpleNamespace(batch_size=batch))
        (Path(project) / "run/weights").mkdir(parents=True)
        for name in ("last", "best"):
            (Path(project) / f"run/weights/{name}.pt").write_bytes(b"")

    def predict(self, *pictures: str, **more: Any) -> list[Any]:
        return [SimpleNamespace(boxes=SimpleNamespace(data=torch.tensor([[10.0, 20.0, 30.0, 60.0, 0.5, 1.0]])))]


def train(recipe: Any, folder: Path, **changed: Any) -> Any:
    """A training of `shortest`, of no pictures."""
    return recipe.train(replace(shortest(recipe), **changed), ["person"], [], [], 1, folder, None)


def test_a_training_of_more_or_fewer_steps_is_refused(
    recipe: Any, instead: Callable[[Any], None], tmp_path: Path
) -> None:
    instead(Stepping)
    assert train(recipe, tmp_path / "4").steps == 4
    for steps in (3, 5):
        instead(type("Other", (Stepping,), {"steps": steps}))
        with pytest.raises(TrainingError, match=f"{steps} steps in place of 4"):
            train(recipe, tmp_path / str(steps))


@pytest.mark.parametrize("said", [RuntimeError("unexpected pos 64 vs 0"), OSError(28, "unexpected pos 64 vs 0")])
def test_a_training_that_fails_for_want_of_room_says_so(
    recipe: Any, instead: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: Exception
) -> None:
    def fail(self: Any, **more: Any) -> None:
        raise said  # torch's words for a full disk

    instead(type("Failing", (Stepping,), {"train": fail}))
    for free, error in ((99_999_999, NoSpace), (100_000_000, TrainingError)):
        monkeypatch.setattr(shutil, "disk_usage", lambda place, free=free: SimpleNamespace(free=free))
        with pytest.raises(error) as caught:
            train(recipe, tmp_path)
        assert (error is NoSpace) or "unexpected pos 64" in str(caught.value)


@pytest.mark.parametrize("weights", ["last", "best"])
def test_the_weights_that_are_asked_for_look(
    recipe: Any, instead: Callable[[Any], None], tmp_path: Path, weights: str
) -> None:
    opened: list[str] = []
    instead(type("Looking", (Stepping,), {"opened": opened}))
    found: Sequence[Any] = recipe.look(replace(shortest(recipe), weights=weights), tmp_path, [Path("a.png")])
    assert opened == [f"{weights}.pt"]
    assert found == [[Found((10.0, 20.0, 20.0, 40.0), 0.5, 1)]]


CHANGED = {
    "precision": "float32",
    "average": 0.2,
    "polarity": 0.25,
    "learning_rate": 0.001,
    "rounds": 4,
    "batch": 16,
    "side": 96,
    "detector": "yolo11s.yaml",
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_shapes_a_training_makes_another_one(recipe: Any, name: str) -> None:
    config = shortest(recipe)
    assert recipe.key_of(config) != recipe.key_of(replace(config, **{name: CHANGED[name]}))
    assert recipe.key_of(config) == recipe.key_of(replace(config, seeds=(1, 2), weights="best"))


def test_more_steps_are_longer_rounds(recipe: Any) -> None:
    """The pictures of a round are in the digest of a training, so the steps are too."""
    config = shortest(recipe)
    assert [recipe.setup(replace(config, steps=steps)).draws for steps in (4, 8)] == [64, 128]


def test_another_file_of_the_same_name_makes_another_training(recipe: Any, tmp_path: Path) -> None:
    config = replace(shortest(recipe), detector=str(tmp_path / "mine.pt"))
    keys = []
    for content in (b"one", b"two", b"one"):
        (tmp_path / "mine.pt").write_bytes(content)
        keys.append(recipe.key_of(config))
    assert keys[0] != keys[1] and keys[0] == keys[2]


def test_a_process_that_imported_ultralytics_before_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    watched_yolo.silence()
    monkeypatch.setitem(sys.modules, "ultralytics", SimpleNamespace())
    watched_yolo.silence()
    monkeypatch.delenv("YOLO_OFFLINE")
    with pytest.raises(TrainingError, match="ultralytics was imported before"):
        watched_yolo.silence()


TRAIN = """
import hashlib, json, sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
import numpy as np, psutil
from PIL import Image
from synthir import recipes
from tests.test_detector_gain import shortest
home = Path(sys.argv[1])
rng = np.random.default_rng(0)
for folder in ("images", "labels"):
    (home / folder).mkdir()
files = [home / f"images/{number}.png" for number in range(24)]
for path in files:
    Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)).save(path)
    (home / f"labels/{path.stem}.txt").write_text("0 0.5 0.5 0.4 0.4\\n")
recipe = recipes.load("detector_gain")
recipe.refuse_detector("yolo11n.yaml")
config = replace(shortest(recipe), steps=12, rounds=1, batch=2, precision="float32")
from ultralytics.data.base import BaseDataset
check, fits = BaseDataset.check_cache_ram, []
def checked(self):
    fits.append(check(self))
    return fits[-1]
BaseDataset.check_cache_ram = checked
def digest(place):
    from ultralytics.models import YOLO
    told = hashlib.sha256()
    for value in YOLO(place).model.float().state_dict().values():
        told.update(value.cpu().numpy().tobytes())
    return told.hexdigest()
def train(name, seed, detector="yolo11n.yaml"):
    fits.clear()
    done = recipe.train(replace(config, detector=str(detector)), ["person"], files[:4], files, seed, home / name, None)
    return done.weights_sha256, digest(home / name / "run/weights/last.pt"), [p.loss for p in done.curve], fits.pop(0)
memory = train("memory", 1)
begun = [train(f"begun{seed}", seed, home / "memory/run/weights/last.pt") for seed in (1, 2)]
psutil.virtual_memory = lambda: SimpleNamespace(available=0, total=1)
print(json.dumps([memory, train("disk", 1), *begun]))
"""


@pytest.mark.slow
def test_short_memory_changes_no_number_and_a_file_gives_the_weights_to_begin_with(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", TRAIN, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    memory, disk, one, two = json.loads(done.stdout)
    assert (memory[-1], disk[-1]) == (True, False), "ultralytics read the pictures from the disk"
    assert memory[:-1] == disk[:-1], "the weights and the losses are the same to the last bit"
    assert one[0] == two[0] == memory[1] != memory[0], "begun with what the file holds, with any seed"
    assert one[1] != two[1]
