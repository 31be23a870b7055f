"""What a device can do at most: its measured matrix rate and copy bandwidth; and what a network asks of it.

Roofline (Williams et al. 2009): a picture takes at least its arithmetic over the matrix rate and its bytes over the
bandwidth, whichever is longer. All of it wants torch; without it there is nothing to say.
"""

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from . import generators
from .specs import EngineSpec, Precision

if TYPE_CHECKING:
    import torch

SIDES = {"cpu": 2048, "cuda": 8192}
"""Of the matrices that are multiplied: a small product on a GPU measures how it is started."""
COPIED = 1 << 28
"""Bytes that are copied: more than any cache holds."""
REPEATS = 5
RAPL = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
"""Energy that the processor has used, in microjoules, where the system lets it be read."""


@dataclass(frozen=True)
class Roofline:
    """Of one device."""

    device: str
    tflops: dict[str, float]
    """Precision -> 10^12 operations a second of a matrix product."""
    copy_gb_per_s: float
    """Bytes that reach the device: copied from pinned memory to a GPU, read and written on a CPU; 10^9 a second."""

    def seconds(self, gflop: float, moved_bytes: int, precision: Precision) -> float:
        """The least a picture can take."""
        return max(gflop / 1e3 / self.tflops[precision], moved_bytes / 1e9 / self.copy_gb_per_s)

    def sentence(self) -> str:
        """In words."""
        rates = ", ".join(f"{rate:.2f} TFLOP/s in {precision}" for precision, rate in sorted(self.tflops.items()))
        return f"Measured on {self.device}: {rates}; copies {self.copy_gb_per_s:.1f} GB/s."


def measure_roofline(precisions: Collection[Precision]) -> Roofline | None:
    """The fastest of some matrix products and copies on the GPU, or on the CPU where there is none."""
    if find_spec("torch") is None:
        return None
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} cores"
    tflops = {str(precision): matrix_rate(dtype_of(precision), device) for precision in sorted(precisions)}
    on_gpu = device.type == "cuda"
    source = torch.ones(COPIED // 4, dtype=torch.float32, pin_memory=on_gpu)
    target = torch.empty(COPIED // 4, dtype=torch.float32, device=device)
    moved = COPIED if on_gpu else 2 * COPIED
    return Roofline(named, tflops, moved / 1e9 / fastest(lambda: target.copy_(source), device))


def dtype_of(precision: Precision) -> "torch.dtype":
    """torch's word for it."""
    import torch

    known: dict[Precision, torch.dtype] = {Precision.BFLOAT16: torch.bfloat16, Precision.FLOAT16: torch.float16}
    return known.get(precision, torch.float32)


def matrix_rate(dtype: "torch.dtype", device: "torch.device") -> float:
    """Operations a second of a product of two square matrices, 10^12."""
    import torch

    side = SIDES[device.type]
    left, right = (torch.ones((side, side), dtype=dtype, device=device) for _ in range(2))
    return 2.0 * side**3 / 1e12 / fastest(lambda: left @ right, device)


def fastest(work: Callable[[], object], device: "torch.device") -> float:
    """Seconds of the fastest of a few calls, after one that warms up."""
    import torch

    taken = []
    for _ in range(REPEATS + 1):
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - begun)
    return min(taken[1:])


def gigaflops(spec: EngineSpec, height: int, width: int) -> float:
    """Multiplications and additions of convolutions and products for one picture, 10^9; not a number without torch."""
    if find_spec("torch") is None or not spec.network:
        return math.nan
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):  # counted, not computed
        module = generators.build(spec.network, spec.settings).eval()
        frames = torch.zeros(1, 3, height, width)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(frames)
    return float(counter.get_total_flops()) / 1e9


@contextlib.contextmanager
def watts() -> Iterator[Callable[[float], float]]:
    """Gives what turns the seconds of the block into the power drawn in it; not a number where nothing can be read.

    Of the GPU, as it says when the block ends, where there is one; else of the processor, over the block.
    """
    before = _microjoules()
    gpu = _gpu_watts()
    yield lambda seconds: (_microjoules() - before) / 1e6 / seconds if math.isnan(gpu) else _gpu_watts()


def _gpu_watts() -> float:
    if find_spec("torch") is None or find_spec("pynvml") is None:
        return math.nan
    import pynvml
    import torch

    if not torch.cuda.is_available():
        return math.nan
    try:
        return float(torch.cuda.power_draw()) / 1e3 or math.nan
    except (pynvml.NVMLError, RuntimeError):  # a GPU that does not say, or one that is shared
        return math.nan


def _microjoules() -> float:
    try:
        return float(RAPL.read_text())
    except (OSError, ValueError):
        return math.nan
