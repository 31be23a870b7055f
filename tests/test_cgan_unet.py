"""The terms that docs/guides/systems.md offers cgan_unet beside its four: they are switched on by the lines shown."""

import csv
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from synthir import config as configuration
from synthir.generators import cgan_unet
from synthir.train_config import TrainConfig
from synthir.training import train_from
from tests import tiny

ROOT = Path(__file__).parents[1]


def offered() -> dict[str, str]:
    """Key -> the line of TOML that the guide shows for it."""
    text = (ROOT / "docs/guides/systems.md").read_text(encoding="utf-8")
    part = text.partition("## cgan_unet")[2].partition("\n## ")[0]
    return {line.split(" = ")[0]: line.split("#")[0].strip() for line in re.findall(r"^    (\w+ = .*)$", part, re.M)}


def test_the_lines_of_the_guide_switch_each_term_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = offered()
    assert set(lines) == {"balance", "features", "temporal"}
    narrow = replace(cgan_unet.cgan_unet_256(), width=4)
    monkeypatch.setattr(cgan_unet, "cgan_unet_256", lambda: narrow)
    tiny.draw_pairs(tmp_path / "flat", 4, size=256)
    for kind in ("visible", "infrared"):
        (tmp_path / kind).mkdir()
        (tmp_path / "flat" / kind).rename(tmp_path / kind / "street")
    toml = (ROOT / "recipes/train_cgan_unet_l1_adversarial.toml").read_text(encoding="utf-8")
    few = f"steps = 2\nblock = 1\nvalidate_share = 4\n{lines['balance']}"
    for old, new in (("steps = 20000", few), ("batch = 4", "batch = 1"), ("save_every = 1000", "save_every = 1")):
        toml = toml.replace(old, new)
    toml = toml.replace("features = 0.0", f"{lines['features']}\n{lines['temporal']}")
    (tmp_path / "wish.toml").write_text(toml, encoding="utf-8")
    assert configuration.load(tmp_path / "wish.toml", TrainConfig).balance
    train_from(tmp_path / "wish.toml", tmp_path, tmp_path / "run", seed=0, device="cpu")
    rows = list(csv.DictReader((tmp_path / "run/log.csv").read_text(encoding="utf-8").splitlines()))
    found = {name: float(rows[-1][name]) for name in ("l1", "adversarial", "features", "temporal")}
    assert all(math.isfinite(value) and value > 0 for value in found.values()), found
