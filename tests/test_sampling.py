"""Batches that a seed and a step decide, crops that keep a pair registered, frames and the flow between them."""

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir.errors import ConfigError, TrainingError
from synthir.layouts import find_pairs
from synthir.pairs import PairSource, read_pair
from synthir.sampling import Augmentation, Sampler, UnpairedSampler, crop, flow_to, jitter
from tests import tiny

FOLDERS = PairSource("folders", "visible", "infrared")
PLAIN = Augmentation((96,), (1.0, 1.0), 0.0, 0.0)
"""The whole tiny picture, or its mirror image."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.draw_pairs(tmp_path_factory.mktemp("pairs"), 6)


def test_batches_are_those_of_the_first_release(drawn: Path) -> None:
    pairs = tuple(find_pairs(drawn, replace(FOLDERS, stretch=1.25)))
    config = Augmentation(sizes=(32, 64), jitter=0.0, flat=0.2)
    sampler = Sampler(((0.7, pairs[:3]), (0.3, pairs[3:])), config, seed=3)
    digest = hashlib.sha256()
    for step in range(4):
        for array in sampler.batch(step, 4):
            # grey levels: the last bit of a float may differ between processors
            digest.update(np.rint((array + 1.0) * 127.5).astype(np.uint8).tobytes())
    assert digest.hexdigest() == "be1a3e65280e69e477e7ce70cd7823df8137f83cae65106b8301b0e57f2062fb"


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
    sampler = Sampler(((0.0, (pairs[0],)), (1.0, (pairs[1],))), PLAIN, seed=0)
    real = read_pair(pairs[1])[1]
    for picture in sampler.batch(0, 6)[1]:
        assert either_way(levels(picture[0]), real)


def test_a_crop_shows_the_same_place_in_both(drawn: Path) -> None:
    visible = np.random.default_rng(0).integers(0, 256, (80, 120, 3)).astype(np.uint8)
    infrared = visible[..., 0].copy()
    for seed in range(10):
        config = Augmentation(zoom=(0.5, 3.0), aspect=0.3)
        got = crop((visible, infrared, visible), 64, 1.25, config, np.random.default_rng(seed))
        np.testing.assert_array_equal(got[0][..., 0], got[1])
        np.testing.assert_array_equal(got[0], got[2])


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


def levels(plane: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """[-1, 1] as grey levels."""
    return np.asarray(np.rint((plane + 1.0) * 127.5), dtype=np.uint8)


def either_way(got: object, real: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bool:
    """True for a picture or its mirror image."""
    return np.array_equal(got, real) or np.array_equal(got, real[:, ::-1])  # type: ignore[arg-type]


def unpaired(folder: Path) -> tuple[Path, PairSource]:
    """Two visible pictures of one grey each and three infrared ones, of other sizes."""
    for name, shade in (("a", 10), ("b", 20)):
        (folder / "visible").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"visible/{name}.png"), np.full((40, 60, 3), shade, np.uint8))
    for number, shade in enumerate((100, 150, 200)):
        (folder / "infrared").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"infrared/{number}.png"), np.full((30, 30), shade, np.uint8))
    return folder, PairSource("unpaired", "visible", "infrared")


def test_unrelated_pictures_are_drawn_each_by_itself(tmp_path: Path) -> None:
    pairs = tuple(find_pairs(*unpaired(tmp_path)))
    sampler = UnpairedSampler(((1.0, pairs),), replace(PLAIN, sizes=(16,)), seed=1)
    visible, infrared = sampler.batch(0, 64)
    assert visible.shape == (64, 3, 16, 16) and infrared.shape == (64, 1, 16, 16)
    seen = set(zip(levels(visible[:, 0, 0, 0]).tolist(), levels(infrared[:, 0, 0, 0]).tolist(), strict=True))
    assert seen == {(shade, heat) for shade in (10, 20) for heat in (100, 150, 200)}
    np.testing.assert_array_equal(sampler.batch(0, 64)[1], infrared)
    assert not np.array_equal(sampler.batch(1, 64)[1], infrared)
    with pytest.raises(ConfigError, match="are no pair"):
        Sampler(((1.0, pairs),), PLAIN, 0).batch(0, 1)


def video(folder: Path, frames: int = 4) -> Path:
    """Two scenes of smooth noise that moves 3 pixels to the left and 2 down in each frame."""
    rng = np.random.default_rng(0)
    for scene in ("one", "two"):
        world = cv2.GaussianBlur(rng.integers(0, 256, (200, 200)).astype(np.uint8), (0, 0), 3)
        world = cv2.normalize(world, np.empty_like(world), 0, 255, cv2.NORM_MINMAX)
        for frame in range(frames):
            top, left = 50 - 2 * frame, 50 + 3 * frame
            picture = world[top : top + 96, left : left + 96]
            for side in ("visible", "infrared"):
                (folder / side / scene).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / side / scene / f"{frame}.png"), picture)
    return folder


def test_the_previous_frame_has_the_same_window_and_the_flow_leads_to_it(tmp_path: Path) -> None:
    pairs = tuple(find_pairs(video(tmp_path), FOLDERS))
    sampler = Sampler(((1.0, pairs),), PLAIN, seed=0)
    visible, infrared, previous, flow = sampler.batch_with_previous(0, 8)
    assert flow.shape == (8, 2, 96, 96) and flow.dtype == np.float32
    pictures = {str(pair.visible): read_pair(pair)[1] for pair in pairs}
    for now, heat, before, moved in zip(visible, infrared, previous, flow, strict=True):
        np.testing.assert_array_equal(levels(now[0]), levels(heat[0]))
        (found,) = [pair for pair in pairs if either_way(levels(heat[0]), pictures[str(pair.visible)])]
        mirrored = not np.array_equal(levels(heat[0]), pictures[str(found.visible)])
        earlier = pictures[str(found.previous)]
        np.testing.assert_array_equal(levels(before[0]), earlier[:, ::-1] if mirrored else earlier)
        inner = np.median(moved[:, 20:-20, 20:-20], axis=(1, 2))
        np.testing.assert_allclose(inner, (-3.0 if mirrored else 3.0, -2.0), atol=0.1)
    for array, same in zip(sampler.batch_with_previous(0, 8), (visible, infrared, previous, flow), strict=True):
        np.testing.assert_array_equal(array, same)


def test_light_changes_alike_in_both_frames(tmp_path: Path) -> None:
    pairs = find_pairs(video(tmp_path), FOLDERS)
    still = [replace(pair, visible=pairs[0].visible, infrared=pairs[0].infrared) for pair in pairs[:2]]
    alike = replace(still[1], previous=pairs[0].visible)
    visible, _, previous, flow = Sampler(((1.0, (alike,)),), replace(PLAIN, jitter=1.0), 0).batch_with_previous(0, 4)
    np.testing.assert_array_equal(visible, previous)
    assert np.abs(flow).max() < 0.1
    assert np.abs(visible[0] - visible[1]).mean() > 0.01


def test_held_out_frames_are_never_the_previous_ones(tmp_path: Path) -> None:
    pairs = find_pairs(video(tmp_path), FOLDERS)
    kept = tuple(pair for pair in pairs if pair.name not in ("one/1.png", "one/2.png"))
    _, infrared, previous, _ = Sampler(((1.0, kept),), PLAIN, 0).batch_with_previous(0, 30)
    wanted = {pair.name: read_pair(pair)[1] for pair in kept if pair.name in ("two/1.png", "two/2.png", "two/3.png")}
    drawn = {name for picture in infrared for name, real in wanted.items() if either_way(levels(picture[0]), real)}
    assert drawn == set(wanted)
    assert all(any(either_way(levels(picture[0]), real) for real in wanted.values()) for picture in infrared)
    assert len(previous) == 30


def test_without_neighbouring_frames_there_is_no_video(drawn: Path) -> None:
    sampler = Sampler(((1.0, tuple(find_pairs(drawn, FOLDERS))),), PLAIN, 0)
    with pytest.raises(ConfigError, match="no source has neighbouring frames"):
        sampler.batch_with_previous(0, 1)


def test_frames_of_two_sizes_are_refused(tmp_path: Path) -> None:
    video(tmp_path, 2)
    for side in ("visible", "infrared"):
        cv2.imwrite(str(tmp_path / side / "one/0.png"), np.zeros((50, 50), np.uint8))
    pairs = tuple(pair for pair in find_pairs(tmp_path, FOLDERS) if pair.name.startswith("one"))
    with pytest.raises(TrainingError, match=r"one/1\.png: frames of different sizes"):
        Sampler(((1.0, pairs),), PLAIN, 0).batch_with_previous(0, 1)


def test_a_still_picture_does_not_flow() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert np.abs(flow_to(picture, picture)).max() < 0.05
