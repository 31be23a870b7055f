"""Paired pictures for training and evaluation: visible and infrared of the same view, in two layouts.

    folders        visible and infrared folders, pairs by file name
    side-by-side   one picture, visible on the left half, infrared on the right (the pix2pix way)

`Sampler.batch` makes one training batch from a seed and a step alone, so that a resumed training sees what
it would have seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from . import formats
from .config import at_least
from .dataset import Box, is_picture
from .errors import TrainingError
from .images import UInt8, decode

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class PairSource:
    """Where pairs lie, relative to the data folder given on the command line."""

    layout: Literal["folders", "side-by-side"]
    visible: str
    """Folder of the visible pictures, or of the side-by-side ones."""
    infrared: str = ""
    """Folder of the infrared pictures; unused for side-by-side."""
    names: str = ""
    """Text file with one picture name a line; empty takes every picture of the folder."""
    share: float = 1.0
    """Weight of this source in the training batches."""
    stretch: float = 1.0
    """Factor on the width that makes pixels square, e.g. 1.25 for a 1280x1024 picture squeezed to a square."""
    boxes: str = ""
    """COCO file with objects on some of these pictures, by file name; they are measured, not trained on."""
    boxes_images: str = ""
    """The folder that the COCO file's names are in."""

    def __post_init__(self) -> None:
        at_least(0, share=self.share)
        at_least(0.01, stretch=self.stretch)


@dataclass(frozen=True)
class Pair:
    """One visible and one infrared file; the same file where they lie side by side."""

    name: str
    visible: Path
    infrared: Path
    stretch: float = 1.0


@dataclass(frozen=True)
class Augmentation:
    """How a training crop differs from its picture."""

    sizes: tuple[int, ...] = (160, 192, 224, 256)
    """Sides of the square crops, pixels; one is drawn for each step."""
    zoom: tuple[float, float] = (0.8, 2.5)
    """Enlargement of the picture, drawn log-uniformly."""
    aspect: float = 0.15
    """Largest relative change of the aspect ratio."""
    jitter: float = 1.0
    """Strength of the photometric changes to the visible picture; 0 is none."""
    flat: float = 0.0
    """Share of crops replaced by their mean, visible and infrared: where nothing is seen, nothing is to be made up."""

    def __post_init__(self) -> None:
        at_least(1, **{f"sizes[{number}]": size for number, size in enumerate(self.sizes)}, sizes=len(self.sizes))
        at_least(0.01, zoom=min(self.zoom))
        at_least(0, aspect=self.aspect, jitter=self.jitter, flat=self.flat, zoom=self.zoom[1] - self.zoom[0])


def find_pairs(data: Path, source: PairSource) -> list[Pair]:
    """The pairs of a source, sorted by name. Raises TrainingError where a file is missing."""
    folder = data / source.visible
    if source.names:
        names = read_names(data / source.names)
    else:
        names = [path.name for path in folder.iterdir() if is_picture(path.name)] if folder.is_dir() else []
    other = folder if source.layout == "side-by-side" else data / source.infrared
    pairs = [Pair(name, folder / name, other / name, source.stretch) for name in sorted(names)]
    missing = [path for pair in pairs for path in (pair.visible, pair.infrared) if not path.is_file()]
    if missing or not pairs:
        why = f"{len(missing)} files are missing" if missing else "no pictures found"
        where = str(missing[0] if missing else folder)
        raise TrainingError("pairs incomplete", where=where, why=why, fix="check --data and the sources in the TOML")
    return pairs


def read_boxes(data: Path, source: PairSource) -> dict[str, list[Box]]:
    """Objects (x, y, width, height in pixels) on the pictures of a source by file name."""
    if not source.boxes:
        return {}
    dataset = formats.read(data / source.boxes, data / source.boxes_images, "coco")
    return {Path(place).name: boxes for place, boxes in dataset.labels.boxes().items()}


