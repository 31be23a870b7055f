"""What runs come to: means, intervals and differences computed by hand, and a verdict that claims no more."""

import csv
import dataclasses
import io
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from synthir.intervals import Estimate
from synthir.reid.arms import BASELINE, CONTROL
from synthir.reid.page import Claim, Report, markdown, spreadsheet, write_report
from synthir.reid.protocol import Scores, Searched
from synthir.reid.result import difference, line, precision, tables, units, verdict
from synthir.reid.runs import Run
from synthir.reid.sheet import joined

T2 = 4.302652729749464
"""97.5 % of Student's t with two degrees of freedom."""


def run(arm: str, seed: int, precision: list[list[float]], split: int = 1, initial: str = "w") -> Run:
    """A run whose search has a draw a row and a person a column, each with one query of that average precision."""
    scores = tuple(Scores(0.5, 1.0, 1.0, 1.0, float(np.mean(row)), 0.25, len(row), 0) for row in precision)
    people = {f"p{i}": (float(sum(column)), len(column)) for i, column in enumerate(zip(*precision, strict=True))}
    return Run(arm, seed, split, {"all search": Searched(scores, people)}, [2.0, 1.0], initial, 0.5)


def runs(control: list[float], arm: list[float], people: int = 40) -> list[Run]:
    """Two arms, a value a seed, alike in all persons and draws; and a baseline that is far behind."""
    found = []
    for seed, (low, high) in enumerate(zip(control, arm, strict=True), start=1):
        for name, value in ((BASELINE, 0.1), (CONTROL, low), ("synthetic", high)):
            found.append(run(name, seed, [[value] * people] * 2))
    return found


def test_over_seeds_and_over_draws_by_hand() -> None:
    # draw means 0.2 and 0.4, then 0.3 and 0.5, then 0.4 and 0.6: seeds 0.3, 0.4, 0.5; draws 0.3 and 0.5
    found = line("x", "all search", [run("x", s, [[0.1 + 0.1 * s], [0.3 + 0.1 * s]]) for s in (1, 2, 3)])
    half = T2 * 0.1 / math.sqrt(3)
    mean = found.figures["map"]
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.4, 0.4 - half, 0.4 + half))
    assert mean.count == 3
    assert found.draws["map"].value == pytest.approx(0.4) and found.draws["map"].count == 2
    # one degree of freedom: t is 12.706; standard deviation of 0.3 and 0.5 is 0.1 sqrt(2)
    assert found.draws["map"].high == pytest.approx(0.4 + 12.706204736 * 0.1)


def test_splits_are_the_independent_values_where_there_are_several() -> None:
    some = [run("x", seed, [[0.1 * split + 0.01 * seed]], split) for split in (1, 2) for seed in (1, 2)]
    assert units(some, "all search", "map") == pytest.approx([0.115, 0.215])


def test_differences_are_paired_by_seed() -> None:
    control, arm = (
        [run(n, s, [[v]]) for s, v in enumerate(values)]
        for n, values in ((CONTROL, (0.1, 0.5, 0.9)), ("x", (0.2, 0.6, 1.0)))
    )
    found = difference("all search", arm, control)
    assert (found.seeds.value, found.seeds.low, found.seeds.high) == pytest.approx((0.1, 0.1, 0.1))


def test_the_interval_over_persons_is_of_the_persons() -> None:
    rng = np.random.default_rng(3)
    base = rng.uniform(0.2, 0.6, 50)
    gains = rng.normal(0.05, 0.1, 50)
    control, arm = ([run(n, s, [list(v)] * 2) for s in (1, 2)] for n, v in ((CONTROL, base), ("x", base + gains)))
    found = difference("all search", arm, control).identities
    half = 1.96 * gains.std() / math.sqrt(50)
    assert found.value == pytest.approx(gains.mean())
    assert found.low == pytest.approx(gains.mean() - half, abs=0.01)
    assert found.high == pytest.approx(gains.mean() + half, abs=0.01)


def said(some: list[Run], *, rendered: bool = False) -> tuple[str, ...]:
    return verdict(tables(some), some, rendered=rendered)


