"""What a comparison leaves: table.md, result.csv, page.html with charts and pictures, and last result.json."""

import csv
import io
import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from .. import charts, gain_tables
from ..charts import Bar, Line
from ..files import write_atomic
from ..gain_page import POLICY, STYLE
from ..images import UInt8
from ..intervals import Estimate
from .arms import BASELINE, CONTROL
from .protocol import FIGURES
from .result import Table, span, unit_of
from .runs import Run

HEADS = {"rank1": "R1", "rank5": "R5", "rank10": "R10", "rank20": "R20", "map": "mAP", "minp": "mINP"}
FOOT = (
    "All in per cent. ± is the 95 % interval over {unit}s; each value is the mean over gallery draws. Differences are "
    "paired by {unit}; in brackets their 95 % intervals over the persons searched for, and over both."
)

SHEET = "Each row a person: visible, in grey, one channel, the generator's infrared if an arm has one, real infrared."


@dataclass(frozen=True)
class Claim:
    """A published figure, in per cent; never measured here."""

    what: str
    rank1: float
    map: float


@dataclass(frozen=True)
class Report:
    """All that is said."""

    runs: tuple[Run, ...]
    tables: tuple[Table, ...]
    verdict: tuple[str, ...]
    claims: tuple[Claim, ...]
    claims_of: str
    """What the claims are about, e.g. a dataset and search."""
    settings: str
    """The resolved configuration, TOML."""
    shown: str
    """Whose pictures the sheet holds, and what that means for who passes it on."""


def write_report(out: Path, report: Report, sheet: UInt8 | None) -> str:
    """Write everything into `out`, result.json last; gives the tables as Markdown. sheet: pictures to show, RGB."""
    text = markdown(report)
    write_atomic(out / "table.md", text.encode())
    write_atomic(out / "result.csv", spreadsheet(report.runs).encode())
    write_atomic(out / "page.html", page(report, sheet).encode())
    whole: dict[str, Any] = {"verdict": report.verdict, "tables": [tidy(asdict(one)) for one in report.tables]}
    whole |= {"claims": report.claims, "claims_of": report.claims_of}
    whole |= {"runs": msgspec.to_builtins(report.runs), "config": report.settings}
    write_atomic(out / "result.json", msgspec.json.format(msgspec.json.encode(whole), indent=1))
    return text


