"""`synthir evaluate`: a generator beside plain baselines on real pairs: tables, per-picture figures, sheets.

Every method sees the same pictures in one run: the generator, grayscale, inverted grayscale, and one constant (the mean
level of the training infrared). Each figure is given raw and after a gain and offset per picture; see synthir.metrics.
"""

import csv
import io
import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import msgspec
import numpy as np

from . import config as configuration
from . import metrics
from .config import at_least
from .dataset import Box
from .engine import Engine, open_engine
from .errors import ConfigError
from .files import write_atomic
from .images import UInt8
from .pairs import Pair, PairSource, find_pairs, read_boxes, read_pair
from .pipeline import paint
from .shipped import engine_payload
from .validation import Method, grayscale

FIGURES = ("psnr", "ssim", "rmse", "l1")


@dataclass(frozen=True)
class Protocol:
    """Pairs that are measured together."""

    name: str
    """What stands in the table, e.g. `T2 unseen scene`."""
    pairs: PairSource
    sheet: int = 6
    """Rows of the sheet, evenly spread over the pairs."""

    def __post_init__(self) -> None:
        at_least(1, sheet=self.sheet)


@dataclass(frozen=True)
class EvaluateConfig:
    """A set of protocols and the pairs the constant baseline is computed from."""

    protocols: tuple[Protocol, ...]
    training: tuple[PairSource, ...]
    """Pairs the generator was trained on: none of them may be measured."""
    every: int = 1
    """Measure each n-th picture; 1 is all."""

    def __post_init__(self) -> None:
        at_least(1, every=self.every)


@dataclass(frozen=True)
class Row:
    """One method on one picture."""

    protocol: str
    method: str
    picture: str
    raw: metrics.Scores
    aligned: metrics.Scores
    contrasts: tuple[float, ...]
    real_contrasts: tuple[float, ...]


def evaluate_from(name: str, protocol: Path, data: Path, out: Path) -> str:
    """Measure a shipped model, a model folder or an engine file; writes `out`, gives the table as Markdown.

    Raises ConfigError where a measured picture was trained on, TrainingError where pairs are missing.
    """
    config = configuration.load(protocol, EvaluateConfig)
    with open_engine(engine_payload(name)) as engine:
        rows = evaluate(config, engine, data, out)
    table = markdown(rows, name)
    write_atomic(out / "table.md", table.encode())
    write_atomic(out / "rows.json", msgspec.json.format(msgspec.json.encode(rows), indent=1))
    write_atomic(out / "rows.csv", spreadsheet(rows).encode())
    return table


