"""What `synthir bench convert` measures: rates, memory, planning and waiting times of a conversion on this machine.

Pictures and labels are made here, in a scratch folder. What is about memory runs in a process of its own.
"""

import json
import os
import platform
import shutil
import statistics
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from . import formats
from .bench_chart import draw_rates
from .convert import Options, plan, run
from .engine import Engine, Float32, open_engine
from .errors import UsageError
from .frames import UInt8, pad
from .images import decode
from .specs import Band, EngineSpec, Polarity, Precision
from .stopwatch import in_child, peak_memory, seconds, waiting

DISTINCT = 16
"""Different pictures; the others are further names of them."""
RATE = "pictures/s"
COCO_IMAGES, COCO_ANNOTATIONS = 118_287, 860_001
"""As many as COCO train2017 has."""


@dataclass(frozen=True)
class Figure:
    """One measured number, the median of its runs, and what it should be."""

    name: str
    value: float
    unit: str
    target: str
    runs: tuple[float, ...]


@dataclass(frozen=True)
class Result:
    """All figures of a benchmark and the machine they are of."""

    machine: str
    figures: tuple[Figure, ...]
    limit: str
    """Which part sets the speed of a conversion, in a sentence."""

    def markdown(self) -> str:
        """The figures as a table."""
        rows = [f"| {f.name} | {f.value:.4g} {f.unit} | {f.target} | {_spread(f.runs)} |" for f in self.figures]
        head = ["| what | median | target | lowest to highest |", "| --- | --- | --- | --- |"]
        return "\n".join([self.machine, "", *head, *rows, "", self.limit])

    def chart(self, path: Path) -> None:
        """Draw the rates as bars, each with its number and spread, as a PNG file."""
        rates = [one for one in self.figures if one.unit == RATE]
        rows = [(f.name, f.value, f"{f.value:.1f}  ({_spread(f.runs)})") for f in rates]
        draw_rates(rows, f"{RATE}: median (lowest to highest)", path)


def _spread(runs: tuple[float, ...]) -> str:
    return f"{min(runs):.4g} to {max(runs):.4g} of {len(runs)}"


def bench_convert(payload: Path, scratch: Path, *, pictures: int = 100, repeats: int = 3, many: int = 10_000) -> Result:
    """Measure conversions with an engine, with none, and of a very large COCO file.

    scratch: a folder that does not exist; it is made, takes about 2 GB, and is removed. pictures: of a run with the
    engine; many: of the run that shows whether memory grows. Takes about five minutes on two cores. Raises UsageError.
    """
    if min(pictures, repeats, many) < 1:
        why = f"pictures {pictures}, repeats {repeats}, many {many}"
        raise UsageError("nothing to measure", why=why, fix="give numbers of at least 1")
    if scratch.exists():
        raise UsageError("the scratch folder exists", where=str(scratch), fix="name one that does not")
    scratch.mkdir(parents=True)
    try:
        alone, whole = with_engine(payload, scratch / "engine", pictures, repeats)
        figures = [
            figure("the engine alone, 640x512", RATE, "", alone),
            figure("end to end with the engine, 640x512 JPEG", RATE, ">= 10", whole),
            *without_engine(scratch / "fake", many, repeats),
            *planning(scratch / "coco", repeats),
            figure("synthir --help", "s", "<= 0.5", [waiting(["--help"]) for _ in range(max(5, repeats))]),
            first_picture(payload, scratch / "first", repeats),
        ]
    finally:
        shutil.rmtree(scratch)
    share = statistics.median(whole) / statistics.median(alone)
    part = "the engine" if share >= 0.9 else "reading, decoding, encoding and writing"
    limit = f"End to end reaches {share:.0%} of the engine's own rate (target >= 90 %): {part} set the speed."
    return Result(f"{os.cpu_count()} x {platform.machine()}, Python {platform.python_version()}", tuple(figures), limit)


def figure(name: str, unit: str, target: str, runs: list[float]) -> Figure:
    """A figure from its runs."""
    return Figure(name, statistics.median(runs), unit, target, tuple(runs))


