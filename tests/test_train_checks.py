"""What is refused before the first step: names, shapes and figures that do not fit, all at once."""

import logging
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from synthir import generators
from synthir.checkpoint import save_model
from synthir.dataset import Box
from synthir.errors import ConfigError, TrainingError
from synthir.folders import load, names
from synthir.generators import cascade
from synthir.layouts import find_pairs
from synthir.likeness import hold_apart
from synthir.pairs import PairSource
from synthir.sampling import Augmentation
from synthir.specs import Band
from synthir.train_checks import figures_of, refuse_odd, shape_of, sizes
from synthir.train_config import TrainConfig, Weights
from synthir.train_data import block_of, prepare, split_source, unvalidated
from synthir.training import train
from synthir.validation import grayscale, hold_out
from tests import tiny

FOLDERS = PairSource("folders", "visible", "infrared")
UNPAIRED = PairSource("unpaired", "visible", "infrared")
CROPS = Augmentation(sizes=(64,))
CASCADE = TrainConfig(Band.LWIR, (FOLDERS,), "cascade_s", steps=2, batch=2, augmentation=CROPS)
ONE = Weights(stages=(1.0,))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """`cascade_s` is the tiny size here."""
    monkeypatch.setattr(cascade, "cascade_s", lambda: tiny.SIZE)


def said(config: TrainConfig) -> str:
    """What is said of a configuration."""
    with pytest.raises(ConfigError) as error:
        refuse_odd(config)
    return error.value.what + ": " + error.value.why


def test_names_and_numbers_that_do_not_fit_are_said_in_one_go() -> None:
    wrong = replace(
        CASCADE,
        system="cyle",
        start="cascade-lwir-xl",
        best="visible_ssmi",
        stages_from=(0, 1, 2, 3),
        joint_from=4,
        weights=Weights(stages=(1.0, 1.0)),
        augmentation=Augmentation(sizes=(100,)),
    )
    text = said(wrong)
    for fault in (
        "6 faults in the configuration",
        "system is 'cyle', did you mean cycle?",
        "start is 'cascade-lwir-xl', neither a shipped model nor the folder of one",
        "cascade_s has 3 stages, weights.stages has 2",
        "cascade_s has 3 stages, stages_from has 4 turns",
        "crop sizes 100 in augmentation.sizes do not fit: cascade_s takes multiples of 32 pixels",
        "best is 'visible_ssmi', which is no figure of this training; choose one of visible_ssim",
    ):
        assert fault in text, text
    terms = replace(wrong, system="paired", weights=Weights(cycle=1.0), finish=ONE, finish_from=1)
    assert "system paired does not compute cycle" in said(terms)
    assert "cascade_s has 3 stages, finish.stages has 1" in said(terms)


def test_a_generator_that_there_is_not_is_answered_with_a_size_that_there_is() -> None:
    assert "generator is 'cascde_s', did you mean cascade_s?" in said(replace(CASCADE, generator="cascde_s"))
    assert "did you mean cascade_" in said(replace(CASCADE, generator="cascade"))
    package = generators.__name__
    assert {size for size in sizes() if generators.settings_of(size)} == set(sizes())
    assert not set(sizes()) & set(names(package)) and all(load(package, name) for name in names(package))


@pytest.mark.parametrize("size", ["cyclegan_6", "cyclegan_6_visible", "guided_s", "analytic_default"])
def test_direction_generator_and_band_are_checked_against_each_other(size: str) -> None:
    colours = size.endswith("_visible")
    base = replace(CASCADE, generator=size, weights=ONE)
    forth = ("visible-to-infrared", Band.LWIR), ("visible-to-infrared", Band.VISIBLE)
    back = ("infrared-to-visible", Band.LWIR), ("infrared-to-visible", Band.VISIBLE)
    for direction, band in (*forth, *back):
        config = replace(base, direction=direction, band=band)  # type: ignore[arg-type]
        if (direction, band) == (back[1] if colours else forth[0]):
            refuse_odd(config)
            continue
        text = said(config)
        assert ("direction is" in text) is ((direction == "infrared-to-visible") is not colours), text
        assert ("does not make what band says" in text) is ((band == Band.VISIBLE) is not colours), text


def test_a_generator_is_asked_without_changing_what_is_drawn_next() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    shape = shape_of(CASCADE)
    assert torch.equal(torch.rand(4), wanted)
    assert (shape.name, shape.stages, shape.outputs, shape.stride) == ("cascade_s", 3, 1, 32)


def test_turns_need_an_end_and_rising_steps() -> None:
    for turns, joint, fault in (
        ((0, 1), 0, "joint_from is 0: it ends the turns of stages_from"),
        ((0, 5), 5, "joint_from is 5"),
        ((5, 1), 9, r"stages_from is [5, 1]: each stage's turn begins after"),
        ((1, 1), 9, r"stages_from is [1, 1]"),
    ):
        assert fault in said(replace(CASCADE, stages_from=turns, joint_from=joint))
    refuse_odd(replace(CASCADE, stages_from=(0, 5), joint_from=6))
    assert replace(CASCADE, stages_from=(0, 5), joint_from=6).stage_at(5) == 1


def test_a_generator_of_one_stage_takes_no_turns() -> None:
    config = replace(CASCADE, generator="guided_s", weights=ONE, stages_from=(0,), joint_from=1)
    assert "guided_s has 1 stage, stages_from has 1 turn" in said(config)


def test_the_way_back_needs_a_size() -> None:
    save = replace(CASCADE, generator="", start="cascade-lwir-s", system="cycle")
    assert "system cycle wants generator" in said(save)


