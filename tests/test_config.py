"""Configurations are read strictly, every fault at once, and written so that they read back equal."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from synthir.config import dump, load, parse, refuse
from synthir.errors import ConfigError


class Size(StrEnum):
    SMALL = "s"
    LARGE = "l"


@dataclass(frozen=True)
class Loss:
    weight: float = 1.0
    name: Literal["l1", "ssim"] = "l1"


@dataclass(frozen=True)
class Run:
    steps: int
    data: Path
    rate: float = 2e-4
    size: Size = Size.SMALL
    flips: bool = True
    seed: int | None = None
    bits: Literal[1, 8] = 8
    crops: tuple[int, ...] = (192, 256)
    window: tuple[int, float] = (1, 0.5)
    loss: Loss = field(default_factory=Loss)
    extra: tuple[Loss, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}, expected at least 1")


MINIMAL = "steps = 5\ndata = 'pairs'\n"


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, Run)
    return caught.value.why.split("; ")


def test_reads_every_kind_of_field() -> None:
    text = MINIMAL + (
        "rate = 1\nsize = 'l'\nflips = false\nseed = 3\ncrops = [64]\nwindow = [2, 1]\nextra = [{name = 'ssim'}]\n"
        "[loss]\nweight = 0.5\n[weights]\nl1 = 2\n"
    )
    run = parse(text, Run)
    assert run == Run(
        steps=5,
        data=Path("pairs"),
        rate=1.0,
        size=Size.LARGE,
        flips=False,
        seed=3,
        crops=(64,),
        window=(2, 1.0),
        loss=Loss(weight=0.5),
        extra=(Loss(name="ssim"),),
        weights={"l1": 2.0},
    )
    assert isinstance(run.rate, float) and isinstance(run.size, Size) and isinstance(run.weights["l1"], float)


def test_defaults_fill_what_is_left_out() -> None:
    assert parse(MINIMAL, Run) == Run(steps=5, data=Path("pairs"))


def test_reports_every_fault_at_once() -> None:
    text = (
        "step = 5\nrate = 'fast'\nflips = 1\nsize = 'x'\ncrops = [1, 'a']\nwindow = [1]\n"
        "[loss]\nwieght = 1\nname = 'l2'\nzz = 1\n"
    )
    assert faults_of(text) == [
        "step is unknown, did you mean steps? Expected one of "
        "steps, data, rate, size, flips, seed, bits, crops, window, loss, extra, weights",
        "rate is 'fast', expected a finite number",
        "size is 'x', expected one of s, l",
        "flips is 1, expected true or false",
        "crops[1] is 'a', expected an integer",
        "window has 1 values, expected 2",
        "loss.wieght is unknown, did you mean weight? Expected one of weight, name",
        "loss.zz is unknown, expected one of weight, name",
        "loss.name is 'l2', expected one of l1, ssim",
        "steps is missing, expected an integer",
        "data is missing, expected a path",
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("seed = true", "seed is True, expected an integer"),
        ("seed = 1.0", "seed is 1.0, expected an integer"),
        ("rate = nan", "rate is nan, expected a finite number"),
        ("rate = true", "rate is True, expected a finite number"),
        ("loss = 3", "loss is 3, expected a table"),
        ("bits = true", "bits is True, expected one of 1, 8"),
        ("bits = 8.0", "bits is 8.0, expected one of 1, 8"),
    ],
)
def test_near_misses_are_not_repaired(line: str, fault: str) -> None:
    assert faults_of(MINIMAL + line) == [fault]


def test_what_the_dataclass_refuses_is_a_fault() -> None:
    assert faults_of("steps = 0\ndata = 'x'") == ["the whole: steps is 0, expected at least 1"]
    assert faults_of("steps = 0\ndata = 'x'\nrate = 'fast'\nlos = 1")[1:] == [
        "rate is 'fast', expected a finite number",
        "the whole: steps is 0, expected at least 1",
    ], "beside other faults too"
    assert len(faults_of("steps = 'x'\ndata = 'x'")) == 1, "a value that cannot be read is refused once"


def test_nothing_is_said_of_a_field_that_was_complained_of_already() -> None:
    @dataclass(frozen=True)
    class Needy:
        name: str = ""
        count: int = 0

        def __post_init__(self) -> None:
            refuse(*(f"{name} is missing" for name in ("name", "count") if not getattr(self, name)))

    for text, last in (
        ("nmae = 'x'\nother = 1", "the whole: count is missing"),
        ("name = 5", "the whole: count is missing"),
        ("count = 'x'\nname = 'y'", "count is 'x', expected an integer"),
    ):
        with pytest.raises(ConfigError) as caught:
            parse(text, Needy)
        assert caught.value.why.split("; ")[-1] == last


def test_further_faults_are_said_with_the_others() -> None:
    with pytest.raises(ConfigError, match="2 faults in the configuration") as caught:
        parse(MINIMAL + "rate = 'fast'", Run, lambda table: [f"no such data: {table['data']}"])
    assert caught.value.why == "rate is 'fast', expected a finite number; no such data: pairs"


@pytest.mark.parametrize("content", [b"steps = ", b"\xff\xfe", None])
def test_a_file_that_is_no_toml_names_itself(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path, Run)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seed": 7, "rate": 1e-5, "crops": (), "flips": False, "size": Size.LARGE},
        {"data": Path('a "b" \\ ü \x7f\n'), "weights": {"a.b": 1.0, "": 1e20}},
        {"loss": Loss(0.25, "ssim"), "extra": (Loss(), Loss(2.0))},
    ],
)
def test_dump_reads_back_equal(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = Run(**{"steps": 5, "data": Path("pairs"), **changes})
    path = tmp_path / "run.toml"
    path.write_text(dump(run), encoding="utf-8")
    assert load(path, Run) == run


def test_dump_is_what_a_person_would_write() -> None:
    assert dump(Loss(0.5)) == 'weight = 0.5\nname = "l1"\n'
    assert dump(Run(5, Path("p"))).endswith(
        'window = [1, 0.5]\nextra = []\n\n[loss]\nweight = 1.0\nname = "l1"\n\n[weights]\n'
    )
