"""Pictures through an engine: decode -> network frame -> engine -> encode -> atomic write, overlapping and resumable.

Worker threads decode and encode while the engine runs in one of its own, or in several, as it has lanes. Batches are
formed inside fixed chunks of the plan, and a chunk that was not wholly done is done again, so a kill changes no byte of
the result.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from .attempts import Batch, attempt
from .engine import Engine
from .errors import EngineError, SynthIRError, TooManyFailures
from .gpu_codec import decoder
from .journal import GROUP, Journal
from .manifest import Converted
from .picture_io import Frame, Grey, Outcome, Painted, load, store, store_grey
from .plan import Plan, check_failures

Progress = Callable[[int, int, int], None]
"""Called with pictures done, refused and in total."""

BATCHES_A_CHUNK = 4
"""A chunk has so many batches where pictures are batched, so that pictures of one size find each other."""
TRIES = 3
"""An engine that fails on so many pictures before the first it can do is at fault, not the pictures."""


@dataclass
class Trial:
    """What an engine has shown so far."""

    worked: bool
    failed: list[EngineError] = field(default_factory=list)

    def told(self, results: Sequence[Painted | EngineError]) -> Sequence[Painted | EngineError]:
        """Take note of results. Raises EngineError where the engine has failed on TRIES pictures and done none."""
        failed = [result for result in results if isinstance(result, EngineError)]
        self.failed += failed
        self.worked |= len(failed) < len(results)
        if not self.worked and len(self.failed) >= TRIES:
            raise self.failed[-1]
        return results


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
    """Decode ahead, run the engine in threads of its own, encode behind; few pictures are in memory at a time."""
    writing: deque[tuple[int, Future[Outcome]]] = deque()
    running: deque[tuple[Batch, Future[Sequence[Painted | EngineError]]]] = deque()
    trial = Trial(worked=bool(plan.done))

    def collect(most: int, most_written: int) -> None:
        """Take what is done until no more than so many batches run and so many pictures are being written."""
        while len(running) > most:
            batch, results = running.popleft()
            for (index, frame), result in zip(batch, trial.told(results.result()), strict=True):
                if isinstance(result, EngineError):
                    settle(index, result)
                else:
                    writing.append((index, pool.submit(store, plan, index, frame.origin, result)))
        while len(writing) > most_written:
            index, written = writing.popleft()
            settle(index, written.result())

    begun = 0
    with threads(engine.lanes) as lanes:
        for chunk in decoded_ahead(plan, pool):
            if chunk[-1][0] >= begun:
                first, begun = chunk[0][0], chunk[0][0] + max(GROUP, len(chunk))
                journal.begin(plan.places[first:begun])
            frames: list[tuple[int, Frame]] = []
            for index, future in chunk:
                frame = future.result()
                if isinstance(frame, SynthIRError):
                    settle(index, frame)
                elif isinstance(frame, Grey):
                    writing.append((index, pool.submit(store_grey, plan, index, frame)))
                else:
                    frames.append((index, frame))
            for batch in batches(frames, plan.spec.batch or plan.options.batch, bool(plan.spec.batch)):
                running.append((batch, lanes.submit(attempt, plan, engine, batch)))
                collect(engine.lanes, 2 * plan.options.workers)
            collect(engine.lanes, 2 * plan.options.workers)
        collect(0, 0)
    if trial.failed and not trial.worked:
        raise trial.failed[0]


Loading = list[tuple[int, Future[Frame | Grey | SynthIRError]]]


def decoded_ahead(plan: Plan, pool: ThreadPoolExecutor) -> Iterator[Loading]:
    """The chunks that are not wholly done, being decoded, in order; some chunks ahead of the one that is asked for."""
    queue: deque[Loading] = deque()
    decode = decoder(plan.options.decode, plan.options.workers)
    for chunk in chunks(plan):
        queue.append([(index, pool.submit(load, plan, index, decode)) for index in chunk])
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


def batches(frames: Batch, size: int, fixed: bool) -> Iterator[Batch]:
    """Batches of so many frames of one height and width, in the order of the first of each.

    Where too few are alike they go in powers of two, unless the engine takes a fixed number only: engines prepare for
    each shape of batch they meet, so that there are few of a size and not as many as a batch has frames.
    """
    alike: dict[tuple[int, ...], Batch] = {}
    for index, frame in frames:
        alike.setdefault(frame.visible.shape, []).append((index, frame))
    for group in alike.values():
        start = 0
        while left := len(group) - start:
            taken = size if fixed or left >= size else 1 << (left.bit_length() - 1)
            yield group[start : start + taken]
            start += taken if taken < left else left
