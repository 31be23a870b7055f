"""recipes/detector_gain.py with the real ultralytics: silent, offline, resumable; figures as pycocotools."""

import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from synthir import config as configuration
from synthir import recipes, watched_yolo
from synthir.coco_results import coco_detections, coco_truths
from synthir.dataset import Box
from synthir.detection import Found, Picture, Truth, match, mean_precision
from synthir.errors import ConfigError, TrainingError
from synthir.gain import Result, read_result
from synthir.shipped import recipes_folder
from tests import streets

# looked for, not imported: ultralytics reads the network at its import, unless the recipe was there first
for package in ("ultralytics", "faster_coco_eval"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed; it is in the extra `recipes`", allow_module_level=True)


@pytest.fixture(scope="module")
def recipe() -> Any:
    return recipes.load("detector_gain")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return streets.draw(tmp_path_factory.mktemp("streets"))


def shortest(recipe: Any) -> Any:
    """The shipped smoke configuration with four steps, one seed, and the arms that need no generator; in bfloat16."""
    config = configuration.load(recipes_folder() / "detector_gain_smoke.toml", recipe.Config)
    arms = tuple(mix for mix in config.arms if mix.name in ("grayscale", "real"))
    pictures = replace(config.pictures, generators={})
    return replace(
        config, arms=arms, pictures=pictures, seeds=(1,), steps=4, rounds=2, batch=32, side=64, precision="bfloat16"
    )


RUN = """
import importlib.machinery, json, os, socket, sys, types
from dataclasses import replace
from pathlib import Path
asked = []
class Reporter(types.ModuleType):
    # stands for a package that reports trainings elsewhere, where it is installed
    __version__ = "2.0"
    def __getattr__(self, name):
        if not name.startswith("__"):
            asked.append(f"mlflow.{name}")
        raise AttributeError(name)
sys.modules["mlflow"] = Reporter("mlflow")
sys.modules["mlflow"].__spec__ = importlib.machinery.ModuleSpec("mlflow", None)
os.environ["ULTRALYTICS_API_KEY"] = "a key"
def refuse(*what, **more):
    asked.append(repr(what)[:80])
    raise OSError("no network")
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refuse
socket.socket.connect = refuse
from tests.test_detector_gain import shortest
from synthir import recipes, watched_yolo
recipe = recipes.load("detector_gain")
config = replace(shortest(recipe), weights=(sys.argv[3:] or ["last"])[0])
recipe.run(config, Path(sys.argv[1]), Path(sys.argv[2]), lambda line: print("SAID", line))
print("ASKED", json.dumps(asked))
"""


@pytest.mark.slow
def test_it_trains_silently_without_network_and_goes_on(drawn: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in drawn.rglob("*") if path.is_file()}
    command = [sys.executable, "-W", "ignore", "-c", RUN, str(drawn), str(tmp_path / "out")]
    first = subprocess.run(command, capture_output=True, text=True, cwd=streets.ROOT)
    assert first.returncode == 0, first.stderr
    *said, asked = first.stdout.splitlines()
    assert asked == "ASKED []" and first.stderr == ""
    assert [line.split(":")[0] for line in said][-2:] == ["SAID seed 1, grayscale", "SAID seed 1, real"]
    assert all(line.startswith("SAID ") for line in said)
    result = read_result(tmp_path / "out/result.json")
    grayscale, real = (arm.trials[0] for arm in result.arms)
    assert grayscale.steps == real.steps == 4
    assert grayscale.weights_sha256 == real.weights_sha256 != ""
    assert [point.step for point in real.curve] == [2, 4]
    assert grayscale.curve != real.curve
    assert before == {path: path.read_bytes() for path in drawn.rglob("*") if path.is_file()}
    again = subprocess.run(command, capture_output=True, text=True, cwd=streets.ROOT)
    assert again.stdout.count("(done before)") == 2
    assert repr(read_result(tmp_path / "out/result.json")) == repr(result)
    best = subprocess.run([*command, "best"], capture_output=True, text=True, cwd=streets.ROOT)
    assert best.stdout.count("(done before)") == 2, "nothing is trained for it"
    assert "best on the validation set" in read_result(tmp_path / "out/result.json").notes[0]
    assert "ended with" in result.notes[0]


@pytest.mark.slow
def test_a_killed_run_ends_as_an_uninterrupted_one(drawn: Path, tmp_path: Path) -> None:
    def command(out: str) -> list[str]:
        return [sys.executable, "-W", "ignore", "-c", RUN, str(drawn), str(tmp_path / out)]

    running = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, cwd=streets.ROOT)
    while not list((tmp_path / "killed").glob("arms/real-*/1/train.txt")):  # the second training has begun
        assert running.poll() is None
        time.sleep(0.05)
    running.kill()
    running.wait()
    assert len(list((tmp_path / "killed").glob("arms/*/1/training.json"))) == 1
    for out in ("killed", "whole"):
        subprocess.run(command(out), check=True, stdout=subprocess.DEVNULL, cwd=streets.ROOT)
    killed, whole = (read_result(tmp_path / out / "result.json") for out in ("killed", "whole"))
    assert timeless(killed) == timeless(whole)


