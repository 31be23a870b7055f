"""Pairs for training and evaluation: a visible and an infrared picture of the same view, how they are read and split.

`synthir.layouts` finds them on disk, `synthir.sampling` cuts training crops out of them. A list of pairs is always in
the order of their names, which is the order of the frames where a camera wrote them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import cv2
import numpy as np

from . import formats
from .config import at_least
from .dataset import Box
from .errors import ConfigError, TrainingError, UnreadablePicture
from .images import UInt8, decode
from .levels import Levels, raw_plane, to_levels

Layout = Literal["folders", "side-by-side", "unpaired", "llvip", "kaist", "flir", "m3fd", "msrs", "aau-vap", "osu"]
"""How pairs lie on disk; each is a function of that name in `synthir.layouts`."""

Split = Literal["blocks", "scenes"]
"""What validates: blocks of consecutive frames, or whole scenes."""

Frame = TypeVar("Frame")


@dataclass(frozen=True)
class PairSource:
    """Where pairs lie, relative to the data folder given on the command line."""

    layout: Layout
    visible: str
    """Folder of the visible pictures, or of the side-by-side ones, or of a published dataset."""
    infrared: str = ""
    """Folder of the infrared pictures; for `folders` and `unpaired` only."""
    names: str = ""
    """Text file with one picture name a line; empty takes every picture there is."""
    share: float = 1.0
    """Weight of this source in the training batches."""
    stretch: float = 1.0
    """Factor on the width that makes pixels square, e.g. 1.25 for a 1280x1024 picture squeezed to a square."""
    boxes: str = ""
    """COCO file with objects on some of these pictures, by file name; they are measured, not trained on."""
    boxes_images: str = ""
    """The folder that the COCO file's names are in."""
    pattern: str = "*"
    """Only names that match, in the way of a shell, e.g. `[!su]*`."""
    part: str = ""
    """Only this part, e.g. `train`, `set00/V000`, `night`; empty takes all."""
    levels: Levels | None = None
    """The raw infrared values that become black and white; needed where pixels have more than 8 bits."""

    def __post_init__(self) -> None:
        at_least(0, share=self.share)
        at_least(0.01, stretch=self.stretch)
        if self.levels and self.levels[0] == self.levels[1]:
            raise ValueError(f"levels are both {self.levels[0]:g}, expected two values")


@dataclass(frozen=True)
class Pair:
    """One visible and one infrared file; the same file where they lie side by side."""

    name: str
    """Of the visible picture; with the folders that tell it from others of its name."""
    visible: Path
    infrared: Path
    stretch: float = 1.0
    scene: str = ""
    """Scene or sequence, as a place below the data folder; empty where the layout does not say."""
    levels: Levels | None = None
    previous: Path | None = None
    """The visible picture of the frame before it in the same scene."""
    registered: bool = True
    """False where the two show different places and were only put side by side."""
    turned: bool = False
    """Infrared is given, in three planes, and the luma of the visible picture is wanted."""

    @property
    def sides(self) -> tuple[Path, Path]:
        """The files that are given and wanted."""
        return (self.infrared, self.visible) if self.turned else (self.visible, self.infrared)


def read_boxes(data: Path, source: PairSource) -> dict[str, list[Box]]:
    """Objects (x, y, width, height in pixels) on the pictures of a source, by place and, where it is one, file name."""
    if not source.boxes:
        return {}
    found = formats.read(data / source.boxes, data / source.boxes_images, "coco").labels.boxes()
    times = Counter(Path(place).name for place in found)
    return {Path(place).name: boxes for place, boxes in found.items() if times[Path(place).name] == 1} | found


