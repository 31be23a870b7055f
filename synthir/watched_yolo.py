"""A training of a detector with ultralytics, watched: steps, curve, precision, inverted pictures, cores.

ultralytics itself is imported by recipes alone: its licence asks for that, see README.md. What it hands over is used
here, nothing more.
"""

import atexit
import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from .errors import ConfigError, NoSpace, SynthIRError, TrainingError
from .extras import missing
from .gain import Point
from .torchvision_cpu import mend_torchvision

PRECISIONS = ("float32", "bfloat16")
"""Of the layers of a detector while it trains."""
ROOM = 100_000_000
"""Bytes that a checkpoint may take; with less left on the disk, a failure is for want of it."""


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


def silence() -> None:
    """Before ultralytics is imported: no network, and settings and a font in a folder that goes with this process.

    Raises TrainingError where it was imported already.
    """
    if "ultralytics" not in sys.modules:
        folder = tempfile.mkdtemp(prefix="synthir-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["YOLO_CONFIG_DIR"] = folder
        give_font(Path(folder, "Ultralytics"))
    elif os.environ.get("YOLO_OFFLINE") != "true":
        why = "it reads its settings at its import, and would use the network"
        raise TrainingError("ultralytics was imported before", why=why, fix="run the recipe in a process of its own")
    os.environ.update({"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"})
    os.environ.pop("ULTRALYTICS_API_KEY", None)  # with it, trainings are reported there
    mend_torchvision()


def give_font(home: Path) -> None:
    """Copy the font of matplotlib, where that is installed, to where ultralytics would download one to."""
    home.mkdir(parents=True)
    font = importlib.util.find_spec("matplotlib")
    if font and font.origin:
        shutil.copy(Path(font.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf", home / "Arial.ttf")


def write_lists(folder: Path, names: Sequence[str], files: Sequence[Path], validation: Sequence[Path]) -> None:
    """Make the folder of a training anew, with what ultralytics reads there: lists of pictures, and class names."""
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir(parents=True)
    for split, paths in (("train", files), ("val", validation)):
        (folder / f"{split}.txt").write_text("\n".join(map(str, paths)), encoding="utf-8")
    rows = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(names))
    (folder / "data.yaml").write_text(f"train: train.txt\nval: val.txt\nnames:\n{rows}", encoding="utf-8")


def why_failed(error: RuntimeError | OSError, folder: Path) -> SynthIRError:
    """What a failure of a training in a folder was: NoSpace or TrainingError."""
    if shutil.disk_usage(folder).free < ROOM:  # torch says it as a RuntimeError, others as an OSError
        return NoSpace("no space left", where=str(folder), fix="free some, and run the same command again")
    why = " ".join(str(error).split())[:200]
    return TrainingError(
        "the detector cannot be trained", where=str(folder), why=why, fix="see train.log there, or lower batch"
    )


def refuse_other_steps(steps: int, wanted: int, folder: Path) -> None:
    """Raises TrainingError where a training took more or fewer steps than it was to."""
    if steps != wanted:
        why = f"{steps} steps in place of {wanted}; train.log there says more"
        fix = "lower the learning rate; if it stays, report it"
        raise TrainingError("ultralytics repeated or left out steps", where=str(folder), why=why, fix=fix)


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

        Mosaics are cut of all pictures of a round, also where memory is short and they are read from the disk: then
        ultralytics would cut them of the last few.
        """
        trainer.train_loader.dataset.transforms[0][0].buffer_enabled = False
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
