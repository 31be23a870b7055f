"""The sample is what its script draws, its two label sets agree, and the example scripts run."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def test_the_sample_is_what_its_script_draws(sample: Path) -> None:
    drawn = runpy.run_path(str(sample / "make_sample.py"))["files"]()
    on_disk = {
        p.relative_to(sample).as_posix() for p in sample.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")
    }
    assert on_disk == set(drawn)
    for place, data in drawn.items():
        if place.endswith(".jpg"):
            again, kept = (
                cv2.imdecode(np.frombuffer(d, np.uint8), cv2.IMREAD_COLOR)
                for d in (data, (sample / place).read_bytes())
            )
            assert again is not None and kept is not None and again.shape == kept.shape
            # encoders differ by a level or two between versions
            assert np.abs(again.astype(int) - kept).mean() < 1.0
        else:
            assert (sample / place).read_bytes() == data, place
    assert sum(len(data) for data in drawn.values()) < 500_000


def test_both_label_sets_say_the_same(sample: Path) -> None:
    labels = json.loads((sample / "coco.json").read_bytes())
    for image in labels["images"]:
        boxes = [(a["category_id"] - 1, a["bbox"]) for a in labels["annotations"] if a["image_id"] == image["id"]]
        rows = (sample / "labels" / Path(image["file_name"]).with_suffix(".txt").name).read_text().splitlines()
        assert len(rows) == len(boxes) > 0
        for row, (category, (x, y, w, h)) in zip(rows, boxes, strict=True):
            kind, *values = row.split()
            size = np.array([image["width"], image["height"]] * 2)
            assert int(kind) == category
            np.testing.assert_allclose(np.array(values, float) * size, [x + w / 2, y + h / 2, w, h], atol=1e-3)
            assert x >= 0 and y >= 0 and x + w <= image["width"] and y + h <= image["height"] and w > 5 and h > 5


@pytest.mark.slow
@pytest.mark.usefixtures("default_model")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_run(path: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    command = [sys.executable, "-W", "error", f"examples/{path.name}"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = [tmp_path / line.split()[-1] for line in done.stdout.splitlines()]
    assert made and all(p.stat().st_size > 0 for p in made), done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40
