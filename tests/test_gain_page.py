"""The page, its charts and tables hold the numbers they were given, nothing that runs or loads; sheets mark misses."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from synthir import charts
from synthir.charts import Axes, Bar, Line, ticks
from synthir.detection import Found, Picture, Truth
from synthir.gain import Arm, Result, Rules, read_result
from synthir.gain_page import charts_of, mean_curve, write_page
from synthir.gain_sheet import CELL, HEAD, ORANGE, RED, spread_over, write_sheets
from synthir.gain_tables import DEFINITIONS, main_table, markdown, others_table, parts_table, write_csv
from synthir.images import UInt8
from synthir.intervals import Estimate
from synthir.verdict import judge
from tests.trials import arm, draws, some_arms

RULES = Rules()
NASTY = "<script>alert(\"x\")</script> & | 'a'"


def result_of(arms: Sequence[Arm], leakage: str = "") -> Result:
    return judge(arms, draws(arms), RULES, leakage=leakage)


class Whole(HTMLParser):
    """Raises where a tag is closed that is not open; knows all tags and attributes."""

    EMPTY = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open, self.tags, self.links, self.words = list[str](), list[str](), list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href") or name.startswith("on")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: Path) -> Whole:
    whole = Whole()
    whole.feed(page.read_text(encoding="utf-8"))
    assert whole.open == []
    return whole


def test_the_page_says_the_verdict_first_and_every_number(tmp_path: Path) -> None:
    result = result_of(some_arms())
    page = read(write_page(tmp_path, result, title="Was it worth it?", settings="steps = 800"))
    words = "\n".join(page.words)
    places = [words.index(sentence) for sentence in result.verdict]
    assert places == sorted(places) and places[0] < words.index("mAP50-95")
    tables = (main_table(result), others_table(result), parts_table(result))
    cells = [cell for table in tables for row in (table.heads, *table.rows) for cell in row]
    assert [cell for cell in cells if cell not in page.words] == []
    assert "steps = 800" in words
    assert [name for name in DEFINITIONS if name not in page.words] == []


def test_the_page_stands_alone(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "sheet-1.png"), np.zeros((4, 4, 3), np.uint8))
    page = read(write_page(tmp_path, result_of(some_arms()), title="t", sheets=[tmp_path / "sheet-1.png"]))
    assert "script" not in page.tags and "link" not in page.tags and page.tags.count("svg") == 3
    assert len(page.links) == 1 and page.links[0].startswith("data:image/png;base64,iVBOR")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "prefers-color-scheme:dark" in text


def test_all_text_is_escaped(tmp_path: Path) -> None:
    arms = [arm(NASTY, [0.4, 0.5, 0.6], line=NASTY, labels=3), *some_arms()]
    named = [replace(arms[0], words=NASTY), *arms[1:]]
    first = named[0].trials[0]
    classes = replace(first.figures, by_class={NASTY: 0.5})
    named[0] = replace(named[0], trials=(replace(first, figures=classes), *named[0].trials[1:]))
    result = replace(result_of(named, leakage=NASTY), notes=(NASTY,))
    page = read(write_page(tmp_path, result, title=NASTY, settings=NASTY))
    assert "script" not in page.tags
    assert page.words.count(NASTY) >= 6
    for chart in charts_of(result).values():
        assert "script" not in {element.tag for element in ElementTree.fromstring(chart).iter()}
    cells = markdown(main_table(result)).splitlines()[2].replace("\\|", "")
    assert cells.count("|") == len(main_table(result).heads) + 1


def test_files_beside_the_page(tmp_path: Path) -> None:
    result = result_of(some_arms())
    write_page(tmp_path, result, title="t")
    names = ["ap50.svg", "curves.svg", "few-shot.svg", "page.html", "result.csv", "result.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert read_result(tmp_path / "result.json") == result
    write_csv(tmp_path / "again.csv", result)
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "result.csv").read_bytes()


def test_one_count_of_labels_is_no_curve() -> None:
    arms = some_arms()
    assert "few-shot" in charts_of(result_of(arms))
    lines = [one for one in arms if one.labels in (0, 156) and one.line != "with synthetic"]
    assert any(one.line for one in lines) and set(charts_of(result_of(lines))) == {"ap50", "curves"}


def test_leakage_is_set_off_and_first(tmp_path: Path) -> None:
    page = write_page(tmp_path, result_of(some_arms(), leakage="3 test pictures"), title="t").read_text("utf-8")
    assert '<div class="verdict leak"><p class="first">Leakage was allowed' in page


@pytest.mark.parametrize(
    ("high", "expected"),
    [
        (1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.423, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        (0.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (156, [0.0, 50.0, 100.0, 150.0, 200.0]),
        (4000, [0.0, 1000.0, 2000.0, 3000.0, 4000.0]),
        (math.nan, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    ],
)
def test_ticks_are_round_and_reach_the_top(high: float, expected: list[float]) -> None:
    assert ticks(high) == expected


def test_points_lie_where_their_numbers_say() -> None:
    axes = Axes(10, 20, 100, 50, (0.0, 4.0), (0.0, 1.0))
    assert [axes.at(0, 0), axes.at(4, 1), axes.at(1, 0.5)] == [(10, 70), (110, 20), (35, 45)]
    assert axes.at(9, -1) == (110, 70)


def elements(chart: str, tag: str, style: str) -> list[dict[str, float]]:
    found = [e for e in ElementTree.fromstring(chart).iter() if e.tag.endswith(tag) and e.get("class") == style]
    return [{name: float(v) for name, v in e.items() if name not in ("class", "text-anchor", "points")} for e in found]


def test_bars_are_as_long_as_their_numbers() -> None:
    rows = [
        Bar("a", Estimate(0.4, 0.3, 0.5, 3), (0.38, 0.42)),
        Bar("b", Estimate(0.2, math.nan, math.nan, 1), (), "real"),
    ]
    chart = charts.bars(rows, "t", 0.1)
    (long,), (short,) = elements(chart, "rect", "arm"), elements(chart, "rect", "real")
    scale = long["width"] / 0.4
    assert short["width"] == pytest.approx(0.2 * scale, abs=0.1)
    whiskers = elements(chart, "line", "whisker")
    assert len(whiskers) == 3  # a bar without an interval has none
    assert [whiskers[0]["x1"], whiskers[0]["x2"]] == pytest.approx(
        [long["x"] + 0.3 * scale, long["x"] + 0.5 * scale], abs=0.1
    )
    assert [dot["cx"] - long["x"] for dot in elements(chart, "circle", "dot")] == pytest.approx(
        [0.38 * scale, 0.42 * scale], abs=0.1
    )
    assert elements(chart, "line", "mark")[0]["x1"] == pytest.approx(long["x"] + 0.1 * scale, abs=0.1)


def test_what_was_not_measured_has_no_bar() -> None:
    chart = charts.bars([Bar("a", Estimate(math.nan, math.nan, math.nan, 0))], "t")
    assert "not measured" in chart and elements(chart, "rect", "arm") == [] and "nan" not in chart


def test_curves_of_one_scale() -> None:
    line = Line(((0.0, 0.0), (100.0, 0.3), (200.0, math.nan), (300.0, 0.6)), "curve")
    chart = charts.panels([("a", [line]), ("b", [Line(((300.0, 0.3),), "curve")])], "t", "steps")
    first, second = (e.get("points") for e in ElementTree.fromstring(chart).iter() if e.tag.endswith("polyline"))
    assert first == "40.0,146.0 105.0,96.0 235.0,46.0" and second == "485.0,96.0"


def test_a_mean_curve_is_over_the_steps_that_all_seeds_have() -> None:
    one, other = (trial.curve for trial in arm("a", [0.4, 0.4]).trials)
    higher = [replace(point, ap50=point.ap50 + 0.1) for point in other]
    mean = mean_curve([one[:3], higher])
    assert [step for step, _ in mean] == [100.0, 200.0, 300.0]
    assert [ap50 for _, ap50 in mean] == pytest.approx([0.15, 0.25, 0.35])


def test_sheets_show_evenly_spread_pictures_and_mark_misses(tmp_path: Path) -> None:
    pictures = [Picture(str(n), (Truth((10, 10, 20, 20), 0),) if n % 2 else ()) for n in range(20)]
    assert spread_over(pictures, 2) == [5, 15] and spread_over(pictures[:2], 5) == [1] and spread_over([], 4) == []

    def black(name: str) -> UInt8:
        return np.zeros((50, 100), np.uint8)

    good = [[Found((10, 10, 20, 20), 0.9, 0)] for _ in pictures]
    found: dict[str, list[list[Found]]] = {
        "good": good,
        "blind": [[] for _ in pictures],
        "wrong": [[Found((60, 10, 20, 20), 0.9, 0)] for _ in pictures],
    }
    (path,) = write_sheets(tmp_path, pictures, black, found, 1.0, count=2)
    again = path.read_bytes()
    sheet = np.asarray(cv2.imread(str(path)))[..., ::-1]
    assert sheet.shape == (HEAD + 4 + 2 * (CELL // 2 + 4), 3 * (CELL + 4), 3)
    middle = HEAD + 4 + 80  # of the labels: two diagonals cross there
    assert [tuple(sheet[middle, 80 + at * (CELL + 4)]) for at in range(3)] == [(0, 0, 0), RED, RED]
    assert tuple(sheet[middle, 2 * (CELL + 4) + 240]) == ORANGE
    assert write_sheets(tmp_path, pictures, black, found, 1.0, count=2) == [path] and path.read_bytes() == again
    many = {str(n): good for n in range(7)}
    assert [p.name for p in write_sheets(tmp_path, pictures, black, many, 1.0)] == ["sheet-1.png", "sheet-2.png"]
    assert write_sheets(tmp_path, [], black, {}, 1.0) == []
