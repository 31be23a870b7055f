"""The one seam between pictures and networks: an Engine turns a batch into a batch, nothing more.

`open_engine(place)` checks the papers before anything is deserialised, then lets the backend start.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .errors import EngineFailed, EngineIncompatible, EngineOutput, EngineUntrusted, UnknownName
from .files import sha256_bytes
from .folders import load
from .frames import UInt8
from .specs import EngineSpec, read_engine_spec

Float32 = NDArray[np.float32]
Infrared = NDArray[np.float32] | NDArray[np.uint8]


class Engine(Protocol):
    """A compiled generator.

    `run` takes visible pictures (N, H, W, 3), RGB uint8, with H and W multiples of spec.stride, and gives infrared
    (N, spec.planes, H, W): float32 in [-1, 1], or uint8 grey levels where spec.pixels says so; high is hot for
    white-hot. The caller owns the result.
    """

    @property
    def spec(self) -> EngineSpec:
        """The papers it was opened with."""

    @property
    def lanes(self) -> int:
        """How many threads may be in `run` at once: transfers of one batch then overlap with the work on another."""

    def run(self, visible: UInt8, /) -> Infrared:
        """Infrared of a batch. Raises EngineIncompatible where the batch does not fit, EngineFailed if it fails, and
        EngineOutput where it gives grey levels of a result that was none."""

    def run_float32(self, visible: UInt8, /) -> Infrared:
        """The same in float32, slowly: for a picture whose result was none. Raises as `run` does."""

    def close(self) -> None:
        """Give the engine's memory back."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


Start = Callable[[Mapping[str, bytes], EngineSpec], Engine]
"""How a backend opens an engine: payload by file ending, e.g. `.xml` and `.bin`, and the papers."""


def open_engine(payload: Path) -> Engine:
    """Open an engine whose papers fit its bytes; use it with `with`.

    payload: the file its papers lie beside, e.g. `cascade.xml`. The bytes that were checked are the bytes that are
    opened. Raises EngineUntrusted, EngineIncompatible, BackendMissing.
    """
    spec, files = read_payload(payload)
    try:
        backend = load("synthir.backends", spec.backend)
    except UnknownName as error:
        fix = "update SynthIR, or compile again: synthir compile"
        raise EngineIncompatible(error.what, where=str(payload), why=error.why, fix=fix) from None
    start: Start = backend.start
    return start(files, spec)


def papers_of(payload: Path) -> Path:
    """Where the papers of an engine lie: `cascade.xml` -> `cascade.xml.json`."""
    return payload.with_name(payload.name + ".json")


def check_papers(payload: Path) -> EngineSpec:
    """The papers of an engine whose every payload file has the pinned sha256. Raises EngineUntrusted otherwise."""
    return read_payload(payload)[0]


def read_payload(payload: Path, *, finished: bool = True) -> tuple[EngineSpec, dict[str, bytes]]:
    """Papers and payload bytes by file ending, every hash checked; nothing is deserialised. Raises EngineUntrusted.

    finished: whether papers without agreement, or with too little, are refused.
    """
    if not payload.is_file():
        raise EngineUntrusted("no engine there", where=str(payload), fix="synthir models ls, or synthir compile")
    papers = papers_of(payload)
    spec = read_engine_spec(papers) if papers.is_file() else read_engine_spec(papers, advice(payload))
    if payload.suffix not in spec.files:
        why = f"they pin {', '.join(spec.files) or 'nothing'}"
        fix = "take engine and papers from one place, or compile again: synthir compile"
        raise EngineUntrusted("the papers are of another engine", where=str(payload), why=why, fix=fix)
    if finished and spec.agreement is None:
        why = "an engine that was not compared with the float32 network is not finished"
        fix = f"where it can run: synthir compile {spec.generator} --compare --out {payload}, with the model's folder"
        raise EngineUntrusted("papers without agreement", where=str(papers_of(payload)), why=why, fix=fix)
    if finished and (why := spec.shortfall()):
        fix = f"compile again: synthir compile {spec.generator} --backend {spec.backend} --out new{payload.suffix}"
        raise EngineUntrusted("an engine under its bar", where=str(papers), why=why, fix=fix)
    return spec, {ending: pinned_bytes(payload.with_suffix(ending), pin) for ending, pin in spec.files.items()}