def timeless(result: Result) -> str:
    """A result without the minutes, which no two runs share."""
    arms = tuple(replace(arm, trials=tuple(replace(trial, minutes=0.0) for trial in arm.trials)) for arm in result.arms)
    return repr(replace(result, arms=arms))


def drawn_cases() -> tuple[list[Picture], list[list[Found]]]:
    """Pictures with labels of two classes and a crowd, and detections near and far."""
    rng = np.random.default_rng(5)
    pictures, found = [], []
    for number in range(12):
        boxes = [drawn_box(rng, (0.0, 0.0, 8.0, 8.0), (90.0, 90.0, 110.0, 60.0)) for _ in range(number % 5)]
        truths = tuple(Truth(box, int(rng.integers(2)), crowd=bool(rng.uniform() < 0.1)) for box in boxes)
        moved = [drawn_box(rng, tuple(v - 3 for v in box), tuple(v + 3 for v in box)) for box in boxes]
        far = [drawn_box(rng, (5.0,) * 4, (60.0,) * 4) for _ in range(3)]
        pictures.append(Picture(str(number), truths))
        found.append([Found(box, float(rng.uniform()), int(rng.integers(2))) for box in (*moved, *far)])
    return pictures, found


def drawn_box(rng: np.random.Generator, low: tuple[float, ...], high: tuple[float, ...]) -> Box:
    """x, y, width, height, each between two numbers."""
    x, y, width, height = (float(value) for value in rng.uniform(low, high))
    return x, y, width, height


