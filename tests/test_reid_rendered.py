"""Persons that are drawn: the same bytes for the same seed, and infrared that knows shapes and no hues."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthir.files import sha256_tree
from synthir.images import UInt8
from synthir.reid.data import Source, read_split
from synthir.reid.figure import Person, draw_layers
from synthir.reid.rendered import DONE, Rendered, draw_dataset, draw_person, infrared_view, pictures_of, visible_view

SMALL = Rendered(identities=4, visible=2, infrared=1, each=2, height=48, width=32)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def views(person: Person) -> tuple[UInt8, UInt8]:
    """One pose, seen by a visible and by an infrared camera."""
    layers = draw_layers(person, 96, 48, rng(2))
    return visible_view(layers, rng(3), rng(4)), infrared_view(layers, rng(5), rng(6))


def test_the_same_seed_draws_the_same_bytes(tmp_path: Path) -> None:
    for name, config in (("one", SMALL), ("two", SMALL), ("other", dataclasses.replace(SMALL, seed=8))):
        draw_dataset(config, tmp_path / name)
    one, two, other = (sha256_tree(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two != other


def test_it_is_a_plain_layout_with_both_modalities(tmp_path: Path) -> None:
    draw_dataset(SMALL, tmp_path)
    split = read_split(Source(), tmp_path)
    assert len(split.train) == len(split.test) == 2 * 3 * 2
    assert {p.camera: p.infrared for p in split.train} == {"visible1": False, "visible2": False, "infrared1": True}


def test_an_unfinished_drawing_is_drawn_again(tmp_path: Path) -> None:
    draw_dataset(SMALL, tmp_path)
    whole = sha256_tree(tmp_path)
    lost = tmp_path / "0002/infrared1/0001.jpg"
    lost.unlink()
    draw_dataset(SMALL, tmp_path)
    assert not lost.exists()  # finished, so not looked at again
    (tmp_path / DONE).unlink()
    draw_dataset(SMALL, tmp_path)
    assert sha256_tree(tmp_path) == whole


def test_hues_change_the_visible_picture_and_not_the_infrared_one() -> None:
    person = draw_person(rng(1))
    dyed = dataclasses.replace(
        person,
        upper=dataclasses.replace(person.upper, first=(0.9, 0.1, 0.1), second=(0.1, 0.1, 0.9)),
        lower=dataclasses.replace(person.lower, first=(0.1, 0.9, 0.1)),
        skin=(0.2, 0.1, 0.1),
        hair_colour=(0.9, 0.9, 0.1),
    )
    (visible, infrared), (other, same) = views(person), views(dyed)
    np.testing.assert_array_equal(infrared, same)
    assert np.abs(visible.astype(int) - other).mean() > 5


@pytest.mark.parametrize("change", [{"broad": 0.13}, {"legs": 0.40}, {"tall": 0.7}, {"head": 0.08}])
def test_the_shape_of_the_body_is_seen_by_both(change: dict[str, Any]) -> None:
    person = draw_person(rng(1))
    for before, after in zip(views(person), views(dataclasses.replace(person, **change)), strict=True):
        assert np.abs(before.astype(int) - after).max() > 30


def test_a_pattern_is_seen_by_both_and_skin_is_warmest() -> None:
    cloth = dataclasses.replace(
        draw_person(rng(1)).upper, pattern="plain", warmth=0.4, contrast=0.3, period=0.1, reach=1.0
    )
    person = dataclasses.replace(draw_person(rng(1)), upper=cloth, bag=0)
    hooped = dataclasses.replace(person, upper=dataclasses.replace(cloth, pattern="hoops"))
    for before, after in zip(views(person), views(hooped), strict=True):
        assert np.abs(before.astype(int) - after).max() > 25
    layers = draw_layers(hooped, 96, 48, rng(2))
    chest = layers.heat[32:44, 24]
    assert {round(float(h), 2) for h in (chest.min(), chest.max())} == {
        0.25,
        0.55,
    }  # warmth less and more half contrast
    assert layers.heat.max() == 1.0 and layers.heat[layers.body == 0].max() == 0.0


def test_pictures_of_one_person_differ_by_pose_and_camera() -> None:
    pictures = dict(pictures_of(SMALL, 0))
    assert sorted(pictures) == [f"0000/{c}/000{n}.jpg" for c in ("infrared1", "visible1", "visible2") for n in (1, 2)]
    found = list(pictures.values())
    assert all(not np.array_equal(a, b) for i, a in enumerate(found) for b in found[:i])
    heat = pictures["0000/infrared1/0001.jpg"]
    assert (heat[..., 0] == heat[..., 1]).all() and (heat[..., 0] == heat[..., 2]).all()


def test_too_little_to_draw() -> None:
    with pytest.raises(ValueError, match="identities is 3"):
        Rendered(identities=3)