def make_pictures(folder: Path, count: int, height: int, width: int) -> Path:
    """Write JPEG pictures, in pixels, with soft shapes and fine noise, so that they weigh what photographs weigh."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number:06d}.jpg"
        if number >= DISTINCT:
            path.hardlink_to(folder / f"{number % DISTINCT:06d}.jpg")
            continue
        coarse = rng.integers(0, 256, (8, 10, 3), dtype=np.uint8)
        soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(path), cv2.add(soft, rng.integers(0, 24, (height, width, 3), dtype=np.uint8)))
    return folder


def with_engine(payload: Path, folder: Path, pictures: int, repeats: int) -> tuple[list[float], list[float]]:
    """Pictures a second of the engine alone and of whole conversions, at 640x512, run by run in turn."""
    source = make_pictures(folder / "src", pictures, 512, 640)
    alone, whole = [], []
    with open_engine(payload) as engine:
        first = (source / "000000.jpg").read_bytes()
        picture = pad(decode(first, "first"), engine.spec.stride)[None]
        batch = np.repeat(picture, engine.spec.usual_batch, axis=0)
        engine.run(batch)
        for number in range(repeats):
            alone.append(pictures / seconds(partial(call_often, engine, batch, -(-pictures // len(batch)))))
            whole.append(pictures / seconds(partial(convert, source, folder / f"out{number}", engine)))
    return alone, whole


def call_often(engine: Engine, visible: UInt8, times: int) -> None:
    """Run one batch again and again."""
    for _ in range(times):
        engine.run(visible)


def without_engine(folder: Path, many: int, repeats: int) -> list[Figure]:
    """Rate and peak memory of the pipeline around an engine that costs nothing, at 640x480."""
    few = max(1, many // 10)
    make_pictures(folder / "few", few, 480, 640)
    make_pictures(folder / "many", many, 480, 640)
    runs = [in_child(pipeline_alone, folder / "few", folder / f"out{number}") for number in range(repeats)]
    large = in_child(pipeline_alone, folder / "many", folder / "out")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [
        figure(
            "pipeline without an engine, 640x480 JPEG",
            RATE,
            f">= {150 * cores}",
            [few / run[0] for run in runs],
        ),
        figure(f"peak memory, {few} pictures", "MB", "", [run[1] for run in runs]),
        figure(f"peak memory, {many} pictures", "MB", "the same", [large[1]]),
    ]


def planning(
    folder: Path, repeats: int, images: int = COCO_IMAGES, annotations: int = COCO_ANNOTATIONS
) -> list[Figure]:
    """Seconds and peak memory of reading and planning a COCO file, as large as train2017 if not told otherwise."""
    source = make_coco(folder, images, annotations)
    runs = [in_child(plan_alone, source, folder.with_name("coco-out")) for _ in range(repeats)]
    name = f"plan COCO, {images:,} images, {annotations:,} annotations"
    return [
        figure(name, "s", "<= 2", [run[0] for run in runs]),
        figure(f"{name}: peak memory", "MB", "<= 600", [run[1] for run in runs]),
    ]


def make_coco(folder: Path, images: int, annotations: int) -> Path:
    """Write a COCO file with boxes and polygons, and an empty file for each of its pictures."""
    (folder / "images").mkdir(parents=True)
    for number in range(images):
        (folder / "images" / f"{number:012d}.jpg").touch()
    image = '{{"license": 3, "file_name": "{0:012d}.jpg", "height": 480, "width": 640, "id": {0}}}'
    shape = json.dumps([[round(10 + 7.31 * step, 2) for step in range(40)]])
    boxed = (
        '{{"segmentation": {2}, "area": 702.1, "iscrowd": 0, "image_id": {1}, "bbox": [473.07, 395.93, 38.65, 28.67], '
    )
    boxed += '"category_id": 18, "id": {0}}}'
    with (folder / "instances.json").open("w", encoding="utf-8") as file:
        file.write('{"info": {}, "images": [')
        file.writelines(f"{', ' * (n > 0)}{image.format(n)}" for n in range(images))
        file.write('], "annotations": [')
        file.writelines(f"{', ' * (n > 0)}{boxed.format(n, n % images, shape)}" for n in range(annotations))
        file.write('], "categories": [{"id": 18, "name": "dog"}]}')
    return folder / "instances.json"


def first_picture(payload: Path, folder: Path, repeats: int) -> Figure:
    """Seconds from the start of the command until the first infrared picture lies there."""
    source = make_pictures(folder / "src", 1, 512, 640)
    words = ["convert", str(source), "--engine", str(payload), "--quiet", "--out"]
    runs = [
        waiting([*words, str(folder / f"out{number}")], folder / f"out{number}" / "000000.jpg")
        for number in range(repeats)
    ]
    return figure("time to the first picture", "s", "<= 3", runs)


def pipeline_alone(source: Path, out: Path) -> tuple[float, float]:
    """Seconds and peak memory (MB) of a conversion with an engine that costs nothing."""
    return seconds(lambda: convert(source, out, RedPlane())), peak_memory()


def plan_alone(source: Path, out: Path) -> tuple[float, float]:
    """Seconds and peak memory (MB) of reading and planning a dataset."""
    return seconds(lambda: plan(formats.read(source), out, RedPlane.spec, Options())), peak_memory()


def convert(source: Path, out: Path, engine: Engine) -> None:
    """A whole conversion with the usual options."""
    run(plan(formats.read(source), out, engine.spec, Options()), engine)


class RedPlane:
    """An engine that costs nothing: it gives back the red plane."""

    spec = EngineSpec(
        backend="none",
        precision=Precision.FLOAT32,
        band=Band.LWIR,
        polarity=Polarity.WHITE_HOT,
        stride=32,
        batch=0,
        height=0,
        width=0,
        generator="red plane",
        weights_sha256="",
        built_with={},
        agreement=None,
        files={},
    )

    lanes = 1

    def run(self, visible: UInt8, /) -> Float32:
        """The first of three planes."""
        return np.divide(visible[:, None, :, :, 0], np.float32(127.5)) - np.float32(1.0)

    run_float32 = run

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()
