"""Electromagnetic-spectrum normalisation: pixel values as wavelengths, after work on CycleGAN for visible and thermal.

    visible   [0, 255]  <->    380 ..    750 nm
    infrared  [0, 255]  <->   1000 .. 14,000 nm
    either              <->  [-1, 1] over the union, 380 .. 14,000 nm, which is what a network gets and gives

The ranges are the published ones. The published equations themselves could not be had when this was written: this is
the linear (min-max) map onto those ranges and its inverse, which is what the published chain is said to reduce to.

What it does is little. Every arrow is affine, so the whole is a new scale and offset: a network could learn it in its
first and its last layer. Over the union visible pictures fill [-1, -0.946], a sliver of 2.7 % of [-1, 1], and infrared
ones [-0.909, 1]. A pixel is an intensity and no wavelength; only the numbers are borrowed from the spectrum.

Functions take tensors or arrays of any shape and give the same kind; nothing is clipped.
"""

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Values = TypeVar("Values", Tensor, NDArray[np.float32], NDArray[np.float64], float)
else:
    Values = TypeVar("Values")

VISIBLE = (380.0, 750.0)
"""Wavelengths of pixel values 0 and 255 of a visible picture, nm."""
INFRARED = (1_000.0, 14_000.0)
"""Wavelengths of pixel values 0 and 255 of an infrared picture, nm."""
UNION = (VISIBLE[0], INFRARED[1])
"""Wavelengths that become -1 and 1, nm."""


def visible_to_wavelength(pixels: Values) -> Values:
    """Visible pixel values in [0, 255] -> wavelengths in VISIBLE, nm."""
    return pixels * ((VISIBLE[1] - VISIBLE[0]) / 255.0) + VISIBLE[0]


def wavelength_to_visible(wavelengths: Values) -> Values:
    """Wavelengths in nm -> visible pixel values, [0, 255] for those in VISIBLE."""
    return (wavelengths - VISIBLE[0]) * (255.0 / (VISIBLE[1] - VISIBLE[0]))


def infrared_to_wavelength(pixels: Values) -> Values:
    """Infrared pixel values in [0, 255] -> wavelengths in INFRARED, nm."""
    return pixels * ((INFRARED[1] - INFRARED[0]) / 255.0) + INFRARED[0]


def wavelength_to_infrared(wavelengths: Values) -> Values:
    """Wavelengths in nm -> infrared pixel values, [0, 255] for those in INFRARED."""
    return (wavelengths - INFRARED[0]) * (255.0 / (INFRARED[1] - INFRARED[0]))


def normalise(wavelengths: Values) -> Values:
    """Wavelengths in UNION, nm -> [-1, 1]."""
    return (wavelengths - UNION[0]) * (2.0 / (UNION[1] - UNION[0])) - 1.0


def denormalise(values: Values) -> Values:
    """Values in [-1, 1] -> wavelengths in UNION, nm."""
    return (values + 1.0) * ((UNION[1] - UNION[0]) / 2.0) + UNION[0]
