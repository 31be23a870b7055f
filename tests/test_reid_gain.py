"""recipes/reid_gain.py from configuration to page: persons drawn, every arm trained, killed, gone on with, refused."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from synthir import config as configuration
from synthir import recipes
from synthir.errors import (
    ConfigError,
    DatasetError,
    EngineUntrusted,
    MissingPicture,
    SynthIRError,
    TrainingError,
    UnknownName,
)
from synthir.reid.arms import BASELINE, CONTROL, CONTROLS, Arm
from synthir.reid.data import Source
from synthir.reid.rendered import Rendered, draw_dataset
from synthir.reid.synthetic import convert_all, find_generator, place_of
from synthir.reid.training import Training

ROOT = Path(__file__).parents[1]
RECIPE: Any = recipes.load("reid_gain")
TINY = Training(
    *("small", None, False, 32, 32),
    steps=4,
    identities=2,
    pictures=2,
    learning_rate=0.05,
    warmup=2,
    pad=2,
    save_every=2,
)
PERSONS = Rendered(identities=6, visible=2, infrared=1, each=2, height=32, width=32)
ARMS = (
    Arm(BASELINE), Arm(CONTROL, channel=0.75), Arm("synthetic", synthetic=0.5), Arm("as infrared", as_infrared=0.5),
)  # fmt: skip


def chosen(engine: Path, **changes: Any) -> Any:
    """A comparison of seconds, with the mean of red, green and blue in the generator's place."""
    config = RECIPE.Config(
        arms=ARMS, seeds=(1, 2), rendered=PERSONS, training=TINY, generator=str(engine), generator_height=40, draws=2
    )
    return dataclasses.replace(config, **changes)


class Killed(BaseException):
    """Ends a run where nothing may catch it."""


@pytest.fixture(scope="module")
def whole(small_engine: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, recipes.Outcome]:
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("reid") / "run"
    return out, RECIPE.run(chosen(small_engine), Path(), out, lambda line: None)


def figures(out: Path) -> Any:
    """result.json without the minutes, which no two runs share."""
    whole = json.loads((out / "result.json").read_text())
    for run in whole["runs"]:
        del run["minutes"]
    return whole


def test_it_trains_every_arm_with_every_seed(whole: tuple[Path, recipes.Outcome]) -> None:
    out, outcome = whole
    found = figures(out)
    assert [(r["seed"], r["arm"]) for r in found["runs"]] == [(s, arm.name) for s in (1, 2) for arm in ARMS]
    for seed in (1, 2):
        assert len({r["initial"] for r in found["runs"] if r["seed"] == seed}) == 1
    assert len({r["initial"] for r in found["runs"]}) == 2
    scores = [s for r in found["runs"] for draws in r["found"].values() for s in draws["scores"]]
    assert len(scores) == 8 * 2 * 2 and all(0.0 < s["map"] <= 1.0 and s["left_out"] == 0 for s in scores)
    losses = {r["arm"]: r["losses"] for r in found["runs"] if r["seed"] == 1}
    assert len({tuple(one) for one in losses.values()}) == len(ARMS)  # each arm saw something else
    assert outcome.data == out / "result.json" and outcome.page == out / "page.html"
    assert "2 seeds prove nothing" in outcome.verdict and "persons are drawn" in outcome.verdict
    assert "JSIA" in outcome.table and "69.9" in outcome.table and "as published and not measured here" in outcome.table


