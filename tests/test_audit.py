"""The audit: fixed cameras are caught with other people in the picture, unrelated ones pass, both names are said."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synthir.audit import Duplicate, distances, hash_of, near_duplicates, refuse_shared, shared_scenes
from synthir.errors import ConfigError, UnreadablePicture
from synthir.layouts import find_pairs
from synthir.pairs import Pair, PairSource


def street(seed: int, people: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A background drawn from a seed, 256x256, with some people before it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (256, 256), interpolation=cv2.INTER_CUBIC)
    for index in range(people):
        left = 30 + 60 * index
        cv2.rectangle(picture, (left, 150), (left + 14, 200), (20 * index, 90, 200), -1)
    return np.asarray(picture, dtype=np.uint8)


def written(folder: Path, name: str, seed: int, people: int = 0, scene: str = "") -> Pair:
    """A pair with that street as its visible picture."""
    place = folder / name
    cv2.imwrite(str(place), street(seed, people))
    return Pair(name, place, folder / "infrared" / name, scene=scene)


def test_another_frame_of_a_fixed_camera_is_found(tmp_path: Path) -> None:
    train = [written(tmp_path, f"{seed}.png", seed) for seed in range(5)]
    same = written(tmp_path, "same.jpg", 3, people=3)
    other = written(tmp_path, "other.png", 9)
    (found,) = near_duplicates(train, [other, same])
    assert (found.train, found.test) == ("3.png", "same.jpg")
    assert 0 < found.distance < 40
    assert near_duplicates(train, [train[2]]) == [Duplicate("2.png", "2.png", 0)]
    assert near_duplicates(train, [other, same], threshold=0) == []
    assert near_duplicates([], [other]) == near_duplicates(train, []) == []


def test_the_nearest_come_first_in_any_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = [written(tmp_path, f"{seed}.png", seed) for seed in range(3)]
    test = [written(tmp_path, f"{seed}-{people}.png", seed, people) for seed in range(3) for people in (3, 0)]
    whole = near_duplicates(train, test)
    assert [duplicate.distance for duplicate in whole] == sorted(duplicate.distance for duplicate in whole)
    assert [(d.train[0], d.test) for d in whole[:3]] == [("0", "0-0.png"), ("1", "1-0.png"), ("2", "2-0.png")]
    monkeypatch.setattr("synthir.audit.AT_ONCE", 4)
    assert near_duplicates(train, test) == whole and len(whole) == 6


def test_distances_count_bits() -> None:
    rng = np.random.default_rng(0)
    some, others = rng.random((7, 256)) < 0.5, rng.random((5, 256)) < 0.5
    expected = (some[:, None] != others[None]).sum(axis=2)
    np.testing.assert_array_equal(distances(some, others), expected)


def test_a_bit_says_that_a_cell_is_brighter_than_its_left_neighbour(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None], 256, axis=0)
    for name, picture, bits in (("right", ramp, 256), ("left", ramp[:, ::-1], 0), ("down", ramp.T, 0)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
        assert hash_of(Pair(name, tmp_path / f"{name}.png", tmp_path)).sum() == bits


def test_only_the_visible_half_is_hashed(tmp_path: Path) -> None:
    pair = written(tmp_path, "a.png", 1)
    picture = street(1, 0)
    cv2.imwrite(str(tmp_path / "both.png"), np.hstack([picture, 255 - picture]))
    both = Pair("both.png", tmp_path / "both.png", tmp_path / "both.png")
    np.testing.assert_array_equal(hash_of(both), hash_of(pair))
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(UnreadablePicture, match=r"a\.png"):
        hash_of(pair)


def test_scenes_are_shared_by_name(tmp_path: Path) -> None:
    train = [written(tmp_path, "0.png", 0, scene="street/one"), written(tmp_path, "1.png", 1)]
    test = [written(tmp_path, "2.png", 2, scene="street/one"), written(tmp_path, "3.png", 3)]
    assert shared_scenes(train, test) == ["street/one"]
    assert shared_scenes(train, [test[1], replace(test[0], scene="street/two")]) == []
    with pytest.raises(
        ConfigError, match=r"1 of 2 are of a scene in training, e\.g\. 2\.png and 0\.png, both street/one"
    ):
        refuse_shared(train, test, allowed=False)


def test_a_shared_background_is_refused_unless_allowed(tmp_path: Path) -> None:
    train = [written(tmp_path, "0.png", 0), written(tmp_path, "1.png", 1)]
    test = [written(tmp_path, "2.png", 2), written(tmp_path, "same.png", 1, people=1)]
    why = r"1 of 2 look like one in training, e\.g\. same\.png and 1\.png, \d+ of 256 bits.*allow_shared_scenes = true"
    with pytest.raises(ConfigError, match=why):
        refuse_shared(train, test, allowed=False)
    refuse_shared(train, test, allowed=True)
    refuse_shared(train, test[:1], allowed=False)
    refuse_shared(train, [], allowed=False)


def real(data: Path, visible: str, names: str, every: int) -> list[Pair]:
    """Some side-by-side pairs of the real data."""
    return find_pairs(data, PairSource("side-by-side", visible, names=f"splits/{names}.txt"))[::every]


def test_real_streets_are_told_apart(data: Path) -> None:
    train = real(data, "llvip256/train", "llvip256_train", 4)
    seen = real(data, "llvip256/train", "llvip256_seen_heldout", 12)
    assert len(near_duplicates(train, seen)) == len(seen) == 11
    assert near_duplicates(train, real(data, "llvip256/test", "llvip256_unseen_scene19", 30)) == []
