"""Kill a conversion at random moments until it is done: the result is that of one that was never killed.

    python -m tests.kill_many [KILLS [SEED]]                 pictures and an engine made here; default 100 kills
    python -m tests.kill_many real SOURCE KILLS [SEED]       `synthir convert SOURCE` with the shipped engine

`python -m tests.kill_many child BATCH SRC OUT` is the conversion that the first form kills.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from synthir import convert
from synthir.convert import Options
from synthir.engine import Float32
from synthir.files import sha256_file, sha256_tree
from tests.datasets import described, hand_made, place
from tests.fake_engine import FakeEngine, red

COUNT = 40
ROOT = Path(__file__).parents[1]
Command = Callable[[Path], list[str]]
"""The words that convert into a folder."""


def slow(visible: Float32) -> Float32:
    """Long enough that kills fall between, not only before and after."""
    time.sleep(0.004)
    return red(visible)


def child(batch: int, source: Path, out: Path) -> None:
    """Convert, after saying that the imports are done."""
    print(f"converting to {out}", file=sys.stderr, flush=True)
    dataset = described(source, [place(number, ".png") for number in range(COUNT)])
    engine = FakeEngine(slow)
    convert.run(convert.plan(dataset, out, engine.spec, Options(ext="jpg", batch=batch)), engine)


def killed(command: list[str], after: float) -> bool:
    """Start a conversion and kill it so many seconds after it says where it writes; True where it was done before.

    Raises AssertionError where it ends by itself in another way.
    """
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr
        said = next((line for line in process.stderr if f" to {command[-1]}" in line), "")
        assert said, f"{command} ended with {process.wait()}"
        try:
            status = process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return False
        assert status == 0, process.stderr.read()
        return True


def until_done(folder: Path, command: Command, kills: int, seed: int, longest: float = 0) -> int:
    """Kill conversions until so many kills happened, beginning anew whenever one is done. How often one was done.

    longest: seconds until a kill at most; 0 is what an uninterrupted conversion takes. Raises AssertionError where a
    result differs from an uninterrupted one, or does not verify.
    """
    chance, done, count = random.Random(seed), 0, 0
    start = time.monotonic()
    assert killed(command(folder / "whole"), 3600)
    longest = longest or time.monotonic() - start
    whole = sha256_tree(folder / "whole")
    while count < kills or not done:
        out = folder / f"out{done}"
        if killed(command(out), chance.uniform(0, longest) if count < kills else 3600):
            assert sha256_tree(out) == whole, f"seed {seed}: {out} differs after {count} kills"
            assert not convert.verify(out).problems
            done += 1
        else:
            count += 1
    return done


def torture(folder: Path, kills: int, seed: int, batch: int = 1) -> int:
    """Kill conversions of pictures made here, with an engine that is a function. How often one was done."""
    hand_made(folder / "src", COUNT)
    before = sha256_tree(folder / "src")
    words = [sys.executable, "-m", "tests.kill_many", "child", str(batch), str(folder / "src")]
    done = until_done(folder, lambda out: [*words, str(out)], kills, seed, 0.12)
    assert sha256_tree(folder / "src") == before
    return done


def torture_real(folder: Path, source: Path, kills: int, seed: int) -> int:
    """Kill `synthir convert` with the shipped engine. How often one was done."""
    start = "from synthir.cli import main; main()"
    words = [sys.executable, "-c", start, "convert", str(source.resolve()), "--out"]
    read = sha256_tree if source.is_dir() else sha256_file
    before = read(source)
    done = until_done(folder, lambda out: [*words, str(out)], kills, seed)
    assert read(source) == before
    return done


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
        sys.exit()
    real = sys.argv[1:2] == ["real"]
    numbers = [int(word) for word in sys.argv[3 if real else 1 :]]
    kills, seed = (*numbers, *(100, 0)[len(numbers) :])
    with tempfile.TemporaryDirectory() as name:
        finished = (
            torture_real(Path(name), Path(sys.argv[2]), kills, seed) if real else torture(Path(name), kills, seed)
        )
    print(f"{kills} kills, {finished} conversions finished, all equal to an uninterrupted one")
