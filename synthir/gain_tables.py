"""The tables of a comparison of arms: one line an arm, Markdown or HTML from the same cells; one line a trial, CSV."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from . import detection
from .files import write_atomic
from .gain import FIGURES, Arm, Candidate, Comparison, Gap, Result, Trial, part_summary, seeds_of, summary
from .intervals import Estimate, mean_interval

DEFINITIONS = detection.DEFINITIONS | {
    "size": "AP over IoU 0.50 to 0.95 of objects under 32 x 32 pixels (small), from there to 96 x 96 (medium), and "
    "above (large), by the area of the label, as in COCO.",
    "over seeds": "Mean of the seeds' figures, plus or minus its 95 % interval by Student's t. A difference is taken "
    "seed by seed; arms of one seed begin with the same weights. Not corrected for the number of arms.",
    "over test pictures": "95 % bootstrap of the difference of the means over seeds: blocks of consecutive test "
    "pictures are drawn with replacement, both arms on the same draw, percentiles 2.5 and 97.5.",
    "over both": "The same with the seeds drawn with replacement too, the same ones for both arms.",
    "gap closed": "(arm - base) / (real - base) of AP50: 0 % is as good as the base, 100 % as real infrared. The "
    "interval over seeds is Fieller's for a ratio of paired means. There is none where real - base is not above zero "
    "with its interval over seeds.",
    "undertrained": "The mean validation AP50 of the last quarter of a learning curve is higher than that of the "
    "quarter before it by more than a stated rise, mean over seeds.",
}
SIZES = ("small", "medium", "large")
NONE = "-"
"""Stands where nothing was measured."""


@dataclass(frozen=True)
class Table:
    """Heads and rows of text; each row has as many cells as there are heads."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def main_table(result: Result) -> Table:
    """Figures of each arm, its differences to the control and to the visible pictures, the gap it closes, minutes."""
    rules = result.rules
    controls = controls_of(result)
    heads = ["arm", "AP50", "gap closed"]
    for name in controls:
        heads += [f"AP50 less {name}, over seeds", "over test pictures", "over both"]
    heads += ["mAP50-95", f"recall at {rules.false_positives:g}", "pictures", "seeds", "minutes a trial"]
    return Table(tuple(heads), tuple(main_row(arm, controls, result) for arm in result.arms))


def main_row(arm: Arm, controls: Sequence[str], result: Result) -> tuple[str, ...]:
    """One arm of the main table."""
    compared = {(one.arm, one.control): one for one in result.comparisons}
    gaps = {gap.arm: gap for gap in result.gaps}
    counts = sorted({trial.pictures for trial in arm.trials})
    cells = [arm.name, mean_cell(summary(arm)), gap_cell(gaps.get(arm.name))]
    for control in controls:
        cells += difference_cells(compared.get((arm.name, control)))
    cells += [mean_cell(summary(arm, figure)) for figure in ("map5095", "recall")]
    minutes = mean_interval([trial.minutes for trial in arm.trials]).value
    cells += [" / ".join(map(str, counts)) or NONE, str(len(seeds_of(arm)))]
    return (*cells, NONE if math.isnan(minutes) else f"{minutes:.1f}")


def others_table(result: Result) -> Table:
    """Differences of each arm in mAP50-95 and recall to the control and to the visible pictures, over seeds."""
    controls = controls_of(result)
    compared = {(one.arm, one.control): one for one in result.comparisons}
    figures = {"map5095": "mAP50-95", "recall": f"recall at {result.rules.false_positives:g}"}
    heads = ("arm", *(f"{head} less {name}, over seeds" for head in figures.values() for name in controls))
    rows = []
    for arm in result.arms:
        pairs = [(figure, compared.get((arm.name, name))) for figure in figures for name in controls]
        rows.append((arm.name, *(mean_cell(getattr(one, figure), "+") if one else NONE for figure, one in pairs)))
    return Table(heads, tuple(rows))


def mean_cell(estimate: Estimate, sign: str = "") -> str:
    """A mean and half its interval; `+` for a sign writes both signs."""
    if math.isnan(estimate.value):
        return NONE
    half = "" if math.isnan(estimate.low) else f" ± {estimate.high - estimate.value:.3f}"
    return f"{estimate.value:{sign}.3f}{half}"


