"""The recipe from end to end over small trees in the published layouts, drawn here: SYSU-MM01, RegDB, LLCM."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthir.errors import MissingPicture
from synthir.reid.arms import BASELINE, CONTROL, Arm
from synthir.reid.data import Layout, Source
from synthir.reid.rendered import Rendered, draw_dataset
from synthir.reid.training import Training
from tests.test_reid_gain import RECIPE

PERSONS = Rendered(identities=6, visible=3, infrared=2, each=2, height=32, width=32)
TINY = Training(*("small", None, False, 32, 32), steps=2, identities=2, pictures=2, warmup=1, pad=1, save_every=9)
ARMS = (Arm(BASELINE), Arm(CONTROL, channel=0.75), Arm("synthetic", synthetic=0.75))


def put(source: Path, target: Path) -> str:
    """Copy a picture; gives its name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    return target.name


def as_sysu(drawn: Path, root: Path) -> None:
    cameras = {1: "visible1", 2: "visible2", 4: "visible3", 3: "infrared1", 6: "infrared2"}
    for person in range(6):
        for number, camera in cameras.items():
            shutil.copytree(drawn / f"{person:04d}/{camera}", root / f"cam{number}/{person + 1:04d}")
    for person in (5, 6):  # nobody indoors sees person 6, so that indoor search leaves it out
        shutil.copytree(root / f"cam1/{person:04d}", root / f"cam5/{person:04d}")
    for number in (1, 2):
        shutil.rmtree(root / f"cam{number}/0006")
    (root / "exp").mkdir()
    for name, ids in (("train", "1,2"), ("val", "3"), ("test", "4,5,6")):
        (root / f"exp/{name}_id.txt").write_text(ids)


def as_regdb(drawn: Path, root: Path) -> None:
    """Two splits; persons 2 and 3 are tested in both."""
    (root / "idx").mkdir(parents=True)
    for number, tested in ((1, (0, 1, 2)), (2, (1, 2, 3))):
        for modality, camera in (("visible", "visible1"), ("thermal", "infrared1")):
            for part in ("train", "test"):
                people = [p for p in range(6) if (p in tested) is (part == "test")]
                rows = []
                for label, person in enumerate(people):
                    for picture in sorted((drawn / f"{person:04d}/{camera}").iterdir()):
                        place = f"{modality.capitalize()}/{person + 1}/{modality[0]}_{picture.stem}_{person + 1}.jpg"
                        put(picture, root / place)
                        rows.append(f"{place} {label}\n")
                (root / f"idx/{part}_{modality}_{number}.txt").write_text("".join(rows))


def as_llcm(drawn: Path, root: Path) -> None:
    (root / "idx").mkdir(parents=True)
    (root / "idx/test_id.txt").write_text("4,5,6")
    for modality, cameras in (("vis", {1: "visible1", 2: "visible2"}), ("nir", {1: "infrared1", 4: "infrared2"})):
        rows = []
        for person in range(6):
            for number, camera in cameras.items():
                for picture in sorted((drawn / f"{person:04d}/{camera}").iterdir()):
                    name = f"{person + 1:04d}_c{number:02d}_s1_f{picture.stem}_{modality}.jpg"
                    if person >= 3:
                        put(picture, root / f"test_{modality}/cam{number}/{person + 1:04d}" / name)
                    else:
                        put(picture, root / f"{modality}/{person + 1:04d}" / name)
                        rows.append(f"{modality}/{person + 1:04d}/{name} {person}\n")
        (root / f"idx/train_{modality}.txt").write_text("".join(rows))


MAKERS: dict[Layout, Callable[[Path, Path], None]] = {"sysu": as_sysu, "regdb": as_regdb, "llcm": as_llcm}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(PERSONS, folder)
    return folder


def made(layout: Layout, drawn: Path, data: Path, engine: Path, **changes: Any) -> Any:
    """A configuration over a tree of that layout, made below `data`."""
    MAKERS[layout](drawn, data / layout)
    given = {"arms": ARMS, "seeds": (1,), "training": TINY, "generator_height": 32, "draws": 2, **changes}
    return RECIPE.Config(dataset=Source(layout, Path(layout)), generator=str(engine), **given)


def outcome_of(config: Any, data: Path) -> tuple[Any, Any, str]:
    """Outcome, result.json and page of a run."""
    outcome = RECIPE.run(config, data, data / "run", lambda line: None)
    return outcome, json.loads(outcome.data.read_text()), outcome.page.read_text()


def test_sysu(drawn: Path, small_engine: Path, tmp_path: Path) -> None:
    outcome, result, page = outcome_of(made("sysu", drawn, tmp_path, small_engine), tmp_path)
    everywhere, indoors = result["tables"]
    assert (everywhere["search"], everywhere["queries"], everywhere["left_out"]) == ("all search", 12, 0)
    assert (indoors["search"], indoors["queries"], indoors["left_out"]) == ("indoor search", 8, 4)
    assert "This page contains pictures of SYSU-MM01; do not pass it on." in page
    assert "drawn" not in outcome.verdict and "1 seed proves nothing" in outcome.verdict


def test_regdb_over_two_splits(drawn: Path, small_engine: Path, tmp_path: Path) -> None:
    outcome, result, page = outcome_of(made("regdb", drawn, tmp_path, small_engine, splits=(1, 2)), tmp_path)
    assert [(r["arm"], r["split"]) for r in result["runs"]] == [(arm.name, k) for k in (1, 2) for arm in ARMS]
    people = [set(r["found"]["visible to infrared"]["precision"]) for r in result["runs"][:: len(ARMS)]]
    assert people == [{"1", "2", "3"}, {"2", "3", "4"}]
    assert "2 splits prove nothing" in outcome.verdict and "The splits share persons" in outcome.verdict
    assert "over seeds" not in outcome.verdict and "interval over splits" in outcome.table
    assert result["tables"][0]["queries"] == 6 and "pictures of RegDB; do not pass it on" in page


def test_llcm(drawn: Path, small_engine: Path, tmp_path: Path) -> None:
    config = made("llcm", drawn, tmp_path, small_engine, sheet=False)
    put(drawn / "0000/infrared1/0001.jpg", tmp_path / "llcm/test_nir/cam3/0004/x.jpg")  # a camera that is not used
    _, result, page = outcome_of(config, tmp_path)
    heat, light = result["tables"]
    assert (heat["search"], heat["queries"], light["queries"]) == ("infrared to visible", 12, 12)
    assert "LLCM;" not in page and "data:image" not in page


def test_a_picture_that_is_gone_when_its_turn_comes(drawn: Path, small_engine: Path, tmp_path: Path) -> None:
    config = made("regdb", drawn, tmp_path, small_engine)
    (tmp_path / "regdb/Visible/4/v_0001_4.jpg").unlink()
    with pytest.raises(MissingPicture, match="1 of 12 listed pictures are not there"):
        RECIPE.run(config, tmp_path, tmp_path / "run", lambda line: None)
