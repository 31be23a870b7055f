"""A training of a detector with ultralytics, watched: steps, curve, precision, inverted pictures, cores.

ultralytics itself is imported by recipes alone: its licence asks for that, see README.md. What it hands over is used
here, nothing more.
"""

import hashlib
import importlib.util
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .errors import ConfigError, TrainingError
from .extras import missing
from .gain import Point

PRECISIONS = ("float32", "bfloat16")
"""Of the layers of a detector while it trains."""


def installed() -> None:
    """Raises BackendMissing where the extra `recipes` is not installed."""
    for package in ("ultralytics", "faster_coco_eval"):
        if importlib.util.find_spec(package) is None:
            raise missing(ModuleNotFoundError(name=package))


def detector_file(name: str) -> str:
    """The detector, a local file or a model that ultralytics brings. Raises ConfigError; nothing is downloaded."""
    if Path(name).suffix in (".pt", ".yaml") and Path(name).is_file():
        return name
    spec = importlib.util.find_spec("ultralytics")
    models = Path(spec.origin or "").parent / "cfg/models" if spec else Path()
    # yolo11n.yaml is the size n in the file yolo11.yaml
    known = {path.name for path in models.rglob("*.yaml")}
    if name in known or re.sub(r"(?<=\d)[nslmx](?=[-.])", "", name) in known:
        return name
    fix = "give a .yaml of ultralytics, e.g. yolo11n.yaml, or a .pt file that lies here; nothing is downloaded"
    raise ConfigError("no such detector", where=name, why="no file here, and no model of ultralytics", fix=fix)


class Watch:
    """What is seen of a training with ultralytics, and the inversion of some pictures on the way in."""

    def __init__(self, polarity: float, seed: int, batch: int, precision: str, window: float) -> None:
        """polarity: the share of pictures that are inverted; batch: pictures a step; precision: of the layers; window:
        steps that weights are averaged over."""
        self.batch, self.precision, self.window = batch, precision, window
        self.polarity, self.rng = polarity, torch.Generator().manual_seed(seed)
        self.steps, self.weights_sha256 = 0, ""
        self.curve: dict[int, Point] = {}

    def on_train_start(self, trainer: Any) -> None:
        """Hash the initial weights, take all cores (ultralytics leaves one of them), let batches be inverted.

        Raises TrainingError where pictures are not held in memory: mosaics would be cut of fewer of them.
        """
        if trainer.train_loader.dataset.cache != "ram":
            fix = "free memory, or lower side or the pictures of a round: more rounds"
            raise TrainingError("the pictures of a round do not fit the memory", where=str(trainer.save_dir), fix=fix)
        digest = hashlib.sha256()
        for value in trainer.model.state_dict().values():
            digest.update(value.cpu().numpy().tobytes())
        self.weights_sha256 = digest.hexdigest()
        torch.set_num_threads(cores())
        trainer.model.to(memory_format=torch.channels_last)  # an eighth faster on a CPU
        if self.precision == "bfloat16":  # ultralytics has it on GPUs alone, and computes the losses in it too
            trainer.model.predict = in_bfloat16(trainer.model.predict, trainer.device.type)
        trainer.ema.decay = self.decay
        before = trainer.preprocess_batch
        trainer.preprocess_batch = lambda batch: self.inverted(before(batch))

    def decay(self, step: int) -> float:
        """How much of the average of the weights stays at a step; less at the beginning, when little is in it."""
        if self.window <= 1.0:
            return 0.0
        return (1.0 - 1.0 / self.window) * (1.0 - math.exp(-step / self.window))

    def inverted(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Some pictures of a batch, [0, 1], shown black-hot."""
        chosen = torch.rand(len(batch["img"]), generator=self.rng) < self.polarity
        batch["img"][chosen] = 1.0 - batch["img"][chosen]
        batch["img"] = batch["img"].contiguous(memory_format=torch.channels_last)
        return batch

    def on_train_batch_end(self, trainer: Any) -> None:
        """Count a step. Raises TrainingError where ultralytics halved the batch, for want of memory."""
        if trainer.batch_size != self.batch:
            why = f"{self.batch} pictures did not fit the GPU, ultralytics went on with {trainer.batch_size}"
            raise TrainingError("arms must have equal batches", where=str(trainer.save_dir), why=why, fix="lower batch")
        self.steps += 1

    def on_fit_epoch_end(self, trainer: Any) -> None:
        """Note a point of the learning curve; the last one comes twice, the second time of another checkpoint."""
        loss = float(sum(trainer.tloss.values()))
        ap50 = float(trainer.metrics["metrics/mAP50(B)"])
        self.curve.setdefault(self.steps, Point(self.steps, loss, ap50))


def cores() -> int:
    """Of the processor, that this process may use: fewer in a container, or after taskset."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_bfloat16(predict: Callable[..., Any], device: str) -> Callable[..., Any]:
    """The network, its layers computed in bfloat16 and its answers in float32, so that boxes keep their places."""

    def halved(*inputs: Any, **options: Any) -> Any:
        with torch.autocast(device, torch.bfloat16):
            return in_float32(predict(*inputs, **options))

    return halved


def in_float32(answer: Any) -> Any:
    """Tensors of floating point, in whatever lists and mappings they come, as float32."""
    if isinstance(answer, torch.Tensor):
        return answer.float() if answer.is_floating_point() else answer
    if isinstance(answer, dict):
        return {name: in_float32(value) for name, value in answer.items()}
    return type(answer)(map(in_float32, answer)) if isinstance(answer, list | tuple) else answer
