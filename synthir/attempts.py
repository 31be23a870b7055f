"""What an engine makes of frames, whatever goes wrong: a batch in halves, a bad result once more in float32.

    attempt(plan, engine, batch)    infrared of each frame of a batch, or why there is none
    paint(engine, rgb)              infrared of one picture, without a plan

Out of memory, an engine's refusal and results that are no infrared all end here, as an EngineError that names the
picture. Everything around it, threads, journal and files, is pipeline.py.
"""

from collections.abc import Callable, Sequence

import numpy as np

from .engine import TOLERANCE, Engine, Infrared, out_of_range
from .errors import EngineError, EngineFailed, EngineIncompatible, EngineOutput
from .frames import UInt8, from_network, pad
from .picture_io import Frame, Painted
from .plan import Plan
from .specs import EngineSpec, Polarity, Precision

SMALLER = "if the picture is large, let the network see less of it: --max-side 1280"
NO_BETTER = "float32 makes it no better: take the picture out, and report it with the model's name"

Batch = list[tuple[int, Frame]]
"""Frames of one height and width, each with its number in the plan."""


def attempt(plan: Plan, engine: Engine, batch: Batch) -> Sequence[Painted | EngineError]:
    """Infrared of each frame. A batch that fails is tried in halves; a result that is none, once more in float32."""
    results = whole(plan, engine, batch)
    if not isinstance(results, EngineError):
        return results
    if len(batch) > 1:
        half = len(batch) // 2
        return [*attempt(plan, engine, batch[:half]), *attempt(plan, engine, batch[half:])]
    if isinstance(results, EngineOutput):
        return [again(plan, engine, batch[0], results)]
    return [located(plan, batch[0], results)]


def whole(plan: Plan, engine: Engine, batch: Batch) -> Sequence[Painted | EngineError] | EngineError:
    """Infrared of each frame of a batch, or why the engine gave none."""
    try:
        infrared = infer(engine.run, engine.spec, [frame.visible for _, frame in batch])
        return [checked(plan, engine, one, made) for one, made in zip(batch, infrared, strict=True)]
    except EngineError as error:
        # What the failed batch took hangs on the stack of its error, and the halves will want that memory.
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)


def checked(plan: Plan, engine: Engine, one: tuple[int, Frame], infrared: Infrared) -> Painted | EngineError:
    """The infrared of one frame; where it cannot be that, what float32 makes of it."""
    try:
        in_range(one, infrared)
        return Painted(infrared)
    except EngineOutput as error:
        return again(plan, engine, one, error)


def again(plan: Plan, engine: Engine, one: tuple[int, Frame], first: EngineOutput) -> Painted | EngineError:
    """One frame in float32, where the engine computes in less; else, or where that fails too, why it failed first."""
    if engine.spec.precision != Precision.FLOAT32:
        try:
            infrared = infer(engine.run_float32, engine.spec, [one[1].visible])[0]
            in_range(one, infrared)
            return Painted(infrared, redone=True)
        except EngineError:
            pass
    return located(plan, one, no_better(first))


def no_better(error: EngineOutput) -> EngineOutput:
    """The same where float32 was tried: it does not say to try it."""
    return EngineOutput(error.what, where=error.where, why=error.why, fix=NO_BETTER)


def in_range(one: tuple[int, Frame], infrared: Infrared) -> None:
    """Raises EngineOutput where the infrared of a frame has values that cannot be, its padding apart."""
    height, width = one[1].origin.seen
    check_range(infrared[:, :height, :width], "")


def located(plan: Plan, one: tuple[int, Frame], error: EngineError) -> EngineError:
    """The error with the picture's name."""
    return type(error)(error.what, where=plan.images[one[0]].where, why=error.why, fix=error.fix)


def infer(run: Callable[[UInt8], Infrared], spec: EngineSpec, padded: list[UInt8]) -> Infrared:
    """Infrared (N, C, Hp, Wp) of padded pictures of one size; an engine for a fixed number gets the last one repeated.

    Raises EngineError.
    """
    try:
        visible = np.stack(padded + padded[-1:] * (spec.batch - len(padded)))
        infrared = run(visible)
    except MemoryError as error:
        why = f"{len(padded)} of {padded[0].shape[1]}x{padded[0].shape[0]} at once"
        raise EngineFailed("no memory to run the engine", where=spec.generator, why=why, fix=SMALLER) from error
    if infrared.shape != (len(visible), spec.planes, *visible.shape[1:3]):
        why = f"given {visible.shape}, it returned {infrared.shape}"
        raise EngineIncompatible("the result has another shape", where=spec.generator, why=why)
    return infrared[: len(padded)]


def paint(engine: Engine, rgb: UInt8) -> UInt8:
    """Infrared (H, W) uint8, white-hot, of one visible picture (H, W, 3); in float32 where the engine's is none.

    Raises EngineError.
    """
    padded, spec = [pad(np.ascontiguousarray(rgb), engine.spec.stride)], engine.spec
    try:
        infrared = infer(engine.run, spec, padded)[0]
        check_range(infrared, spec.generator)
    except EngineOutput as error:
        try:
            if spec.precision == Precision.FLOAT32:
                raise
            infrared = infer(engine.run_float32, spec, padded)[0]
            check_range(infrared, spec.generator)
        except EngineOutput:
            raise no_better(error) from error
    invert = spec.polarity != Polarity.WHITE_HOT
    return from_network(infrared, *rgb.shape[:2], invert=invert).astype(np.uint8, copy=False)


def check_range(infrared: Infrared, where: str) -> None:
    """Raises EngineOutput unless every value is finite and in [-1, 1]; grey levels always are."""
    if infrared.dtype == np.uint8:
        return
    low, high = float(infrared.min()), float(infrared.max())
    if not (low >= -1 - TOLERANCE and high <= 1 + TOLERANCE):  # also where they are NaN
        raise out_of_range(low, high, where)
