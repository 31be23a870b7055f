"""What is refused or said before anything is trained: pictures, searches, weights, leakage, terms."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from synthir.errors import ConfigError, DatasetError, SynthIRError, UnreadablePicture
from synthir.files import sha256_file
from synthir.reid.arms import BASELINE, CONTROL, Arm
from synthir.reid.checks import check_searches, read_all, terms, twins
from synthir.reid.data import Layout, Picture, Source, Split, read_split
from synthir.reid.network import check_start
from synthir.reid.rendered import draw_dataset
from synthir.reid.synthetic import find_generator, forbidding
from synthir.reid.training import Training
from synthir.seen import to_bytes
from tests.test_reid_gain import ARMS, PERSONS, RECIPE, ROOT, TINY, chosen

QUIET = Training(*("small", None, False, 32, 32), steps=2, identities=2, pictures=2, warmup=1, pad=0, save_every=9)
ENGINE = ROOT / "engines/cascade-lwir-s"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a plain dataset `persons`."""
    draw_dataset(PERSONS, tmp_path / "persons")
    return tmp_path


def on(engine: Path, **changes: Any) -> Any:
    """A comparison on that dataset."""
    given = {"rendered": None, "dataset": Source(root=Path("persons")), "arms": ARMS[:3], "seeds": (1,), **changes}
    return chosen(engine, **given)


def refused(config: Any, data: Path) -> SynthIRError:
    """How plan and run refuse it, alike, before anything is written."""
    out = data / "run"
    with pytest.raises(SynthIRError) as planned:
        RECIPE.plan(config, data)
    with pytest.raises(SynthIRError) as ran:
        RECIPE.run(config, data, out, lambda line: None)
    assert str(planned.value) == str(ran.value) and type(planned.value) is type(ran.value)
    assert not out.exists()
    return planned.value


def test_all_broken_pictures_are_named_at_once(small_engine: Path, data: Path) -> None:
    pictures = sorted((data / "persons").rglob("*.jpg"))
    broken = [pictures[0], pictures[-1]]
    broken[0].write_bytes(b"no picture")
    broken[1].write_bytes(broken[1].read_bytes()[:200])
    error = refused(on(small_engine), data)
    assert isinstance(error, UnreadablePicture) and error.what == f"2 of {len(pictures)} pictures cannot be read"
    assert all(str(path) in error.why for path in broken)
    assert read_all([pictures[1]]) == {pictures[1]: sha256_file(pictures[1])}


def picture(identity: str, camera: str, infrared: bool) -> Picture:
    return Picture(Path(f"{camera}/{identity}.jpg"), identity, camera, infrared)


SIX = [picture("0006", f"cam{camera}", camera in (3, 6)) for camera in range(1, 7)]


@pytest.mark.parametrize(("layout", "test", "said"), [
    ("sysu", [one for one in SIX if not one.infrared], "all search: no queries; indoor search: no queries"),
    ("sysu", [one for one in SIX if one.infrared or one.camera == "cam4"], "indoor search: an empty gallery"),
    ("sysu", [picture("a", "cam3", True), picture("a", "cam2", False)], "1 of 1 queries have no right answer"),
    ("regdb", [picture("a", "visible", False), picture("b", "thermal", True)], "infrared to visible: 1 of 1 queries"),
    ("plain", [picture(i, c, c == "ir") for i, c in ("aA", "bB")], "no queries"),
    ("plain", [picture("a", "ir", True), picture("a", "x", False), picture("b", "ir", True)], "1 of 2 queries"),
])  # fmt: skip
def test_searches_that_nobody_can_answer(layout: Layout, test: list[Picture], said: str) -> None:
    with pytest.raises(DatasetError, match=said) as caught:
        check_searches(layout, Split((), tuple(test)), 3)
    assert caught.value.what == "split 3 cannot be searched"


def test_a_published_search_may_leave_some_queries_out() -> None:
    lone = [picture("0010", "cam6", True), picture("0010", "cam5", False)]  # nobody indoors
    check_searches("sysu", Split((), (*SIX, *lone)), 1)


def test_a_dataset_that_cannot_be_searched_is_refused_before_any_training(small_engine: Path, tmp_path: Path) -> None:
    draw_dataset(PERSONS, tmp_path / "persons")
    for place in (tmp_path / "persons").iterdir():
        if place.is_dir():
            for number, camera in ((1, "visible1"), (3, "infrared1")):
                (tmp_path / f"sysu/cam{number}").mkdir(parents=True, exist_ok=True)
                shutil.copytree(place / camera, tmp_path / f"sysu/cam{number}" / place.name)
    (tmp_path / "sysu/exp").mkdir()
    for name, ids in (("train", "0,1"), ("val", "2"), ("test", "3,4,5")):
        (tmp_path / f"sysu/exp/{name}_id.txt").write_text(ids)
    RECIPE.plan(on(small_engine, dataset=Source("sysu", Path("sysu"))), tmp_path)
    (tmp_path / "sysu/cam1").rename(tmp_path / "sysu/cam2")  # all queries are of camera 3, which skips camera 2
    error = refused(on(small_engine, dataset=Source("sysu", Path("sysu"))), tmp_path)
    assert isinstance(error, DatasetError) and "all search: 6 of 6 queries have no right answer" in error.why