def tidy(value: Any) -> Any:
    """The same with None for what is no number, as JSON has it."""
    if isinstance(value, dict):
        return {key: tidy(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(report: Report) -> str:
    """A table a search, another of its intervals over draws, and the claims."""
    parts = []
    for table in report.tables:
        parts += [f"{title(table)}\n\n{gain_tables.markdown(main_table(table))}"]
    parts.append(FOOT.format(unit=unit_of(report.runs)))
    for table in report.tables:
        over = f"Intervals over gallery draws, {table.search}"
        parts.append(f"{over}:\n\n{gain_tables.markdown(draws_table(table))}")
    parts += [f"Claims of others, {report.claims_of}:\n\n{gain_tables.markdown(claims_table(report))}"]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def title(table: Table) -> str:
    """What a table is about."""
    without = f", {table.left_out:.0f} without a right answer left out" if table.left_out else ""
    return f"**{table.search}**, {table.queries:.0f} queries{without}:"


def main_table(table: Table) -> gain_tables.Table:
    """Figures in per cent and the differences to both controls."""
    known = {(one.arm, one.control): one for one in table.differences}
    heads = ("arm", *HEADS.values(), f"mAP less {CONTROL}", f"mAP less {BASELINE}")
    rows = []
    for line in table.lines:
        cells = [per_cent(line.figures[name]) for name in FIGURES]
        for control in (CONTROL, BASELINE):
            one = known.get((line.arm, control))
            spans = f"{span(one.identities)}; {span(one.both)}" if one else ""
            cells.append(f"{signed(one.seeds)} ({spans})" if one else "-")
        rows.append((line.arm, *cells))
    return gain_tables.Table(heads, tuple(rows))


def draws_table(table: Table) -> gain_tables.Table:
    """The same figures with their intervals over gallery draws."""
    rows = [(line.arm, *(per_cent(line.draws[name]) for name in FIGURES)) for line in table.lines]
    return gain_tables.Table(("arm", *HEADS.values()), tuple(rows))


def claims_table(report: Report) -> gain_tables.Table:
    """What others published."""
    rows = tuple((one.what, f"{one.rank1:g}", f"{one.map:g}") for one in report.claims)
    return gain_tables.Table(("claim", "R1", "mAP"), rows)


def per_cent(estimate: Estimate) -> str:
    """A mean and half its interval."""
    half = "" if math.isnan(estimate.low) else f" ± {100 * (estimate.high - estimate.value):.1f}"
    return "-" if math.isnan(estimate.value) else f"{100 * estimate.value:.1f}{half}"


def signed(estimate: Estimate) -> str:
    """A difference and half its interval."""
    return ("+" if estimate.value >= 0 else "") + per_cent(estimate)


def spreadsheet(runs: Sequence[Run]) -> str:
    """CSV: one line a run, search and draw."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["arm", "seed", "split", "search", "draw", *FIGURES, "queries", "left_out", "minutes"])
    for run in runs:
        for search, found in run.found.items():
            for draw, score in enumerate(found.scores):
                figures = [getattr(score, name) for name in (*FIGURES, "queries", "left_out")]
                writer.writerow([run.arm, run.seed, run.split, search, draw, *figures, f"{run.minutes:.2f}"])
    return text.getvalue()


def page(report: Report, sheet: UInt8 | None) -> str:
    """One HTML file without scripts or anything from elsewhere."""
    name = "Was it worth it: persons searched for across visible and infrared"
    first, *rest = report.verdict
    said = "".join(f"<p>{escape(one)}</p>" for one in rest)
    parts = [
        f'<h1>{name}</h1><div class="verdict"><p class="first">{escape(first)}</p>{said}</div>',
        *(f"<h2>{escape(t.search)}</h2>{gain_tables.html(main_table(t))}" for t in report.tables),
        f'<p class="faint">{FOOT.format(unit=unit_of(report.runs))}</p>',
        bar_chart(report),
        f"<h2>Claims of others, {escape(report.claims_of)}</h2>{gain_tables.html(claims_table(report))}",
        "<h2>Intervals over gallery draws</h2>",
        *(f"<h3>{escape(t.search)}</h3>{gain_tables.html(draws_table(t))}" for t in report.tables),
        loss_curves(report.runs),
        pictures(sheet, report.shown) if sheet is not None else "",
        f"<details><summary>Settings</summary><pre>{escape(report.settings)}</pre></details>",
    ]
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{name}</title>'
    body = "\n".join(parts)
    return f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n'


def pictures(sheet: UInt8, shown: str) -> str:
    """What the arms see, and whose pictures those are."""
    data = b64encode(cv2.imencode(".png", sheet[..., ::-1])[1].tobytes()).decode()
    image = f'<img alt="training pictures" src="data:image/png;base64,{data}">'
    return f'<h2>What the arms see</h2><p>{escape(shown)}</p><p class="faint">{escape(SHEET)}</p>{image}'


def bar_chart(report: Report) -> str:
    """mAP of each arm in the main search, its interval over seeds or splits and a dot a run."""
    main, rows = report.tables[0], []
    for line in report.tables[0].lines:
        runs = [run.found[main.search].scores for run in report.runs if run.arm == line.arm]
        dots = tuple(float(np.mean([score.map for score in scores])) for scores in runs)
        style = "control" if line.arm in (CONTROL, BASELINE) else "arm"
        rows.append(Bar(line.arm, line.figures["map"], dots, style))
    mark = next((row.estimate.value for row in rows if row.name == CONTROL), math.nan)
    unit = unit_of(report.runs)
    return charts.bars(rows, f"mAP, {main.search}: mean, 95 % interval over {unit}s, a dot a run", mark)


def loss_curves(runs: Sequence[Run]) -> str:
    """The training loss of each arm: thin lines its runs, thick their mean."""
    drawn = []
    for arm in dict.fromkeys(run.arm for run in runs):
        losses = [run.losses for run in runs if run.arm == arm]
        lines = [Line(tuple((float(x), y) for x, y in enumerate(one)), "thin") for one in losses]
        mean = np.mean([one[: min(map(len, losses))] for one in losses], axis=0).tolist()
        drawn.append((arm, [*lines, Line(tuple((float(x), y) for x, y in enumerate(mean)), "curve")]))
    return charts.panels(drawn, "Training loss; thin: runs, thick: their mean", "hundredths of the steps")
