"""How near a synthetic infrared picture is to the real one. Pictures are (H, W), grey levels 0 to 255.

DEFINITIONS says what each figure is, here and nowhere else; objects are in object_metrics.py, sets of pictures in
distribution.py. `aligned` figures are those after the least-squares gain and offset of each picture: cameras scale
their own brightness.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Grey = NDArray[np.uint8] | Float64

DEFINITIONS = {
    "aligned": "After the least-squares gain and offset of each picture, not clipped. A gain may be negative.",
    "MSE": "Mean squared difference over all pixels, in squared grey levels of 0 to 255.",
    "RMSE": "Root of a picture's MSE, in grey levels; of several pictures, the mean of their roots.",
    "L1": "Mean absolute difference over all pixels, in grey levels.",
    "PSNR": "20 log10(255 / RMSE) of a picture, in dB; of several pictures, the mean over pictures.",
    "SSIM": "Wang et al. 2004: Gaussian window 11x11, sigma 1.5, data range 255, K1 0.01, K2 0.03, borders mirrored.",
    "MS-SSIM": "Wang et al. 2003: five scales with SSIM's window, data range 255, negative factors taken for 0; "
    "needs 176 pixels on the short side, smaller pictures have none.",
    "UQI": "Wang and Bovik 2002: windows of 8x8 pixels at every place, no constants; two flat windows count by their "
    "means.",
    "mean over pictures": "A total is the mean of the pictures' figures; pictures without one are left out.",
    "interval": "95 % bootstrap, 1000 draws of blocks of consecutive pictures, percentiles 2.5 and 97.5, seed 0; "
    "a block is 20 pictures, fewer where there would be under ten blocks; of figures of objects, 20 "
    "objects. One block has none.",
}

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM's five scales, the finest first."""
WINDOW, SIGMA = 11, 1.5
"""SSIM's Gaussian window, pixels."""
C1, C2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
"""SSIM's constants for a data range of 255."""
BLOCK = 8
"""Side of UQI's window, pixels."""
FLAT = 1e-6
"""Two windows whose variances sum to less, in squared grey levels, are flat: what is left is rounding."""


@dataclass(frozen=True)
class Scores:
    """Of one picture against its real one; NaN is not measured."""

    psnr: float
    ssim: float
    rmse: float
    l1: float
    mse: float
    ms_ssim: float
    uqi: float
    lpips: float = math.nan


def score(made: Grey, real: Grey, lpips: Callable[[Grey, Grey], float] | None = None) -> Scores:
    """Every figure of a picture against the real one of the same size; LPIPS where a function for it is given."""
    difference = made.astype(np.float64) - real.astype(np.float64)
    mse = float(np.square(difference).mean())
    rmse = math.sqrt(mse)
    return Scores(
        psnr=float(20.0 * np.log10(255.0 / max(rmse, 1e-6))),
        ssim=ssim(made, real),
        rmse=rmse,
        l1=float(np.abs(difference).mean()),
        mse=mse,
        ms_ssim=ms_ssim(made, real),
        uqi=uqi(made, real),
        lpips=lpips(made, real) if lpips else math.nan,
    )


def ssim(made: Grey, real: Grey) -> float:
    """Structural similarity, see DEFINITIONS."""
    return float(similarity(made.astype(np.float64), real.astype(np.float64))[0].mean())