def difference_cells(one: Comparison | None) -> list[str]:
    """The difference, and its interval over seeds, over pictures, over both."""
    if one is None or math.isnan(one.difference.value):
        return [NONE] * 3
    return [mean_cell(one.difference, "+"), span(one.pictures), span(one.both)]


def span(estimate: Estimate) -> str:
    """An interval."""
    return NONE if math.isnan(estimate.low) else f"{estimate.low:+.3f} to {estimate.high:+.3f}"


def gap_cell(gap: Gap | None) -> str:
    """A share in per cent with its interval over seeds."""
    if gap is None or math.isnan(gap.closed.value):
        return "no gap" if gap and gap.reason else NONE
    return f"{gap.closed.value:.0%} ({gap.closed.low:.0%} to {gap.closed.high:.0%})"


def parts_table(result: Result) -> Table:
    """AP50 and recall of each class, AP over IoU 0.5 to 0.95 of each size."""
    classes = names_of(result, "by_class")
    sizes = [size for size in SIZES if size in names_of(result, "by_size")]
    heads = ["arm", *(f"{name} {what}" for name in classes for what in ("AP50", "recall"))]
    heads += [f"{size} {what}" for size in sizes for what in ("AP", "recall")]
    rows = []
    for arm in result.arms:
        cells = [(part, name) for name in classes for part in ("by_class", "recall_by_class")]
        cells += [(part, size) for size in sizes for part in ("by_size", "recall_by_size")]
        rows.append((arm.name, *(mean_cell(part_summary(arm, part, name)) for part, name in cells)))
    return Table(tuple(heads), tuple(rows))


def search_table(candidates: Sequence[Candidate]) -> Table:
    """What each candidate is and how it did on the validation set."""
    rows = [(one.name, one.words, mean_cell(one.validation)) for one in candidates]
    return Table(("candidate", "pictures", "validation AP50"), tuple(rows))


def controls_of(result: Result) -> list[str]:
    """The arms that others are compared with, in their order."""
    return list(dict.fromkeys(one.control for one in result.comparisons))


def names_of(result: Result, part: str) -> list[str]:
    """The classes or sizes that any trial has, in their order."""
    trials = [trial for arm in result.arms for trial in arm.trials]
    return list(dict.fromkeys(name for trial in trials for name in getattr(trial.figures, part)))


def markdown(table: Table) -> str:
    """The table as Markdown, with a line feed at its end."""
    rows = [table.heads, ("---",) * len(table.heads), *table.rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def html(table: Table) -> str:
    """The table as HTML, escaped; the first cell of a row heads it."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.heads)
    rows = [
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in table.rows
    ]
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def write_csv(path: Path, result: Result) -> None:
    """One line a trial, full precision; empty where nothing was measured."""
    heads = {"by_class": "AP50", "recall_by_class": "recall", "by_size": "AP", "recall_by_size": "recall of size"}
    parts = [(part, name) for part in heads for name in names_of(result, part)]
    less = [(name, control) for control in controls_of(result) for name in FIGURES]
    trials = {(trial.arm, trial.seed): trial for arm in result.arms for trial in arm.trials}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    known = ["arm", "seed", "steps", "pictures", "minutes", "weights_sha256"]
    writer.writerow(
        [*known, *FIGURES, *(f"{heads[part]} {name}" for part, name in parts), *(f"{a} less {b}" for a, b in less)]
    )
    for trial in trials.values():
        figures = [getattr(trial.figures, name) for name in FIGURES]
        of_parts = [getattr(trial.figures, part).get(name, "") for part, name in parts]
        differences = [seed_difference(trial, trials.get((control, trial.seed)), name) for name, control in less]
        writer.writerow([*(getattr(trial, name) for name in known), *figures, *of_parts, *differences])
    write_atomic(path, text.getvalue().encode())


def seed_difference(trial: Trial, control: Trial | None, figure: str) -> float | str:
    """A figure of a trial less that of the control with the same seed; empty where it is the control or has none."""
    if control is None or control is trial:
        return ""
    return float(getattr(trial.figures, figure) - getattr(control.figures, figure))
