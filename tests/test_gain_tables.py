"""The tables and the CSV hold the numbers they were given, checked by hand."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from synthir.gain import Arm, Result, Rules
from synthir.gain_tables import DEFINITIONS, main_table, markdown, others_table, parts_table, write_csv
from synthir.verdict import judge
from tests.trials import arm, draws, some_arms


def result_of(arms: Sequence[Arm]) -> Result:
    return judge(arms, draws(arms), Rules())


def test_every_trial_is_a_line_of_the_csv(tmp_path: Path) -> None:
    result = result_of(some_arms())
    write_csv(tmp_path / "result.csv", result)
    rows = list(csv.DictReader((tmp_path / "result.csv").read_text(encoding="utf-8").splitlines()))
    trials = [trial for one in result.arms for trial in one.trials]
    assert [(row["arm"], int(row["seed"]), float(row["ap50"])) for row in rows] == [
        (trial.arm, trial.seed, trial.figures.ap50) for trial in trials
    ]
    assert [float(row["AP small"]) for row in rows] == [trial.figures.by_size["small"] for trial in trials]
    assert [float(row["recall person"]) for row in rows] == [
        trial.figures.recall_by_class["person"] for trial in trials
    ]
    for size in ("small", "large"):
        found = [float(row[f"recall of size {size}"]) for row in rows]
        assert found == [trial.figures.recall_by_size[size] for trial in trials]


def test_the_tables_by_hand() -> None:
    result = result_of(some_arms())
    table = main_table(result)
    mix = dict(zip(table.heads, table.rows[2], strict=True))
    assert (mix["arm"], mix["pictures"], mix["seeds"], mix["minutes a trial"]) == ("mix", "156", "3", "2.5")
    assert mix["AP50"] == "0.350 ± 0.050"  # 4.303 * 0.02 / root 3
    assert mix["mAP50-95"] == "0.175 ± 0.025"
    assert mix["recall at 1"] == "0.315 ± 0.045"
    assert mix["AP50 less grayscale, over seeds"] == "+0.300 ± 0.075"  # 0.30 0.33 0.27
    assert mix["gap closed"].startswith("75% (")
    grey = dict(zip(table.heads, table.rows[1], strict=True))
    assert (grey["AP50 less grayscale, over seeds"], grey["gap closed"]) == ("-", "-")
    others = others_table(result)
    mix = dict(zip(others.heads, others.rows[2], strict=True))
    assert mix["mAP50-95 less grayscale, over seeds"] == "+0.150 ± 0.037"  # 0.150 0.165 0.135
    assert mix["recall at 1 less grayscale, over seeds"] == "+0.270 ± 0.067"  # 0.270 0.297 0.243
    assert mix["mAP50-95 less rgb, over seeds"] == "+0.120 ± 0.033"  # 0.125 0.130 0.105
    assert others.rows[1] == ("grayscale", "-", "-0.030 ± 0.012", "-", "-0.054 ± 0.022")
    parts = parts_table(result)
    assert parts.heads == (
        "arm",
        "person AP50",
        "person recall",
        "small AP",
        "small recall",
        "large AP",
        "large recall",
    )
    assert parts.rows[2][:3] == ("mix", "0.350 ± 0.050", "0.280 ± 0.040")
    assert parts.rows[2][4::2] == ("0.070 ± 0.010", "0.245 ± 0.035")
    assert markdown(parts).splitlines()[1] == "|" + " --- |" * 7


def test_one_seed_shows_no_interval_and_no_gap() -> None:
    result = result_of([arm(name, [0.4]) for name in ("rgb", "grayscale", "mix", "real")])
    mix = dict(zip(main_table(result).heads, main_table(result).rows[2], strict=True))
    assert (mix["AP50"], mix["AP50 less grayscale, over seeds"], mix["gap closed"]) == ("0.400", "+0.000", "no gap")


def test_the_csv_has_a_line_of_paired_differences_a_trial(tmp_path: Path) -> None:
    arms = some_arms()
    arms[1] = replace(arms[1], trials=arms[1].trials[:2])
    write_csv(tmp_path / "result.csv", result_of(arms))
    text = (tmp_path / "result.csv").read_text(encoding="utf-8")
    rows = {(row["arm"], row["seed"]): row for row in csv.DictReader(text.splitlines())}
    heads = [f"{figure} less {name}" for name in ("grayscale", "rgb") for figure in ("map5095", "ap50", "recall")]
    assert text.splitlines()[0].endswith(",".join(heads))
    found = [float(rows["mix", "1"][head]) for head in heads]
    assert found == pytest.approx([0.165, 0.33, 0.297, 0.13, 0.26, 0.234])  # of 0.37 less 0.04, less 0.11
    assert [rows["mix", "2"][head] for head in heads[:3]] == [""] * 3, "grayscale has no such seed"
    assert [rows["grayscale", "1"][head] for head in heads[:3]] == [""] * 3, "not less itself"
    assert float(rows["grayscale", "1"]["ap50 less rgb"]) == pytest.approx(-0.07)


def test_every_definition_is_documented() -> None:
    text = (Path(__file__).parents[1] / "docs/reference/figures.md").read_text(encoding="utf-8")
    assert [name for name, what in DEFINITIONS.items() if f"| {name} | {what} |" not in text] == []