@pytest.mark.parametrize(("network", "said"), [("resnet50", "weights of another network"), ("small", "for this size")])
def test_weights_that_do_not_fit_are_refused_before_anything_is_written(
    network: Any, said: str, small_engine: Path, data: Path
) -> None:
    torch.save({"conv1.weight": torch.zeros(64, 1, 7, 7)}, data / "w.pth")
    training = dataclasses.replace(TINY, network=network, weights=Path("w.pth"))
    error = refused(on(small_engine, training=training), data)
    assert isinstance(error, ConfigError) and said in error.what
    with pytest.raises(ConfigError, match=said):
        check_start(network, data / "w.pth")


def copied(data: Path) -> Path:
    """A test picture that is, byte for byte, a training picture."""
    split = read_split(Source(), data / "persons")
    source, target = (next(p.path for p in part if p.infrared) for part in (split.train, split.test))
    shutil.copy(source, target)
    return target


def test_test_pictures_that_are_trained_on_are_refused_unless_allowed(small_engine: Path, data: Path) -> None:
    split = read_split(Source(), data / "persons")
    assert twins(split, 1, read_all(p.path for p in (*split.train, *split.test))) == ""
    twin = copied(data)
    error = refused(on(small_engine), data)
    assert isinstance(error, ConfigError) and "allow_leakage" in error.fix
    assert "1 of 18 test pictures of split 1 are, byte for byte, training pictures" in error.why
    assert str(twin) in error.why
    config = on(small_engine, training=QUIET, arms=ARMS[:2], allow_leakage=True)
    outcome = RECIPE.run(config, data, data / "run", lambda line: None)
    assert outcome.verdict.startswith("Leakage was allowed, so these figures are not of unseen pictures: 1 of 18")
    assert any(line.startswith("Leakage was allowed") for line in RECIPE.plan(config, data))


def test_a_generator_that_saw_test_pictures_is_refused_unless_allowed(
    small_engine: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthir import seen
    from synthir.reid import synthetic

    split = read_split(Source(), data / "persons")
    saw = [picture.path for picture in split.test if picture.infrared]
    record = seen.Seen(seen.hashes([], "visible"), seen.hashes(saw, "infrared"))
    held = seen.from_bytes(to_bytes(record), "here")
    monkeypatch.setattr(synthetic, "seen_of", lambda place: held)
    error = refused(on(small_engine), data)
    assert isinstance(error, ConfigError) and "test pictures look like ones" in error.why
    told = RECIPE.plan(on(small_engine, allow_leakage=True), data)
    assert told[0].startswith("Leakage was allowed") and not any("no record" in line for line in told)
    assert not RECIPE.plan(on(small_engine, arms=ARMS[:2]), data)[0].startswith("Leakage")  # no arm asks it


@pytest.mark.usefixtures("default_model")
def test_a_model_whose_terms_forbid_it_is_named_before_any_figure(data: Path, tmp_path: Path) -> None:
    shipped = find_generator("cascade-lwir-s", tmp_path, 32)
    assert forbidding(shipped) == "cascade-lwir-s"
    for ending in ("xml", "bin", "xml.json", "seen"):  # the same weights under another name
        shutil.copy(ENGINE / f"engine.{ending}", tmp_path / f"mine.{ending}")
    mine = find_generator("mine.xml", tmp_path, 32)
    assert forbidding(mine) == "cascade-lwir-s" and len(terms([shipped, mine])) == 1
    assert terms([find_generator("cascade-nir-s", tmp_path, 32)]) == []
    arms = (Arm(BASELINE), Arm(CONTROL, channel=0.75), Arm("synthetic", synthetic=0.5))
    config = RECIPE.Config(
        arms=arms, seeds=(1,), dataset=Source(root=Path("persons")), training=QUIET, draws=1,
        generator="cascade-lwir-s", generator_height=32, allow_leakage=True,  # drawn noise may look like anything
    )  # fmt: skip
    outcome = RECIPE.run(config, data, data / "run", lambda line: None)
    first = outcome.verdict.splitlines()[0]
    assert first.startswith("The terms that cascade-lwir-s inherits") and "forbid identifying people" in first
    assert RECIPE.plan(config, data)[0] == first
    drawn = dataclasses.replace(config, dataset=None, rendered=PERSONS, generator="")
    assert not any("forbid" in line for line in RECIPE.plan(drawn, data))
