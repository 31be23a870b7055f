"""What `synthir evaluate` writes: table.md, rows.json, rows.csv and sheets of pictures.

The JSON holds the definitions of all figures, the configuration, notes, totals with intervals and every row.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from . import distribution, lpips, metrics, object_metrics
from .files import write_atomic
from .intervals import Estimate
from .measurement import TEST_MEAN, Row
from .totals import FIGURES, Total

DEFINITIONS = metrics.DEFINITIONS | lpips.DEFINITIONS | distribution.DEFINITIONS | object_metrics.DEFINITIONS
DIGITS = {"psnr": 2, "ssim": 3, "rmse": 1, "l1": 1, "mse": 0, "ms_ssim": 3, "uqi": 3, "lpips": 3}
TITLES = {
    "psnr": "PSNR dB",
    "ssim": "SSIM",
    "rmse": "RMSE",
    "l1": "L1",
    "mse": "MSE",
    "ms_ssim": "MS-SSIM",
    "uqi": "UQI",
    "lpips": "LPIPS",
}
FIRST = ("psnr", "ssim", "rmse", "l1")
"""Figures of the first table."""
NONE = "-"
"""Stands where nothing was measured."""

Column = tuple[str, Callable[[Total], str]]
"""Head of a column and what stands in it."""


@dataclass(frozen=True)
class Evaluation:
    """All that was measured."""

    rows: list[Row]
    totals: list[Total]
    notes: list[str]
    """What a reader must know of the run: weights, baselines, what was not measured."""


def write_report(out: Path, evaluation: Evaluation, name: str, config: Any) -> str:
    """Write table.md, rows.json and rows.csv into `out`; gives the table. name: of the model."""
    table = markdown(evaluation, name)
    write_atomic(out / "table.md", table.encode())
    whole = {"model": name, "definitions": DEFINITIONS, "config": config, "notes": evaluation.notes}
    whole |= {"totals": evaluation.totals, "rows": evaluation.rows}
    write_atomic(out / "rows.json", msgspec.json.format(msgspec.json.encode(whole), indent=1))
    write_atomic(out / "rows.csv", spreadsheet(evaluation.rows).encode())
    return table


def markdown(evaluation: Evaluation, name: str) -> str:
    """Three tables, one line a protocol and method: the main figures, more figures, and 95 % intervals."""
    totals = evaluation.totals
    more = [column for column in further() if any(column[1](total) != NONE for total in totals)]
    parts = [
        table(totals, name, [("pictures", lambda total: str(total.pictures)), *main_columns()]),
        "In brackets: after a least-squares gain and offset per picture.",
        "More figures:\n\n" + table(totals, name, more),
        "95 % intervals:\n\n" + table(totals, name, [c for c in intervals() if any(c[1](t) != NONE for t in totals)]),
        "\n".join(f"- {note}" for note in evaluation.notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def remarks(totals: list[Total]) -> list[str]:
    """What the tables cannot say: which pictures have no figure, why no FID, which baseline knows more."""
    said = []
    if any(total.raw["ms_ssim"].count < total.pictures for total in totals):
        said.append("MS-SSIM: pictures under 176 pixels on the short side have none.")
    if any(0 < total.raw["lpips"].count < total.pictures for total in totals):
        said.append(f"LPIPS: pictures under {lpips.LEAST} pixels on the short side have none.")
    refused = {total.protocol: total.distances.refused for total in totals if total.distances}
    said += [f"{protocol}: no FID, {why}." for protocol, why in refused.items() if why]
    if any(total.method == TEST_MEAN for total in totals):
        said.append(
            f"{TEST_MEAN}: the mean level of the very infrared that is measured; it knows more than a constant may."
        )
    return said


def table(totals: Sequence[Total], name: str, columns: Sequence[Column]) -> str:
    """A Markdown table; a cell may hold several columns, divided by bars."""
    heads = " | ".join(["protocol", "method", *(head for head, _ in columns)])
    lines = [f"| {heads} |", f"|{' --- |' * (heads.count('|') + 1)}"]
    for total in totals:
        shown = name if total.method == "generator" else total.method
        lines.append(" ".join(["|", total.protocol, "|", shown, *(f"| {cell(total)}" for _, cell in columns), "|"]))
    return "\n".join(line.replace("|  |", "| |") for line in lines)


def main_columns() -> list[Column]:
    """PSNR, SSIM, RMSE, L1; number of boxes, mean contrast with the real one, share of signs that agree."""
    return [*(figure(name) for name in FIRST), ("boxes | contrast (real) | sign as real", contrast_and_sign)]


def contrast_and_sign(total: Total) -> str:
    """Three cells; only the first is filled without objects."""
    found = total.objects
    if found is None:
        return "0 | |"
    means = f"{found.contrast.value:.2f} ({found.real_contrast.value:.2f})"
    return f"{found.boxes} | {means} | {ranged(found.sign)}"


def further() -> list[Column]:
    """The columns of the second table; those with nothing in them are left out."""
    return [
        *(figure(name) for name in ("mse", "ms_ssim", "uqi", "lpips")),
        ("FID", lambda t: both(*t.distances.fid, 1) if t.distances else NONE),
        ("KID x1000", lambda t: both(t.distances.kid[0].value, t.distances.kid[1].value, 2) if t.distances else NONE),
        ("contrast r", lambda t: ranged(t.objects.correlation) if t.objects else NONE),
        ("sign flips", lambda t: f"{t.objects.flips} of {t.objects.sign.count}" if t.objects else NONE),
        ("deletion", lambda t: ranged(t.objects.deletion) if t.objects else NONE),
        ("insertion", lambda t: ranged(t.objects.insertion) if t.objects else NONE),
    ]


def intervals() -> list[Column]:
    """The columns of the third table."""

    def interval(name: str) -> Column:
        return TITLES[name], lambda total: spans(total.raw[name], total.aligned[name], DIGITS[name])

    return [
        *(interval(name) for name in FIGURES),
        ("KID x1000", lambda t: spans(*t.distances.kid, 2) if t.distances else NONE),
        ("contrast", lambda t: span(t.objects.contrast, 2) if t.objects else NONE),
    ]


def figure(name: str) -> Column:
    """The mean of a figure as it is and, in brackets, aligned; of how many pictures where some have none."""

    def cell(total: Total) -> str:
        raw, count = total.raw[name], total.raw[name].count
        some = f" of {count}" if 0 < count < total.pictures else ""
        return both(raw.value, total.aligned[name].value, DIGITS[name]) + some

    return TITLES[name], cell


def both(raw: float, aligned: float, digits: int) -> str:
    """A figure as it is and, in brackets, aligned."""
    return NONE if math.isnan(raw) else f"{raw:.{digits}f} ({aligned:.{digits}f})"


def spans(raw: Estimate, aligned: Estimate, digits: int) -> str:
    """Their intervals, the aligned one in brackets."""
    return NONE if math.isnan(raw.low) else f"{span(raw, digits)} ({span(aligned, digits)})"


def span(estimate: Estimate, digits: int) -> str:
    """An interval."""
    return NONE if math.isnan(estimate.low) else f"{estimate.low:.{digits}f} to {estimate.high:.{digits}f}"


def ranged(estimate: Estimate | None) -> str:
    """A figure with its interval, where it has one."""
    if estimate is None or math.isnan(estimate.value):
        return NONE
    between = "" if math.isnan(estimate.low) else f" [{estimate.low:.2f}, {estimate.high:.2f}]"
    return f"{estimate.value:.2f}{between}"


def spreadsheet(rows: Sequence[Row]) -> str:
    """One line a method and picture as CSV; empty where nothing was measured."""
    text = io.StringIO()
    writer = csv.writer(text)
    heads = ["boxes", "contrast", "real_contrast", "found_real", "found", "inserted"]
    writer.writerow(["protocol", "method", "picture", *FIGURES, *(f"aligned_{name}" for name in FIGURES), *heads])
    for row in rows:
        values = [*asdict(row.raw).values(), *asdict(row.aligned).values(), *of_objects(row)]
        writer.writerow([row.protocol, row.method, row.picture, *(number(value) for value in values)])
    return text.getvalue()


def of_objects(row: Row) -> list[float]:
    """Boxes, their mean contrasts made and real, those found in the real picture and in this, insertions."""
    means = [float(np.nanmean(c)) if np.isfinite(c).any() else math.nan for c in (row.contrasts, row.real_contrasts)]
    if row.detected is None:
        return [len(row.contrasts), *means, math.nan, math.nan, math.nan]
    return [len(row.contrasts), *means, sum(row.detected.real), sum(row.detected.made), row.detected.inserted]


def number(value: float) -> str:
    """Five digits; nothing for NaN."""
    return "" if math.isnan(value) else f"{value:.5g}"


def slug(name: str) -> str:
    """A name as part of a file name."""
    return "".join(c if c.isalnum() else "-" for c in name.lower())
