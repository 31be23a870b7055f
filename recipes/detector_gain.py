"""Is the synthetic infrared worth it? Trains a YOLO detector on each arm and measures all on the same real infrared.

    synthir recipe validate detector_gain --config mine.toml --data DATA
    synthir recipe run detector_gain --config mine.toml --data DATA --out runs/gain

Arms share initial weights, seeds, augmentation and the number of steps; they differ in their pictures alone. A stopped
run goes on with the arm and the seed where it stopped. ultralytics trains, offline and without its own downloads;
faster-coco-eval measures.
"""

import os
import pickle
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synthir import detection, watched_yolo
from synthir.arms import Mix
from synthir.coco_results import coco_detections, coco_truths
from synthir.config import at_least, refuse
from synthir.detection import Found, Picture
from synthir.errors import ConfigError
from synthir.files import sha256_file
from synthir.gain import Figures, Rules
from synthir.gain_compare import Setup, compare_arms, told
from synthir.gain_data import Sources
from synthir.gain_run import Detector, Training
from synthir.metrics import Float64
from synthir.recipes import Outcome, Say

AREAS = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, float("inf"))}
"""COCO's sizes of objects, in square pixels of their boxes."""
REPORTERS = ("sync", "clearml", "comet", "dvc", "hub", "mlflow", "neptune", "raytune", "tensorboard", "wandb")
"""Settings of ultralytics that report a training elsewhere, where such a package is installed."""
WEIGHTS = ("last", "best")
"""Of a training: those it ended with, and those of its best round."""


@dataclass(frozen=True)
class Config:
    """A comparison of arms."""

    pictures: Sources
    arms: tuple[Mix, ...]
    seeds: tuple[int, ...]
    """One training of every arm each; under three prove nothing."""
    detector: str = "yolo11n.yaml"
    """A model of ultralytics to train from nothing, or a local .pt file to start from."""
    side: int = 640
    """Pixels of the longer side that the detector sees, a multiple of 32."""
    steps: int = 4000
    """Of the optimiser, in every arm."""
    rounds: int = 20
    """Parts of a training; after each it is validated. steps is a multiple of it."""
    batch: int = 16
    """Pictures a step."""
    precision: str = "float32"
    """Or "bfloat16": the network's layers in half the bits, weights and losses in float32. Twice as fast where the
    processor has matrix units for it, slower where not."""
    average: float = 0.1
    """Share of the steps over which the weights that are validated and judged are averaged. On pictures that are not
    infrared a detector's figures on infrared jump from round to round without it."""
    learning_rate: float = 0.002
    """Of AdamW; it falls to a hundredth over the rounds."""
    polarity: float = 0.5
    """Share of the training pictures that are shown inverted: black-hot where they were white-hot."""
    weights: str = "last"
    """That are judged: of the last round, or of the `best` one, by mAP50-95 on the validation pictures."""
    block: int = 20
    """Consecutive test pictures that are drawn together by the bootstrap."""
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        names = [mix.name for mix in self.arms]
        faults = [f"arm {name} stands twice" for name in sorted({name for name in names if names.count(name) > 1})]
        faults += [] if self.arms else ["arms are missing"]
        faults += [] if self.seeds and len(set(self.seeds)) == len(self.seeds) else ["seeds are missing or twice there"]
        faults += [f"side is {self.side}, expected a multiple of 32"] if self.side % 32 or self.side < 32 else []
        for name, known in (("weights", WEIGHTS), ("precision", watched_yolo.PRECISIONS)):
            found = getattr(self, name)
            faults += [] if found in known else [f"{name} is {found!r}, expected {' or '.join(known)}"]
        faults += [] if 0.0 <= self.average < 1.0 else [f"average is {self.average}, expected 0 to less than 1"]
        faults += [] if 0.0 <= self.polarity <= 1.0 else [f"polarity is {self.polarity}, expected 0 to 1"]
        faults += [] if self.rounds > 0 and self.steps % self.rounds == 0 else ["steps is no multiple of rounds"]
        refuse(*faults)
        at_least(1, steps=self.steps, batch=self.batch, block=self.block)


def plan(config: Config, data: Path) -> list[str]:
    """What would be done. Raises SynthIRError for what cannot be, before anything is written."""
    refuse_detector(config.detector)
    return [*told(setup(config), data), f"each of {config.steps} steps of {config.batch} pictures"]


def run(config: Config, data: Path, out: Path, say: Say) -> Outcome:
    """Train and judge every arm with every seed; the page is written anew after each seed."""
    refuse_detector(config.detector)

    def ready(names: Sequence[str], validation: Sequence[Path]) -> Detector:
        scored = partial(score, names, config.rules.false_positives)
        trained = partial(train, config, names, validation)
        return Detector(key_of(config), trained, partial(look, config), scored, config.weights == "best")

    return compare_arms(setup(config), config, data, out.resolve(), ready, say)


def setup(config: Config) -> Setup:
    """The comparison without its detector."""
    draws = config.steps // config.rounds * config.batch
    unknown = f"what {config.detector} was trained on is not known: it may have seen test pictures"
    notes = (unknown,) if config.detector.endswith(".pt") else ()
    return Setup(config.pictures, config.arms, config.seeds, draws, config.block, config.rules, notes)


def key_of(config: Config) -> str:
    """All that shapes a training besides its pictures and its seed."""
    weights = sha256_file(Path(config.detector)) if Path(config.detector).is_file() else ""
    versions = ", ".join(f"{name} {version(name)}" for name in ("ultralytics", "torch"))
    how = f"{settings(config)}, {config.precision}, polarity {config.polarity}, average {config.average}"
    return f"{config.detector} {weights}, {how}, {versions}"


