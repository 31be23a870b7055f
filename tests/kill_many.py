"""Kill a conversion at random moments until it is done: the result is that of one that was never killed.

    python -m tests.kill_many [KILLS [SEED]]        default 100 kills

`python -m tests.kill_many child SRC OUT BATCH` is the conversion that is killed.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from synthir import convert
from synthir.convert import Options
from synthir.engine import Float32
from synthir.files import sha256_tree
from tests.datasets import described, hand_made, place
from tests.fake_engine import FakeEngine, red

COUNT = 40
ROOT = Path(__file__).parents[1]


def slow(visible: Float32) -> Float32:
    """Long enough that kills fall between, not only before and after."""
    time.sleep(0.004)
    return red(visible)


def child(source: Path, out: Path, batch: int) -> None:
    """Convert, after saying that the imports are done."""
    print("ready", flush=True)
    dataset = described(source, [place(number, ".png") for number in range(COUNT)])
    engine = FakeEngine(slow)
    convert.run(convert.plan(dataset, out, engine.spec, Options(ext="jpg", batch=batch)), engine)


def killed(source: Path, out: Path, batch: int, after: float) -> bool:
    """Start a conversion and kill it so many seconds after its imports; True where it was done before."""
    command = [sys.executable, "-m", "tests.kill_many", "child", str(source), str(out), str(batch)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        try:
            return process.wait(after) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return False


def torture(folder: Path, kills: int, seed: int, batch: int = 1) -> int:
    """Kill conversions until so many kills happened, beginning anew whenever one is done. How often one was done.

    Raises AssertionError where a result differs from an uninterrupted one, or where the source changed.
    """
    chance, done, count = random.Random(seed), 0, 0
    hand_made(folder / "src", COUNT)
    before = sha256_tree(folder / "src")
    assert killed(folder / "src", folder / "whole", batch, 60)
    whole = sha256_tree(folder / "whole")
    while count < kills or not done:
        out = folder / f"out{done}"
        if killed(folder / "src", out, batch, chance.uniform(0, 0.12) if count < kills else 60):
            assert sha256_tree(out) == whole, f"seed {seed}: {out} differs after {count} kills"
            done += 1
        else:
            count += 1
    assert sha256_tree(folder / "src") == before
    return done


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        kills, seed = (*map(int, sys.argv[1:]), *(100, 0)[len(sys.argv) - 1 :])
        with tempfile.TemporaryDirectory() as name:
            finished = torture(Path(name), kills, seed)
        print(f"{kills} kills, {finished} conversions finished, all equal to an uninterrupted one")