def test_the_interval_over_both_is_of_seeds_and_persons() -> None:
    rng = np.random.default_rng(4)
    persons, seeds = rng.normal(0.05, 0.1, 50), np.array([-0.06, -0.02, 0.0, 0.02, 0.06])
    base = np.full(50, 0.4)
    control = [run(CONTROL, s, [list(base)] * 2) for s in range(5)]
    arm = [run("x", s, [list(base + persons + shift)] * 2) for s, shift in enumerate(seeds)]
    found = difference("all search", arm, control)
    half = 1.96 * math.sqrt(persons.var() / 50 + seeds.var() / 5)
    assert found.both.value == pytest.approx(persons.mean())
    assert (found.both.low, found.both.high) == pytest.approx((persons.mean() - half, persons.mean() + half), abs=0.01)
    assert found.both.high - found.both.low > 1.2 * (found.identities.high - found.identities.low)


def test_nothing_is_claimed_that_does_not_hold_over_both() -> None:
    arms = ([run(name, s, [[v + s / 100]] * 2) for s in (1, 2, 3)] for name, v in (("x", 0.6), (CONTROL, 0.5)))
    one = difference("all search", *arms)
    up, across, down = (Estimate(0.1, low, high, 3) for low, high in ((0.05, 0.2), (-0.01, 0.2), (-0.2, -0.1)))
    gain = dataclasses.replace(one, seeds=up, identities=up, both=up)
    assert gain.proven
    for name in ("seeds", "identities", "both"):
        for wrong in (across, down):  # across zero, or on the other side of it than the value
            changes: dict[str, Any] = {name: dataclasses.replace(wrong, value=0.1)}
            assert not dataclasses.replace(gain, **changes).proven


def splits(shift: float = 0.05) -> list[Run]:
    """Two arms over three splits of one seed; persons p0 to p9 are tested in each of them."""
    found = []
    for split in (1, 2, 3):
        found += [run(BASELINE, 1, [[0.1] * 10], split), run(CONTROL, 1, [[0.4 + 0.01 * split] * 10], split)]
        found.append(run("synthetic", 1, [[0.4 + shift + 0.011 * split] * 10], split))
    return found


def test_splits_are_called_splits_and_share_persons() -> None:
    some = splits()
    told = said(some)
    assert "The splits share persons and are not independent: intervals over splits are too narrow." in told
    assert any("over splits" in one for one in told) and not any("over seeds" in one for one in told)
    assert not any("prove" in one for one in told)
    assert "Not proven: 2 splits prove nothing, 3 are the least." in said([one for one in some if one.split < 3])
    assert not any("splits share" in one for one in said([one for one in some if one.split < 2]))
    claims = Report(tuple(some), tables(some), told, (), "", "", "")
    assert "interval over splits" in markdown(claims) and "paired by split" in markdown(claims)


def test_a_person_of_several_splits_is_one_person() -> None:
    people = {f"p{i}": i / 100 for i in range(10)}
    control, arm = list[Run](), list[Run]()
    for split in (1, 2):
        for name, group, plus in ((CONTROL, control, 0.0), ("x", arm, 1.0)):
            group.append(run(name, 1, [[0.4 + plus * gain for gain in people.values()]], split))
    rows = precision(arm, "all search", sorted(people), 1)
    assert rows.shape == (2, 10) and rows.sum() == 20
    found = difference("all search", arm, control).identities
    half = 1.96 * np.std(list(people.values())) / math.sqrt(10)  # of ten persons, not of twenty
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)


def test_a_gain_is_claimed_where_it_holds() -> None:
    first, *rest = said(runs([0.50, 0.51, 0.49], [0.56, 0.57, 0.54]))
    assert first == "Gain over channel augmentation in all search: synthetic."
    # differences 6, 6 and 5 points: mean 5.67, half 1.43
    assert rest[0].startswith("synthetic: gain over channel augmentation, mAP +5.7 points (+4.2 to +7.1 over seeds")
    assert any(s.startswith("channel augmentation: gain over baseline, mAP +40.0 points") for s in rest)


def test_a_loss_is_said_as_plainly() -> None:
    first = said(runs([0.56, 0.57, 0.54], [0.50, 0.51, 0.49]))[0]
    assert (
        first
        == "No measurable gain over channel augmentation in all search. Worse than channel augmentation: synthetic."
    )


