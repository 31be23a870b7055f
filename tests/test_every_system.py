"""Every generator from weights to pictures: saved, compiled, converting a labelled dataset, and measured on pairs."""

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from synthir import convert
from synthir.attempts import paint
from synthir.checkpoint import load_model, save_model
from synthir.compile import compile_engine
from synthir.engine import open_engine
from synthir.evaluate import evaluate_pairs
from synthir.frames import from_network, to_network
from synthir.images import Infrared
from synthir.profiles import BuildProfile
from synthir.specs import Band
from tests import tiny
from tests.datasets import SIZES, hand_made, picture, place
from tests.test_generators import drawn, every_case


def made(folder: Path, number: int) -> Infrared:
    """A converted picture, colours as RGB."""
    found = cv2.imread(str(folder / place(number, ".png")), cv2.IMREAD_UNCHANGED)
    assert found is not None
    samples = found.astype(np.uint8)
    return samples if samples.ndim == 2 else samples[:, :, ::-1]


@every_case
def test_a_network_is_saved_compiled_converts_and_is_measured(
    network: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    band = Band.VISIBLE if settings.get("outputs", 1) == 3 else Band.LWIR
    save_model(drawn(network, settings), tmp_path / "model", network, settings, band)
    target = tmp_path / "made.safetensors"
    compile_engine(tmp_path / "model", target, profile=BuildProfile("torch"))
    module, spec = load_model(tmp_path / "model")
    dataset = hand_made(tmp_path / "src", 3)
    with open_engine(target) as engine:
        convert.run(convert.plan(dataset, tmp_path / "out", engine.spec), engine)
        for number, size in enumerate(SIZES):
            with torch.inference_mode():
                frame = torch.from_numpy(to_network(picture(number, *size), spec.stride)[None])
                expected = from_network(module(frame)[0].numpy(), *size).astype(int)
            assert np.abs(made(tmp_path / "out", number) - expected).max() <= 1
        assert (tmp_path / "out/boxes.json").read_bytes() == (tmp_path / "src/boxes.json").read_bytes()
        pairs = tiny.draw_pairs(tmp_path / "pairs", 2)
        evaluate_pairs(str(target), pairs, tmp_path / "report")
        given, wanted = ("infrared", "visible") if band == Band.VISIBLE else ("visible", "infrared")
        off = measured_by_hand(engine, pairs / given / "001.png", pairs / wanted / "001.png")
    rows = list(csv.DictReader((tmp_path / "report/rows.csv").read_text(encoding="utf-8").splitlines()))
    (row,) = (one for one in rows if one["method"] == "generator" and one["picture"].startswith("001"))
    assert float(row["l1"]) == pytest.approx(off, abs=6e-3)


def measured_by_hand(engine: Any, given: Path, wanted: Path) -> float:
    """Mean absolute difference, in grey levels, of what an engine makes of one picture to another, both grey."""
    bgr, real = cv2.imread(str(given), cv2.IMREAD_COLOR), cv2.imread(str(wanted), cv2.IMREAD_COLOR)
    assert bgr is not None and real is not None
    result = paint(engine, np.ascontiguousarray(bgr[:, :, ::-1]))
    grey = result if result.ndim == 2 else cv2.cvtColor(result, cv2.COLOR_RGB2GRAY)
    return float(np.abs(grey.astype(float) - cv2.cvtColor(real, cv2.COLOR_BGR2GRAY)).mean())
