"""A whole comparison with a detector that is a function: resumable, equal arms, candidates judged once."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from synthir import gain_compare
from synthir.arms import Mix, Part
from synthir.detection import Found
from synthir.errors import ConfigError, TargetBusy, TrainingError
from synthir.gain import Point, Result, Rules, read_result
from synthir.gain_compare import Setup, compare_arms
from synthir.gain_run import Detector, Training
from synthir.journal import locked
from tests import streets


@dataclass(frozen=True)
class Named:
    """Stands for the configuration of a recipe."""

    name: str = "one"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return streets.draw(tmp_path_factory.mktemp("streets"))


class Stopped(Exception):
    """Stands for a kill."""


def compared(setup: Setup, drawn: Path, out: Path, wrap: object = None, config: Named = Named()) -> list[str]:
    """Run a comparison; gives what it said. wrap: Detector -> Detector."""
    said: list[str] = []

    def ready(names: Sequence[str], validation: Sequence[Path]) -> Detector:
        found = gain_compare.read(setup, drawn)
        detector = streets.knowing(gain_compare.prepare(setup, found, drawn, out, said.append).test, names)
        return wrap(detector) if callable(wrap) else detector

    compare_arms(setup, config, drawn, out, ready, said.append)
    return said


def whole(drawn: Path, out: Path, arms: tuple[Mix, ...] = streets.ARMS) -> Result:
    compared(streets.setup(streets.sources(), arms), drawn, out)
    return read_result(out / "result.json")


def test_a_gain_is_found_and_said(drawn: Path, tmp_path: Path) -> None:
    result = whole(drawn, tmp_path)
    grayscale, real = result.arms
    assert [trial.seed for trial in real.trials] == [1, 2, 3]
    assert [trial.figures.ap50 for trial in real.trials] > [trial.figures.ap50 for trial in grayscale.trials]
    (difference,) = result.comparisons
    mean = sum(r.figures.ap50 - g.figures.ap50 for r, g in zip(real.trials, grayscale.trials, strict=True)) / 3
    assert difference.difference.value == pytest.approx(mean)
    assert any(re.match(r"real: gain over grayscale, AP50 \+0\.", line) for line in result.verdict)
    page = (tmp_path / "page.html").read_text()
    assert "gain over grayscale" in page and "data:image/png" in page


def test_a_stopped_run_goes_on_and_ends_the_same(drawn: Path, tmp_path: Path) -> None:
    trained: list[str] = []

    def stopping(detector: Detector) -> Detector:
        def train(files: Sequence[Path], seed: int, folder: Path, polarity: float | None) -> Training:
            if len(trained) == 3:
                raise Stopped
            trained.append(f"{folder.parent.name} {seed}")
            return detector.train(files, seed, folder, polarity)

        return replace(detector, train=train)

    setup = streets.setup(streets.sources())
    with pytest.raises(Stopped):
        compared(setup, drawn, tmp_path / "stopped", stopping)
    said = compared(setup, drawn, tmp_path / "stopped")
    assert sum("(done before)" in line for line in said) == 3
    compared(setup, drawn, tmp_path / "whole")
    stopped, uninterrupted = (read_result(tmp_path / name / "result.json") for name in ("stopped", "whole"))
    assert timeless(stopped) == timeless(uninterrupted)


def timeless(result: Result) -> object:
    """A result without the minutes, which no two runs share."""
    arms = tuple(replace(arm, trials=tuple(replace(trial, minutes=0.0) for trial in arm.trials)) for arm in result.arms)
    return repr(replace(result, arms=arms))


def test_further_arms_and_seeds_join_a_run_and_other_trainings_are_refused(drawn: Path, tmp_path: Path) -> None:
    compared(streets.setup(streets.sources(), seeds=(1,)), drawn, tmp_path)
    more = (*streets.ARMS, Mix("rgb", (Part("rgb"),)))
    said = compared(streets.setup(streets.sources(), more, (1, 2)), drawn, tmp_path, config=Named("two"))
    assert sum("(done before)" in line for line in said) == 2
    assert 'name = "two"' in (tmp_path / "config.toml").read_text()
    trained = sorted(tmp_path.glob("arms/*/*/training.json"))
    refused = Named("refused")
    with pytest.raises(TrainingError, match="another training lies there"):  # another detector or other settings
        setup = streets.setup(streets.sources())
        compared(setup, drawn, tmp_path, lambda one: replace(one, key="other"), config=refused)
    other = (Mix("analytic", (Part("analytic"),)), streets.ARMS[0], replace(streets.ARMS[1], parts=(Part("inverted"),)))
    with pytest.raises(TrainingError, match="another training lies there"):
        compared(streets.setup(streets.sources(), other), drawn, tmp_path, config=refused)
    assert 'name = "two"' in (tmp_path / "config.toml").read_text(), "it is that of what lies there"
    assert sorted(tmp_path.glob("arms/*/*/training.json")) == trained, "nothing is trained before it is refused"


def test_a_folder_of_another_kind_of_run_is_refused_and_kept(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('layout = "sysu"\n')
    with pytest.raises(TrainingError, match="a run of another kind lies there"):
        compared(streets.setup(streets.sources()), drawn, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
    assert (tmp_path / "config.toml").read_text() == 'layout = "sysu"\n'


def test_what_is_not_known_of_a_detector_is_said_in_the_plan_and_with_the_result(drawn: Path, tmp_path: Path) -> None:
    setup = replace(streets.setup(streets.sources(), seeds=(1,)), notes=("what a.pt was trained on is not known",))
    assert "note: what a.pt was trained on is not known" in gain_compare.told(setup, drawn)
    compared(setup, drawn, tmp_path)
    assert "what a.pt was trained on is not known" in read_result(tmp_path / "result.json").notes


def test_seeds_that_another_machine_trained_are_copied_in(drawn: Path, tmp_path: Path) -> None:
    for name, seeds in (("here", (1, 2)), ("there", (3,))):
        compared(streets.setup(streets.sources(), seeds=seeds), drawn, tmp_path / name)
    for folder in (tmp_path / "there/arms").iterdir():
        shutil.copytree(folder / "3", tmp_path / "here/arms" / folder.name / "3")
    said = compared(streets.setup(streets.sources()), drawn, tmp_path / "here")
    assert sum("(done before)" in line for line in said) == 6
    compared(streets.setup(streets.sources()), drawn, tmp_path / "whole")
    gathered, whole = (read_result(tmp_path / name / "result.json") for name in ("here", "whole"))
    assert timeless(gathered) == timeless(whole)


def test_changed_test_labels_are_looked_at_again(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn, tmp_path / "data")
    compared(streets.setup(streets.sources()), tmp_path / "data", tmp_path / "out")
    before = read_result(tmp_path / "out/result.json")
    labels = json.loads((tmp_path / "data/c.json").read_text())
    labels["annotations"] = labels["annotations"][::2]
    (tmp_path / "data/c.json").write_text(json.dumps(labels))
    said = compared(streets.setup(streets.sources()), tmp_path / "data", tmp_path / "out")
    assert sum("(done before)" in line for line in said) == 6
    after = read_result(tmp_path / "out/result.json")
    assert [arm.trials[0].figures for arm in after.arms] != [arm.trials[0].figures for arm in before.arms]


def test_a_second_process_in_the_folder_is_refused(drawn: Path, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(TargetBusy):
        compared(streets.setup(streets.sources()), drawn, tmp_path)


def test_rules_that_name_no_arm_are_refused_before_anything_is_trained(drawn: Path, tmp_path: Path) -> None:
    setup = replace(streets.setup(streets.sources()), rules=Rules(control="gray"))
    with pytest.raises(ConfigError, match="no arm gray to compare with"):
        compared(setup, drawn, tmp_path / "out")
    assert not (tmp_path / "out").exists()


SOME = Mix("some", (Part("grayscale", weight=3.0), Part("real", weight=1.0)), candidate=True)
MOST = Mix("most", (Part("grayscale", weight=1.0), Part("real", weight=3.0)), candidate=True)


@pytest.mark.parametrize("later", [(SOME, MOST), (MOST,)])
def test_a_second_look_at_the_test_set_is_said_first(drawn: Path, tmp_path: Path, later: tuple[Mix, ...]) -> None:
    def notes(*candidates: Mix) -> tuple[str, ...]:
        setup = streets.setup(streets.sources(), (*streets.ARMS, *candidates), (1,))
        compared(replace(setup, draws=128), drawn, tmp_path)
        return read_result(tmp_path / "result.json").notes

    for _ in range(2):  # the same look again is none
        assert notes(SOME)[0].startswith(
            "Of 1 candidates some was best on the validation set and judged on the test set, once"
        )
    said = notes(*later)
    assert said[0] == "2 candidates, or arms since taken out, have been looked at on the test set in this folder"
    assert said[1].startswith(f"Of {len(later)} candidates most was best on the validation set: most 0.")
    assert not any("once" in note for note in said)


def test_only_the_best_candidate_is_judged_and_only_at_the_end(drawn: Path, tmp_path: Path) -> None:
    looked: list[str] = []

    def watching(detector: Detector) -> Detector:
        def look(folder: Path, files: Sequence[Path]) -> list[list[Found]]:
            looked.append(f"{folder.parent.name[:-7]} {folder.name}")
            return detector.look(folder, files)

        return replace(detector, look=look)

    arms = (*streets.ARMS, SOME, MOST)
    compared(replace(streets.setup(streets.sources(), arms, (1, 2)), draws=128), drawn, tmp_path, watching)
    assert looked == [*(f"{name} {seed}" for seed in (1, 2) for name in ("grayscale", "real")), "most 1", "most 2"]
    result = read_result(tmp_path / "result.json")
    assert [arm.name for arm in result.arms] == ["grayscale", "real", "most"]
    assert result.notes[0].startswith("Of 2 candidates most was best on the validation set")
    assert [one.name for one in result.search] == ["most", "some"]
    ends = [[curve[-1].ap50 for curve in one.curves] for one in result.search]
    assert [one.validation.value for one in result.search] == pytest.approx([sum(end) / 2 for end in ends])
    assert '<th scope="row">some</th>' in (tmp_path / "page.html").read_text()
    assert ">some<" in (tmp_path / "curves.svg").read_text(), "its curves are shown though it was not judged"


def test_with_the_best_round_nothing_is_trained_again_and_another_candidate_may_win(
    drawn: Path, tmp_path: Path
) -> None:
    looked: list[str] = []
    early, late = ((0.9, 0.1), (0.2, 0.5))

    def curved(detector: Detector, best: bool) -> Detector:
        def train(files: Sequence[Path], seed: int, folder: Path, polarity: float | None) -> Training:
            heights = early if folder.parent.name.startswith("early") else late
            points = tuple(Point(step, 1.0, height) for step, height in enumerate(heights, 1))
            return replace(detector.train(files, seed, folder, polarity), curve=points)

        def look(folder: Path, files: Sequence[Path]) -> list[list[Found]]:
            looked.append(folder.parent.name[:-7])
            return detector.look(folder, files)

        return replace(detector, train=train, look=look, best=best)

    candidates = tuple(Mix(name, (Part(kind),), candidate=True) for name, kind in (("early", "rgb"), ("late", "real")))
    setup = streets.setup(streets.sources(), (*streets.ARMS, *candidates), (1, 2))
    for best, chosen in ((False, "late"), (True, "early")):
        looked.clear()
        said = compared(setup, drawn, tmp_path, lambda detector, best=best: curved(detector, best))
        assert sum("(done before)" in line for line in said) == (8 if best else 0)
        assert sorted(looked) == sorted(["grayscale", "real", chosen] * 2), "each is looked at again"
        result = read_result(tmp_path / "result.json")
        assert [arm.name for arm in result.arms] == ["grayscale", "real", chosen]
        assert ("Judged is the round of each training that was best" in " ".join(result.notes)) == best
        assert ("have been looked at" in result.notes[0]) == best, "the other setting has looked at another candidate"
        assert result.search[0].validation.value == pytest.approx(0.9 if best else 0.5)


def test_arms_with_fewer_seeds(drawn: Path, tmp_path: Path) -> None:
    arms = (*streets.ARMS, Mix("short", (Part("rgb"),), seeds=1))
    result = whole(drawn, tmp_path, arms)
    assert [len(arm.trials) for arm in result.arms] == [3, 3, 1]


def test_arms_that_were_not_trained_alike_are_refused(drawn: Path, tmp_path: Path) -> None:
    def uneven(detector: Detector) -> Detector:
        def train(files: Sequence[Path], seed: int, folder: Path, polarity: float | None) -> Training:
            steps = 7 if folder.parent.name.startswith("real") else 8
            return replace(detector.train(files, seed, folder, polarity), steps=steps)

        return replace(detector, train=train)

    with pytest.raises(TrainingError, match="two arms of one seed were not trained alike"):
        compared(streets.setup(streets.sources()), drawn, tmp_path, uneven)


def test_the_sources_are_not_touched(drawn: Path, tmp_path: Path, small_engine: Path) -> None:
    before = {path: path.read_bytes() for path in drawn.rglob("*") if path.is_file()}
    arms = (*streets.ARMS, Mix("mean", (Part("mean"),)))
    compared(streets.setup(streets.sources(small_engine, allow_leakage=True), arms, (1,)), drawn, tmp_path)
    assert before == {path: path.read_bytes() for path in drawn.rglob("*") if path.is_file()}
