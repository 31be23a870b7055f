"""What the headers of pairs say before a training draws the first of them: sizes that differ, and levels that lack."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from .errors import SynthIRError, TrainingError
from .formats._yolo_rows import HEADER, size_of
from .images import FAULTS, open_header
from .pairs import Pair, read_infrared

WORKERS = 4
"""Threads that read headers; opening a file leaves the interpreter free."""
NAMED = 5
"""How many pairs an error names."""
DEEP_ENDINGS = (".png", ".tif", ".tiff")
"""Of files that can hold more than 8 bits."""


def refuse_unfit(pairs: Sequence[Pair]) -> None:
    """Raises TrainingError that names pairs of different sizes, ConfigError for raw infrared without levels.

    A picture whose header cannot be read is not refused here: whoever decodes it says what is wrong with it.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        differing = [said for said in pool.map(difference, pairs) if said]
        single = list({pair.infrared: pair for pair in pairs}.values())  # of unpaired folders the smaller goes round
        deep = [pair for pair, is_raw in zip(single, pool.map(is_deep, single), strict=True) if is_raw]
    if differing:
        why = "; ".join(differing[:NAMED]) + (f"; and {len(differing) - NAMED} more" * (len(differing) > NAMED))
        fix = "register these pictures first, or take them out"
        what = f"{len(differing)} of {len(pairs)} pairs have two sizes"
        raise TrainingError(what, where=str(pairs[0].visible.parent), why=why, fix=fix)
    if deep:
        read_infrared(deep[0])  # refuses it, and proposes levels


def difference(pair: Pair) -> str:
    """The sizes of a pair that are not one; empty where they are, and of pictures that are no pair."""
    if not pair.registered or pair.visible == pair.infrared:
        return ""
    visible, infrared = size_of(pair.visible), size_of(pair.infrared)
    if visible == infrared or (0, 0) in (visible, infrared):
        return ""
    return f"{pair.name} visible {visible[0]}x{visible[1]}, infrared {infrared[0]}x{infrared[1]}"


def is_deep(pair: Pair) -> bool:
    """Whether the infrared has more than 8 bits and nobody said which values are black and white."""
    if pair.levels or pair.infrared.suffix.lower() not in DEEP_ENDINGS:
        return False
    try:
        with pair.infrared.open("rb") as file:
            head = file.read(HEADER)
            try:
                mode = open_header(head, "").mode
            except (SynthIRError, *FAULTS):  # the header goes on
                mode = open_header(head + file.read(), "").mode
    except (SynthIRError, *FAULTS):
        return False
    return mode in ("I", "F") or mode.startswith("I;16")
