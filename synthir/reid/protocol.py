"""Who is searched for among whom, and how well: rank-1/5/10/20, mAP and mINP, by the datasets' own protocols.

    SYSU-MM01   infrared queries; gallery: of each identity and visible camera one picture, drawn ten times. All search
                has cameras 1, 2, 4, 5, indoor search 1, 2. Cameras 3 and 2 see one room: queries of 3 skip 2.
    RegDB       every picture of one modality among every picture of the other, both ways.
    LLCM        each modality among one drawn picture an identity and camera of the other; pictures of the query's own
                identity and camera are skipped.
    plain       as LLCM.

A rank counts identities, each at its nearest picture, where the gallery is drawn, as the authors' code does; pictures
for RegDB. mAP and mINP always count pictures. Queries without a right answer in the gallery are left out and counted.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .data import Layout, Picture

RANKS = (1, 5, 10, 20)
INDOORS, OUTDOORS = ("cam1", "cam2"), ("cam1", "cam2", "cam4", "cam5")
"""Visible cameras of SYSU-MM01's indoor and all search."""

Float = NDArray[np.floating]
Bool = NDArray[np.bool_]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """Of one gallery; shares between 0 and 1."""

    rank1: float
    rank5: float
    rank10: float
    rank20: float
    map: float
    """Mean average precision."""
    minp: float
    """Mean inverse negative penalty: right answers over the place of the last of them."""
    queries: int
    """Those with a right answer in the gallery."""
    left_out: int
    """Those without one."""


FIGURES = ("rank1", "rank5", "rank10", "rank20", "map", "minp")
"""Of Scores, in the order of the tables."""


Rule = Literal["nothing", "the other camera of its room", "its own view"]
ROOM: Rule = "the other camera of its room"
VIEW: Rule = "its own view"


@dataclass(frozen=True)
class Search:
    """A kind of search in the test pictures."""

    name: str
    queries: Int
    """Numbers of the pictures that are searched with, (Q,)."""
    galleries: tuple[Int, ...]
    """Numbers of the pictures searched in, (G,); one array a draw."""
    skips: Rule
    """Which gallery pictures a query does not see."""
    by_identity: bool
    """Whether ranks count identities; else pictures."""


def searches(layout: Layout, test: Sequence[Picture], draws: int) -> tuple[Search, ...]:
    """The searches of a dataset's protocol, the one that is reported first in front.

    Draw k is the same in every run: its pictures come from k alone.
    """
    heat = np.array([picture.infrared for picture in test])
    infrared, visible = np.flatnonzero(heat), np.flatnonzero(~heat)
    if layout == "sysu":
        rooms = (("all search", OUTDOORS), ("indoor search", INDOORS))
        return tuple(
            Search(name, infrared, drawn(test, among(test, visible, cameras), draws), ROOM, True)
            for name, cameras in rooms
        )
    if layout == "regdb":
        ways = (("visible to infrared", visible, infrared), ("infrared to visible", infrared, visible))
        return tuple(Search(name, queries, (gallery,), "nothing", False) for name, queries, gallery in ways)
    ways = (("infrared to visible", infrared, visible), ("visible to infrared", visible, infrared))
    return tuple(Search(name, queries, drawn(test, gallery, draws), VIEW, True) for name, queries, gallery in ways)


def among(test: Sequence[Picture], pictures: Int, cameras: Sequence[str]) -> Int:
    """The numbers of those pictures that these cameras took."""
    return np.array([number for number in pictures if test[number].camera in cameras], np.int64)