def test_no_gain_is_a_verdict() -> None:
    first, *rest = said(runs([0.50, 0.51, 0.49], [0.56, 0.51, 0.48]))
    assert first == "No measurable gain over channel augmentation in all search."
    assert rest[0].startswith("synthetic: no measurable difference to channel augmentation")


def test_what_holds_over_seeds_but_not_over_persons_is_no_gain() -> None:
    some = [r for r in runs([0.5] * 3, [0.5] * 3) if r.arm != "synthetic"]
    lucky = [0.9, 0.9, 0.9] + [0.47] * 37  # three persons of forty
    some += [run("synthetic", seed, [[v + 0.001 * seed for v in lucky]] * 2) for seed in (1, 2, 3)]
    found = tables(some)[0].differences[1]
    assert found.arm == "synthetic" and found.seeds.low > 0 > found.identities.low and not found.proven
    assert said(some)[0].startswith("No measurable gain")


def test_two_seeds_prove_nothing() -> None:
    told = said(runs([0.5, 0.5], [0.6, 0.6]))
    assert told[0].startswith("No measurable gain")
    assert told[1] == "Not proven: 2 seeds prove nothing, 3 are the least."
    assert "no interval" in " ".join(said(runs([0.5], [0.6])))


def test_drawn_persons_and_unequal_beginnings_are_said() -> None:
    some = runs([0.5] * 3, [0.6] * 3)
    assert not any("drawn" in s or "same weights" in s for s in said(some))
    assert any("persons are drawn" in s for s in said(some, rendered=True))
    some[0] = run(BASELINE, 1, [[0.1] * 40] * 2, initial="other")
    assert "Not all arms of one seed began with the same weights." in said(some)


@pytest.fixture
def report() -> Report:
    some = runs([0.50, 0.51, 0.49], [0.56, 0.57, 0.54])
    claims = (Claim("a method <of others>", 70.0, 65.5),)
    return Report(tuple(some), tables(some), said(some), claims, "somewhere else", "seeds = [1, 2, 3]\n", "of <NOBODY>")


def test_the_table_says_what_was_measured_and_what_was_not(report: Report) -> None:
    text = markdown(report)
    row = next(r for r in text.splitlines() if r.startswith("| synthetic |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == "50.0 ± 0.0" and cells[5] == "55.7 ± 3.8"
    assert cells[7] == "+5.7 ± 1.4 (+5.7 to +5.7; +5.0 to +6.0)" and cells[8].startswith("+45.7 ± 3.8")
    assert "Claims of others, somewhere else" in text and "| a method <of others> | 70 | 65.5 |" in text


def test_intervals_over_draws_of_every_search() -> None:
    some = runs([0.50, 0.51, 0.49], [0.56, 0.57, 0.54])
    both = [msgspec.structs.replace(one, found=one.found | {"indoor search": one.found["all search"]}) for one in some]
    text = markdown(Report(tuple(both), tables(both), said(both), (), "", "", ""))
    assert all(f"Intervals over gallery draws, {search}:" in text for search in ("all search", "indoor search"))


def test_a_line_of_csv_a_draw(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(spreadsheet(report.runs))))
    assert len(rows) == 3 * 3 * 2
    assert rows[-1]["arm"] == "synthetic" and float(rows[-1]["map"]) == pytest.approx(0.54)


def test_the_report_as_files(report: Report, tmp_path: Path) -> None:
    sheet = joined([[np.full((4, 2, 3), 9, np.uint8)] * 3] * 2)
    assert sheet.shape == (16, 18, 3)
    write_report(tmp_path, report, sheet)
    whole = json.loads((tmp_path / "result.json").read_text())
    assert whole["verdict"][0] == report.verdict[0] and len(whole["runs"]) == 9
    assert whole["tables"][0]["lines"][2]["figures"]["map"]["value"] == pytest.approx(0.5566666)
    assert msgspec.convert(whole["runs"][0], Run).found == report.runs[0].found
    page = (tmp_path / "page.html").read_text()
    assert "of &lt;NOBODY&gt;" in page
    write_report(tmp_path / "bare", report, None)
    bare = (tmp_path / "bare/page.html").read_text()
    assert "NOBODY" not in bare and "data:image" not in bare and "a method" in bare
    assert "a method &lt;of others&gt;" in page and "<of others>" not in page
    assert (
        page.count("<svg") == 2
        and "data:image/png;base64," in page
        and "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    )
