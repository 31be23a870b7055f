"""Real datasets through the command line and the shipped engine: every label byte arrives, the source stays."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

from synthir.cli import main
from synthir.files import sha256_tree
from synthir.images import is_marked
from synthir.manifest import read_manifest


@dataclass(frozen=True)
class Case:
    """One conversion of real data, and what must come of it."""

    folder: str
    """Of the data; also what verify is told to compare with."""
    source: str
    """What is converted, below the folder."""
    form: str
    labels: str
    """Pattern of all label files below the folder."""
    files: int
    """How many those are."""
    pictures: int
    words: tuple[str, ...] = ()
    images: str = ""
    """Below the folder, for --images."""


CASES = {
    "coco8": Case("coco8", "", "yolo", "labels/*/*.txt", 8, 8),
    "llvip coco": Case("llvip_full", "boxes_coco.json", "coco", "boxes_coco.json", 1, 9, (), "visible"),
    "llvip voc": Case("llvip_full", "", "voc", "Annotations/*.xml", 9, 9, (), "visible"),
    "llvip256 coco": Case(
        "llvip256_labelled", "boxes_test.json", "coco", "boxes_test.json", 1, 110, (), "visible/test"
    ),
    "llvip256 yolo": Case("llvip256_labelled", "", "yolo", "labels/*/*.txt", 320, 12, ("--limit", "12"), "visible"),
    "hit-uav": Case("hituav_val", "val_coco.json", "coco", "val_coco.json", 1, 5, ("--limit", "5")),
    "hit-uav odd": Case(
        "hituav_val", "annotations_upstream/val.json", "coco", "annotations_upstream/val.json", 1, 5, ("--limit", "5")
    ),
}


def status(*words: str | Path) -> int:
    """The exit status of a command line."""
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return int(left.value.code or 0)


@pytest.mark.slow
@pytest.mark.usefixtures("default_model")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_real_data_keeps_its_labels(case: Case, data: Path, tmp_path: Path) -> None:
    folder, out = data / case.folder, tmp_path / "ir"
    if not folder.is_dir():
        pytest.skip(f"no {case.folder} in {data}")
    before = sha256_tree(folder)
    images = ("--images", folder / case.images) if case.images else ()
    assert status("convert", folder / case.source, *images, *case.words, "--out", out, "--quiet") == 0
    assert status("verify", out, "--source", folder) == 0
    assert sha256_tree(folder) == before
    labels = sorted(path.relative_to(folder) for path in folder.glob(case.labels))
    assert len(labels) == case.files
    assert [(out / name).read_bytes() for name in labels] == [(folder / name).read_bytes() for name in labels]
    manifest = read_manifest(out)
    assert [label.place for label in manifest.labels] == [name.as_posix() for name in labels]
    assert (manifest.job.format, len(manifest.pictures), manifest.refused) == (case.form, case.pictures, ())
    for line in manifest.pictures:
        visible = cv2.imread(str(folder / (line.source or line.place)))
        infrared = cv2.imread(str(out / line.place), cv2.IMREAD_UNCHANGED)
        assert visible is not None and infrared is not None and infrared.shape == visible.shape[:2]
        assert infrared.std() > 3 and is_marked((out / line.place).read_bytes())


def test_odd_upstream_keys_are_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("inspect", data / "hituav_val/annotations_upstream/val.json") == 0
    told = capsys.readouterr().out
    assert "`filename` where COCO has `file_name`" in told and "`annotation` where COCO has `annotations`" in told
