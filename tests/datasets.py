"""Small datasets made by hand: pictures in a folder, one label file that names them."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from synthir import convert
from synthir.convert import Options
from synthir.dataset import Dataset, ImageRef, LabelCarry
from synthir.files import sha256_tree
from synthir.images import UInt8
from synthir.manifest import Manifest
from tests.fake_engine import FakeEngine

SIZES = ((24, 32), (17, 40), (32, 24))
"""Heights and widths that the pictures take in turn."""
DEFAULT = Options()


def picture(number: int, height: int, width: int) -> UInt8:
    """Blocks of noise that no other number gives; blocks, so that JPEG keeps them nearly."""
    blocks = np.random.default_rng(number).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return blocks.repeat(8, 0).repeat(8, 1)[:height, :width]


def write_picture(path: Path, rgb: UInt8) -> None:
    """Write RGB as the extension says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def hand_made(root: Path, count: int, ext: str = ".png") -> Dataset:
    """Write `count` pictures of three sizes and `boxes.json` below root, and describe them."""
    for number in range(count):
        write_picture(root / place(number, ext), picture(number, *SIZES[number % 3]))
    names = [place(number, ext) for number in range(count)]
    (root / "boxes.json").write_text("".join(f'{{"file_name": "{name}", "id": "ü"}}\n' for name in names), "utf-8")
    return described(root, names)


def place(number: int, ext: str) -> str:
    """Pictures lie in two folders, one with a space."""
    return f"{'val' if number % 2 else 'my train'}/{number:03d}{ext}"


def described(root: Path, names: list[str], **more: ImageRef) -> Dataset:
    """The dataset of pictures that lie below root."""
    refs = tuple(more.get(name, ImageRef(name, root / name, f"boxes.json {name}")) for name in names)

    def files(renames: Mapping[str, str]) -> dict[str, bytes]:
        data = (root / "boxes.json").read_bytes()
        for old, new in renames.items():
            data = data.replace(f'"{old}"'.encode(), f'"{new}"'.encode())
        return {"boxes.json": data}

    return Dataset("folder", root, refs, LabelCarry(files, dict))


def converted(dataset: Dataset, out: Path, options: Options = DEFAULT, engine: FakeEngine | None = None) -> Manifest:
    """Plan and run, checking that the source is what it was."""
    engine = engine or FakeEngine()
    before = sha256_tree(dataset.root)
    manifest = convert.run(convert.plan(dataset, out, engine.spec, options), engine)
    assert sha256_tree(dataset.root) == before
    return manifest
