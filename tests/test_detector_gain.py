"""recipes/detector_gain.py with the real ultralytics: silent, offline, resumable; figures as pycocotools."""

import contextlib
import importlib.util
import io
import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthir import config as configuration
from synthir import gain_compare, gain_data, recipes
from synthir.coco_results import coco_detections, coco_truths
from synthir.dataset import Box
from synthir.detection import Found, Picture, Truth, match, mean_precision
from synthir.errors import ConfigError
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
recipe.plan(config, Path(sys.argv[1]))  # in the same process: it must not spoil what follows
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


def test_recall_by_size_is_that_at_the_common_threshold(recipe: Any) -> None:
    """Two small labels and a medium one; one small label is found below the best false positive alone."""
    boxes = ((0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 10.0, 10.0), (0.0, 40.0, 50.0, 50.0), (200.0, 200.0, 9.0, 9.0))
    picture = Picture("a", tuple(Truth(box, 0) for box in boxes[:3]))
    found = [Found(box, score, 0) for box, score in zip(boxes, (0.9, 0.6, 0.8, 0.7), strict=True)]
    figures = recipe.score(["person"], 0.0, [picture], [found])
    assert figures.recall_by_size == {"small": 0.5, "medium": 1.0}
    assert figures.recall == pytest.approx(2 / 3)
    assert recipe.score(["person"], 1.0, [picture], [found]).recall_by_size == {"small": 1.0, "medium": 1.0}


def test_no_detections_at_all_are_zero(recipe: Any) -> None:
    pictures = [Picture("a", (Truth((1.0, 1.0, 20.0, 20.0), 0),))]
    figures = recipe.score(["person"], 1.0, pictures, [[]])
    assert (figures.map5095, figures.ap50, figures.recall) == (0.0, 0.0, 0.0)


def test_what_is_no_detection_model_is_refused_before_anything_is_made(
    recipe: Any, drawn: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.pt").write_bytes(b"no model")
    for name, what in ((str(tmp_path / "mine.pt"), "not a model"), ("yolo11n-seg.yaml", "a model of another task")):
        config = replace(shortest(recipe), detector=name)
        with pytest.raises(ConfigError, match=what):
            recipe.plan(config, drawn)
        with pytest.raises(ConfigError, match=what):
            recipe.run(config, drawn, tmp_path / "out", print)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.pt"]
    assert recipe.plan(shortest(recipe), drawn)[-1] == "each of 4 steps of 32 pictures"


def test_a_detector_that_has_learned_elsewhere_is_told(recipe: Any) -> None:
    config = shortest(recipe)
    unknown = "what mine.pt was trained on is not known: it may have seen test pictures"
    assert recipe.setup(replace(config, detector="mine.pt")).notes == (unknown,)
    assert recipe.setup(config).notes == ()


def test_what_the_template_leaves_out_works_when_it_is_taken_in(recipe: Any) -> None:
    text = (recipes_folder() / "detector_gain.toml").read_text()
    short = configuration.parse(text, recipe.Config)
    config = configuration.parse(re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE), recipe.Config)
    more = {mix.name for mix in config.arms} - {mix.name for mix in short.arms}
    few = {"200 real", "200 real + synthetic"}
    assert more == {"elsewhere", "made", "half and half", "variants", "thermal layers"} | few
    assert {mix.name for mix in config.arms if mix.candidate} == {"half and half", "variants", "thermal layers"}
    gain_data.refuse_unknown(config.pictures, config.arms)
    sizes = dict.fromkeys((*gain_data.kinds_of(config.arms), "mine"), 1000)
    setup = recipe.setup(config)
    gain_compare.refuse_rules(setup)
    gain_compare.refuse_sizes(setup, sizes)


def test_faults_of_a_configuration_are_all_named(recipe: Any) -> None:
    with pytest.raises(
        ValueError, match=r"side is 100.*precision is 'int8'.*polarity is 2.*steps is no mult"
    ) as caught:
        replace(shortest(recipe), side=100, polarity=2.0, steps=5, precision="int8")
    assert "expected a multiple of 32" in str(caught.value)
