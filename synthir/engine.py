"""The one seam between pictures and networks: an Engine turns a batch into a batch, nothing more.

`open_engine(place)` checks the papers before anything is deserialised, then lets the backend start.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .errors import EngineIncompatible, EngineUntrusted
from .files import sha256_file
from .specs import EngineSpec, read_engine_spec

Float32 = NDArray[np.float32]


class Engine(Protocol):
    """A compiled generator.

    `run` takes visible pictures (N, 3, H, W), RGB, float32 in [-1, 1], with H and W multiples of spec.stride, and gives
    infrared (N, 1, H, W), float32 in [-1, 1], high is hot for white-hot. The caller owns the result.
    """

    @property
    def spec(self) -> EngineSpec: ...

    def run(self, visible: Float32, /) -> Float32: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


Start = Callable[[Path, EngineSpec], Engine]


def papers_of(payload: Path) -> Path:
    """Where the papers of an engine lie: `cascade.xml` -> `cascade.xml.json`."""
    return payload.with_name(payload.name + ".json")


def check_papers(payload: Path) -> EngineSpec:
    """The papers of an engine whose every payload file has the pinned sha256. Raises EngineUntrusted otherwise."""
    if not payload.is_file():
        raise EngineUntrusted("no engine there", where=str(payload), fix="synthir models ls, or synthir compile")
    spec = read_engine_spec(papers_of(payload))
    if payload.name not in spec.files:
        raise EngineUntrusted("the papers are of another engine", where=str(payload), why=f"they pin {list(spec.files)}")
    for name, pinned in spec.files.items():
        check_file(payload.with_name(Path(name).name), pinned)
    return spec


def check_file(path: Path, pinned: str) -> None:
    """Raises EngineUntrusted unless the file is there with that sha256."""
    found = sha256_file(path) if path.is_file() else "no file"
    if found != pinned:
        why = f"expected sha256 {pinned[:12]}, found {found[:12]}"
        fix = "take engine and papers from one place, or compile again: synthir compile"
        raise EngineUntrusted("the file is not the one its papers name", where=str(path), why=why, fix=fix)


def check_frame(visible: Float32, spec: EngineSpec) -> None:
    """Raises EngineIncompatible unless (N, 3, H, W) float32 fits what the engine was built for."""
    shape, stride = visible.shape, spec.stride
    wanted = (spec.batch, 3, spec.height, spec.width)
    fits = visible.ndim == 4 and all(w in (0, s) for s, w in zip(shape, wanted, strict=True))
    if fits and visible.dtype == np.float32 and shape[2] % stride == 0 and shape[3] % stride == 0:
        return
    why = f"expected float32 {wanted} with 0 for any, height and width multiples of {stride}"
    fix = "pad with synthir.frames.to_network, or compile for this size"
    raise EngineIncompatible(f"cannot run a batch {shape} {visible.dtype}", where=spec.generator, why=why, fix=fix)