def test_best_is_a_figure_of_which_more_is_better() -> None:
    refuse_odd(replace(CASCADE, best="visible_ssim"))
    refuse_odd(replace(CASCADE, best="visible_contrast", sources=(replace(FOLDERS, boxes="b.json"),)))
    assert "a loss term: less of it is better" in said(replace(CASCADE, best="l1"))
    assert "which no source gives that has no boxes" in said(replace(CASCADE, best="visible_contrast"))
    assert "choose one of visible_ssim" in said(replace(CASCADE, best="visible_grayscale_ssim"))
    loose = replace(CASCADE, system="adapt", weights=Weights(features=0.0), sources=(UNPAIRED,), best="visible_ssim")
    assert "choose one of visible_levels, visible_edges, visible_likeness" in said(loose)


def test_a_best_of_what_does_not_validate_is_refused_before_the_first_step(tmp_path: Path) -> None:
    pairs = tiny.draw_pairs(tmp_path / "pairs", 3)
    with pytest.raises(ConfigError, match=r"best is 'visible_ssim'.*nothing validates"):
        train(replace(CASCADE, best="visible_ssim"), pairs, tmp_path / "run", seed=0)
    assert not (tmp_path / "run").exists()


def test_figures_to_choose_by_are_figures_and_numbers(tmp_path: Path) -> None:
    drawn = tiny.draw_pairs(tmp_path, 2)
    box: Box = (20.0, 20.0, 30.0, 30.0)
    boxes = {"000.png": [box]}
    for source, hold, paired in ((FOLDERS, hold_out, True), (UNPAIRED, hold_apart, False)):
        for known in ({}, boxes):
            held = hold("a", find_pairs(drawn, source), known, 9)
            assert held.has_boxes() is bool(known)
            figures = held.figures(grayscale)
            numbers = {name for name, value in figures.items() if np.isfinite(value)}
            assert set(figures_of("a", paired, bool(known))) <= numbers
            assert known or not {"a_contrast", "a_sign"} & numbers


@pytest.mark.parametrize(("count", "block"), [(11, 1), (12, 1), (40, 3), (176, 14), (177, 16), (1000, 16)])
def test_the_block_shrinks_only_where_none_would_validate(tmp_path: Path, count: int, block: int) -> None:
    """177 pairs validate with the defaults as they always did: the last one alone."""
    for side in ("visible", "infrared"):
        (tmp_path / side).mkdir()
        for number in range(count):
            (tmp_path / side / f"{number:04}.png").touch()
    assert block_of(CASCADE, count) == block
    for source in (FOLDERS, UNPAIRED):
        training, held = split_source(CASCADE, source, find_pairs(tmp_path, source))
        expected = [index for index in range(count) if index // block % 12 == 11]
        assert [int(pair.visible.stem) for pair in held] == expected
        assert len(training) + len(held) == count and len(training) > 8 * len(held)
        assert len(held) >= block or count in (11, 177)


def test_a_training_says_what_does_not_validate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = tiny.draw_pairs(tmp_path / "pairs", 3)
    with caplog.at_level(logging.WARNING):
        train(replace(CASCADE, steps=1), pairs, tmp_path / "run", seed=0)
    assert "nothing validates of visible: fewer than validate_share = 12 pictures" in caplog.text
    few = replace(CASCADE, validate_share=3)
    assert unvalidated(few, prepare(few, pairs, 0)[1]) == ""


def test_pairs_of_two_sizes_are_all_found_before_the_first_step(tmp_path: Path) -> None:
    pairs = tiny.draw_pairs(tmp_path / "pairs", 9)
    for number in range(2, 9):
        cv2.imwrite(str(pairs / f"infrared/{number:03}.png"), np.zeros((64, 80), np.uint8))
    with pytest.raises(TrainingError, match="7 of 9 pairs have two sizes") as error:
        train(CASCADE, pairs, tmp_path / "run", seed=0)
    assert error.value.why.startswith("002.png visible 96x96, infrared 80x64; 003.png")
    assert error.value.why.endswith("006.png visible 96x96, infrared 80x64; and 2 more")
    assert not (tmp_path / "run").exists()
    loose = replace(CASCADE, system="adapt", weights=Weights(features=0.0), sources=(UNPAIRED,))
    prepare(loose, pairs, 0)


def test_raw_infrared_without_levels_is_found_before_the_first_step(tmp_path: Path) -> None:
    """Also where what the start has seen is not known, and so no picture is hashed."""
    pairs = tiny.draw_pairs(tmp_path / "pairs", 5)
    cv2.imwrite(str(pairs / "infrared/004.png"), np.linspace(1000, 2000, 96 * 96).reshape(96, 96).astype(np.uint16))
    start = tiny.model_folder(tmp_path / "start")
    config = replace(CASCADE, generator="", start=str(start))
    with pytest.raises(ConfigError, match=r"004\.png: infrared of more than 8 bits without levels.*levels = \["):
        train(config, pairs, tmp_path / "run", seed=0)
    assert not (tmp_path / "run").exists()
    prepare(replace(config, sources=(replace(FOLDERS, levels=(1000.0, 2000.0)),)), pairs, 0)


def test_a_model_that_makes_colours_is_no_start_for_infrared(tmp_path: Path) -> None:
    settings = {"inputs": 1, "outputs": 3, "width": 4}
    save_model(generators.build("pix2pix", settings), tmp_path, "pix2pix", settings, Band.VISIBLE)
    crops = Augmentation(sizes=(256,))
    config = replace(CASCADE, generator="", start=str(tmp_path), weights=ONE, augmentation=crops)
    assert 'set direction = "infrared-to-visible"' in said(config)
