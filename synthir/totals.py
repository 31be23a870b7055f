"""What the rows of one method come to: means with intervals, distances of the sets, what became of objects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from . import distribution, metrics, object_metrics
from .errors import ConfigError
from .intervals import Estimate
from .measurement import Measured, Row
from .metrics import Float64

FIGURES = tuple(field.name for field in fields(metrics.Scores))
SEED = 0
"""Of the bootstrap."""
OBJECTS = 20
"""Consecutive objects that are drawn together."""


@dataclass(frozen=True)
class Objects:
    """Of all labelled objects; deletion and insertion where there is a detector."""

    boxes: int
    contrast: Estimate
    real_contrast: Estimate
    sign: Estimate
    flips: int
    """Objects whose contrast has not the sign it has in the real picture."""
    correlation: Estimate
    deletion: Estimate | None
    insertion: Estimate | None


@dataclass(frozen=True)
class Distances:
    """Of the set of pictures to the real ones, as it is and aligned."""

    fid: tuple[float, float]
    """NaN where refused."""
    kid: tuple[Estimate, Estimate]
    """Times 1000."""
    refused: str
    """Why there is no FID; empty where there is one."""


@dataclass(frozen=True)
class Total:
    """One method on all pictures of a protocol."""

    protocol: str
    method: str
    pictures: int
    raw: dict[str, Estimate]
    aligned: dict[str, Estimate]
    objects: Objects | None
    distances: Distances | None


def total(measured: Sequence[Measured], *, force_fid: bool) -> Total:
    """Of one method's pictures, at least one, in their order."""
    rows = [one.row for one in measured]
    block = metrics.block_of(len(rows))
    raw, aligned = (
        {name: mean([getattr(getattr(row, which), name) for row in rows], block) for name in FIGURES}
        for which in ("raw", "aligned")
    )
    seen = [one.features for one in measured if one.features is not None]
    between = distances(np.stack(seen).astype(np.float64), block, force_fid=force_fid) if seen else None
    return Total(rows[0].protocol, rows[0].method, len(rows), raw, aligned, objects(rows), between)


def totals(measured: Sequence[Measured], *, force_fid: bool) -> list[Total]:
    """Of each method of one protocol, in their order."""
    methods = dict.fromkeys(one.row.method for one in measured)
    return [total([one for one in measured if one.row.method == name], force_fid=force_fid) for name in methods]


def mean(values: Sequence[float], block: int) -> Estimate:
    """Of the finite values, with its interval over blocks of consecutive ones."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Estimate(math.nan, math.nan, math.nan, 0)
    low, high = metrics.block_interval(values, block, np.random.default_rng(SEED))
    return Estimate(float(np.mean(finite)), low, high, len(finite))


def objects(rows: Sequence[Row]) -> Objects | None:
    """What became of all labelled objects; None without any."""
    made, real = ([c for row in rows for c in getattr(row, which)] for which in ("contrasts", "real_contrasts"))
    if not made:
        return None
    agree = object_metrics.signs(made, real)
    r = object_metrics.correlation(made, real, OBJECTS, np.random.default_rng(SEED))
    found = [row.detected for row in rows if row.detected is not None]
    inserted = [float(one.inserted) for one in found]
    return Objects(
        len(made),
        mean(made, OBJECTS),
        mean(real, OBJECTS),
        mean(agree, OBJECTS),
        agree.count(0.0),
        Estimate(*r, len(agree)),
        mean(object_metrics.deletion(found), OBJECTS) if found else None,
        mean(inserted, metrics.block_of(len(inserted))) if found else None,
    )


def distances(features: Float64, block: int, *, force_fid: bool) -> Distances:
    """FID and KID of features (N, 3, D): as it is, aligned, real."""
    made, aligned, real = features.transpose(1, 0, 2)
    kids = [distribution.kid(some, real, block, np.random.default_rng(SEED)) for some in (made, aligned)]
    kid = (Estimate(*kids[0], len(features)), Estimate(*kids[1], len(features)))
    try:
        fid = (distribution.fid(made, real, force=force_fid), distribution.fid(aligned, real, force=force_fid))
    except ConfigError as error:
        return Distances((math.nan, math.nan), kid, f"{error.why}; {error.fix}")
    return Distances(fid, kid, "")
