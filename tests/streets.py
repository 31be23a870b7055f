"""The drawn streets of examples/sample/make_streets.py, and a comparison on them with a detector that is a function."""

import runpy
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthir.arms import Mix, Part
from synthir.detection import Found, Picture, match, mean_precision, recall_at
from synthir.gain import Figures, Point, Rules
from synthir.gain_compare import Setup
from synthir.gain_data import Sources
from synthir.gain_run import Detector, Training
from synthir.labelled import LabelSource

ROOT = Path(__file__).parents[1]


def draw(folder: Path) -> Path:
    """Draw the streets; gives the folder."""
    runpy.run_path(str(ROOT / "examples/sample/make_streets.py"))["main"](folder)
    return folder


def sources(engine: Path | None = None, **more: object) -> Sources:
    """Train on street a, validate on b, test on c."""
    parts: dict[str, object] = {
        "train": LabelSource("a.json", "visible"),
        "real": LabelSource("a.json", "infrared"),
        "validation": LabelSource("b.json", "infrared"),
        "test": LabelSource("c.json", "infrared"),
        "scene": "^([a-z])",
        "generators": {"mean": str(engine)} if engine else {},
    }
    return Sources(**{**parts, **more})  # type: ignore[arg-type]


ARMS = (Mix("grayscale", (Part("grayscale"),)), Mix("real", (Part("real"),)))


def setup(pictures: Sources, arms: tuple[Mix, ...] = ARMS, seeds: tuple[int, ...] = (1, 2, 3)) -> Setup:
    """A comparison of rounds of 64 pictures."""
    return Setup(pictures, arms, seeds, 64, 4, Rules())


def knowing(test: Sequence[Picture], names: Sequence[str]) -> Detector:
    """A detector that finds the more of the test labels the more real or synthetic pictures it was trained on.

    What it learned is one number in a file of its folder: the share of pictures that are not grayscale.
    """

    def train(files: Sequence[Path], seed: int, folder: Path, polarity: float | None) -> Training:
        share = float(np.mean([not path.parts[-3].startswith("grayscale") for path in files]))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "learned.txt").write_text(str(share))
        curve = tuple(Point(step, 1.0 / (1 + step), share * min(1.0, (step + 1) / 4)) for step in range(8))
        return Training(8, f"weights {seed}", curve)

    def look(folder: Path, files: Sequence[Path]) -> list[list[Found]]:
        share, seed = float((folder / "learned.txt").read_text()), int(folder.name)
        rng = np.random.default_rng(seed)
        return [
            [Found(truth.box, 0.9, truth.kind) for truth in picture.truths if rng.uniform() < 0.2 + 0.7 * share]
            for picture in test
        ]

    def score(pictures: Sequence[Picture], found: Sequence[Sequence[Found]]) -> Figures:
        kinds = match(pictures, found)
        ap50 = mean_precision(kinds)
        recall = recall_at(list(kinds.values()), 1.0)
        return Figures(ap50, ap50 / 2, recall, {names[0]: ap50}, {"small": ap50}, {names[0]: recall})

    return Detector("knowing", train, look, score)
