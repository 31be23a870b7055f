"""What `synthir bench engine` and `bench compare` measure: engines on one batch, in turn, in one process.

One call of each engine after the other, round after round, so that what else the machine does falls on all of them.
"""

import math
import os
import platform
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np

from .bench_chart import draw_rates
from .comparison import bytes_of, natural_texture
from .engine import Engine, open_engine
from .errors import UsageError
from .frames import UInt8, padded
from .roofline import Roofline, gigaflops, measure_roofline, watts
from .specs import EngineSpec
from .stopwatch import peak_gpu_memory, peak_memory

MOST_PIXELS, MOST_A_CALL = 1 << 26, 1 << 30
"""Of a picture, whose texture takes a hundred bytes a pixel to make, and of a batch."""
BUSY = """More than 100 % of the roofline is more than the device can do: it was slower while that was measured
than while the engines ran. Measure again where nothing else runs."""
PAUSE = 0.1
"""Seconds before each call of one engine among several: until the threads of the one before have fallen asleep."""


@dataclass(frozen=True)
class Timing:
    """One engine on one batch."""

    name: str
    backend: str
    precision: str
    batch: int
    height: int
    """Pixels, padded."""
    width: int
    calls: int
    median_ms: float
    """Of a call; p50."""
    lowest_ms: float
    quartiles_ms: tuple[float, float]
    """Half of the calls took so long; the spread."""
    p99_ms: float
    pictures_per_s: float
    """By the median."""
    ratio: float
    """Of the rate to that of the first engine."""
    moved_bytes: int
    """Of a picture, to the engine and back."""
    gflop: float
    """Of a picture; not a number where torch is missing."""
    roofline_share: float
    """Of what this device's matrix rate and copy bandwidth allow; not a number where torch is missing."""
    watts: float
    """While it ran; not a number where nothing can be read."""
    cost_per_million: float
    """Pictures, at the price of an hour; not a number without one."""
    psnr_db: float
    """Agreement with float32, from its papers."""


@dataclass(frozen=True)
class Comparison:
    """All engines of one run."""

    machine: str
    roofline: Roofline | None
    peak_memory_mb: float
    """Of this process, with all its engines."""
    peak_gpu_memory_mb: float
    """The same on GPUs, without the weights that TensorRT holds; not a number where none was used."""
    timings: tuple[Timing, ...]

    def json(self) -> bytes:
        """For machines; what is not a number is null."""
        return msgspec.json.format(msgspec.json.encode(asdict(self)), indent=2) + b"\n"

    def markdown(self) -> str:
        """A table, the engines in their order."""
        first = self.timings[0]
        what = f"{first.width}x{first.height}, {first.calls} calls of each in turn"
        head = "| engine | backend | precision | pictures a call | median ms | half of them ms | p99 ms | pictures/s |"
        head += " ratio | agreement dB | GFLOP | MB moved | of roofline | W | per million |"
        rule = "| --- " * (head.count("|") - 1) + "|"
        rows = [_row(timing) for timing in self.timings]
        gpu = "" if math.isnan(self.peak_gpu_memory_mb) else f", on GPUs {self.peak_gpu_memory_mb:.0f} MB"
        tail = [f"Peak memory of the process {self.peak_memory_mb:.0f} MB{gpu}."]
        tail += [self.roofline.sentence()] if self.roofline else []
        if any(one.roofline_share > 1.0 for one in self.timings):
            tail += [BUSY]
        return "\n".join([f"{self.machine}; {what}", "", head, rule, *rows, "", *tail])


def _row(one: Timing) -> str:
    low, high = one.quartiles_ms
    cells = [one.name, one.backend, one.precision, str(one.batch), f"{one.median_ms:.1f}", f"{low:.1f} to {high:.1f}"]
    cells += [
        f"{one.p99_ms:.1f}",
        f"{one.pictures_per_s:.1f}",
        f"{one.ratio:.2f}",
        _known(one.psnr_db, ".1f"),
        _known(one.gflop, ".0f"),
    ]
    cells += [f"{one.moved_bytes / 1e6:.1f}", _known(one.roofline_share, ".0%"), _known(one.watts, ".0f")]
    return f"| {' | '.join([*cells, _known(one.cost_per_million, '.2f')])} |"


