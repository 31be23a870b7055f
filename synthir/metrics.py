"""How near a synthetic infrared picture is to the real one. Pictures are (H, W), grey levels 0 to 255.

Definitions, here and nowhere else:
    L1, RMSE     in grey levels, over all pixels
    PSNR         20 log10(255 / RMSE) in dB; of several pictures, the mean over pictures
    SSIM         Wang et al. 2004: Gaussian window 11x11, sigma 1.5, data range 255; the mean over pictures
    aligned      after the least-squares gain and offset of each picture: cameras scale their own brightness
    contrast     of an object: (mean in its box - mean of the ring around it) / standard deviation of the picture
    sign         share of objects whose contrast has the sign it has in the real picture: hot stays hot
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .dataset import Box
from .torchvision_cpu import mend_torchvision

Grey = NDArray[np.uint8] | NDArray[np.float64]


def torchmetrics_ssim() -> Callable[..., Tensor | tuple[Tensor, ...]]:
    """The function of torchmetrics, which imports torchvision where that is installed."""
    mend_torchvision()
    from torchmetrics.functional.image import structural_similarity_index_measure

    return structural_similarity_index_measure


SSIM = torchmetrics_ssim()


@dataclass(frozen=True)
class Scores:
    """Of one picture against its real one."""

    psnr: float
    ssim: float
    rmse: float
    l1: float


def score(made: Grey, real: Grey) -> Scores:
    """PSNR (dB), SSIM, RMSE and L1 (grey levels) of a picture against the real one of the same size."""
    difference = made.astype(np.float64) - real.astype(np.float64)
    rmse = float(np.sqrt(np.square(difference).mean()))
    psnr = float(20.0 * np.log10(255.0 / max(rmse, 1e-6)))
    return Scores(psnr, ssim(made, real), rmse, float(np.abs(difference).mean()))


def ssim(made: Grey, real: Grey) -> float:
    """Structural similarity, see the top of this file."""
    pictures = [torch.from_numpy(picture.astype(np.float32))[None, None] for picture in (made, real)]
    value = SSIM(pictures[0], pictures[1], sigma=1.5, kernel_size=11, data_range=255.0)
    return float(value)  # type: ignore[arg-type]


def align(made: Grey, real: Grey) -> NDArray[np.float64]:
    """The picture after the gain and offset that bring it nearest to the real one in least squares; not clipped."""
    x, y = made.astype(np.float64), real.astype(np.float64)
    variance = x.var()
    gain = ((x - x.mean()) * (y - y.mean())).mean() / variance if variance > 0 else 0.0
    return np.asarray(gain * (x - x.mean()) + y.mean(), dtype=np.float64)


def contrasts(picture: Grey, boxes: Sequence[Box]) -> list[float]:
    """The contrast of each box against the ring around it, in standard deviations of the picture.

    The ring reaches half a box width and half a box height further on each side; all boxes are cut out of it. NaN where
    nothing of a box or its ring is in the picture.
    """
    values = picture.astype(np.float64)
    occupied = np.zeros(values.shape, bool)
    for box in boxes:
        occupied[window(box, 0.0, values.shape)] = True
    deviation = max(float(values.std()), 1e-6)
    return [contrast_of(values, box, occupied) / deviation for box in boxes]


def contrast_of(values: NDArray[np.float64], box: Box, occupied: NDArray[np.bool_]) -> float:
    """Mean in the box less mean of its ring, in grey levels."""
    inner, outer = window(box, 0.0, values.shape), window(box, 0.5, values.shape)
    ring = ~occupied[outer]
    if not ring.any() or values[inner].size == 0:
        return float("nan")
    return float(values[inner].mean() - values[outer][ring].mean())


def window(box: Box, margin: float, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a box enlarged by margin times its width and height, cut at the borders of the picture."""
    x, y, width, height = box
    down, across = margin * height, margin * width
    top, bottom = max(0, round(y - down)), min(shape[0], round(y + height + down))
    left, right = max(0, round(x - across)), min(shape[1], round(x + width + across))
    return slice(top, max(top, bottom)), slice(left, max(left, right))


def sign_agreement(made: Sequence[float], real: Sequence[float]) -> float:
    """Share of objects whose contrast has the sign of the real one; NaN without objects."""
    pairs = [(m, r) for m, r in zip(made, real, strict=True) if np.isfinite(m) and np.isfinite(r)]
    return float(np.mean([(m > 0) == (r > 0) for m, r in pairs])) if pairs else float("nan")


def block_interval(
    values: Sequence[float], block: int, rng: np.random.Generator, draws: int = 1000
) -> tuple[float, float]:
    """95 % bootstrap interval of the mean, drawing blocks of consecutive values: neighbouring frames are alike."""
    array = np.asarray(values, dtype=np.float64)
    blocks = [array[start : start + block] for start in range(0, len(array), block)]
    picks = rng.integers(len(blocks), size=(draws, len(blocks)))
    means = [np.concatenate([blocks[i] for i in pick]).mean() for pick in picks]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
