"""Batches equal in every arm, tones by their shares, and a training that goes on where it was killed."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synthir.errors import ConfigError, MissingPicture, TrainingError, UnreadablePicture
from synthir.images import UInt8
from synthir.reid.arms import BASELINE, CONTROL, Arm, Chance, arm_faults, grey, infrared_tone, repeat, visible_tone
from synthir.reid.augment import DEVIATION, MEAN, Geometry, apply, draw_geometry, fit, planes
from synthir.reid.batches import Batch, Shelf, Trial, load
from synthir.reid.data import Source, Split, read_split
from synthir.reid.rendered import Rendered, draw_dataset
from synthir.reid.sampling import PersonSampler
from synthir.reid.training import Training, features_of, forget_states, fresh, learn, note, train

CPU = torch.device("cpu")
TINY = Training(
    *("small", None, False, 32, 16),
    steps=6,
    identities=2,
    pictures=2,
    learning_rate=0.05,
    warmup=2,
    pad=2,
    save_every=2,
)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    root = tmp_path_factory.mktemp("persons")
    draw_dataset(Rendered(identities=6, visible=2, infrared=1, each=2, height=32, width=32), root)
    return read_split(Source(), root)


@pytest.fixture
def picture() -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (8, 6, 3)).astype(np.uint8)


def sampler(split: Split, seed: int = 1) -> PersonSampler:
    return PersonSampler(split.train, 2, 2, seed)


def test_a_batch_is_decided_by_seed_and_step(split: Split) -> None:
    one = sampler(split)
    batch = one.batch(3, one.groups(), 0.5, 2)
    assert batch == one.batch(3, one.groups(), 0.5, 2)
    assert batch != one.batch(4, one.groups(), 0.5, 2) and batch != sampler(split, 2).batch(3, one.groups(), 0.5, 2)


def test_a_batch_has_as_many_visible_as_infrared_pictures_of_each_identity(split: Split) -> None:
    one = sampler(split)
    for step in range(20):
        batch = one.batch(step, one.groups(), 0.5, 2)
        assert len({place.label for place in batch}) == 2 and len(batch) == 4
        for place in batch:
            assert not place.visible.infrared and place.infrared.infrared
            assert one.labels[place.label] == place.visible.identity == place.infrared.identity
    assert {p.visible.path for s in range(40) for p in one.batch(s, one.groups(), 0, 0)} == {
        p.path for p in split.train if not p.infrared
    }


def test_too_few_identities_for_a_batch(split: Split) -> None:
    with pytest.raises(ConfigError) as caught:
        PersonSampler(split.train, 8, 2, 1)
    assert caught.value.why == "a batch has 8, the training part 3"


def test_tones_by_their_shares(picture: UInt8) -> None:
    arm = Arm("mix", grayscale=0.2, channel=0.3, synthetic=0.4, as_infrared=0.5)
    infrared = picture[..., 0] // 2

    def tone(share: float) -> UInt8:
        return visible_tone(arm, Chance(share, 2, 0.0), picture, infrared)

    np.testing.assert_array_equal(tone(0.1), grey(picture))
    np.testing.assert_array_equal(tone(0.3), repeat(picture[..., 2]))
    np.testing.assert_array_equal(tone(0.7), repeat(infrared))
    np.testing.assert_array_equal(tone(0.95), picture)
    np.testing.assert_array_equal(infrared_tone(arm, Chance(0.0, 0, 0.4), picture, infrared), repeat(infrared))
    np.testing.assert_array_equal(infrared_tone(arm, Chance(0.0, 0, 0.6), picture, infrared), picture)
    assert grey(np.array([[[255, 0, 0], [10, 20, 30]]], np.uint8))[0, :, 0].tolist() == [76, 18]


def test_arms_differ_in_tones_alone(split: Split) -> None:
    one = sampler(split)
    places, shelf = one.batch(0, one.groups(), 1.0, 2), Shelf(32, 16)
    plain, channel = (
        load(places, Trial(arm, 1, split.train, {}), shelf) for arm in (Arm(BASELINE), Arm(CONTROL, channel=1.0))
    )
    torch.testing.assert_close(plain.infrared, channel.infrared, rtol=0, atol=0)
    for number, place in enumerate(places):
        raw = [
            np.rint(255 * (v[number].numpy().transpose(1, 2, 0) * DEVIATION + MEAN))
            for v in (plain.visible, channel.visible)
        ]
        top, left, tall, wide = (round(s * n) for s, n in zip(place.visible_geometry.erase, (32, 16) * 2, strict=True))
        kept = np.ones((32, 16), bool)
        kept[top : top + tall, left : left + wide] = False
        np.testing.assert_array_equal(raw[1][kept], np.repeat(raw[0][kept][:, [place.chance.channel]], 3, axis=1))


@pytest.mark.parametrize(
    ("shares", "said"), [({"channel": 1.2}, "channel is 1.2"), ({"grayscale": 0.6, "channel": 0.6}, "more than 1")]
)
def test_shares_that_cannot_be(shares: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Arm("wrong", **shares)


def test_arms_that_cannot_be_compared() -> None:
    control = Arm(CONTROL, channel=0.75)
    assert arm_faults([Arm(BASELINE), control]) == []
    assert arm_faults([Arm("x"), Arm("x"), Arm(BASELINE)]) == [
        "arm 'x' is there twice",
        f"no arm '{CONTROL}', which all others are compared with",
    ]


@pytest.mark.parametrize("wrong", [
    Arm(CONTROL), Arm(CONTROL, channel=0.5, grayscale=0.2), Arm(CONTROL, channel=0.5, as_infrared=0.1),
    Arm(CONTROL, channel=1.0, joint=True), Arm(BASELINE, grayscale=0.1), Arm(BASELINE, as_infrared=0.1),
])  # fmt: skip
def test_controls_are_what_their_names_say(wrong: Arm) -> None:
    others = [one for one in (Arm(BASELINE), Arm(CONTROL, channel=0.5)) if one.name != wrong.name]
    (fault,) = arm_faults([*others, wrong])
    assert wrong.name in fault


def test_a_joint_arm_sees_pictures_as_they_are_and_replaced(split: Split) -> None:
    one = sampler(split)
    places, shelf = one.batch(0, one.groups(), 1.0, 2), Shelf(32, 16)
    arms = Arm(BASELINE), Arm(CONTROL, channel=1.0), Arm("joint", channel=1.0, joint=True)
    plain, channel, joint = (load(places, Trial(arm, 1, split.train, {}), shelf) for arm in arms)
    torch.testing.assert_close(joint.visible, torch.cat([plain.visible, channel.visible]), rtol=0, atol=0)
    torch.testing.assert_close(joint.infrared, plain.infrared, rtol=0, atol=0)
    numbers = [place.label for place in places]
    assert joint.labels.tolist() == numbers * 3 and plain.labels.tolist() == numbers * 2
    learner = fresh(TINY, 3, 1, Path(), CPU)
    learn(learner, TINY, joint, 0)  # as many labels as features
    assert len(learner.losses) == 1
    with pytest.raises(ValueError, match="joint is for arms that replace"):
        Arm("joint", as_infrared=0.5, joint=True)


def test_infrared_that_was_not_made_is_missed(split: Split) -> None:
    one = sampler(split)
    places = one.batch(0, one.groups(), 0.0, 0)
    with pytest.raises(MissingPicture, match="arm x needs it"):
        load(places, Trial(Arm("x", synthetic=0.1), 1, split.train, {}), Shelf(32, 16))


@pytest.mark.parametrize(("wrong", "said"), [
    ({"drops": (0.5, 1.2)}, "drops is 1.2"), ({"drops": (-0.1,)}, "drops is -0.1"), ({"erase": 1.5}, "erase is 1.5"),
    ({"steps": 10, "warmup": 11}, "warmup is 11"),
])  # fmt: skip
def test_settings_that_cannot_be(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Training(**{"steps": 100, "warmup": 10, **wrong})


def test_features_that_are_no_numbers_end_the_training(split: Split) -> None:
    network = fresh(TINY, 3, 1, Path(), CPU).network
    with torch.no_grad():
        network.infrared.conv1.weight.fill_(torch.nan)
    first = next(picture for picture in split.test if picture.infrared)
    with pytest.raises(TrainingError, match="features are not finite") as caught:
        features_of(network, TINY, split.test, CPU)
    assert caught.value.where == str(first.path)


def test_what_is_done_to_a_picture(picture: UInt8) -> None:
    moved = apply(Geometry(1, -2, False, (0.0,) * 4), picture)
    np.testing.assert_array_equal(moved[1:, :-2], picture[:-1, 2:])
    assert not moved[0].any() and not moved[:, -2:].any()
    np.testing.assert_array_equal(apply(Geometry(0, 0, True, (0.0,) * 4), picture), picture[:, ::-1])
    erased = apply(Geometry(0, 0, False, (0.25, 0.5, 0.5, 0.5)), picture)
    assert (erased[2:6, 3:6] == [124, 116, 104]).all()
    np.testing.assert_array_equal(erased[:2], picture[:2])
    assert planes([picture])[0, 1, 3, 2] == pytest.approx((picture[3, 2, 1] / 255 - 0.456) / 0.224, rel=1e-5)


def test_as_much_is_drawn_with_and_without_erasing() -> None:
    with_it, without = (np.random.default_rng(5) for _ in range(2))
    one, other = draw_geometry(1.0, 3, with_it), draw_geometry(0.0, 3, without)
    assert with_it.random() == without.random()
    assert other.erase == (0.0,) * 4 and one.erase[2] > 0.0 and dataclasses.replace(one, erase=other.erase) == other
    areas = [g.erase[2] * g.erase[3] for g in (draw_geometry(1.0, 3, with_it) for _ in range(200))]
    assert 0.02 <= min(areas) < 0.06 and 0.3 < max(areas) <= 0.4 + 1e-9


def test_a_picture_in_the_networks_size(picture: UInt8) -> None:
    assert fit(picture, 8, 6) is picture
    np.testing.assert_array_equal(fit(np.full((20, 10, 3), 7, np.uint8), 8, 6), np.full((8, 6, 3), 7))


def test_the_learning_rate_rises_and_drops() -> None:
    t = Training(steps=100, warmup=10, learning_rate=0.1, drops=(0.5, 0.9))
    assert [t.rate(s) for s in (0, 9, 49, 50, 90)] == pytest.approx([0.01, 0.1, 0.1, 0.01, 0.001])


def test_initial_weights_are_those_of_the_seed() -> None:
    starts = [fresh(TINY, 3, seed, Path(), CPU).initial for seed in (1, 1, 2)]
    assert starts[0] == starts[1] != starts[2]


def test_a_killed_training_goes_on_and_ends_the_same(split: Split, tmp_path: Path) -> None:
    trial = Trial(Arm(CONTROL, channel=0.75), 1, split.train, {})
    whole = train(TINY, trial, Path(), tmp_path / "whole", CPU, lambda step: None)

    class Killed(Exception):
        pass

    def kill(step: int) -> None:
        if step == 5:
            raise Killed

    with pytest.raises(Killed):
        train(TINY, trial, Path(), tmp_path / "killed", CPU, kill)
    steps: list[int] = []
    resumed = train(TINY, trial, Path(), tmp_path / "killed", CPU, steps.append)
    assert steps == [5, 6]  # the state of step 4 was kept
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert whole.losses == resumed.losses and len(whole.losses) == 6
    forget_states(tmp_path / "killed")
    assert list((tmp_path / "killed").iterdir()) == []


def test_training_moves_the_weights_and_the_arm_matters(split: Split, tmp_path: Path) -> None:
    ends = {}
    for arm in (Arm(BASELINE), Arm(CONTROL, channel=1.0)):
        learner = train(TINY, Trial(arm, 1, split.train, {}), Path(), tmp_path / arm.name, CPU, lambda step: None)
        assert learner.initial == fresh(TINY, 3, 1, Path(), CPU).initial
        ends[arm.name] = learner.network.head.weight.detach().clone()
    assert not torch.equal(ends[BASELINE], ends[CONTROL])
    assert not torch.equal(ends[BASELINE], fresh(TINY, 3, 1, Path(), CPU).network.head.weight)


def test_features_are_in_the_order_of_the_pictures(split: Split) -> None:
    network = fresh(TINY, 3, 1, Path(), CPU).network
    features = features_of(network, TINY, split.test, CPU)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0, rtol=1e-5)
    backwards = features_of(network, TINY, split.test[::-1], CPU)
    np.testing.assert_allclose(features, backwards[::-1], rtol=1e-4, atol=1e-5)


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    broken = Batch(torch.full((4, 3, 32, 16), torch.nan), torch.zeros(4, 3, 32, 16), torch.tensor([0, 0, 1, 1] * 2))
    with pytest.raises(TrainingError, match=r"step 3.*not finite"):
        learn(fresh(TINY, 2, 1, Path(), CPU), TINY, broken, 3)


def test_a_broken_picture_is_named(split: Split, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    for name in ("broken.jpg", "gone.jpg"):
        with pytest.raises(UnreadablePicture, match=name):
            Shelf(32, 16).picture(tmp_path / name)


def test_losses_are_kept_as_means_of_hundredths() -> None:
    losses: list[float] = []
    for step in range(250):
        note(losses, float(step), step, 250)
    assert len(losses) == 100
    assert losses[0] == 1.0 and losses[1] == 3.5 and losses[99] == 248.5  # steps 0 to 2, 3 and 4, 248 and 249