def ms_ssim(made: Grey, real: Grey) -> float:
    """Structural similarity over five scales, see DEFINITIONS; NaN under 176 pixels on the short side."""
    if min(real.shape) >> (len(SCALES) - 1) < WINDOW:
        return math.nan
    inside = np.s_[WINDOW // 2 : -(WINDOW // 2), WINDOW // 2 : -(WINDOW // 2)]
    made, real, product = made.astype(np.float64), real.astype(np.float64), 1.0
    for exponent in SCALES[:-1]:
        contrast = float(similarity(made, real)[1][inside].mean())
        product *= max(contrast, 0.0) ** exponent
        made, real = halved(made), halved(real)
    return float(product * max(ssim(made, real), 0.0) ** SCALES[-1])


def similarity(made: Float64, real: Float64) -> tuple[Float64, Float64]:
    """SSIM and its contrast-structure part at each pixel, both (H, W)."""
    mean_m, mean_r = blurred(made), blurred(real)
    variances = np.maximum(blurred(made * made) - mean_m**2, 0.0) + np.maximum(blurred(real * real) - mean_r**2, 0.0)
    contrast = (2.0 * (blurred(made * real) - mean_m * mean_r) + C2) / (variances + C2)
    return (2.0 * mean_m * mean_r + C1) / (mean_m**2 + mean_r**2 + C1) * contrast, contrast


def blurred(picture: Float64) -> Float64:
    """Gaussian mean around each pixel, borders mirrored."""
    return np.asarray(cv2.GaussianBlur(picture, (WINDOW, WINDOW), SIGMA, borderType=cv2.BORDER_REFLECT_101), np.float64)


def halved(picture: Float64) -> Float64:
    """Means of 2x2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 for side in picture.shape)
    tiles = picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    return np.asarray(tiles.mean(axis=(1, 3)), np.float64)


def uqi(made: Grey, real: Grey) -> float:
    """Universal image quality index, see DEFINITIONS; NaN under 8 pixels on the short side."""
    if min(real.shape) < BLOCK:
        return math.nan
    x, y = made.astype(np.float64), real.astype(np.float64)
    mean_x, mean_y = window_means(x), window_means(y)
    variances = window_means(x * x) - mean_x**2 + window_means(y * y) - mean_y**2
    covariance = window_means(x * y) - mean_x * mean_y
    flat, powers = variances < FLAT, mean_x**2 + mean_y**2
    structure = np.where(flat, 1.0, 2.0 * covariance / np.where(flat, 1.0, variances))
    luminance = np.where(powers > 0.0, 2.0 * mean_x * mean_y / np.where(powers > 0.0, powers, 1.0), 1.0)
    return float((structure * luminance).mean())


def window_means(picture: Float64) -> Float64:
    """Mean of the 8x8 window at every place where it fits, (H - 7, W - 7)."""
    height, width = (side - BLOCK + 1 for side in picture.shape)
    return np.asarray(cv2.boxFilter(picture, -1, (BLOCK, BLOCK), anchor=(0, 0))[:height, :width], np.float64)


def align(made: Grey, real: Grey) -> Float64:
    """The picture after the gain and offset that bring it nearest to the real one in least squares; not clipped."""
    x, y = made.astype(np.float64), real.astype(np.float64)
    variance = x.var()
    gain = ((x - x.mean()) * (y - y.mean())).mean() / variance if variance > 0 else 0.0
    return np.asarray(gain * (x - x.mean()) + y.mean(), dtype=np.float64)


def block_of(count: int) -> int:
    """How many consecutive pictures of `count` are drawn together: 20, or fewer so that there are ten blocks."""
    return min(20, max(1, count // 10))


def block_interval(
    values: Sequence[float], block: int, rng: np.random.Generator, draws: int = 1000
) -> tuple[float, float]:
    """95 % bootstrap interval of the mean, drawing blocks of consecutive values: neighbouring frames are alike.

    What is NaN is left out of every mean; NaN where nothing is left, or where all values are one block.
    """
    if len(values) <= block:
        return math.nan, math.nan
    array = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(array)
    sums, counts = block_sums(np.stack([np.where(finite, array, 0.0), finite], axis=1), block, rng, draws).T
    means = sums[counts > 0] / counts[counts > 0]
    if not len(means):
        return math.nan, math.nan
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def block_sums(columns: Float64, block: int, rng: np.random.Generator, draws: int) -> Float64:
    """Sums of each column over blocks drawn with replacement: (N, K), N at least 1, to (draws, K)."""
    sums = np.add.reduceat(columns, np.arange(0, len(columns), block), axis=0)
    picks = rng.integers(len(sums), size=(draws, len(sums)))
    return np.asarray(sums[picks].sum(axis=1), np.float64)