def test_figures_are_those_of_pycocotools(recipe: Any) -> None:
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    names, (pictures, found) = ["person", "car"], drawn_cases()
    figures = recipe.score(names, 1.0, pictures, found)
    with contextlib.redirect_stdout(io.StringIO()):
        truths = COCO()
        truths.dataset = json.loads(json.dumps(coco_truths(names, pictures)))
        truths.createIndex()
        judged = COCOeval(truths, truths.loadRes(coco_detections(found)), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    all_of_them, ap50, _, *sizes = judged.stats[:6]
    assert figures.map5095 == pytest.approx(all_of_them, abs=1e-9)
    assert figures.ap50 == pytest.approx(ap50, abs=1e-9)
    assert mean_precision(match(pictures, found)) == pytest.approx(ap50, abs=1e-9)
    by_size = dict(zip(("small", "medium", "large"), sizes, strict=True))
    assert figures.by_size == pytest.approx({name: value for name, value in by_size.items() if value > -1}, abs=1e-9)
    assert set(figures.by_size) == {"small", "medium"}  # no label is large


def test_no_detections_at_all_are_zero(recipe: Any) -> None:
    pictures = [Picture("a", (Truth((1.0, 1.0, 20.0, 20.0), 0),))]
    figures = recipe.score(["person"], 1.0, pictures, [[]])
    assert (figures.map5095, figures.ap50, figures.recall) == (0.0, 0.0, 0.0)


def test_a_detector_that_is_not_there_is_refused_and_not_fetched(tmp_path: Path) -> None:
    for name in ("yolo11n.pt", "yolo99q.yaml", str(tmp_path / "mine.pt"), "https://example.org/a.pt"):
        with pytest.raises(ConfigError, match="nothing is downloaded"):
            watched_yolo.detector_file(name)
    assert watched_yolo.detector_file("yolo11n.yaml") == "yolo11n.yaml"
    (tmp_path / "mine.pt").write_bytes(b"")
    assert watched_yolo.detector_file(str(tmp_path / "mine.pt")) == str(tmp_path / "mine.pt")


def test_what_is_no_detection_model_is_refused(recipe: Any, tmp_path: Path) -> None:
    recipe.silence(tmp_path / "ultralytics")
    (tmp_path / "mine.pt").write_bytes(b"no model")
    with pytest.raises(ConfigError, match="not a model"):
        recipe.refuse_other_tasks(str(tmp_path / "mine.pt"))
    with pytest.raises(ConfigError, match="a model of another task"):
        recipe.refuse_other_tasks("yolo11n-seg.yaml")
    recipe.refuse_other_tasks("yolo11n.yaml")


def test_a_halved_batch_and_a_full_memory_stop_a_training() -> None:
    watch = watched_yolo.Watch(0.5, 3, 8, "float32", 0.0)
    with pytest.raises(TrainingError, match="8 pictures did not fit the GPU, ultralytics went on with 4"):
        watch.on_train_batch_end(SimpleNamespace(batch_size=4, save_dir="run"))
    loader = SimpleNamespace(dataset=SimpleNamespace(cache=None))
    with pytest.raises(TrainingError, match="do not fit the memory"):
        watch.on_train_start(SimpleNamespace(train_loader=loader, save_dir="run"))
    assert watch.steps == 0


def test_a_share_of_the_pictures_is_inverted() -> None:
    import torch

    batch = torch.linspace(0, 0.4, 400).reshape(100, 1, 2, 2)
    watch = watched_yolo.Watch(0.5, 3, 8, "float32", 0.0)
    turned = watch.inverted({"img": batch.clone()})["img"]
    chosen = (turned != batch).flatten(1).any(1)
    assert torch.equal(turned[chosen], 1.0 - batch[chosen]) and 30 < int(chosen.sum()) < 70
    assert torch.equal(watched_yolo.Watch(0.5, 3, 8, "float32", 0.0).inverted({"img": batch.clone()})["img"], turned)
    assert torch.equal(watched_yolo.Watch(0.0, 3, 8, "float32", 0.0).inverted({"img": batch.clone()})["img"], batch)


def test_layers_in_bfloat16_learn_and_answer_in_float32() -> None:
    import torch

    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 8)
    pictures, places = torch.rand(5, 64), torch.arange(5)

    def predict(given: torch.Tensor, *, scale: float) -> dict[str, object]:
        return {"boxes": [layer(given) * scale], "places": (places,)}

    answer = watched_yolo.in_bfloat16(predict, "cpu")(pictures, scale=2.0)
    (boxes,), (kept,) = answer["boxes"], answer["places"]
    plain = (layer(pictures) * 2.0).detach()
    assert boxes.dtype == torch.float32 and kept is places
    assert 0.0 < float((boxes.detach() - plain).abs().max()) < 0.02 * float(plain.abs().max()), (
        "computed with eight bits"
    )
    boxes.sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.dtype == torch.float32


def test_weights_are_averaged_over_the_window() -> None:
    """Fed with steps 0, 1, 2 ... as if they were weights, the average lags by nearly the window."""
    watch, average = watched_yolo.Watch(0.5, 3, 8, "float32", 40.0), 0.0
    for step in range(1, 401):
        kept = watch.decay(step)
        average = kept * average + (1.0 - kept) * step
    assert 400 - average == pytest.approx(39.0, abs=1.0)
    assert watch.decay(1) < 0.03, "the first steps are not drawn out"
    assert watched_yolo.Watch(0.5, 3, 8, "float32", 0.0).decay(100) == 0.0


def test_a_precision_makes_another_training(recipe: Any) -> None:
    config = shortest(recipe)
    assert recipe.key_of(config) != recipe.key_of(replace(config, precision="float32"))
    assert recipe.key_of(config) != recipe.key_of(replace(config, average=0.2))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_a_process_bound_to_a_core_takes_one() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert watched_yolo.cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert watched_yolo.cores() == len(before)


def test_faults_of_a_configuration_are_all_named(recipe: Any) -> None:
    with pytest.raises(
        ValueError, match=r"side is 100.*precision is 'int8'.*polarity is 2.*steps is no mult"
    ) as caught:
        replace(shortest(recipe), side=100, polarity=2.0, steps=5, precision="int8")
    assert "expected a multiple of 32" in str(caught.value)