def refuse_detector(name: str) -> None:
    """Silence ultralytics and look at the model. Raises BackendMissing, TrainingError where it cannot be silenced, and
    ConfigError for a model that is not there or does not detect boxes, or a file that is no model."""
    watched_yolo.installed()
    watched_yolo.detector_file(name)
    watched_yolo.silence()
    from ultralytics.models import YOLO
    from ultralytics.utils import SETTINGS

    known: Any = SETTINGS
    known.update({name: False for name in REPORTERS if name in known})
    fix = "give a detection model: yolo11n.yaml, or a .pt trained to detect"
    try:
        task = YOLO(name).task
    except (OSError, RuntimeError, TypeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError("not a model", where=name, why=why, fix=fix) from error
    if task != "detect":
        raise ConfigError("a model of another task", where=name, why=f"it is made to {task}", fix=fix)


def train(
    config: Config,
    names: Sequence[str],
    validation: Sequence[Path],
    files: Sequence[Path],
    seed: int,
    folder: Path,
    polarity: float | None,
) -> Training:
    """Train a detector on a round of pictures, `config.rounds` times over. Raises TrainingError, NoSpace."""
    from ultralytics.models import YOLO

    model, inverted = YOLO(config.detector), config.polarity if polarity is None else polarity
    watch = watched_yolo.Watch(inverted, seed, config.batch, config.precision, config.average * config.steps)
    for event in ("on_train_start", "on_train_batch_end", "on_fit_epoch_end"):
        model.add_callback(event, getattr(watch, event))
    try:
        watched_yolo.write_lists(folder, names, files, validation)
        with (folder / "train.log").open("w", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
            model.train(data=str(folder / "data.yaml"), project=str(folder), seed=seed, **settings(config))
    except (RuntimeError, OSError) as error:
        raise watched_yolo.why_failed(error, folder) from error
    watched_yolo.refuse_other_steps(watch.steps, config.steps, folder)
    for name in WEIGHTS:  # on the disk before the training is called done
        with (folder / f"run/weights/{name}.pt").open("rb") as weights:
            os.fsync(weights.fileno())
    return Training(watch.steps, watch.weights_sha256, tuple(watch.curve.values()))


def settings(config: Config) -> dict[str, Any]:
    """Of a training with ultralytics; the rest is its own default."""
    return {
        "name": "run",
        "exist_ok": True,
        "plots": False,
        "verbose": False,
        "amp": False,
        "patience": 0,
        "epochs": config.rounds,
        "batch": config.batch,
        "nbs": config.batch,
        "imgsz": config.side,
        "optimizer": "AdamW",
        "lr0": config.learning_rate,
        "warmup_epochs": 1.0,
        "warmup_bias_lr": 0.0,
        "close_mosaic": config.rounds // 5,
        "cache": "ram",
        "deterministic": True,
        "device": "0" if torch.cuda.is_available() else "cpu",
    }


def look(config: Config, folder: Path, files: Sequence[Path]) -> list[list[Found]]:
    """The detections of a trained detector on each picture."""
    from ultralytics.models import YOLO

    model, found = YOLO(folder / f"run/weights/{config.weights}.pt"), []
    for path in files:
        seen: Any = model.predict(str(path), imgsz=config.side, conf=0.001, max_det=300, verbose=False)
        rows = seen[0].boxes.data.tolist()  # left, top, right, bottom, score, class
        found.append([Found((x, y, right - x, low - y), score, int(kind)) for x, y, right, low, score, kind in rows])
    return found


def score(
    names: Sequence[str], false_positives: float, pictures: Sequence[Picture], found: Sequence[Sequence[Found]]
) -> Figures:
    """The figures of detections: precisions by faster-coco-eval, recall by synthir.detection."""
    kinds = detection.match(pictures, found)
    recall = detection.recall_at(list(kinds.values()), false_positives)
    each = {names[kind]: detection.recall_at([one], false_positives) for kind, one in kinds.items()}
    precision = precisions(names, pictures, found)
    labelled = [number for number, name in enumerate(names) if (precision[:, :, number, 0] > -1).any()]
    by_class = {names[number]: mean(precision[0, :, number, 0]) for number in labelled}
    sizes = {name: precision[..., place] for place, name in enumerate(AREAS, 1)}
    by_size = {name: mean(values) for name, values in sizes.items() if (values > -1).any()}
    threshold = detection.threshold_at(list(kinds.values()), false_positives)
    found_of = {name: detection.recall_of(pictures, found, threshold, *AREAS[name]) for name in by_size}
    return Figures(mean(precision[..., 0]), mean(precision[0, ..., 0]), recall, by_class, by_size, each, found_of)


def precisions(names: Sequence[str], pictures: Sequence[Picture], found: Sequence[Sequence[Found]]) -> Float64:
    """COCO's precisions by faster-coco-eval: IoU (10), recall (101), class, size (all, small, medium, large); -1 is
    without labels."""
    from faster_coco_eval import COCO, COCOeval_faster

    truths = COCO(coco_truths(names, pictures))
    rows = coco_detections(found)
    judged = COCOeval_faster(truths, truths.loadRes(rows) if rows else COCO(coco_truths(names, [])), "bbox")
    judged.evaluate()
    judged.accumulate()
    return np.asarray(judged.eval["precision"], np.float64)[..., -1]


def mean(precision: Float64) -> float:
    """Of the precisions that there are."""
    return float(precision[precision > -1].mean()) if (precision > -1).any() else float("nan")
