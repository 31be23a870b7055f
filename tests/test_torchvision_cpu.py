"""torchvision imports beside a CPU build of torch; its nms is right; where nothing is wrong nothing is done."""

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from synthir.torchvision_cpu import BLOCK, mend_torchvision, nms

ROOT = Path(__file__).parents[1]
Numbers = NDArray[np.float32] | NDArray[np.float64]


def naive_nms(boxes: Numbers, scores: Numbers, threshold: float) -> list[int]:
    """From the best score down, a box stays if it overlaps none of those that stay too much."""
    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda index: -scores[index]):
        if not any(overlap(boxes[other], boxes[index]) > threshold for other in kept):
            kept.append(index)
    return kept


def overlap(one: Numbers, two: Numbers) -> float:
    """Intersection over union of two boxes, computed in the precision they have; 0 if both are empty."""
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    shared = width * height if width > 0 and height > 0 else one.dtype.type(0)
    union = (one[2] - one[0]) * (one[3] - one[1]) + (two[2] - two[0]) * (two[3] - two[1]) - shared
    return float(shared / union) if union else 0.0


def draw(count: int, coarse: bool) -> tuple[Numbers, Numbers]:
    """Random boxes and scores; coarse ones are often equal, tied in score, empty, or overlap by the same share."""
    rng = np.random.default_rng(count)
    corners, sides, scores = rng.random((count, 2)) * 60, rng.random((count, 2)) * 40, rng.random(count)
    if coarse:
        corners, sides, scores = corners // 10 * 10, sides // 10 * 10, np.round(scores, 1)
    return np.concatenate((corners, corners + sides), axis=1), scores


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 30, BLOCK, BLOCK + 1, 2 * BLOCK + 2])
def test_the_boxes_that_stay_are_those_of_a_naive_search(count: int, coarse: bool, dtype: type[np.float32]) -> None:
    boxes, scores = (part.astype(dtype) for part in draw(count, coarse))
    for threshold in (0.0, 0.3, 0.7):
        found = nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
        assert found.dtype == torch.int64
        assert found.tolist() == naive_nms(boxes, scores, threshold)


def test_ties_stay_in_the_order_they_came_and_the_threshold_itself_is_allowed() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [9, 9, 9, 9], [0, 0, 4, 2], [0, 0, 4, 4]])
    scores = torch.tensor([0.5, 0.9, 0.5, 0.5])
    assert nms(boxes, scores, 0.5).tolist() == [1, 0, 2]
    assert nms(boxes, scores, 0.49).tolist() == [1, 0]
    assert nms(boxes, scores, 1.0).tolist() == [1, 0, 2, 3]


@pytest.mark.parametrize(("dtype", "stay"), [(torch.float64, [0, 1]), (torch.float32, [0])])
def test_a_threshold_is_no_float32_number(dtype: torch.dtype, stay: list[int]) -> None:
    """They overlap by 3/10, which in float32 is a little more than 0.3; torchvision's own compares so too."""
    boxes = torch.tensor([[0.0, 0, 10, 1], [0, 0, 3, 1]], dtype=dtype)
    assert nms(boxes, torch.tensor([0.9, 0.8], dtype=dtype), 0.3).tolist() == stay


@pytest.mark.parametrize(("boxes", "scores"), [((3, 4), (2,)), ((3, 5), (3,)), ((3, 4), (3, 1)), ((0,), (0,))])
def test_boxes_and_scores_must_belong_together(boxes: tuple[int, ...], scores: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError, match=r"boxes \(N, 4\)"):
        nms(torch.zeros(boxes), torch.zeros(scores), 0.5)


UNFIT = {
    "__init__.py": "from . import extension, registrations",
    "extension.py": "def _has_ops(): return False",
    "registrations.py": """
import torch
for name in ("nms", "qnms"):
    torch.library.register_fake(f"torchvision::{name}", lambda dets, scores, iou_threshold: dets)
""",
}
"""A package that imports as torchvision does: only where torch knows its operators."""

MEND = """
from synthir.torchvision_cpu import mend_torchvision
print(mend_torchvision(), mend_torchvision())
import torch, torchvision
boxes, scores = torch.tensor([[0., 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]]), torch.tensor([.5, .9, .1])
print(torchvision.extension._has_ops(), torch.ops.torchvision.nms(boxes, scores, 0.5).tolist())
"""


def test_an_import_without_operators_is_mended_once(tmp_path: Path) -> None:
    (tmp_path / "torchvision").mkdir()
    for name, code in UNFIT.items():
        (tmp_path / "torchvision" / name).write_text(code)
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]{MEND}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True False\nTrue [1, 2]\n", "")


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a module torchvision with some code in front of the one that may be installed."""

    def put(code: str) -> None:
        (tmp_path / "torchvision.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setitem(sys.modules, "torchvision", None)  # so that what was there comes back
        del sys.modules["torchvision"]

    return put


def test_a_torchvision_that_works_is_left_as_it_is(stand_in: Callable[[str], None]) -> None:
    stand_in("ours = True")
    assert not mend_torchvision()
    assert vars(sys.modules["torchvision"])["ours"]


def test_nothing_happens_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # as if it were not installed
    assert not mend_torchvision()
    assert sys.modules["torchvision"] is None


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("raise RuntimeError('operator torchvision::roi_align does not exist')", RuntimeError, "roi_align"),
        ("raise RuntimeError('CUDA: operator torchvision::nms does not exist')", RuntimeError, "CUDA"),
        ("import no_such_package", ModuleNotFoundError, "no_such_package"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_other_faults_are_not_hidden(
    stand_in: Callable[[str], None], code: str, kind: type[Exception], words: str
) -> None:
    stand_in(code)
    with pytest.raises(kind, match=words) as caught:
        mend_torchvision()
    assert caught.value.__context__ is None  # the first one, not one of a second try


def test_the_torchvision_that_is_installed_computes_and_torchmetrics_imports_it() -> None:
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed; the extra recipes brings it")
    mend_torchvision()
    boxes, scores = (torch.from_numpy(part) for part in draw(200, coarse=True))
    theirs = importlib.import_module("torchvision.ops").nms(boxes, scores, 0.3)
    assert theirs.tolist() == nms(boxes, scores, 0.3).tolist()
    detection = importlib.import_module("torchmetrics.functional.detection")
    share = detection.intersection_over_union(torch.tensor([[0.0, 0, 10, 1]]), torch.tensor([[0.0, 0, 3, 1]]))
    assert share.item() == pytest.approx(0.3)
