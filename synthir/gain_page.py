"""The page of a comparison of arms: verdict, table, charts, sheets of pictures, settings, in one HTML file.

It needs no network and no scripts: charts are SVG, pictures lie inside it. Beside it lie the same charts, the tables
as CSV and result.json.
"""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

from . import charts
from .charts import Bar, Line
from .files import write_atomic
from .gain import Point, Result, seeds_of, summary, values, write_result
from .gain_tables import DEFINITIONS, html, main_table, others_table, parts_table, search_table, write_csv

STYLE = """
:root{color-scheme:light dark;--ink:#1f2328;--paper:#fff;--faint:#59636e;--line:#d1d9e0;--box:#f6f8fa;--warn:#b35900}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--faint:#9198a1;--line:#30363d;--box:#161b22;
--warn:#f0a35b}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1100px;margin:2em auto;
padding:0 1em}h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}.verdict{background:var(--box);padding:.7em 1.2em;
border-left:4px solid var(--faint)}.verdict p{margin:.3em 0}.verdict .first{font-weight:600;font-size:1.1em}
.leak{border-left-color:var(--warn)}.leak .first{color:var(--warn)}.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}th,td{padding:.3em .7em;
border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}thead th{white-space:normal;
vertical-align:bottom;color:var(--faint);font-weight:500}th:first-child{text-align:left}svg{width:100%;max-width:800px;height:auto;
display:block;margin:1em 0}img{max-width:100%;height:auto}pre{background:var(--box);padding:1em;overflow-x:auto}
dt{font-weight:600}dd{margin:0 0 .4em 1.2em}.faint{color:var(--faint)}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a browser lets the page load: nothing from anywhere."""


def write_page(out: Path, result: Result, *, title: str, settings: str = "", sheets: Sequence[Path] = ()) -> Path:
    """Write page.html, its charts, result.csv and last result.json into `out`; gives the path of the page.

    settings: the resolved configuration as text. sheets: PNG files, taken into the page. Raises NoSpace, OSError.
    """
    drawn = charts_of(result)
    for name, chart in drawn.items():
        write_atomic(out / f"{name}.svg", chart.encode())
    page = out / "page.html"
    write_atomic(page, whole(result, title, settings, list(drawn.values()), sheets).encode())
    write_csv(out / "result.csv", result)
    write_result(out / "result.json", result)
    return page


def charts_of(result: Result) -> dict[str, str]:
    """Name -> SVG: `ap50` and, where there are points for them, `curves` and `few-shot`."""
    found = {"ap50": bar_chart(result)}
    if any(trial.curve for arm in result.arms for trial in arm.trials):
        found["curves"] = learning_curves(result)
    if len({arm.labels for arm in result.arms if arm.line}) > 1:
        found["few-shot"] = few_shot(result)
    return found


def bar_chart(result: Result) -> str:
    """AP50 of each arm with its interval over seeds and a dot a seed; the dashed line is the control."""
    rules, rows, mark = result.rules, list[Bar](), float("nan")
    for arm in result.arms:
        style = {rules.control: "control", rules.visible: "control", rules.real: "real"}.get(arm.name, "arm")
        mean = summary(arm)
        mark = mean.value if arm.name == rules.control else mark
        rows.append(Bar(arm.name, mean, tuple(values(arm, seeds_of(arm))), style))
    return charts.bars(rows, "AP50 on the test set: mean, 95 % interval over seeds, a dot a seed", mark)


def learning_curves(result: Result) -> str:
    """Validation AP50 over steps: a panel an arm, thin lines its seeds, thick their mean, dashed the control's mean."""
    curves = {arm.name: [trial.curve for trial in arm.trials] for arm in result.arms}
    control = curves.get(result.rules.control)
    reference = [Line(mean_curve(control), "reference")] if control else []
    panels = []
    for name, some in (curves | {one.name: list(one.curves) for one in result.search}).items():
        seeds = [Line(tuple((p.step, p.ap50) for p in curve), "thin") for curve in some]
        panels.append((name, [*reference, *seeds, Line(mean_curve(some), "curve")]))
    title = f"Validation AP50 while training; thin: seeds, thick: their mean, dashed: {result.rules.control}"
    return charts.panels(panels, title, "steps of the optimiser")