def _known(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def bench_engines(
    payloads: Sequence[Path], *, size: tuple[int, int], batch: int, calls: int, price: float = math.nan
) -> Comparison:
    """Measure engines in turn; the first is what the others are compared with.

    size: height and width, in pixels. batch: pictures a call, 0 is what each engine usually takes. calls: of each
    engine, after two that warm up. price: of an hour on this machine, in any currency, from 0. Raises UsageError (also
    for more than MOST_PIXELS or MOST_A_CALL), EngineError.
    """
    if min(*size, calls) < 1 or batch < 0 or not payloads:
        raise UsageError("nothing to measure", why=f"size {size}, calls {calls}, {len(payloads)} engines")
    if price < 0.0 or math.isinf(price):
        raise UsageError(f"a price of {price:g} an hour", why="it is not a number from 0", fix="--price 0.5")
    if (pixels := size[0] * size[1]) > MOST_PIXELS or pixels * batch > MOST_A_CALL:
        why = f"{max(batch, 1)} of {size[1]}x{size[0]}: at most {MOST_PIXELS:,} pixels each, {MOST_A_CALL:,} a call"
        raise UsageError("too large to measure", why=why, fix="a smaller --size or --batch")
    with ExitStack() as stack:
        engines = [stack.enter_context(open_engine(payload)) for payload in payloads]
        batches = [pictures(engine.spec, size, batch) for engine in engines]
        measured = [
            Measured(named(payload), engine.spec, visible.shape, [], [])
            for payload, engine, visible in zip(payloads, engines, batches, strict=True)
        ]
        for round_number in range(-2, calls):
            for engine, visible, one in zip(engines, batches, measured, strict=True):
                time.sleep(PAUSE if len(engines) > 1 else 0.0)
                taken, drawn = one_call(engine, visible)
                if round_number >= 0:
                    one.seconds.append(taken)
                    one.watts.append(drawn)
        memory, gpu_memory = peak_memory(), peak_gpu_memory()
    roofline = measure_roofline({one.spec.precision for one in measured})
    timings = [timing(one, roofline, price, measured[0].rate) for one in measured]
    machine = f"{os.cpu_count()} x {platform.machine()}, Python {platform.python_version()}"
    return Comparison(machine, roofline, memory, gpu_memory, tuple(timings))


def named(payload: Path) -> str:
    """What an engine is called in the table: its file, or the model it was shipped with."""
    return payload.parent.name if payload.stem == "engine" else payload.name


def one_call(engine: Engine, visible: UInt8) -> tuple[float, float]:
    """Seconds that a batch takes, and the power drawn meanwhile, in watts."""
    with watts() as drawn:
        begun = time.perf_counter()
        engine.run(visible)
        taken = time.perf_counter() - begun
    return taken, drawn(taken)


def pictures(spec: EngineSpec, size: tuple[int, int], batch: int) -> UInt8:
    """Textures (N, H, W, 3) like photographs, padded to what the engine takes."""
    rng = np.random.default_rng(0)
    texture = bytes_of(natural_texture(rng, *padded(*size, spec.stride)))
    return np.repeat(texture, spec.batch or batch or spec.usual_batch, axis=0)


@dataclass(frozen=True)
class Measured:
    """What was measured of one engine."""

    name: str
    spec: EngineSpec
    shape: tuple[int, ...]
    """Of a batch, (N, H, W, 3)."""
    seconds: list[float]
    watts: list[float]

    @property
    def rate(self) -> float:
        """Pictures a second, by the median."""
        return self.shape[0] / statistics.median(self.seconds)


def timing(one: Measured, roofline: Roofline | None, price: float, first: float) -> Timing:
    """The figures of one engine. first: pictures a second of the first engine."""
    spec, seconds, rate = one.spec, one.seconds, one.rate
    count, height, width = one.shape[:3]
    moved = height * width * (3 + spec.planes * (1 if spec.pixels else 4))
    work = gigaflops(spec, height, width)
    return Timing(
        name=one.name,
        backend=spec.backend,
        precision=spec.precision,
        batch=count,
        height=height,
        width=width,
        calls=len(seconds),
        median_ms=statistics.median(seconds) * 1e3,
        lowest_ms=min(seconds) * 1e3,
        quartiles_ms=(float(np.percentile(seconds, 25)) * 1e3, float(np.percentile(seconds, 75)) * 1e3),
        p99_ms=float(np.percentile(seconds, 99)) * 1e3,
        pictures_per_s=rate,
        ratio=rate / first,
        moved_bytes=moved,
        gflop=work,
        roofline_share=roofline.seconds(work, moved, spec.precision) * rate if roofline else math.nan,
        watts=statistics.median(one.watts),
        cost_per_million=price / 3600.0 / rate * 1e6,
        psnr_db=spec.agreement.psnr_db if spec.agreement else math.nan,
    )


def chart(comparison: Comparison, path: Path) -> None:
    """Draw the rates as bars, each with its number, as a PNG file."""
    of = comparison.timings
    rows = [(f"{t.name} {t.precision}", t.pictures_per_s, f"{t.pictures_per_s:.1f}  x{t.ratio:.2f}") for t in of]
    draw_rates(rows, f"pictures/s, {of[0].width}x{of[0].height}", path)
