"""Random damage to label files: what comes out is a Dataset or a coded error, never another exception."""

import random
import shutil
from pathlib import Path

import pytest

from synthir.errors import SynthIRError
from synthir.formats import read

GOLDEN = Path(__file__).parents[1] / "data"
TARGETS = {
    "coco": ("annotations/instances_val.json", "annotations/instances_val.json"),
    "yolo": ("data.yaml", "data.yaml"),
    "yolo rows": ("data.yaml", "labels/train/a.txt"),
    "yolo list": ("data.yaml", "list.txt"),
    "voc": ("", "Annotations/000001.xml"),
}
PIECES = (
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"\\", b"{", b"[", b"]", b"}", b"<", b"&", b">", b":", b"\n", b"\t"),
    *(b"NaN", b"-1e999", b"null", b"true", b"../", b"/", b"./", b"\\ud800", b"\\u0000", b"9" * 5000, b"x" * 5000),
    *(b"!!python/name:os.x ", b"&a ", b"*a", b"<<: ", b"? ", b"| ", b"!!int ", b"'", b"<!DOCTYPE a>", b"&#0;", b"<x/>"),
    *(b"path: \n", b"path: /x\n", b"train: [", b"download: x\n", b'"images": [', b'"file_name": 5,', b"\xc3\xa9", b"~"),
)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one to four places cut, doubled, replaced or filled with something nasty."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 0, 1, 3, 40)))
        piece = chance.choice((chance.choice(PIECES), data[start:end] * 2, bytes([chance.randrange(256)])))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_damage(name: str, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / name.split()[0] / "source", tmp_path / "source")
    root = tmp_path / "source"
    source, victim = (root / place for place in TARGETS[name])
    if name == "yolo list":
        victim.write_text("./images/train/a.jpg\nimages/val/b.jpg\n", encoding="utf-8")
        source.write_text("train: list.txt\nval: images/val\nnc: 2\n", encoding="utf-8")
    whole = victim.read_bytes()
    chance = random.Random(f"{name} 1")
    outcomes = {"read": 0, "refused": 0}
    for _ in range(400):
        victim.write_bytes(damaged(whole, chance))
        try:
            dataset = read(source, format=name.split()[0])
            assert all(ref.path.is_file() and root in ref.path.parents for ref in dataset.images)
            assert not any(ref.place.startswith(("/", "..")) or "/../" in ref.place for ref in dataset.images)
            files = dataset.labels.files({})
            if name != "yolo" and name != "yolo list":
                assert victim.read_bytes() in files.values()
            dataset.labels.files({ref.place: f"{ref.place}.png" for ref in dataset.images})
            dataset.labels.boxes()
            outcomes["read"] += 1
        except SynthIRError as error:
            assert str(error).isprintable() and error.what
            outcomes["refused"] += 1
    assert outcomes["read"] > 20 and sum(outcomes.values()) == 400
