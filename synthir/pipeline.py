"""Pictures through an engine: decode -> network frame -> engine -> encode -> atomic write, overlapping and resumable.

Worker threads decode and encode while the caller's thread runs the engine. Batches are formed inside fixed chunks of
the plan, and a chunk that was not wholly done is done again, so a kill changes no byte of the result.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from .engine import Engine, Float32
from .errors import EngineError, EngineIncompatible, EngineOutput, SynthIRError, TooManyFailures
from .frames import UInt8, from_network, normalised, pad
from .journal import GROUP, Journal
from .manifest import Converted
from .picture_io import Frame, Outcome, load, store
from .plan import Plan, check_failures
from .specs import Polarity

Progress = Callable[[int, int, int], None]
"""Called with pictures done, refused and in total."""

TOLERANCE = 0.02
"""How far outside [-1, 1] a result may be, for rounding, before it is refused."""
BATCHES_A_CHUNK = 4
"""A chunk has so many batches where pictures are batched, so that pictures of one size find each other."""
TRIES = 3
"""An engine that fails on so many pictures before the first it can do is at fault, not the pictures."""
SMALLER = "if the picture is large, let the network see less of it: --max-side 1280"


@dataclass
class Trial:
    """What an engine has shown so far."""

    worked: bool
    failed: list[EngineError] = field(default_factory=list)


def pictures(
    plan: Plan, engine: Engine, journal: Journal, progress: Progress
) -> tuple[dict[str, Converted], dict[int, SynthIRError]]:
    """Convert what is not done: what is done now, by target place, and what was refused, by number in the plan.

    Raises what ends the job; TooManyFailures has the refusals so far as its notes.
    """
    done, refused = dict(plan.done), dict[int, SynthIRError]()
    known, total = len(plan.refused), len(plan.images) + len(plan.refused)

    def settle(index: int, outcome: Outcome) -> None:
        if isinstance(outcome, SynthIRError):
            refused[index] = outcome
            done.pop(plan.places[index], None)  # its chunk was done again, and now it fails
        else:
            journal.done(outcome)
            done[outcome.place] = outcome
        progress(len(done), known + len(refused), total)
        check_failures(known + len(refused), plan.options, outcome if isinstance(outcome, SynthIRError) else None)

    progress(len(done), known, total)
    try:
        with threads(plan.options.workers) as pool:
            flow(plan, engine, pool, journal, settle)
    except TooManyFailures as stop:
        for error in [*(error for _, error in plan.refused), *refused.values()]:
            stop.add_note(str(error))
        raise
    return done, refused


@contextlib.contextmanager
def threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Worker threads; whatever ends the block, tasks not begun are dropped and those begun end first."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="synthir")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def flow(
    plan: Plan, engine: Engine, pool: ThreadPoolExecutor, journal: Journal, settle: Callable[[int, Outcome], None]
) -> None:
    """Decode ahead, run the engine here, encode behind; never more than a few pictures are in memory."""
    writing: deque[tuple[int, Future[Outcome]]] = deque()
    trial = Trial(worked=bool(plan.done))
    begun = 0
    for chunk in decoded_ahead(plan, pool):
        if chunk[-1][0] >= begun:
            first, begun = chunk[0][0], chunk[0][0] + max(GROUP, len(chunk))
            journal.begin(plan.places[first:begun])
        frames: list[tuple[int, Frame]] = []
        for index, future in chunk:
            frame = future.result()
            if isinstance(frame, SynthIRError):
                settle(index, frame)
            else:
                frames.append((index, frame))
        for batch in batches(frames, plan.spec.batch or plan.options.batch, bool(plan.spec.batch)):
            for (index, frame), infrared in zip(batch, attempt(plan, engine, batch, trial), strict=True):
                if isinstance(infrared, SynthIRError):
                    settle(index, infrared)
                    continue
                writing.append((index, pool.submit(store, plan, index, frame.origin, infrared)))
        while len(writing) > 2 * plan.options.workers:
            index, written = writing.popleft()
            settle(index, written.result())
    for index, written in writing:
        settle(index, written.result())
    if trial.failed and not trial.worked:
        raise trial.failed[0]


Loading = list[tuple[int, Future[Frame | SynthIRError]]]


def decoded_ahead(plan: Plan, pool: ThreadPoolExecutor) -> Iterator[Loading]:
    """The chunks that are not wholly done, being decoded, in order; some chunks ahead of the one that is asked for."""
    queue: deque[Loading] = deque()
    for chunk in chunks(plan):
        queue.append([(index, pool.submit(load, plan, index)) for index in chunk])
        if len(queue) > 1 and sum(map(len, queue)) > 2 * plan.options.workers:
            yield queue.popleft()
    while queue:
        yield queue.popleft()


def chunks(plan: Plan) -> Iterator[range]:
    """Fixed runs of consecutive pictures, by number; those that are wholly done are left out."""
    batch = plan.spec.batch or plan.options.batch
    size = batch * BATCHES_A_CHUNK if batch > 1 else 1
    for start in range(0, len(plan.places), size):
        chunk = range(start, min(start + size, len(plan.places)))
        if not all(plan.places[index] in plan.done for index in chunk):
            yield chunk


def batches(frames: list[tuple[int, Frame]], size: int, fixed: bool) -> Iterator[list[tuple[int, Frame]]]:
    """Batches of so many frames of one height and width, in the order of the first of each.

    Where too few are alike they go one by one, unless the engine takes a fixed number only: engines prepare for each
    shape of batch they meet, so that there are two of a size and not as many as a batch has frames.
    """
    alike: dict[tuple[int, ...], list[tuple[int, Frame]]] = {}
    for index, frame in frames:
        alike.setdefault(frame.visible.shape, []).append((index, frame))
    for group in alike.values():
        whole = len(group) if fixed else len(group) - len(group) % size
        yield from (group[start : start + size] for start in range(0, whole, size))
        yield from ([one] for one in group[whole:])


def attempt(
    plan: Plan, engine: Engine, batch: list[tuple[int, Frame]], trial: Trial
) -> Sequence[Float32 | EngineError]:
    """Infrared (1, Hp, Wp) of each frame; where a batch fails, its frames go one by one and get an error each.

    Raises EngineError where the engine has failed on TRIES pictures and done none.
    """
    results: list[Float32 | EngineError]
    try:
        infrared = infer(engine, [frame.visible for _, frame in batch])
        results = [
            in_range(plan, index, frame, one) for (index, frame), one in zip(batch, infrared[: len(batch)], strict=True)
        ]
    except EngineError as error:
        if len(batch) > 1:
            return [result for one in batch for result in attempt(plan, engine, [one], trial)]
        where = plan.images[batch[0][0]].where
        fix = error.fix if "--max-side" in error.fix else "; ".join(filter(None, (error.fix, SMALLER)))
        results = [type(error)(error.what, where=where, why=error.why, fix=fix)]
    failed = [result for result in results if isinstance(result, EngineError)]
    trial.failed += failed
    trial.worked |= len(failed) < len(results)
    if not trial.worked and len(trial.failed) >= TRIES:
        raise trial.failed[-1]
    return results


def in_range(plan: Plan, index: int, frame: Frame, infrared: Float32) -> Float32 | EngineError:
    """The infrared of one frame, or why it cannot be one."""
    height, width = frame.origin.seen
    try:
        check_range(infrared[:, :height, :width], plan.images[index].where)
        return infrared
    except EngineOutput as error:
        return error


def infer(engine: Engine, padded: list[UInt8]) -> Float32:
    """Infrared (N, 1, Hp, Wp) of padded pictures of one size; an engine for a fixed number gets the last one repeated.

    Raises EngineError.
    """
    padded = padded + padded[-1:] * (engine.spec.batch - len(padded))
    try:
        visible = normalised(padded)
        infrared = engine.run(visible)
    except MemoryError as error:
        why = f"{len(padded)} of {padded[0].shape[1]}x{padded[0].shape[0]} at once"
        raise EngineOutput("no memory to run the engine", where=engine.spec.generator, why=why) from error
    if infrared.shape != (len(padded), engine.spec.planes, *visible.shape[2:]):
        why = f"given {visible.shape}, it returned {infrared.shape}"
        raise EngineIncompatible("the result has another shape", where=engine.spec.generator, why=why)
    return infrared


def paint(engine: Engine, rgb: UInt8) -> UInt8:
    """Infrared (H, W) uint8, white-hot, of one visible picture (H, W, 3). Raises EngineError."""
    infrared = infer(engine, [pad(np.ascontiguousarray(rgb), engine.spec.stride)])[0]
    check_range(infrared, engine.spec.generator)
    invert = engine.spec.polarity != Polarity.WHITE_HOT
    return from_network(infrared, *rgb.shape[:2], invert=invert).astype(np.uint8, copy=False)


def check_range(infrared: Float32, where: str) -> None:
    """Raises EngineOutput unless every value is finite and in [-1, 1]."""
    low, high = float(infrared.min()), float(infrared.max())
    if not (low >= -1 - TOLERANCE and high <= 1 + TOLERANCE):  # also where they are NaN
        fix = "compile the engine with --precision float32"
        raise EngineOutput("a result out of range", where=where, why=f"{low:.3g} to {high:.3g}, not -1 to 1", fix=fix)
