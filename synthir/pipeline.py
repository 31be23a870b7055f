"""Pictures through an engine: decode -> network frame -> engine -> encode -> atomic write, overlapping and resumable.

Worker threads decode and encode while the caller's thread runs the engine. Batches are formed inside fixed chunks of
the plan, and a chunk that was not wholly done is done again, so a kill changes no byte of the result.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .dataset import ImageRef
from .engine import Engine, Float32
from .errors import EngineIncompatible, EngineOutput, MissingPicture, SynthIRError, TargetError, UnreadablePicture
from .files import sha256_bytes, write_atomic
from .frames import from_network, grow, shrink, to_network
from .images import decode, encode
from .journal import Converted, Journal
from .plan import Plan, check_failures, check_fits

Progress = Callable[[int, int, int], None]
"""Called with pictures done, refused and in total."""

TOLERANCE = 0.02
"""How far outside [-1, 1] a result may be, for rounding, before it is refused."""
BATCHES_A_CHUNK = 2
"""A chunk has so many batches where pictures are batched, so that pictures of one size find each other."""


@dataclass(frozen=True)
class Origin:
    """What must be known of a picture when its infrared comes back."""

    seen: tuple[int, int]
    """Height and width of what the network sees, in pixels, without padding."""
    size: tuple[int, int]
    """Height and width of the picture, in pixels."""
    sha256: str
    """Of the file."""


@dataclass(frozen=True)
class Frame:
    """One decoded picture on its way to the engine."""

    visible: Float32
    """(3, Hp, Wp)."""
    origin: Origin


Outcome = Converted | SynthIRError


def pictures(
    plan: Plan, engine: Engine, journal: Journal, progress: Progress
) -> tuple[dict[str, Converted], dict[int, SynthIRError]]:
    """Convert what is not done: what is done now, by target place, and what was refused, by number in the plan."""
    done, refused = dict(plan.done), dict[int, SynthIRError]()
    known, total = len(plan.refused), len(plan.images) + len(plan.refused)

    def settle(index: int, outcome: Outcome) -> None:
        if isinstance(outcome, SynthIRError):
            refused[index] = outcome
            if done.pop(plan.places[index], None):  # its chunk was done again, and now it fails
                (plan.target / plan.places[index]).unlink(missing_ok=True)
        else:
            journal.done(outcome)
            done[outcome.place] = outcome
        progress(len(done), known + len(refused), total)
        check_failures(known + len(refused), plan.options, outcome if isinstance(outcome, SynthIRError) else None)

    progress(len(done), known, total)
    with threads(plan.options.workers) as pool:
        flow(plan, engine, pool, journal, settle)
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
    for chunk in decoded_ahead(plan, pool):
        frames: list[tuple[int, Frame]] = []
        for index, future in chunk:
            frame = future.result()
            if isinstance(frame, SynthIRError):
                settle(index, frame)
            else:
                frames.append((index, frame))
        for batch in batches(frames, plan.spec.batch or plan.options.batch):
            grey = infer(engine, [frame.visible for _, frame in batch])
            for (index, frame), infrared in zip(batch, grey, strict=False):
                journal.begin(plan.places[index])
                writing.append((index, pool.submit(store, plan, index, frame.origin, infrared)))
        while len(writing) > 2 * plan.options.workers:
            index, written = writing.popleft()
            settle(index, written.result())
    for index, written in writing:
        settle(index, written.result())


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


def batches(frames: list[tuple[int, Frame]], size: int) -> Iterator[list[tuple[int, Frame]]]:
    """Batches of at most so many frames of one height and width, in the order of the first of each."""
    alike: dict[tuple[int, ...], list[tuple[int, Frame]]] = {}
    for index, frame in frames:
        alike.setdefault(frame.visible.shape, []).append((index, frame))
    for group in alike.values():
        yield from (group[start : start + size] for start in range(0, len(group), size))


def infer(engine: Engine, frames: list[Float32]) -> Float32:
    """Infrared (N, 1, Hp, Wp) of frames of one size; an engine for a fixed number gets the last one repeated."""
    frames = frames + frames[-1:] * (engine.spec.batch - len(frames))
    visible = np.stack(frames) if len(frames) > 1 else frames[0][None]
    infrared = engine.run(visible)
    if infrared.shape != (len(frames), 1, *visible.shape[2:]):
        why = f"given {visible.shape}, it returned {infrared.shape}"
        raise EngineIncompatible("the result has another shape", where=engine.spec.generator, why=why)
    return infrared


def load(plan: Plan, index: int) -> Frame | SynthIRError:
    """Read and decode one picture, or say why not."""
    ref, options = plan.images[index], plan.options
    try:
        data = read(ref)
        rgb = decode(data, ref.where, (ref.width, ref.height) if ref.width and ref.height else None)
        small = shrink(rgb, options.max_side)
        visible = to_network(small, plan.spec.stride)
        check_fits(visible.shape[1], visible.shape[2], plan.spec, ref.where)
        return Frame(visible, Origin(small.shape[:2], rgb.shape[:2], sha256_bytes(data)))
    except SynthIRError as error:
        return error


def read(ref: ImageRef) -> bytes:
    """The bytes of a picture. Raises MissingPicture, UnreadablePicture."""
    try:
        return ref.path.read_bytes()
    except FileNotFoundError:
        fix = "put it back, or take its entry out"
        raise MissingPicture("the picture is gone", where=ref.where, why=str(ref.path), fix=fix) from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UnreadablePicture("the file cannot be read", where=ref.where, why=why, fix="check its rights") from error


def store(plan: Plan, index: int, origin: Origin, infrared: Float32) -> Outcome:
    """Encode and write one result durably, or say why it is no picture. Raises NoSpace, TargetError."""
    options, place = plan.options, plan.places[index]
    try:
        check_range(infrared[:, : origin.seen[0], : origin.seen[1]], plan.images[index].where)
        invert = options.polarity != plan.spec.polarity
        grey = from_network(infrared, *origin.seen, bit_depth=options.bit_depth, invert=invert)
        data = encode(grow(grey, *origin.size), Path(place).suffix, options.channels)
    except SynthIRError as error:
        return error
    write(plan.target / place, data)
    return Converted(place, sha256_bytes(data), origin.sha256)


def check_range(infrared: Float32, where: str) -> None:
    """Raises EngineOutput unless every value is finite and in [-1, 1]."""
    low, high = float(infrared.min()), float(infrared.max())
    if not (low >= -1 - TOLERANCE and high <= 1 + TOLERANCE):  # also where they are NaN
        fix = "compile the engine with --precision float32"
        raise EngineOutput("a result out of range", where=where, why=f"{low:.3g} to {high:.3g}, not -1 to 1", fix=fix)


def write(path: Path, data: bytes) -> None:
    """Write a file durably. Raises NoSpace, and TargetError for what else the system may say."""
    try:
        write_atomic(path, data)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise TargetError(
            "cannot write", where=str(path), why=why, fix="check rights and disk, run it again"
        ) from error