def read_names(path: Path) -> list[str]:
    """The lines of a list of names, empty ones left out. Raises TrainingError where there is no such list."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise TrainingError("no list of names", where=str(path), why=why, fix="check --data and the TOML") from None
    return [line.strip() for line in lines if line.strip()]


def read_pair(pair: Pair) -> tuple[UInt8, UInt8]:
    """Visible (H, W, 3) and infrared (H, W), uint8. Raises TrainingError where their sizes differ."""
    visible = decode(pair.visible.read_bytes(), str(pair.visible))
    if pair.visible == pair.infrared:
        middle = visible.shape[1] // 2
        return np.ascontiguousarray(visible[:, :middle]), grey(visible[:, middle : 2 * middle])
    infrared = grey(decode(pair.infrared.read_bytes(), str(pair.infrared)))
    if infrared.shape != visible.shape[:2]:
        why = f"visible {visible.shape[:2]}, infrared {infrared.shape}"
        raise TrainingError("a pair of different sizes", where=pair.name, why=why, fix="register the pictures first")
    return visible, infrared


def grey(rgb: UInt8) -> UInt8:
    """(H, W) uint8 mean of the planes: infrared saved as colour has three that are nearly equal."""
    return np.asarray(np.rint(rgb.mean(axis=2)), dtype=np.uint8)


def split_blocks(pairs: Sequence[Pair], block: int, every: int) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs: each `every`-th block of consecutive frames validates; neighbours are alike."""
    training = [pair for index, pair in enumerate(pairs) if index // block % every != every - 1]
    validation = [pair for index, pair in enumerate(pairs) if index // block % every == every - 1]
    return training, validation


def crop(
    pictures: tuple[UInt8, UInt8], size: int, stretch: float, config: Augmentation, rng: np.random.Generator
) -> tuple[UInt8, UInt8]:
    """The same random window of both pictures, resized to size x size and flipped half of the time."""
    infrared = pictures[1]
    height, width = infrared.shape
    low, high = np.log(config.zoom)
    zoom = float(np.exp(rng.uniform(low, high)))
    aspect = stretch * float(np.exp(rng.uniform(-config.aspect, config.aspect)))
    tall = int(np.clip(round(size / zoom), 16, height))
    wide = int(np.clip(round(size / zoom / aspect), 16, width))
    places = rng.integers((height - tall + 1, width - wide + 1), size=(2, 2))
    windows = [np.s_[top : top + tall, left : left + wide] for top, left in places.tolist()]
    # Of two places the one with more to see: much of a night is black.
    window = max(windows, key=lambda place: float(infrared[place].std()))
    how = cv2.INTER_AREA if tall > size else cv2.INTER_CUBIC
    pieces = [cv2.resize(picture[window], (size, size), interpolation=how) for picture in pictures]
    if rng.random() < 0.5:
        pieces = [np.flip(piece, axis=1) for piece in pieces]
    return np.asarray(pieces[0], dtype=np.uint8), np.asarray(pieces[1], dtype=np.uint8)


def jitter(visible: Float32, strength: float, rng: np.random.Generator) -> Float32:
    """Another exposure, white balance, saturation, gamma, noise and sharpness of a picture in [0, 1]."""
    gamma = np.exp(rng.normal(-0.1, 0.25) * strength)
    balance = np.exp(rng.normal(0.0, 0.10 * strength, size=3)).astype(np.float32)
    exposure = np.exp(rng.normal(0.1, 0.25) * strength)
    luma = visible @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    saturation = 0.0 if rng.random() < 0.1 * strength else max(0.0, 1.0 + rng.normal(0.0, 0.3 * strength))
    x = luma[..., None] + (visible - luma[..., None]) * np.float32(saturation)
    x = np.clip(x * balance * np.float32(exposure), 0.0, 1.0) ** np.float32(gamma)
    if rng.random() < 0.3 * strength:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.3, 1.2))
    if rng.random() < 0.5 * strength:
        x = x + rng.normal(0.0, rng.uniform(0.0, 0.03 * strength), size=x.shape).astype(np.float32)
    return np.asarray(np.clip(x, 0.0, 1.0), dtype=np.float32)


@dataclass(frozen=True)
class Sampler:
    """Draws training batches: a source by its share, then a pair, then a crop."""

    sources: tuple[tuple[float, tuple[Pair, ...]], ...]
    """(share, pairs) of each source."""
    config: Augmentation
    seed: int

    def batch(self, step: int, count: int) -> tuple[Float32, Float32]:
        """Visible (N, 3, S, S) and infrared (N, 1, S, S) in [-1, 1]; the same for the same seed and step."""
        rng = np.random.default_rng((self.seed, step))
        size = int(rng.choice(self.config.sizes))
        pieces = list(self._pieces(count, size, rng))
        visible = np.stack([v for v, _ in pieces]).transpose(0, 3, 1, 2)
        infrared = np.stack([i for _, i in pieces])[:, None]
        return visible * np.float32(2.0) - np.float32(1.0), infrared * np.float32(2.0) - np.float32(1.0)

    def _pieces(self, count: int, size: int, rng: np.random.Generator) -> Iterator[tuple[Float32, Float32]]:
        shares = np.array([share for share, _ in self.sources])
        for source in rng.choice(len(shares), size=count, p=shares / shares.sum()):
            pairs = self.sources[source][1]
            pair = pairs[int(rng.integers(len(pairs)))]
            visible, infrared = crop(read_pair(pair), size, pair.stretch, self.config, rng)
            if rng.random() < self.config.flat:
                visible[:], infrared[:] = visible.mean((0, 1)), infrared.mean()
            scaled = visible.astype(np.float32) / np.float32(255.0)
            yield jitter(scaled, self.config.jitter, rng), infrared.astype(np.float32) / np.float32(255.0)
