"""Pairs: both layouts, batches that a seed and a step decide, crops that keep a pair registered."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir.errors import TrainingError
from synthir.pairs import Augmentation, PairSource, Sampler, crop, find_pairs, grey, jitter, read_pair, split_blocks
from tests import tiny

FOLDERS = PairSource("folders", "visible", "infrared")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.draw_pairs(tmp_path_factory.mktemp("pairs"), 6)


def test_folders_are_paired_by_name(drawn: Path) -> None:
    pairs = find_pairs(drawn, FOLDERS)
    assert [pair.name for pair in pairs] == [f"{index:03d}.png" for index in range(6)]
    visible, infrared = read_pair(pairs[2])
    written = cv2.imread(str(drawn / "visible/002.png"))
    assert written is not None
    np.testing.assert_array_equal(visible, written[..., ::-1])
    np.testing.assert_array_equal(infrared, cv2.imread(str(drawn / "infrared/002.png"), cv2.IMREAD_GRAYSCALE))


def test_side_by_side_is_cut_in_the_middle(drawn: Path, tmp_path: Path) -> None:
    visible, infrared = read_pair(find_pairs(drawn, FOLDERS)[0])
    both = np.hstack([visible, infrared[..., None].repeat(3, axis=2)])
    cv2.imwrite(str(tmp_path / "a.png"), both[..., ::-1])
    (tmp_path / "list.txt").write_text("a.png\n", encoding="utf-8")
    (pair,) = find_pairs(tmp_path, PairSource("side-by-side", ".", names="list.txt"))
    for got, expected in zip(read_pair(pair), (visible, infrared), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_missing_partner_is_named(drawn: Path, tmp_path: Path) -> None:
    tiny.draw_pairs(tmp_path, 2)
    (tmp_path / "infrared/001.png").unlink()
    with pytest.raises(TrainingError, match=r"infrared/001\.png"):
        find_pairs(tmp_path, FOLDERS)
    with pytest.raises(TrainingError, match="no pictures found"):
        find_pairs(tmp_path, PairSource("folders", "nowhere", "infrared"))


def test_pairs_of_two_sizes_are_refused(tmp_path: Path) -> None:
    tiny.draw_pairs(tmp_path, 1)
    cv2.imwrite(str(tmp_path / "infrared/000.png"), np.zeros((10, 10), np.uint8))
    with pytest.raises(TrainingError, match="different sizes"):
        read_pair(find_pairs(tmp_path, FOLDERS)[0])


def test_whole_blocks_validate(drawn: Path) -> None:
    training, validation = split_blocks(find_pairs(drawn, FOLDERS), block=2, every=3)
    assert [pair.name for pair in validation] == ["004.png", "005.png"]
    assert [pair.name for pair in training] == ["000.png", "001.png", "002.png", "003.png"]


def test_a_batch_is_decided_by_seed_and_step(drawn: Path) -> None:
    sampler = Sampler(((1.0, tuple(find_pairs(drawn, FOLDERS))),), Augmentation(sizes=(32, 64)), seed=3)
    visible, infrared = sampler.batch(5, 4)
    again = sampler.batch(5, 4)
    np.testing.assert_array_equal(visible, again[0])
    np.testing.assert_array_equal(infrared, again[1])
    assert not np.array_equal(infrared, sampler.batch(6, 4)[1])
    assert visible.shape[:2] == (4, 3) and visible.dtype == np.float32
    assert visible.min() >= -1.0 and visible.max() <= 1.0


def test_a_source_is_drawn_by_its_share(drawn: Path) -> None:
    pairs = find_pairs(drawn, FOLDERS)
    sampler = Sampler(((0.0, (pairs[0],)), (1.0, (pairs[1],))), Augmentation((96,), (1.0, 1.0), 0.0, 0.0), seed=0)
    real = read_pair(pairs[1])[1]
    for picture in sampler.batch(0, 6)[1]:
        levels = np.rint((picture[0] + 1.0) * 127.5).astype(np.uint8)
        assert np.array_equal(levels, real) or np.array_equal(levels, real[:, ::-1])


def test_a_crop_shows_the_same_place_in_both(drawn: Path) -> None:
    visible = np.random.default_rng(0).integers(0, 256, (80, 120, 3)).astype(np.uint8)
    infrared = visible[..., 0].copy()
    for seed in range(10):
        config = Augmentation(zoom=(0.5, 3.0), aspect=0.3)
        got = crop((visible, infrared), 64, 1.25, config, np.random.default_rng(seed))
        np.testing.assert_array_equal(got[0][..., 0], got[1])


def test_of_two_places_the_one_with_more_to_see_is_taken() -> None:
    infrared = np.zeros((64, 640), np.uint8)
    infrared[:, 600:] = np.random.default_rng(0).integers(0, 256, (64, 40))
    visible = np.zeros((64, 640, 3), np.uint8)
    config = Augmentation(zoom=(1.0, 1.0), aspect=0.0)
    lucky = sum(crop((visible, infrared), 64, 1.0, config, np.random.default_rng(s))[1].any() for s in range(1000))
    assert 0.105 < lucky / 1000 < 0.165  # 40 of 577 windows reach the noise; one of two does in 13.4 %


def test_flat_crops_are_their_own_mean_in_both(drawn: Path) -> None:
    pairs = tuple(find_pairs(drawn, FOLDERS))
    config = Augmentation((32,), (1.0, 1.0), jitter=0.0)
    for seed in range(3):
        seen = Sampler(((1.0, pairs[:1]),), config, seed).batch(0, 1)
        flat = Sampler(((1.0, pairs[:1]),), replace(config, flat=1.0), seed).batch(0, 1)
        for before, after in zip(seen, flat, strict=True):
            assert before.std() > 0.05
            mean = before.mean((2, 3), keepdims=True)
            np.testing.assert_allclose(after, np.broadcast_to(mean, after.shape), atol=0.01)


def test_no_jitter_is_no_change() -> None:
    visible = np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)
    np.testing.assert_allclose(jitter(visible, 0.0, np.random.default_rng(1)), visible, atol=1e-6)
    assert np.abs(jitter(visible, 1.0, np.random.default_rng(1)) - visible).mean() > 0.01


def test_grey_is_the_mean_of_the_planes() -> None:
    assert grey(np.array([[[10, 11, 14]]], np.uint8)).item() == 12


def test_names_may_have_spaces_and_other_files_may_lie_there(tmp_path: Path) -> None:
    tiny.draw_pairs(tmp_path, 1)
    for folder in ("visible", "infrared"):
        (tmp_path / folder / "000.png").rename(tmp_path / folder / "a b.png")
        (tmp_path / folder / ".DS_Store").touch()
        (tmp_path / folder / "more").mkdir()
    (tmp_path / "list.txt").write_text("a b.png\n\n", encoding="utf-8")
    for names in ("", "list.txt"):
        (pair,) = find_pairs(tmp_path, PairSource("folders", "visible", "infrared", names))
        assert pair.name == "a b.png"
    with pytest.raises(TrainingError, match="no list of names"):
        find_pairs(tmp_path, PairSource("folders", "visible", "infrared", "other.txt"))
