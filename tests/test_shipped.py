"""Shipped files are found in a checkout and in a wheel; a wrong name gets the nearest right one."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from synthir import SynthIR, shipped
from synthir.checkpoint import load_model
from synthir.compile import compare
from synthir.engine import open_engine
from synthir.errors import UnknownName
from synthir.picture_sets import stylised
from synthir.seen import seen_of
from tests import tiny

ROOT = Path(__file__).parents[1]


def test_a_checkout_has_them_beside_the_package() -> None:
    assert shipped.engines_folder() == ROOT / "engines"
    assert shipped.recipes_folder() == ROOT / "recipes"


def test_a_wheel_has_them_inside_the_package(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(ROOT / "synthir", site / "synthir", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("b-model", "a-model"):
        (site / "synthir/_engines" / name).mkdir(parents=True)
        (site / "synthir/_engines" / name / "model.json").write_text("{}")
    (site / "synthir/_engines/unfinished").mkdir()
    code = "from synthir.shipped import *; print(engines_folder(), *models(), model_folder('a-model').name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=site, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(site.resolve() / "synthir/_engines"), "a-model", "b-model", "a-model"]


def test_an_unknown_model_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownName) as caught:
        shipped.model_folder("cascade-lwir-x")
    assert caught.value.what == "no model 'cascade-lwir-x'"
    assert all(name in caught.value.why for name in shipped.models())


def test_the_nearest_model_is_named(default_model: Path) -> None:
    with pytest.raises(UnknownName, match=f"nearest is {default_model.name}"):
        shipped.model_folder("cascade-lwr-s")
    assert shipped.model_folder(default_model.name) == default_model


def test_the_shipped_engine_computes_what_the_shipped_weights_say(default_model: Path) -> None:
    network, _ = load_model(default_model)
    with open_engine(default_model / shipped.PAYLOAD) as engine:
        stated, found = engine.spec.agreement, compare(network, engine)
    assert stated and stated.pictures == found.pictures >= 3
    assert found.psnr_db > stated.psnr_db - 1.0  # dB; a CPU without bfloat16 computes in float32, which is nearer


@pytest.mark.parametrize("size", [(64, 96), (75, 101)])
def test_the_shipped_stylisation_is_the_arm_that_the_recipe_measures(size: tuple[int, int]) -> None:
    rgb = tiny.pictures(5, 1, *size, 3)[0]
    made = SynthIR.from_pretrained("analytic")(rgb)
    assert np.abs(made.astype(int) - stylised(0)(rgb)).max() <= 1


def test_the_shipped_stylisation_is_known_to_have_seen_nothing() -> None:
    seen = seen_of("analytic")
    assert seen and seen.visible.shape == seen.infrared.shape == (0, 256)
