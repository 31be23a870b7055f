"""Training batches from pairs: crops, augmentation, and the samplers that draw them.

A sampler makes a batch from a seed and a step alone, so that a resumed training sees what it would have seen.

    Sampler.batch                 crops of pairs, the same window in both
    Sampler.batch_with_previous   the frame before as well, and the flow to it, for losses over time
    UnpairedSampler.batch         crops of unrelated pictures, for training without pairs
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .config import at_least
from .errors import ConfigError, TrainingError
from .images import UInt8
from .pairs import Pair, grey, read_infrared, read_pair, read_visible

Float32 = NDArray[np.float32]
Sources = tuple[tuple[float, tuple[Pair, ...]], ...]
"""(share, pairs) of each source."""


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


@dataclass(frozen=True)
class Sampler:
    """Draws training batches: a source by its share, then a pair, then a crop."""

    sources: Sources
    config: Augmentation
    seed: int

    def batch(self, step: int, count: int) -> tuple[Float32, Float32]:
        """Visible (N, 3, S, S) and infrared (N, 1, S, S) in [-1, 1]; the same for the same seed and step."""
        rng = np.random.default_rng((self.seed, step))
        size = int(rng.choice(self.config.sizes))
        pieces = list(self._pieces(count, size, rng))
        return planes([v for v, _ in pieces]), planes([i for _, i in pieces])

    def _pieces(self, count: int, size: int, rng: np.random.Generator) -> Iterator[tuple[Float32, Float32]]:
        for pair in draw(self.sources, count, rng):
            visible, infrared = crop(read_pair(pair), size, pair.stretch, self.config, rng)
            if rng.random() < self.config.flat:
                visible[:], infrared[:] = visible.mean((0, 1)), infrared.mean()
            yield jitter(unit(visible), self.config.jitter, rng), unit(infrared)

    def batch_with_previous(self, step: int, count: int) -> tuple[Float32, Float32, Float32, Float32]:
        """Visible, infrared, the visible frame before (N, 3, S, S), all in [-1, 1], and the flow to it (N, 2, S, S).

        Flow is in pixels, x then y: what the visible crop shows at p, the previous one shows at p + flow. Both have the
        same window and the same augmentation. Only pairs whose previous frame is in the same source are drawn, so that
        no frame held out is seen. Raises ConfigError where there are none.
        """
        rng = np.random.default_rng((self.seed, step))
        size = int(rng.choice(self.config.sizes))
        now, heat, before, flow = zip(*self._moments(count, size, rng), strict=True)
        return planes(now), planes(heat), planes(before), np.stack(flow).transpose(0, 3, 1, 2)

    def _moments(self, count: int, size: int, rng: np.random.Generator) -> Iterator[tuple[Float32, ...]]:
        for pair in draw(self._followers, count, rng):
            pictures = (*read_pair(pair), read_visible(self._before(pair)))
            if pictures[0].shape != pictures[2].shape:
                why = f"{pictures[0].shape[:2]} after {pictures[2].shape[:2]}"
                fix = "make all frames of a scene one size"
                raise TrainingError("frames of different sizes", where=pair.name, why=why, fix=fix)
            visible, infrared, previous = crop(pictures, size, pair.stretch, self.config, rng)
            light, strength = int(rng.integers(2**63)), self.config.jitter
            now, before = (jitter(unit(v), strength, np.random.default_rng(light)) for v in (visible, previous))
            yield now, unit(infrared), before, flow_to(visible, previous)

    def _before(self, pair: Pair) -> Pair:
        assert pair.previous
        return self._by_file[pair.previous]

    @cached_property
    def _by_file(self) -> dict[Path, Pair]:
        return {pair.visible: pair for _, pairs in self.sources for pair in pairs}

    @cached_property
    def _followers(self) -> Sources:
        found = [
            (share, tuple(pair for pair in pairs if pair.previous in {other.visible for other in pairs}))
            for share, pairs in self.sources
        ]
        followers = tuple((share, pairs) for share, pairs in found if pairs and share > 0)
        if not followers:
            fix = "take a layout with scenes, or put the frames of each scene into a folder of its own"
            raise ConfigError("no source has neighbouring frames", fix=fix)
        return followers


@dataclass(frozen=True)
class UnpairedSampler:
    """Draws batches whose visible and infrared crops show unrelated places; for registered sources as well."""

    sources: Sources
    config: Augmentation
    """`flat` is not used: it is about pairs."""
    seed: int

    def batch(self, step: int, count: int) -> tuple[Float32, Float32]:
        """Visible (N, 3, S, S) and infrared (N, 1, S, S) in [-1, 1]; the same for the same seed and step."""
        rng = np.random.default_rng((self.seed, step))
        size = int(rng.choice(self.config.sizes))
        visible = [self._visible(pair, size, rng) for pair in draw(self.sources, count, rng)]
        infrared = [self._infrared(pair, size, rng) for pair in draw(self.sources, count, rng)]
        return planes(visible), planes(infrared)

    def _visible(self, pair: Pair, size: int, rng: np.random.Generator) -> Float32:
        rgb = read_visible(pair)
        piece = crop((rgb, grey(rgb)), size, pair.stretch, self.config, rng)[0]
        return jitter(unit(piece), self.config.jitter, rng)

    def _infrared(self, pair: Pair, size: int, rng: np.random.Generator) -> Float32:
        infrared = read_infrared(pair)
        return unit(crop((infrared, infrared), size, pair.stretch, self.config, rng)[1])


def draw(sources: Sources, count: int, rng: np.random.Generator) -> Iterator[Pair]:
    """`count` pairs: each a source by its share, then one of its pairs."""
    shares = np.array([share for share, _ in sources])
    for source in rng.choice(len(shares), size=count, p=shares / shares.sum()):
        pairs = sources[source][1]
        yield pairs[int(rng.integers(len(pairs)))]


def crop(
    pictures: tuple[UInt8, ...], size: int, stretch: float, config: Augmentation, rng: np.random.Generator
) -> tuple[UInt8, ...]:
    """The same random window of all pictures, resized to size x size and flipped half of the time.

    The second one is the infrared picture (H, W): of two places, the one where it shows more is taken.
    """
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
    return tuple(np.asarray(piece, dtype=np.uint8) for piece in pieces)


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


def flow_to(visible: UInt8, previous: UInt8) -> Float32:
    """Where in the previous frame each pixel of the visible one is: (H, W, 2) in pixels, x then y. Dense DIS flow."""
    now, before = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (visible, previous))
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(method.calc(now, before, np.zeros((*now.shape, 2), np.float32)), dtype=np.float32)


def unit(picture: UInt8) -> Float32:
    """uint8 as float32 in [0, 1]."""
    return picture.astype(np.float32) / np.float32(255.0)


def planes(pictures: Sequence[Float32]) -> Float32:
    """Pictures (H, W, 3) or (H, W) in [0, 1] as one batch (N, 3 or 1, H, W) in [-1, 1]."""
    stack = np.stack(pictures)
    batch = stack[:, None] if stack.ndim == 3 else stack.transpose(0, 3, 1, 2)
    return batch * np.float32(2.0) - np.float32(1.0)