def advice(payload: Path) -> str:
    """What to do about a file that is no engine with papers: name the one beside it that is, or compile."""
    papers = sorted(path.name for path in payload.parent.glob("*.*.json"))
    near = [name.removesuffix(".json") for name in papers if (payload.parent / name.removesuffix(".json")).is_file()]
    return f"give {payload.with_name(near[0])}, which has papers" if near else "compile it: synthir compile"


def pinned_bytes(path: Path, pinned: str) -> bytes:
    """The bytes of a file that must have that sha256. Raises EngineUntrusted if it has not."""
    data = path.read_bytes() if path.is_file() else None
    found = "no file" if data is None else sha256_bytes(data)
    if data is None or found != pinned:
        why = f"expected sha256 {pinned[:12]}, found {found[:12]}"
        fix = "take engine and papers from one place, or compile again: synthir compile"
        raise EngineUntrusted("the file is not the one its papers name", where=str(path), why=why, fix=fix)
    return data


def failed(error: Exception, spec: EngineSpec, shape: tuple[int, ...]) -> EngineFailed:
    """What a backend raises where its runtime fails on a batch, e.g. for want of memory."""
    why, fix = " ".join(str(error).split())[:200], "let the network see less with --max-side, or free some memory"
    return EngineFailed(f"the engine failed on a batch {shape}", where=spec.generator, why=why, fix=fix)


def check_batch(visible: UInt8, spec: EngineSpec) -> None:
    """Raises EngineIncompatible unless (N, H, W, 3) uint8 fits what the engine was built for."""
    shape, stride = visible.shape, spec.stride
    wanted = (spec.batch, spec.height, spec.width, 3)
    fits = visible.ndim == 4 and all(w in (0, s) for s, w in zip(shape, wanted, strict=True))
    if not fits or visible.dtype != np.uint8 or shape[1] % stride or shape[2] % stride:
        why = f"expected uint8 {wanted} with 0 for any, height and width multiples of {stride}"
        fix = "pad with synthir.frames.pad, or compile for this size"
        raise EngineIncompatible(f"cannot run a batch {shape} {visible.dtype}", where=spec.generator, why=why, fix=fix)
    if why := spec.outside(*shape[:3]):
        what, fix = f"no profile for {shape[0]} of {shape[2]}x{shape[1]}", ways_out(shape[1], shape[2], spec)
        raise EngineIncompatible(what, where=spec.generator, why=why, fix=fix)


def ways_out(height: int, width: int, spec: EngineSpec) -> str:
    """What to do about a padded picture that the profile does not hold: of a small one the network cannot see less."""
    least = (spec.profile.get(name, (0, 0, 0))[0] for name in ("height", "width"))
    small = any(pixels < bound for pixels, bound in zip((height, width), least, strict=True))
    wider = "compile with a profile that holds this size"
    return wider if small else f"let the network see less with --max-side, or {wider}"


TOLERANCE = 0.02
"""How far outside [-1, 1] a result may be, for rounding, before it is refused."""


def check_extent(extent: Float32, spec: EngineSpec) -> None:
    """Raises EngineOutput unless least and greatest are in [-1, 1] and the mean before the last clamp is a number.

    extent: (N, 3), least, greatest, mean.
    """
    check_numbers(extent[:, 2], spec.generator)
    low, high = float(extent[:, 0].min()), float(extent[:, 1].max())
    if not (low >= -1 - TOLERANCE and high <= 1 + TOLERANCE):  # also where they are NaN
        raise out_of_range(low, high, spec.generator)


def check_numbers(means: Float32, where: str) -> None:
    """Raises EngineOutput unless the means (N,) before the last clamp, which hides what is none, are all numbers."""
    if not np.isfinite(means).all():
        raise out_of_range(float(means.min()), float(means.max()), where)


def out_of_range(low: float, high: float, where: str) -> EngineOutput:
    """The error for a result that is no infrared."""
    fix = "compile the engine with --precision float32"
    return EngineOutput("a result out of range", where=where, why=f"{low:.3g} to {high:.3g}, not -1 to 1", fix=fix)