def drawn(test: Sequence[Picture], pictures: Int, draws: int) -> tuple[Int, ...]:
    """Galleries of one picture an identity and camera."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number in pictures.tolist():
        groups.setdefault((test[number].identity, test[number].camera), []).append(number)
    return tuple(
        np.array([group[rng.integers(len(group))] for _, group in sorted(groups.items())], np.int64)
        for rng in map(np.random.default_rng, range(draws))
    )


def skipped(rule: Rule, test: Sequence[Picture], queries: Int, gallery: Int) -> Bool:
    """(Q, G): true where a query skips a gallery picture."""
    cameras, identities = (np.array([getattr(p, name) for p in test]) for name in ("camera", "identity"))
    if rule == ROOM:
        return np.asarray((cameras[queries] == "cam3")[:, None] & (cameras[gallery] == "cam2")[None])
    same = (cameras[queries][:, None] == cameras[gallery]) & (identities[queries][:, None] == identities[gallery])
    return np.asarray(same if rule == VIEW else np.zeros_like(same))


@dataclass(frozen=True)
class Searched:
    """What a search found."""

    scores: tuple[Scores, ...]
    """One a draw."""
    precision: dict[str, tuple[float, int]]
    """Of each identity searched for: the sum of its queries' average precisions over all draws, and how many."""


def run_search(search: Search, features: Float, test: Sequence[Picture]) -> Searched:
    """Search in each draw. features: (pictures, D) of length one; the nearest have the greatest product."""
    identities = np.array([picture.identity for picture in test])
    queries, sums = identities[search.queries], dict[str, tuple[float, int]]()
    found = []
    for gallery in search.galleries:
        likeness = features[search.queries] @ features[gallery].T
        skip = skipped(search.skips, test, search.queries, gallery)
        scores, precision = score(-likeness, queries, identities[gallery], skip, by_identity=search.by_identity)
        found.append(scores)
        for identity in np.unique(queries).tolist():
            own = precision[(queries == identity) & np.isfinite(precision)]
            total, count = sums.get(identity, (0.0, 0))
            sums[identity] = (total + float(own.sum()), count + len(own))
    return Searched(tuple(found), sums)


def score(
    distances: Float, queries: NDArray[np.generic], gallery: NDArray[np.generic], skip: Bool, *, by_identity: bool
) -> tuple[Scores, Float]:
    """Ranks, mAP and mINP of distances (Q, G) between identities (Q,) and (G,); of equals the first is nearer.

    skip: (Q, G), gallery pictures that a query does not see. All scores are NaN where no query has a right answer.
    Also gives the average precision of each query, (Q,), NaN where it has no right answer.
    """
    every = list(ranked(distances, queries, gallery, skip))
    answered = np.array([right.any() for _, right in every], bool)
    rows = [row for row, there in zip(every, answered, strict=True) if there]
    each = np.full(len(every), math.nan)
    if not rows:
        return Scores(**dict.fromkeys(FIGURES, math.nan), queries=0, left_out=len(every)), each
    first = np.array([place_of_first(*row) if by_identity else int(row[1].argmax()) for row in rows])
    places = [np.flatnonzero(right) + 1 for _, right in rows]
    each[answered] = [float(np.mean(np.arange(1, len(place) + 1) / place)) for place in places]
    penalty = [len(place) / float(place[-1]) for place in places]
    found = {f"rank{rank}": float(np.mean(first < rank)) for rank in RANKS}
    found |= {"map": float(np.mean(each[answered])), "minp": float(np.mean(penalty))}
    return Scores(**found, queries=len(rows), left_out=len(every) - len(rows)), each


def ranked(
    distances: Float, queries: NDArray[np.generic], gallery: NDArray[np.generic], skip: Bool
) -> Iterator[tuple[NDArray[np.generic], Bool]]:
    """Of each query the identities it sees, nearest first, and which of them are right."""
    for row, identity, skipped in zip(distances, queries, skip, strict=True):
        order = np.argsort(row, kind="stable")
        seen = gallery[order[~skipped[order]]]
        yield seen, np.asarray(seen == identity)


def place_of_first(seen: NDArray[np.generic], right: Bool) -> int:
    """How many other identities come before the right one."""
    return len(np.unique(seen[: int(right.argmax())]))


def unanswered(search: Search, test: Sequence[Picture]) -> list[int]:
    """Numbers of the queries that have no right answer in the gallery; in every draw they are the same."""
    identities = np.array([picture.identity for picture in test], dtype=object)
    gallery = search.galleries[0]
    right = identities[search.queries][:, None] == identities[gallery][None]
    answered = (right & ~skipped(search.skips, test, search.queries, gallery)).any(axis=1)
    return [int(number) for number in search.queries[~answered]]