def evaluate(config: EvaluateConfig, engine: Engine, data: Path, out: Path) -> list[Row]:
    """The rows of every protocol, method and picture; sheets are written to `out` on the way."""
    trained = [pair for source in config.training for pair in find_pairs(data, source)]
    level = mean_level(trained[:: max(1, len(trained) // 100)])
    methods: dict[str, Method] = {
        "generator": partial(paint, engine),
        "grayscale": grayscale,
        "inverted": inverted,
        "constant": constant(level),
    }
    rows = []
    for protocol in config.protocols:
        pairs = find_pairs(data, protocol.pairs)[:: config.every]
        refuse_trained(protocol, pairs, trained)
        boxes = read_boxes(data, protocol.pairs)
        for pair in pairs:
            rows += measure(protocol.name, pair, methods, boxes.get(pair.name, []))
        write_sheet(out / f"sheet-{slug(protocol.name)}.png", pairs, protocol.sheet, methods["generator"])
    return rows


def refuse_trained(protocol: Protocol, pairs: list[Pair], trained: list[Pair]) -> None:
    """Raises ConfigError if a picture to be measured is among those trained on."""
    seen = {pair.visible.resolve() for pair in trained} & {pair.visible.resolve() for pair in pairs}
    if seen:
        why = f"{len(seen)} pictures were trained on, e.g. {min(seen).name}"
        raise ConfigError("a test on training pictures", where=protocol.name, why=why, fix="measure held-out pictures")


def inverted(rgb: UInt8) -> UInt8:
    """255 - luma."""
    return np.asarray(255 - grayscale(rgb), dtype=np.uint8)


def constant(level: float) -> Method:
    """One grey level everywhere."""
    return lambda rgb: np.full(rgb.shape[:2], round(level), np.uint8)


def mean_level(pairs: list[Pair]) -> float:
    """Mean grey level of the infrared pictures."""
    return float(np.mean([read_pair(pair)[1].mean() for pair in pairs]))


def measure(protocol: str, pair: Pair, methods: dict[str, Method], boxes: list[Box]) -> list[Row]:
    """Every method on one pair."""
    visible, real = read_pair(pair)
    wanted = tuple(metrics.contrasts(real, boxes))
    rows = []
    for name, method in methods.items():
        made = method(visible)
        aligned = metrics.score(metrics.align(made, real), real)
        got = tuple(metrics.contrasts(made, boxes))
        rows.append(Row(protocol, name, pair.name, metrics.score(made, real), aligned, got, wanted))
    return rows


def markdown(rows: list[Row], name: str) -> str:
    """The table: one line a protocol and method, means over pictures, aligned figures in brackets."""
    lines = [
        "| protocol | method | pictures | PSNR dB | SSIM | RMSE | L1 | boxes | contrast (real) | sign as real |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for protocol, method in dict.fromkeys((row.protocol, row.method) for row in rows):
        chosen = [row for row in rows if (row.protocol, row.method) == (protocol, method)]
        shown = name if method == "generator" else method
        lines.append(f"| {protocol} | {shown} | {len(chosen)} | {' | '.join(figures(chosen))} | {objects(chosen)} |")
    return "\n".join(lines) + "\n\nIn brackets: after a least-squares gain and offset per picture.\n"


def figures(rows: list[Row]) -> list[str]:
    """Mean raw and, in brackets, aligned figures in the order of FIGURES."""
    digits = {"psnr": 2, "ssim": 3, "rmse": 1, "l1": 1}
    raw = [[getattr(row.raw, name) for name in FIGURES] for row in rows]
    aligned = [[getattr(row.aligned, name) for name in FIGURES] for row in rows]
    pairs = zip(FIGURES, np.mean(raw, axis=0), np.mean(aligned, axis=0), strict=True)
    return [f"{mean:.{digits[name]}f} ({after:.{digits[name]}f})" for name, mean, after in pairs]


def objects(rows: list[Row]) -> str:
    """Number of boxes, mean contrast with the real one, and share of signs that agree, with a 95 % interval."""
    made, real = ([c for row in rows for c in getattr(row, which)] for which in ("contrasts", "real_contrasts"))
    if not made:
        return "0 | |"
    agreement = metrics.sign_agreement(made, real)
    agree = [
        float((m > 0) == (r > 0)) for m, r in zip(made, real, strict=True) if math.isfinite(m) and math.isfinite(r)
    ]
    low, high = metrics.block_interval(agree, 20, np.random.default_rng(0))
    return f"{len(made)} | {np.nanmean(made):.2f} ({np.nanmean(real):.2f}) | {agreement:.2f} [{low:.2f}, {high:.2f}]"


def spreadsheet(rows: list[Row]) -> str:
    """One line a method and picture as CSV."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["protocol", "method", "picture", *FIGURES, *(f"aligned_{name}" for name in FIGURES)])
    for row in rows:
        values = [*asdict(row.raw).values(), *asdict(row.aligned).values()]
        writer.writerow([row.protocol, row.method, row.picture, *(f"{value:.5g}" for value in values)])
    return text.getvalue()


def write_sheet(path: Path, pairs: list[Pair], count: int, method: Method) -> None:
    """A PNG with visible | real | synthetic in each row, full size, one row a picture."""
    rows = []
    for pair in pairs[:: max(1, len(pairs) // count)][:count]:
        visible, real = read_pair(pair)
        greys = [cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB) for grey in (real, method(visible))]
        rows.append(np.hstack([visible, *greys]))
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
    write_atomic(path, cv2.imencode(".png", np.vstack(padded)[..., ::-1])[1].tobytes())


def slug(name: str) -> str:
    """A name as part of a file name."""
    return "".join(c if c.isalnum() else "-" for c in name.lower())
