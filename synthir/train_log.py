"""The log of a training: one row of figures a save, as CSV and, where asked for, for TensorBoard."""

import csv
from collections.abc import Mapping
from pathlib import Path

from .errors import TrainingError
from .files import write_atomic

Row = Mapping[str, float]
"""A row of the log: step, learning rate, loss terms, validation figures."""


def write_row(path: Path, row: Row) -> None:
    """Append a row to the CSV log."""
    new = not path.exists() or not path.stat().st_size
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def trim_log(path: Path, last: int) -> None:
    """Drop the rows of steps after `last`, which are trained again."""
    if path.is_file() and path.stat().st_size:
        head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in rows if int(row.partition(",")[0]) <= last]
        write_atomic(path, "".join([head, *kept]).encode())


def write_tensorboard(folder: Path, row: Row) -> None:
    """The figures of a row as scalars below `folder`, under their names. Raises TrainingError without tensorboard."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        fix = "pip install tensorboard, or set tensorboard = false"
        raise TrainingError("no log for TensorBoard", why="tensorboard is not installed", fix=fix) from error
    with SummaryWriter(str(folder)) as writer:
        for name, value in row.items():
            writer.add_scalar(name, value, int(row["step"]))
