"""Training: it learns, it resumes exactly, it stops when told, it refuses what it cannot train on."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synthir.checkpoint import load_model
from synthir.errors import ConfigError, TrainingError
from synthir.generators import cascade
from synthir.images import decode
from synthir.pairs import PairSource, read_pair
from synthir.sampling import Augmentation
from synthir.specs import Band
from synthir.train_config import TrainConfig, Weights
from synthir.train_data import prepare
from synthir.train_log import Row
from synthir.train_state import learning_rate
from synthir.training import train, train_from
from synthir.validation import painter
from tests import tiny

CONFIG = TrainConfig(
    generator="cascade_s",
    band=Band.LWIR,
    sources=(PairSource("folders", "visible", "infrared"),),
    steps=4,
    batch=2,
    warmup=2,
    save_every=2,
    block=1,
    validate_share=4,
    augmentation=Augmentation(sizes=(32, 64), zoom=(0.8, 1.2)),
)


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight drawn pairs; `cascade_s` is the tiny size here."""
    monkeypatch.setattr(cascade, "cascade_s", lambda: tiny.SIZE)
    return tiny.draw_pairs(tmp_path / "pairs", 8)


def test_a_stopped_training_ends_with_the_same_bytes(pairs: Path, tmp_path: Path) -> None:
    whole = train(CONFIG, pairs, tmp_path / "whole", seed=3)
    for _ in range(CONFIG.steps):
        parts = train(CONFIG, pairs, tmp_path / "parts", seed=3, max_minutes=0.0)
    for name in ("model.safetensors", "model.json"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name


def test_another_seed_is_another_model(pairs: Path, tmp_path: Path) -> None:
    short = replace(CONFIG, steps=1)
    one, two = (train(short, pairs, tmp_path / str(seed), seed=seed) for seed in (1, 2))
    assert (one / "model.safetensors").read_bytes() != (two / "model.safetensors").read_bytes()


def test_it_learns(pairs: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, steps=60, batch=4, warmup=5, save_every=60, learning_rate=3e-3, bfloat16=False)
    draw, _ = prepare(config, pairs, 0)
    module, _ = load_model(train(config, pairs, tmp_path / "run", seed=0))
    batch = draw(1000)
    visible, infrared = batch.visible, batch.infrared
    with torch.no_grad():
        after = (module(visible) - infrared).abs().mean()
        before = (tiny.fresh()(visible) - infrared).abs().mean()
    assert after < 0.6 * before, (before, after)


def test_the_log_and_the_resolved_configuration_lie_beside_the_model(pairs: Path, tmp_path: Path) -> None:
    seen: list[Row] = []
    train(CONFIG, pairs, tmp_path / "run", seed=0, report=lambda step, steps, row: seen.append(row) if row else None)
    with (tmp_path / "run/log.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [{name: str(value) for name, value in row.items()} for row in seen] == rows
    assert [row["step"] for row in rows] == ["2", "4"]
    assert all(0.0 < float(row["visible_ssim"]) < float(row["visible_grayscale_ssim"]) < 1.0 for row in rows)
    again = train_from(tmp_path / "run/config.toml", pairs, tmp_path / "again", seed=0)
    assert (again / "model.safetensors").read_bytes() == (tmp_path / "run/model/model.safetensors").read_bytes()


def test_a_row_without_its_state_is_written_once(pairs: Path, tmp_path: Path) -> None:
    train(CONFIG, pairs, tmp_path / "run", seed=0, max_minutes=0.0)
    with (tmp_path / "run/log.csv").open("a", encoding="utf-8") as file:
        file.write("2" + ",0.5" * 9 + "\n")  # as a kill before save_state leaves it
    train(CONFIG, pairs, tmp_path / "run", seed=0)
    rows = (tmp_path / "run/log.csv").read_text(encoding="utf-8").splitlines()
    assert [row.partition(",")[0] for row in rows] == ["step", "1", "2", "4"]
    assert ",0.5,0.5" not in rows[2]


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth() -> None:
    config = replace(CONFIG, steps=1000, warmup=100, learning_rate=1.0)
    assert learning_rate(config, 49) == pytest.approx(0.5)
    assert learning_rate(config, 100) == pytest.approx(1.0)
    assert learning_rate(config, 550) == pytest.approx(0.505)
    assert learning_rate(config, 1000) == pytest.approx(0.01)


def test_crops_that_are_no_multiple_of_the_stride_are_refused(pairs: Path, tmp_path: Path) -> None:
    odd = replace(CONFIG, augmentation=Augmentation(sizes=(40, 64)))
    with pytest.raises(ConfigError, match="40"):
        train(odd, pairs, tmp_path / "run", seed=0)


def test_no_sources_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sources"):
        train(replace(CONFIG, sources=()), tmp_path, tmp_path / "run", seed=0)


def test_a_state_of_another_configuration_is_not_continued(pairs: Path, tmp_path: Path) -> None:
    train(CONFIG, pairs, tmp_path / "run", seed=0, max_minutes=0.0)
    with pytest.raises(TrainingError, match="another training"):
        train(replace(CONFIG, learning_rate=1e-5), pairs, tmp_path / "run", seed=0)
    with pytest.raises(TrainingError, match="another training"):
        train(CONFIG, pairs, tmp_path / "run", seed=1)


def test_a_log_that_a_kill_left_empty_is_begun_again(pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/log.csv").touch()
    train(replace(CONFIG, steps=1), pairs, tmp_path / "run", seed=0)
    assert (tmp_path / "run/log.csv").read_text(encoding="utf-8").startswith("step,rate,")


def test_one_weight_a_stage(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has 3 stages, weights\.stages has 2"):
        train(replace(CONFIG, weights=Weights(stages=(0.5, 1.0))), pairs, tmp_path / "run", seed=0)


def test_the_last_steps_have_their_own_weights(pairs: Path, tmp_path: Path) -> None:
    """Equal up to that step, another model after it; resumed there, the same bytes."""
    late = replace(CONFIG, finish_from=2, finish=Weights(adversarial=0.0, l1=9.0))
    first, last = late.weights_at(1), late.weights_at(2)
    assert (first, last, CONFIG.weights_at(3)) == (late.weights, late.finish, CONFIG.weights)
    for steps, same in ((2, True), (3, False)):
        one, two = (
            train(replace(config, steps=steps, warmup=0), pairs, tmp_path / f"{steps}{config.finish_from}", seed=1)
            for config in (CONFIG, late)
        )
        assert ((one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()) is same
    whole = train(late, pairs, tmp_path / "whole", seed=3)
    for _ in range(late.steps):
        parts = train(late, pairs, tmp_path / "parts", seed=3, max_minutes=0.0)
    assert (parts / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    curve, pieced = ({row["step"]: row for row in rows_of(place.parent / "log.csv")} for place in (whole, parts))
    assert curve and curve == {step: pieced[step] for step in curve}, "the loss curve, to the last digit"


def test_a_stopped_training_is_exact_over_turns_of_stages_and_the_last_weights(pairs: Path, tmp_path: Path) -> None:
    """Stopped after every step: inside a turn, between two, before all learn together, and before the last weights."""
    turns = replace(
        CONFIG, steps=6, stages_from=(0, 2, 3), joint_from=4, finish_from=5, finish=Weights(adversarial=0.0, l1=9.0)
    )
    whole = train(turns, pairs, tmp_path / "whole", seed=3)
    for _ in range(turns.steps):
        parts = train(turns, pairs, tmp_path / "parts", seed=3, max_minutes=0.0)
    assert (parts / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    for other in (replace(turns, stages_from=()), replace(turns, finish_from=0)):
        made = train(other, pairs, tmp_path / f"{other.finish_from}", seed=3)
        assert (made / "model.safetensors").read_bytes() != (whole / "model.safetensors").read_bytes()


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a log."""
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("save_every = 0", "save_every is 0, expected at least 1"),
        ("steps = 0\nblock = -1", "steps is 0, block is -1, expected at least 1"),
        ("validate_share = 1", "validate_share is 1, expected at least 2"),
        ("[augmentation]\nsizes = [64, 0]", r"sizes\[1\] is 0, expected at least 1"),
        ("[augmentation]\nsizes = []", "sizes is 0, expected at least 1"),
        ("[augmentation]\nzoom = [2.0, 1.0]", r"zoom is -1\.0, expected at least 0"),
        ("[[sources]]\nlayout = 'folders'\nvisible = 'v'\nstretch = 0", r"stretch is 0\.0"),
    ],
)
def test_numbers_that_cannot_be_are_faults_of_the_configuration(tmp_path: Path, text: str, fault: str) -> None:
    head = "generator = 'cascade_s'\nband = 'lwir'\n" + ("" if "[[sources]]" in text else "sources = []\n")
    (tmp_path / "c.toml").write_text(head + text, encoding="utf-8")
    with pytest.raises(ConfigError, match=fault):
        train_from(tmp_path / "c.toml", tmp_path, tmp_path / "run", seed=0)


def test_the_best_model_is_kept_and_waiting_ends(pairs: Path, tmp_path: Path) -> None:
    """A learning rate of nothing: the first validation stays the best, and three more are waited for."""
    config = replace(
        CONFIG, steps=40, save_every=1, warmup=0, learning_rate=0.0, ema=0.0, best="visible_ssim", patience=3
    )
    train(config, pairs, tmp_path / "run", seed=0)
    rows = list(csv.DictReader((tmp_path / "run/log.csv").read_text(encoding="utf-8").splitlines()))
    figures = [float(row["visible_ssim"]) for row in rows]
    best = figures.index(max(figures))
    assert len(rows) == best + 1 + 3 < 40
    stopped = train(replace(config, steps=best + 1), pairs, tmp_path / "short", seed=0)
    assert (tmp_path / "run/best/model.safetensors").read_bytes() == (stopped / "model.safetensors").read_bytes()
    again = train(config, pairs, tmp_path / "run", seed=0)
    assert again.is_dir() and len((tmp_path / "run/log.csv").read_text(encoding="utf-8").splitlines()) == len(rows) + 1


def test_a_figure_that_there_is_not_names_those_there_are(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="visible_ssim"):
        train(replace(CONFIG, best="road_ssim"), pairs, tmp_path / "run", seed=0)


def test_sheets_show_visible_real_and_made(pairs: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, sheet_every=1, save_every=2)  # not only where a state is saved
    made = train(config, pairs, tmp_path / "run", seed=0)
    sheets = sorted(path.name for path in (tmp_path / "run/sheets").iterdir())
    assert sheets == [f"{step:07d}-visible.png" for step in (1, 2, 3, 4)]
    _, held_out = prepare(config, pairs, 0)
    sheet = decode((tmp_path / "run/sheets/0000004-visible.png").read_bytes(), "sheet")
    visible, real = read_pair(held_out[0].pairs[0])
    height, width = real.shape
    assert np.array_equal(sheet[:height, :width], visible)
    assert np.array_equal(sheet[:height, width : 2 * width, 0], real)
    synthetic = painter(load_model(made)[0], 32)(visible).astype(int)
    assert np.abs(sheet[:height, 2 * width : 3 * width, 0] - synthetic).max() <= 1  # the kept weights are float16


def test_tensorboard_reads_the_rows(pairs: Path, tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard")
    seen: list[Row] = []
    config = replace(CONFIG, tensorboard=True)
    train(config, pairs, tmp_path / "run", seed=0, report=lambda step, steps, row: seen.append(row) if row else None)
    events = reader.EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("l1")] == [
        (row["step"], pytest.approx(row["l1"], rel=1e-6)) for row in seen
    ]


def test_it_starts_from_the_weights_of_a_model(pairs: Path, tmp_path: Path) -> None:
    start = tiny.model_folder(tmp_path / "start", seed=5)
    config = replace(CONFIG, generator="", start=str(start), steps=1, warmup=0, learning_rate=0.0, ema=0.0)
    made = load_model(train(config, pairs, tmp_path / "run", seed=0))[0].state_dict()
    for name, value in load_model(start)[0].state_dict().items():
        if "running_" not in name and value.is_floating_point():
            assert torch.equal(made[name], value), name


def test_a_model_of_another_network_is_no_start(pairs: Path, tmp_path: Path) -> None:
    start = tiny.model_folder(tmp_path / "start")
    config = replace(CONFIG, generator="guided_s", start=str(start), weights=Weights(stages=(1.0,)))
    with pytest.raises(TrainingError, match="it holds cascade, this is guided"):
        train(config, pairs, tmp_path / "run", seed=0)


def refusal(folder: Path, text: str) -> tuple[str, str]:
    """What is said of a configuration that is refused, and why."""
    (folder / "c.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        train_from(folder / "c.toml", folder, folder / "run", seed=0)
    return error.value.what, error.value.why


def test_five_mistakes_are_all_named(tmp_path: Path) -> None:
    text = """
    generator = 7
    band = "radio"
    stepz = 10
    batch = "many"
    [weights]
    ll = 1.0
    """
    what, why = refusal(tmp_path, text)
    assert "5 faults" in what
    for fault in (
        "generator is 7",
        "band is 'radio'",
        "did you mean steps",
        "batch is 'many'",
        "weights.ll is unknown, expected one of ",
    ):
        assert fault in why


def test_mistakes_of_five_kinds_are_named_in_one_go(tmp_path: Path) -> None:
    text = """
    generator = "cascde_s"
    system = "cyle"
    band = "lwir"
    steps = 0
    batch = "many"
    stepz = 10
    start = "cascade-lwir-xl"
    [weights]
    l1 = -1
    """
    what, why = refusal(tmp_path, text)
    assert "7 faults" in what
    for fault in (
        "generator is 'cascde_s', did you mean cascade_s?",
        "system is 'cyle', did you mean cycle?",
        "steps is 0, expected at least 1",
        "batch is 'many'",
        "stepz is unknown, did you mean steps?",
        "start is 'cascade-lwir-xl', neither a shipped model",
        "weights: l1 is -1.0, expected at least 0",
    ):
        assert fault in why, why


def test_values_that_cannot_be_are_all_named_too(tmp_path: Path) -> None:
    text = "band = 'lwir'\nsteps = 0\npool = -1\nvalidate_share = 1\nwarmup = -1\npatience = 3\n"
    _, why = refusal(tmp_path, text)
    for fault in ("steps is 0", "pool is -1", "validate_share is 1", "warmup is -1", "name it in best", "no start"):
        assert fault in why


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("generator = 'cascade_s'\n[weights]\nperceptual = 1.0", "perceptual needs vgg19"),
        ("generator = 'cascade_s'\npatience = 3", "name it in best"),
        ("", "there is no start to take it from"),
        ("generator = 'cascade_s'\nadversary = 'wgan-gp'\ndiscriminator_norm = 'batch'", "judges each picture alone"),
    ],
)
def test_choices_that_contradict_each_other_are_faults(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "c.toml").write_text("band = 'lwir'\n" + text, encoding="utf-8")
    with pytest.raises(ConfigError, match=fault):
        train_from(tmp_path / "c.toml", tmp_path, tmp_path / "run", seed=0)
