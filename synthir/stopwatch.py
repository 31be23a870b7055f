"""Time and memory of a call, of a process of its own, and of a command as a person waits for it."""

import math
import multiprocessing
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from .errors import TargetError


def seconds(work: Callable[[], object]) -> float:
    """Wall time of a call, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_child(work: Callable[[Path, Path], tuple[float, float]], source: Path, out: Path) -> tuple[float, float]:
    """Call in a fresh process, so that memory is that call's alone."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, source, out).result()


def peak_memory() -> float:
    """Peak resident memory of this process, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says there includes the process this one was forked from
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def peak_gpu_memory() -> float:
    """Peak memory that torch took on all GPUs in this process, in MB; not a number where it took none.

    What TensorRT takes by itself, a plan's weights, is not in it; scratch memory and batches are.
    """
    torch = sys.modules.get("torch")  # whoever runs on a GPU has loaded it; loading it here would be measured, too
    if torch is None or not torch.cuda.is_available():
        return math.nan
    taken = sum(torch.cuda.max_memory_allocated(device) for device in range(torch.cuda.device_count()))
    return taken / 2**20 or math.nan


def waiting(words: list[str], until: Path | None = None) -> float:
    """Seconds a command takes in a fresh process, or until it has written a file; it then goes on to its end.

    Raises TargetError where it fails, or ends without that file: such a time says nothing.
    """
    command = [sys.executable, "-c", "from synthir.cli import main; main()", *words]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not (until and until.exists()):
            time.sleep(0.002)
        taken = time.perf_counter() - start
    if process.returncode or (until and not until.exists()):
        why = f"exit status {process.returncode}" if process.returncode else f"it did not write {until}"
        where, fix = shlex.join(["synthir", *words]), "read what the command says above, or run it alone"
        raise TargetError("the command to be timed failed", where=where, why=why, fix=fix)
    return taken