def test_a_killed_run_goes_on_and_finds_the_same(
    whole: tuple[Path, recipes.Outcome], small_engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    told: list[str] = []

    def killing(self: Any, done: int) -> None:
        told.append(f"{self.name} {done}")
        if len(told) == 11:  # step 3 of the third arm
            raise Killed

    monkeypatch.setattr(RECIPE.Watch, "step", killing)
    with pytest.raises(Killed):
        RECIPE.run(chosen(small_engine), Path(), out, lambda line: None)
    assert told[-1] == "3 of 8, synthetic-b3cc04-seed1 3" and not (out / "result.json").exists()
    RECIPE.run(chosen(small_engine), Path(), out, lambda line: None)
    assert told[11] == "3 of 8, synthetic-b3cc04-seed1 3"  # the state of step 2 was kept
    assert figures(out) == figures(whole[0])


def test_a_finished_run_is_not_trained_again(whole: tuple[Path, recipes.Outcome], small_engine: Path) -> None:
    before = (whole[0] / "result.json").read_bytes()
    shutil.rmtree(whole[0] / "synthetic" / "nothing", ignore_errors=True)
    again = RECIPE.run(chosen(small_engine), Path(), whole[0], lambda line: None)
    assert again == whole[1] and (whole[0] / "result.json").read_bytes() == before


def test_a_run_folder_of_another_configuration(whole: tuple[Path, recipes.Outcome], small_engine: Path) -> None:
    before = (whole[0] / "config.toml").read_bytes()
    other = (Arm("synthetic", synthetic=0.4), dataclasses.replace(TINY, steps=5))
    for changes, said in (
        ({"draws": 3}, "another draws"),
        ({"arms": (*ARMS[:2], other[0])}, "another arm synthetic"),
        ({"training": other[1]}, "another training"),
        ({"generator_height": 48}, "another arm synthetic, another arm as infrared"),
        ({"rendered": dataclasses.replace(PERSONS, seed=8)}, "another split 1: pictures"),
    ):
        with pytest.raises(TrainingError) as caught:
            RECIPE.run(chosen(small_engine, **changes), Path(), whole[0], lambda line: None)
        assert caught.value.why == f"it has {said}"
        assert caught.value.where.endswith("inputs.json") and "--out" in caught.value.fix
    assert (whole[0] / "config.toml").read_bytes() == before


def plain(data: Path) -> Any:
    """A configuration that reads a plain dataset below `data`."""
    draw_dataset(PERSONS, data / "persons")
    return {"rendered": None, "dataset": Source(root=Path("persons")), "seeds": (1,), "arms": ARMS[:3]}


def test_a_run_folder_of_other_pictures(small_engine: Path, tmp_path: Path) -> None:
    config = chosen(small_engine, **plain(tmp_path))
    outcome = RECIPE.run(config, tmp_path, tmp_path / "run", lambda line: None)
    assert "is not known: it has no record" in outcome.verdict and "drawn" not in outcome.verdict
    assert "contains pictures of persons; pass it on only where" in outcome.page.read_text()
    RECIPE.run(dataclasses.replace(config, sheet=False), tmp_path, tmp_path / "run", lambda line: None)
    assert "contains pictures" not in outcome.page.read_text()
    (tmp_path / "persons/0000/visible1/0001.jpg").unlink()
    with pytest.raises(TrainingError, match="another split 1: pictures"):
        RECIPE.run(config, tmp_path, tmp_path / "run", lambda line: None)


def test_the_plan_counts_and_writes_nothing(small_engine: Path, tmp_path: Path) -> None:
    config = chosen(small_engine, **plain(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    told = RECIPE.plan(config, tmp_path)
    assert "it has no record" in told[0]
    assert told[1] == "split 1: 3 identities and 18 pictures to train on, 3 and 18 to test"
    assert "arm channel augmentation: 75% of visible pictures one channel" in told
    assert told[-2] == "3 arms x 1 seeds = 3 trainings of 4 steps"
    assert sorted(tmp_path.rglob("*")) == before


def test_everything_in_the_way_is_said_at_once(small_engine: Path, tmp_path: Path) -> None:
    training = dataclasses.replace(TINY, network="resnet50", weights=Path("resnet50.pth"))
    config = chosen(
        small_engine, arms=(*ARMS, Arm("x", synthetic=1.0, generator="cascade-lwir-z")), training=training,
        rendered=None, dataset=Source("sysu", Path("SYSU-MM01")), device="cuda:99",
    )  # fmt: skip
    with pytest.raises(SynthIRError) as caught:
        RECIPE.plan(config, tmp_path)
    assert caught.value.what == "4 things are in the way"
    for said in ("cuda:99", "resnet50.pth", "cascade-lwir-z", "SYSU-MM01"):
        assert said in caught.value.why


@pytest.mark.parametrize(("changes", "kind", "said"), [
    ({"generator": "cascade-lwir-z"}, UnknownName, "nearest is cascade-lwir-s"),
    ({"generator": "engine.xml"}, EngineUntrusted, "no engine there"),
    ({"training": dataclasses.replace(TINY, network="resnet50", weights=Path("w.pth"))}, ConfigError, "torchvision"),
    ({"rendered": None, "dataset": Source(root=Path("none"))}, DatasetError, "no such folder"),
])  # fmt: skip
def test_what_is_refused_before_any_training(
    changes: dict[str, Any], kind: type[SynthIRError], said: str, small_engine: Path, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=said):
        RECIPE.run(chosen(small_engine, **changes), tmp_path, tmp_path / "run", lambda line: None)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("changes", [
    {"seeds": ()}, {"seeds": (1, 1)}, {"splits": (2,)}, {"draws": 0}, {"rendered": Rendered(identities=4)},
    {"training": dataclasses.replace(TINY, identities=4)}, {"seeds": (-1, 1)}, {"arms": ARMS[1:]},
    {"arms": (Arm(BASELINE), Arm(CONTROL, grayscale=1.0))}, {"dataset": Source()}, {"rendered": None},
    {"rendered": None, "dataset": Source(), "generator": ""},
])  # fmt: skip
def test_configurations_that_cannot_be(changes: dict[str, Any], small_engine: Path) -> None:
    if "training" not in changes:
        changes = {**changes, "training": dataclasses.replace(TINY, identities=3 if "rendered" in changes else 2)}
    with pytest.raises(
        ValueError, match=r"missing|splits are|draws is 0|too few for a batch|below 0|no arm|one of both|has chan"
    ):
        chosen(small_engine, **changes)


def test_infrared_is_made_once_and_of_the_right_picture(small_engine: Path, tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (48, 32, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1])
    cv2.imwrite(str(tmp_path / "b.png"), 255 - rgb[..., ::-1])
    generator = find_generator(str(small_engine), tmp_path, 48)
    places = convert_all(tmp_path / "kept", generator, [tmp_path / "a.png", tmp_path / "b.png"])
    for name, source in (("a.png", rgb), ("b.png", 255 - rgb)):
        made = cv2.imread(str(places[tmp_path / name]), cv2.IMREAD_UNCHANGED)
        assert np.abs(made - source.mean(2)).max() < 1.0
    times = {path: path.stat().st_mtime_ns for path in places.values()}
    shutil.copy(tmp_path / "a.png", tmp_path / "same.png")
    again = convert_all(tmp_path / "kept", generator, [tmp_path / "same.png", tmp_path / "b.png"])
    assert {path: path.stat().st_mtime_ns for path in again.values()} == times
    lost = again[tmp_path / "same.png"]
    data = lost.read_bytes()
    lost.unlink()  # as a kill between two pictures leaves it
    convert_all(tmp_path / "kept", generator, [tmp_path / "a.png", tmp_path / "b.png"])
    assert (
        lost.read_bytes() == data and times[again[tmp_path / "b.png"]] == again[tmp_path / "b.png"].stat().st_mtime_ns
    )
    larger = find_generator(str(small_engine), tmp_path, 96)
    assert place_of(tmp_path / "kept", larger, tmp_path / "a.png") not in times
    with pytest.raises(MissingPicture):
        place_of(tmp_path, generator, tmp_path / "gone.png")


@pytest.mark.parametrize("name", recipes.configurations("reid_gain"))
def test_every_shipped_configuration_reads_and_begins_with_its_command(name: str) -> None:
    path = ROOT / f"recipes/{name}.toml"
    config = configuration.load(path, RECIPE.Config)
    assert path.read_text().startswith("# synthir recipe run reid_gain ")
    assert set(CONTROLS) <= {arm.name for arm in config.arms}
    replacing = {arm.name: arm.replaces for arm in config.arms if arm.replaces and not arm.joint}
    assert set(replacing.values()) == {0.75} and "grayscale + synthetic" in replacing  # alike but for what is shown
    assert len(config.seeds) >= (2 if name.endswith("smoke") else 3)


@pytest.mark.slow
@pytest.mark.usefixtures("default_model")
def test_the_smoke_configuration_runs(tmp_path: Path) -> None:
    _, config = recipes.configured("reid_gain", Path("reid_gain_smoke"))
    outcome = RECIPE.run(config, tmp_path, tmp_path / "run", lambda line: None)
    assert outcome.page.is_file() and len(figures(tmp_path / "run")["runs"]) == len(config.arms) * len(config.seeds)