def read_names(path: Path) -> list[str]:
    """The lines of a list of names, empty ones left out. Raises TrainingError where there is no such list."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise TrainingError("no list of names", where=str(path), why=why, fix="check --data and the TOML") from None
    return [line.strip() for line in lines if line.strip()]


def read_pair(pair: Pair) -> tuple[UInt8, UInt8]:
    """Visible (H, W, 3) and infrared (H, W), uint8. A grey visible picture has three equal planes.

    Raises TrainingError where their sizes differ, ConfigError where infrared of more than 8 bits has no levels or the
    two are no pair, UnreadablePicture and other PictureErrors.
    """
    if pair.turned:
        return turned_round(*read_pair(replace(pair, turned=False)))
    if not pair.registered:
        fix = "use the source for unpaired training only"
        raise ConfigError("two pictures of different places are no pair", where=pair.name, fix=fix)
    if pair.visible == pair.infrared:
        return read_halves(pair)
    visible, infrared = read_visible(pair), read_infrared(pair)
    if infrared.shape != visible.shape[:2]:
        why = f"visible {visible.shape[1]}x{visible.shape[0]}, infrared {infrared.shape[1]}x{infrared.shape[0]}"
        raise TrainingError("a pair of different sizes", where=pair.name, why=why, fix="register the pictures first")
    return visible, infrared


def read_loose(pair: Pair) -> tuple[UInt8, UInt8]:
    """As read_pair, of two pictures that need not belong together or be of one size."""
    if pair.turned:
        return turned_round(*read_loose(replace(pair, turned=False)))
    return read_visible(pair), read_infrared(pair)


def turned_round(visible: UInt8, infrared: UInt8) -> tuple[UInt8, UInt8]:
    """Infrared as what is given, (H, W, 3), and the luma of the visible picture as what is wanted, (H, W)."""
    return np.repeat(infrared[:, :, None], 3, axis=2), cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY).astype(np.uint8)


def read_visible(pair: Pair) -> UInt8:
    """The visible picture alone, (H, W, 3) uint8. Raises PictureError."""
    rgb = decode(picture_bytes(pair.visible), str(pair.visible))
    return np.ascontiguousarray(rgb[:, : rgb.shape[1] // 2]) if pair.visible == pair.infrared else rgb


def read_infrared(pair: Pair) -> UInt8:
    """The infrared picture alone, (H, W) uint8. Raises PictureError; ConfigError where levels are needed."""
    if pair.visible == pair.infrared:
        return read_halves(pair)[1]
    data, where = picture_bytes(pair.infrared), str(pair.infrared)
    raw = raw_plane(data, where)
    return to_levels(grey(decode(data, where)) if raw is None else raw, pair.levels, where)


def read_halves(pair: Pair) -> tuple[UInt8, UInt8]:
    """Both sides of a picture with visible left and infrared right. Raises what read_infrared raises."""
    data, where = picture_bytes(pair.visible), str(pair.visible)
    rgb, raw = decode(data, where), raw_plane(data, where)
    middle = rgb.shape[1] // 2
    right = np.s_[:, middle : 2 * middle]
    infrared = to_levels(grey(rgb[right]) if raw is None else raw[right], pair.levels, where)
    return np.ascontiguousarray(rgb[:, :middle]), infrared


def picture_bytes(path: Path) -> bytes:
    """The bytes of a picture. Raises UnreadablePicture where the system does not give them."""
    try:
        return path.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        fix = "check that it is there and that you may read it"
        raise UnreadablePicture("the picture cannot be read", where=str(path), why=why, fix=fix) from error


def grey(rgb: UInt8) -> UInt8:
    """(H, W) uint8 mean of the planes: infrared saved as colour has three that are nearly equal."""
    return np.asarray(np.rint(rgb.mean(axis=2)), dtype=np.uint8)


def split(pairs: Sequence[Pair], how: Split, block: int, every: int) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs: each `every`-th block of `block` frames validates, or each `every`-th scene."""
    return split_scenes(pairs, every) if how == "scenes" else split_blocks(pairs, block, every)


def split_blocks(frames: Sequence[Frame], block: int, every: int) -> tuple[list[Frame], list[Frame]]:
    """Training and validation frames: each `every`-th block of consecutive ones validates; neighbours are alike."""
    training = [frame for index, frame in enumerate(frames) if index // block % every != every - 1]
    validation = [frame for index, frame in enumerate(frames) if index // block % every == every - 1]
    return training, validation


def split_loose(pairs: Sequence[Pair], block: int, every: int) -> tuple[list[Pair], list[Pair]]:
    """As split_blocks, of unrelated pictures: each side by itself, for in `pairs` the smaller one goes round.

    Nothing validates where one side has too few.
    """
    visible = split_blocks(sorted({pair.visible for pair in pairs}), block, every)
    infrared = split_blocks(sorted({pair.infrared for pair in pairs}), block, every)
    training, held = (put_together(*sides) for sides in zip(visible, infrared, strict=True))
    if not training or not held:
        return list(pairs), []
    return declared(training, pairs[0]), declared(held, pairs[0])


def declared(pairs: Sequence[Pair], like: Pair) -> list[Pair]:
    """Pairs with what the TOML says of all pictures of their source."""
    return [replace(pair, stretch=like.stretch, levels=like.levels) for pair in pairs]


def put_together(visible: Sequence[Path], infrared: Sequence[Path]) -> list[Pair]:
    """Unrelated pictures side by side; the smaller side goes round. None where a side is empty."""
    count = max(len(visible), len(infrared)) if visible and infrared else 0
    both = [(visible[index % len(visible)], infrared[index % len(infrared)]) for index in range(count)]
    return [Pair(f"{one.name} + {other.name}", one, other, registered=False) for one, other in both]


def split_scenes(pairs: Sequence[Pair], every: int) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs: each `every`-th scene by name validates whole, the last one where there are fewer.

    Raises ConfigError where there are not two scenes, or where pairs have none.
    """
    scenes = sorted({pair.scene for pair in pairs})
    if len(scenes) < 2 or not all(scenes):
        why = f"one scene only, {scenes[0]}" if scenes and all(scenes) else "some pairs have no scene"
        fix = "put each scene into a folder of its own, or split by blocks"
        where = pairs[0].name if pairs else ""
        raise ConfigError("cannot split by scenes", where=where, why=why, fix=fix)
    held = set(scenes[min(every, len(scenes)) - 1 :: every])
    return [pair for pair in pairs if pair.scene not in held], [pair for pair in pairs if pair.scene in held]