def mean_curve(points: Sequence[Sequence[Point]]) -> tuple[tuple[float, float], ...]:
    """Mean of curves at the steps that all of them have."""
    curves = [{point.step: point.ap50 for point in curve} for curve in points]
    steps = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    return tuple((float(step), sum(curve[step] for curve in curves) / len(curves)) for step in steps)


def few_shot(result: Result) -> str:
    """AP50 over the number of labelled real pictures, a line for each name that arms give."""
    names = dict.fromkeys(arm.line for arm in result.arms if arm.line)
    lines = []
    for name in names:
        arms = sorted((arm for arm in result.arms if arm.line == name), key=lambda arm: arm.labels)
        lines.append((name, [(float(arm.labels), summary(arm)) for arm in arms]))
    return charts.spread(lines, "AP50 by labelled real pictures, 95 % interval over seeds", "labelled real pictures")


def whole(result: Result, title: str, settings: str, drawn: Sequence[str], sheets: Sequence[Path]) -> str:
    """The page."""
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    parts = [
        f"<h1>{escape(title)}</h1>",
        verdict(result),
        f"<h2>Figures</h2>{html(main_table(result))}",
        f'<p class="faint">± and intervals are 95 %. Each interval stands alone: of twenty arms without effect '
        f"one excludes zero by chance. Recall is at {result.rules.false_positives:g} false positives per picture.</p>",
        f"<h2>Differences in the other figures</h2>{html(others_table(result))}" if result.comparisons else "",
        *drawn,
        f"<h2>Classes and sizes</h2>{html(parts_table(result))}",
        f"<h2>The search</h2>{html(search_table(result.search))}" if result.search else "",
        pictures(sheets),
        arms_in_words(result),
        definitions(),
        f"<details><summary>Settings</summary><pre>{escape(settings)}</pre></details>" if settings else "",
    ]
    body = "\n".join(part for part in parts if part)
    start = f'<!doctype html><html lang="en"><head>{head}<title>{escape(title)}</title><style>{STYLE}</style></head>'
    return f"{start}<body>\n{body}\n</body></html>\n"


def verdict(result: Result) -> str:
    """The sentences, the first one large; a leakage is set off by colour."""
    first, *rest = result.verdict or ("There is no verdict.",)
    said = "".join(f"<p>{escape(one)}</p>" for one in [*rest, *result.notes])
    style = "verdict leak" if result.leakage else "verdict"
    return f'<div class="{style}"><p class="first">{escape(first)}</p>{said}</div>'


def pictures(sheets: Sequence[Path]) -> str:
    """The sheets with their key, inside the page."""
    if not sheets:
        return ""
    key = "White: labels. Green: detections that find one. Orange: detections of nothing. Red and crossed: missed. "
    key += "Each arm at the score where it has the stated number of false positives per picture."
    shown = [f'<p><img alt="{escape(s.name)}" src="data:image/png;base64,{encoded(s)}"></p>' for s in sheets]
    return f'<h2>The same pictures, every arm</h2><p class="faint">{key}</p>{"".join(shown)}'


def encoded(path: Path) -> str:
    """A file's bytes as base64."""
    return b64encode(path.read_bytes()).decode()


def arms_in_words(result: Result) -> str:
    """What each arm is."""
    said = "".join(f"<dt>{escape(arm.name)}</dt><dd>{escape(arm.words)}</dd>" for arm in result.arms)
    return f"<h2>Arms</h2><dl>{said}</dl>"


def definitions() -> str:
    """What each figure is, folded."""
    said = "".join(f"<dt>{escape(name)}</dt><dd>{escape(what)}</dd>" for name, what in DEFINITIONS.items())
    return f"<details><summary>What the figures are</summary><dl>{said}</dl></details>"
