"""Charts as SVG, written by hand: bars with intervals, small panels of learning curves, lines with intervals.

Each is a whole SVG that carries its own style, light and dark, so that it stands alone or inside a page. All text is
escaped; numbers are drawn as they are, nothing is smoothed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .intervals import Estimate

STYLE = """
svg{--ink:#1f2328;--faint:#6e7781;--grid:#d8dee4;--bar:#9db8d9;--own:#1f6feb;--real:#57a773;--control:#a7adb5;
--l0:#1f6feb;--l1:#c2571a;--l2:#2b8a3e;--l3:#8250df;font:12px system-ui,sans-serif}
@media(prefers-color-scheme:dark){svg{--ink:#e6edf3;--faint:#9198a1;--grid:#30363d;--bar:#41628f;--own:#79b0ff;
--real:#3f8f5c;--control:#6e7681;--l0:#79b0ff;--l1:#f0965b;--l2:#6fd08c;--l3:#c6a5ff}}
svg text{fill:var(--ink)}svg .faint{fill:var(--faint)}svg .grid{stroke:var(--grid)}svg .axis{stroke:var(--faint)}
svg .whisker{stroke:var(--ink);stroke-width:1.5}svg .dot{fill:var(--ink);fill-opacity:.55}
svg .mark{stroke:var(--faint);stroke-dasharray:4 3}svg .arm{fill:var(--bar)}svg .control{fill:var(--control)}
svg .real{fill:var(--real)}svg .curve{fill:none;stroke:var(--own);stroke-width:2}
svg .thin{fill:none;stroke:var(--own);stroke-opacity:.4;stroke-width:.8}
svg .reference{fill:none;stroke:var(--faint);stroke-dasharray:4 3}
"""
HUES = 4
"""Colours of lines; further lines begin again, dashed."""
LETTERS = 32
"""Of a name that there is room for."""


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart."""

    name: str
    estimate: Estimate
    dots: tuple[float, ...] = ()
    """One a seed."""
    style: str = "arm"
    """`arm`, `control` or `real`."""


@dataclass(frozen=True)
class Line:
    """Points (x, y) in the order of x."""

    points: tuple[tuple[float, float], ...]
    style: str
    """`curve`, `thin` or `reference`."""


@dataclass(frozen=True)
class Axes:
    """A rectangle in pixels, and what its sides mean."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies, in pixels; what is outside lies on the border."""
        across, up = share(x, self.x), share(y, self.y)
        return self.left + across * self.width, self.top + (1.0 - up) * self.height


def share(value: float, between: tuple[float, float]) -> float:
    """Where a value lies between two, 0 to 1."""
    low, high = between
    return min(max((value - low) / (high - low), 0.0), 1.0)


def ticks(high: float, most: int = 6) -> list[float]:
    """Round numbers from 0 up to the first that is `high` or more, at most `most` steps."""
    high = high if math.isfinite(high) and high > 0.0 else 1.0
    power = 10.0 ** math.floor(math.log10(high / most))
    step = next(power * times for times in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0) if power * times * most >= high - 1e-9)
    return [round(step * number, 10) for number in range(math.ceil(high / step - 1e-9) + 1)]


def bars(rows: Sequence[Bar], title: str, mark: float = math.nan) -> str:
    """Horizontal bars with 95 % intervals and a dot a seed; a dashed line at `mark`."""
    reach = [value for row in rows for value in (row.estimate.value, row.estimate.high, *row.dots)]
    steps = ticks(max((value for value in reach if math.isfinite(value)), default=1.0))
    axes = Axes(220, 26, 430, 26 * len(rows), (0.0, steps[-1]), (0.0, 1.0))
    foot = axes.top + axes.height
    parts = [text(axes.left, 14, title, "start")]
    for step in steps:
        x = axes.at(step, 0)[0]
        parts += [stroke(x, axes.top, x, foot, "grid"), text(x, foot + 16, f"{step:g}", "middle", "faint")]
    parts += [bar(row, axes, axes.top + 26 * place) for place, row in enumerate(rows)]
    if math.isfinite(mark):
        x = axes.at(mark, 0)[0]
        parts.append(stroke(x, axes.top, x, foot, "mark"))
    return svg(780, foot + 26, parts, title)


def bar(row: Bar, axes: Axes, top: float) -> str:
    """One row: name, bar, interval, dots, number."""
    value, middle = row.estimate.value, top + 13
    parts = [text(axes.left - 8, middle + 4, row.name, "end")]
    if not math.isfinite(value):
        return parts[0] + text(axes.left + 6, middle + 4, "not measured", "start", "faint")
    end = axes.at(value, 0)[0]
    box = f'x="{axes.left:.1f}" y="{top + 5:.1f}" width="{end - axes.left:.1f}" height="16"'
    parts.append(f'<rect class="{row.style}" {box}/>')
    said = f"{value:.3f}"
    if math.isfinite(row.estimate.low):
        low, high = axes.at(row.estimate.low, 0)[0], axes.at(row.estimate.high, 0)[0]
        parts += [stroke(low, middle, high, middle, "whisker")]
        parts += [stroke(x, middle - 4, x, middle + 4, "whisker") for x in (low, high)]
        said += f" ±{row.estimate.high - value:.3f}"
    parts += [dot(axes.at(seed, 0)[0], middle) for seed in row.dots]
    return "".join(parts) + text(axes.left + axes.width + 10, middle + 4, said, "start")


def panels(charts: Sequence[tuple[str, Sequence[Line]]], title: str, across: str) -> str:
    """A small chart each, three a row, of one scale, so that they can be compared; `across` says what x is."""
    points = [point for _, lines in charts for line in lines for point in line.points]
    far, top = (max((p[side] for p in points if math.isfinite(p[side])), default=1.0) for side in (0, 1))
    wide, high = [step for step in ticks(far, 4) if step <= far], ticks(top, 3)
    parts = [text(10, 14, title, "start")]
    for place, (name, lines) in enumerate(charts):
        axes = Axes(40 + place % 3 * 250, 46 + place // 3 * 170, 195, 100, (0.0, far), (0.0, high[-1]))
        parts += [text(axes.left, axes.top - 8, name, "start"), grid(axes, wide, high)]
        parts += [polyline(line.points, axes, line.style) for line in lines]
    foot = 46 + -(-len(charts) // 3) * 170
    return svg(760, foot, [*parts, text(10, foot - 12, across, "start", "faint")], title)


def grid(axes: Axes, wide: Sequence[float], high: Sequence[float]) -> str:
    """Lines and numbers of both sides."""
    foot = axes.top + axes.height
    parts = []
    for step in high:
        y = axes.at(0, step)[1]
        parts += [stroke(axes.left, y, axes.left + axes.width, y, "grid")]
        parts += [text(axes.left - 5, y + 4, f"{step:g}", "end", "faint")]
    for step in wide:
        x = axes.at(step, 0)[0]
        parts += [stroke(x, foot, x, foot + 3, "axis"), text(x, foot + 16, f"{step:g}", "middle", "faint")]
    return "".join(parts)


def spread(lines: Sequence[tuple[str, Sequence[tuple[float, Estimate]]]], title: str, across: str) -> str:
    """Lines through means with their intervals; each is named in the legend below."""
    points = [point for _, line in lines for point in line]
    far = max((x for x, _ in points), default=0.0) or 1.0
    wide = [step for step in ticks(far) if step <= far]
    reach = [value for _, e in points for value in (e.value, e.high) if math.isfinite(value)]
    high = ticks(max(reach, default=1.0))
    axes = Axes(50, 26, 690, 240, (0.0, far), (0.0, high[-1]))
    parts = [text(10, 14, title, "start"), grid(axes, wide, high), text(740, 300, across, "end", "faint")]
    for place, (name, line) in enumerate(lines):
        hue = f"stroke:var(--l{place % HUES});fill:none;stroke-width:2"
        hue += ";stroke-dasharray:6 3" if place >= HUES else ""
        known = [(x, e) for x, e in line if math.isfinite(e.value)]
        drawn = [stroke(*axes.at(x, e.low), *axes.at(x, e.high), "") for x, e in known if math.isfinite(e.low)]
        y = 314 + 18 * place
        drawn += [polyline([(x, e.value) for x, e in known], axes, ""), stroke(50, y, 80, y, "")]
        parts += [f'<g style="{hue}">{"".join(drawn)}</g>', text(88, y + 4, name, "start")]
        parts += [dot(*axes.at(x, e.value)) for x, e in known]
    return svg(760, 326 + 18 * len(lines), parts, title)


def polyline(points: Sequence[tuple[float, float]], axes: Axes, style: str) -> str:
    """A line through the points that are finite."""
    places = [axes.at(x, y) for x, y in points if math.isfinite(y)]
    return f'<polyline class="{style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'


def stroke(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """A straight line."""
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def dot(x: float, y: float) -> str:
    """A small filled circle."""
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'


def text(x: float, y: float, said: str, anchor: str, style: str = "") -> str:
    """Escaped text; a name to the left of something is cut where it has no room, and whole in its tooltip."""
    shown = said if anchor != "end" or len(said) <= LETTERS else f"{said[: LETTERS - 1]}…"
    place = f'class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place}>{escape(shown)}<title>{escape(said)}</title></text>"


def svg(width: float, height: float, parts: Sequence[str], title: str) -> str:
    """A whole SVG."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
    return f'{head} aria-label="{escape(title)}"><style>{STYLE}</style>{"".join(parts)}</svg>'
