"""Ranks, mAP and mINP against cases computed by hand, and who is searched for among whom."""

import math
from pathlib import Path

import numpy as np
import pytest

from synthir.reid.data import Picture
from synthir.reid.protocol import ROOM, VIEW, Scores, run_search, score, searches, skipped


def picture(identity: str, camera: str, infrared: bool, number: int = 1) -> Picture:
    return Picture(Path(f"{camera}/{identity}/{number:04d}.jpg"), identity, camera, infrared)


def one_query(gallery: str, *, skip: str = "", by_identity: bool = True) -> Scores:
    """The scores of a query for `a`, whose gallery, nearest first, shows these persons; some places are skipped."""
    identities = np.array(list(gallery))
    hidden = np.array([[str(place) in skip for place in range(len(gallery))]])
    distances = np.arange(len(gallery), dtype=float)[None]
    return score(distances, np.array(["a"]), identities, hidden, by_identity=by_identity)[0]


def test_average_precision_and_penalty_by_hand() -> None:
    # right at places 2, 3, 6 of 6: precision 1/2, 2/3, 3/6; three right ones, the last at 6
    found = one_query("baacda")
    assert found.map == pytest.approx((1 / 2 + 2 / 3 + 3 / 6) / 3)
    assert found.minp == pytest.approx(3 / 6)
    assert (found.rank1, found.rank5, found.queries, found.left_out) == (0.0, 1.0, 1, 0)


def test_a_rank_counts_identities_where_the_protocol_says_so() -> None:
    # b takes four places but is one person: a is second by identity, fifth by picture, sixth with one more b
    assert one_query("bbbbbac").rank5 == 1.0
    assert one_query("bbbbbac", by_identity=False).rank5 == 0.0
    assert one_query("bbbbac", by_identity=False).rank5 == 1.0
    assert one_query("bcdefa").rank5 == 0.0
    # mAP counts pictures in both
    assert one_query("bbbbbac").map == one_query("bbbbbac", by_identity=False).map == pytest.approx(1 / 6)


def test_skipped_pictures_are_as_if_not_there() -> None:
    assert one_query("abac", skip="0") == one_query("bac")
    assert one_query("bbac", skip="01").rank1 == 1.0


def test_a_query_without_right_answer_is_left_out_and_counted() -> None:
    distances = np.array([[0.1, 0.2], [0.3, 0.2]])
    found, precision = score(
        distances, np.array(["a", "z"]), np.array(["a", "b"]), np.zeros((2, 2), bool), by_identity=True
    )
    assert (found.rank1, found.map, found.queries, found.left_out) == (1.0, 1.0, 1, 1)
    assert precision[0] == 1.0 and math.isnan(precision[1])
    alone = one_query("bc")
    assert math.isnan(alone.map) and (alone.queries, alone.left_out) == (0, 1)


def test_of_equal_distances_the_first_is_nearer() -> None:
    equal = np.zeros((1, 3))
    found, _ = score(equal, np.array(["a"]), np.array(["b", "a", "c"]), np.zeros((1, 3), bool), by_identity=True)
    assert (found.rank1, found.rank5, found.map) == (0.0, 1.0, 0.5)


def sysu() -> list[Picture]:
    """Two persons, each with two pictures by each of the six cameras."""
    return [
        picture(identity, f"cam{camera}", camera in (3, 6), number)
        for identity in ("0006", "0010")
        for camera in range(1, 7)
        for number in (1, 2)
    ]


def test_sysu_draws_one_picture_an_identity_and_visible_camera() -> None:
    test = sysu()
    everywhere, indoors = searches("sysu", test, 10)
    assert [one.name for one in (everywhere, indoors)] == ["all search", "indoor search"]
    for search, cameras in ((everywhere, 4), (indoors, 2)):
        assert len(search.galleries) == 10
        assert {test[q].camera for q in search.queries} == {"cam3", "cam6"} and len(search.queries) == 8
        for gallery in search.galleries:
            seen = [(test[g].identity, test[g].camera) for g in gallery]
            assert len(seen) == len(set(seen)) == 2 * cameras
    assert {test[g].camera for g in indoors.galleries[0]} == {"cam1", "cam2"}
    assert len({tuple(gallery) for gallery in everywhere.galleries}) > 5  # draws differ
    again = searches("sysu", test, 10)[0]
    assert [g.tolist() for g in again.galleries] == [g.tolist() for g in everywhere.galleries]


def test_queries_of_camera_3_skip_camera_2_whoever_it_shows() -> None:
    test = [picture("a", "cam3", True), picture("a", "cam6", True), picture("b", "cam2", False)]
    test += [picture("a", "cam1", False)]
    hidden = skipped(ROOM, test, np.array([0, 1]), np.array([2, 3]))
    np.testing.assert_array_equal(hidden, [[True, False], [False, False]])
    # camera 2 shows a nearer stranger: it costs the query of camera 6 its first place, not that of camera 3
    features = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.8, 0.6]])
    (scores,) = run_search(searches("sysu", test, 1)[0], features, test).scores
    assert (scores.rank1, scores.map) == (0.5, (1.0 + 0.5) / 2)


def test_regdb_searches_everything_both_ways() -> None:
    test = [
        picture(i, camera, camera == "thermal", n) for i in "ab" for camera in ("visible", "thermal") for n in (1, 2)
    ]
    there, back = searches("regdb", test, 10)
    assert [one.name for one in (there, back)] == ["visible to infrared", "infrared to visible"]
    assert len(there.galleries) == 1 and not there.by_identity
    assert [test[q].infrared for q in there.queries] == [False] * 4
    assert sorted(there.galleries[0]) == sorted(back.queries)
    features = np.eye(8)[[0, 1, 0, 1, 4, 5, 4, 5]]  # of a: visible 0 and 1, thermal 0 and 1
    (scores,) = run_search(there, features, test).scores
    # each finds one twin; the other right picture comes second for a, after both of a's and so fourth for b
    assert (scores.rank1, scores.map, scores.minp) == (1.0, (1.0 + 0.75) / 2, (1.0 + 0.5) / 2)


def test_llcm_skips_the_own_view_and_draws_one_a_camera() -> None:
    test = [picture("a", "cam1", False), picture("a", "cam2", False), picture("b", "cam1", False)]
    test += [picture("a", "cam1", True), picture("b", "cam1", True)]
    heat, light = searches("llcm", test, 2)
    assert (heat.name, light.name) == ("infrared to visible", "visible to infrared")
    hidden = skipped(VIEW, test, np.array([3, 4]), np.array([0, 1, 2]))
    np.testing.assert_array_equal(hidden, [[True, False, False], [False, False, True]])
    found = run_search(heat, np.eye(5)[[0, 1, 2, 1, 2]], test)
    # a finds itself by camera 2; b is seen by camera 1 alone and has no right answer
    assert [(s.rank1, s.queries, s.left_out) for s in found.scores] == [(1.0, 1, 1)] * 2
    assert found.precision == {"a": (2.0, 2), "b": (0.0, 0)}  # of two draws


def test_the_precision_by_identity_adds_up_to_map() -> None:
    test = sysu()
    search = searches("sysu", test, 3)[0]
    features = np.random.default_rng(0).normal(size=(len(test), 4))
    found = run_search(search, features, test)
    total = sum(pair[0] for pair in found.precision.values()) / sum(pair[1] for pair in found.precision.values())
    assert total == pytest.approx(np.mean([one.map for one in found.scores]))
