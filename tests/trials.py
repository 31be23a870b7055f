"""Arms and trials with invented numbers, for the tests of figures, verdicts and pages."""

from collections.abc import Mapping, Sequence

import numpy as np

from synthir.gain import Arm, Figures, Point, Trial
from synthir.metrics import Float64

FLAT = (0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)
"""A learning curve that has come to its end."""


def figures(ap50: float) -> Figures:
    sizes = {"small": ap50 / 4, "large": ap50}
    found = {"small": ap50 / 5, "large": ap50 * 0.7}
    return Figures(ap50 / 2, ap50, ap50 * 0.9, {"person": ap50}, sizes, {"person": ap50 * 0.8}, found)


def trial(arm: str, seed: int, ap50: float, *, curve: Sequence[float] = FLAT, steps: int = 800) -> Trial:
    points = tuple(Point(100 * n, 1.0 / n, value) for n, value in enumerate(curve, 1))
    return Trial(arm, seed, steps, 156, 2.5, f"weights {seed}", figures(ap50), points, f"{arm}/{seed}.json")


def arm(name: str, ap50: Sequence[float], *, curve: Sequence[float] = FLAT, line: str = "", labels: int = 0) -> Arm:
    trials = tuple(trial(name, seed, value, curve=curve) for seed, value in enumerate(ap50))
    return Arm(name, f"pictures of {name}", trials, line, labels)


def draws(
    arms: Sequence[Arm], spread: Mapping[str, float] | None = None, count: int = 400
) -> dict[tuple[str, int], Float64]:
    """Draws around each trial's AP50: all arms go up and down together, those in `spread` also by themselves."""
    common = np.random.default_rng(0).normal(0.0, 0.05, count)
    drawn = dict[tuple[str, int], Float64]()
    for number, one in enumerate(arms):
        own = np.random.default_rng(number + 1).normal(0.0, 1.0, count) * (spread or {}).get(one.name, 0.01)
        drawn |= {(one.name, t.seed): t.figures.ap50 + common + own for t in one.trials}
    return drawn


def some_arms() -> list[Arm]:
    """Controls, a line with synthetic pictures and one without, three seeds each."""
    return [
        arm("rgb", [0.10, 0.11, 0.12]),
        arm("grayscale", [0.05, 0.04, 0.06]),
        arm("mix", [0.35, 0.37, 0.33], line="with synthetic", labels=0),
        arm("mix + 20", [0.40, 0.39, 0.41], line="with synthetic", labels=20),
        arm("real 20", [0.20, 0.24, 0.22], line="real only", labels=20),
        arm("real", [0.45, 0.44, 0.46], line="real only", labels=156),
    ]
