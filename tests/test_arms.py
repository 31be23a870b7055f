"""What an arm is trained on: equal draws, the same choice for the same seed, shares, layers and variants."""

from collections import Counter
from pathlib import Path

import pytest

from synthir.arms import Mix, Part, labels_of, round_of, sizes_of

SETS = {
    kind: [Path(f"{kind}/{number}") for number in range(count)]
    for kind, count in {"grayscale": 10, "mine": 10, "mine~1": 10, "mine~2": 10, "real": 7}.items()
}


def test_every_arm_draws_equally_many_each_picture_as_often() -> None:
    drawn = Counter(round_of(Mix("a", (Part("grayscale"), Part("mine"))), SETS, seed=1, draws=45))
    assert drawn.total() == 45 and len(drawn) == 20
    assert set(drawn.values()) == {2, 3}


def test_weights_share_the_draws() -> None:
    mix = Mix("a", (Part("grayscale", weight=1.0), Part("mine", weight=3.0)))
    drawn = Counter(path.parts[0] for path in round_of(mix, SETS, seed=1, draws=80))
    assert drawn == {"grayscale": 20, "mine": 60}


def test_the_seed_chooses_and_nothing_else() -> None:
    alone, with_more = Mix("a", (Part("real", count=3),)), Mix("b", (Part("real", count=3), Part("mine")))
    chosen = set(round_of(alone, SETS, seed=4, draws=30))
    assert chosen == {path for path in round_of(with_more, SETS, seed=4, draws=30) if path.parts[0] == "real"}
    assert len(chosen) == 3
    assert chosen != set(round_of(alone, SETS, seed=5, draws=30))
    fewer = set(round_of(Mix("c", (Part("real", count=2),)), SETS, seed=4, draws=30))
    assert fewer < chosen  # more labels are always more of the same


def test_a_split_shows_each_picture_in_one_part() -> None:
    mix = Mix("a", (Part("grayscale", share=0.3), Part("mine", share=0.7)), split=True)
    drawn = set(round_of(mix, SETS, seed=2, draws=100))
    numbers = [path.name for path in drawn]
    assert sorted(numbers) == sorted(str(number) for number in range(10))
    assert Counter(path.parts[0] for path in drawn) == {"grayscale": 3, "mine": 7}


def test_variants_stand_in_place_of_the_picture() -> None:
    mix = Mix("a", (Part("mine", variants=2, share=0.5),))
    kinds = Counter(path.parts[0] for path in set(round_of(mix, SETS, seed=2, draws=100)))
    assert kinds == {"mine~1": 5, "mine~2": 5}
    assert sizes_of(mix, {"mine~1": 10, "mine~2": 10}) == [10]


def test_words_and_labels() -> None:
    mix = Mix("a", (Part("real", count=10, weight=1.0), Part("grayscale+mine", share=0.5, variants=2, weight=1.0)))
    words = "10 of real, drawn with weight 1"
    words += " + 50% of the mean of grayscale and mine, in 2 stylised variants, drawn with weight 1"
    assert mix.words == words
    assert labels_of(mix, {"real": 40, "grayscale+mine~1": 40}) == 10
    assert labels_of(Mix("b", (Part("real"), Part("real", share=0.5, variants=2))), {"real": 40, "real~1": 40}) == 60


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Part("rgb", share=0.0), "share is 0.0"),
        (lambda: Part("rgb", count=-1), "count is -1"),
        (lambda: Mix("a", ()), "parts are missing"),
        (lambda: Mix("a", (Part("rgb"), Part("real")), split=True), "more than 1 together"),
        (lambda: Mix("a", (Part("rgb"),), seeds=2, candidate=True), "a candidate has all seeds"),
        (lambda: Mix("a", (Part("rgb"), Part("real", weight=1.0))), "some parts have a weight"),
        (lambda: Mix("a", (Part("rgb"),), seeds=-1), "seeds is -1"),
        (lambda: Mix("a", (Part("rgb"),), polarity=1.5), "polarity is 1.5"),
        (lambda: Part("rgb~1"), "say variants = N"),
    ],
)
def test_what_cannot_be_is_refused(make: object, said: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=said):
        make()
