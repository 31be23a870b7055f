"""An engine that is a function: no weights, no runtime, results that can be computed by hand."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np

from synthir.engine import Float32, check_batch
from synthir.frames import UInt8, normalised
from synthir.specs import Band, EngineSpec, Polarity, Precision


def fake_spec(
    *, stride: int = 8, batch: int = 0, height: int = 0, width: int = 0, name: str = "fake", polarity: str = "white-hot"
) -> EngineSpec:
    """Papers of an engine that nobody built."""
    return EngineSpec(
        backend="fake",
        precision=Precision.FLOAT32,
        band=Band.LWIR,
        polarity=Polarity(polarity),
        stride=stride,
        batch=batch,
        height=height,
        width=width,
        generator=name,
        weights_sha256="0" * 64,
        built_with={},
        agreement=None,
        files={},
    )


def red(visible: Float32) -> Float32:
    """The red plane: what comes out is what went in, to the last bit."""
    return visible[:, :1].copy()


def luminance(visible: Float32) -> Float32:
    """The mean of the three planes."""
    mean: Float32 = visible.mean(axis=1, keepdims=True, dtype=np.float32)
    return mean


class FakeEngine:
    """An engine whose network is a function of frames (N, 3, H, W); `shapes` are those it was given."""

    lanes = 1

    def __init__(self, network: Callable[[Float32], Float32] = red, spec: EngineSpec | None = None) -> None:
        self.network = network
        self.spec = spec or fake_spec()
        self.shapes: list[tuple[int, ...]] = []

    def run(self, visible: UInt8, /) -> Float32:
        check_batch(visible, self.spec)
        frames = normalised(visible)
        self.shapes.append(frames.shape)
        return self.network(frames)

    run_float32 = run

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()
