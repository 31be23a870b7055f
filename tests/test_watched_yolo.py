"""synthir.watched_yolo: which detectors are taken, and what is done to a training while it runs."""

import importlib.util
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from synthir import watched_yolo
from synthir.errors import ConfigError, TrainingError

if importlib.util.find_spec("ultralytics") is None:
    pytest.skip("ultralytics is not installed; it is in the extra `recipes`", allow_module_level=True)


def test_a_detector_that_is_not_there_is_refused_and_not_fetched(tmp_path: Path) -> None:
    for name in ("yolo11n.pt", "yolo99q.yaml", str(tmp_path / "mine.pt"), "https://example.org/a.pt"):
        with pytest.raises(ConfigError, match="nothing is downloaded"):
            watched_yolo.detector_file(name)
    assert watched_yolo.detector_file("yolo11n.yaml") == "yolo11n.yaml"
    (tmp_path / "mine.pt").write_bytes(b"")
    assert watched_yolo.detector_file(str(tmp_path / "mine.pt")) == str(tmp_path / "mine.pt")


def test_a_halved_batch_stops_a_training() -> None:
    watch = watched_yolo.Watch(0.5, 3, 8, "float32", 0.0)
    with pytest.raises(TrainingError, match="8 pictures did not fit the GPU, ultralytics went on with 4"):
        watch.on_train_batch_end(SimpleNamespace(batch_size=4, save_dir="run"))
    assert watch.steps == 0


def test_a_share_of_the_pictures_is_inverted() -> None:
    batch = torch.linspace(0, 0.4, 400).reshape(100, 1, 2, 2)
    watch = watched_yolo.Watch(0.5, 3, 8, "float32", 0.0)
    turned = watch.inverted({"img": batch.clone()})["img"]
    chosen = (turned != batch).flatten(1).any(1)
    assert torch.equal(turned[chosen], 1.0 - batch[chosen]) and 30 < int(chosen.sum()) < 70
    assert torch.equal(watched_yolo.Watch(0.5, 3, 8, "float32", 0.0).inverted({"img": batch.clone()})["img"], turned)
    assert torch.equal(watched_yolo.Watch(0.0, 3, 8, "float32", 0.0).inverted({"img": batch.clone()})["img"], batch)


def test_layers_in_bfloat16_learn_and_answer_in_float32() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 8)
    pictures, places = torch.rand(5, 64), torch.arange(5)

    def predict(given: torch.Tensor, *, scale: float) -> dict[str, object]:
        return {"boxes": [layer(given) * scale], "places": (places,)}

    answer = watched_yolo.in_bfloat16(predict, "cpu")(pictures, scale=2.0)
    (boxes,), (kept,) = answer["boxes"], answer["places"]
    plain = (layer(pictures) * 2.0).detach()
    assert boxes.dtype == torch.float32 and kept is places
    assert 0.0 < float((boxes.detach() - plain).abs().max()) < 0.02 * float(plain.abs().max()), (
        "computed with eight bits"
    )
    boxes.sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.dtype == torch.float32


def test_weights_are_averaged_over_the_window() -> None:
    """Fed with steps 0, 1, 2 ... as if they were weights, the average lags by nearly the window."""
    watch, average = watched_yolo.Watch(0.5, 3, 8, "float32", 40.0), 0.0
    for step in range(1, 401):
        kept = watch.decay(step)
        average = kept * average + (1.0 - kept) * step
    assert 400 - average == pytest.approx(39.0, abs=1.0)
    assert watch.decay(1) < 0.03, "the first steps are not drawn out"
    assert watched_yolo.Watch(0.5, 3, 8, "float32", 0.0).decay(100) == 0.0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_a_process_bound_to_a_core_takes_one() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert watched_yolo.cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert watched_yolo.cores() == len(before)
