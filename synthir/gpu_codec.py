"""Decoding on a GPU, by nvimgcodec: plain JPEGs go there, all other pictures are decoded by `images.decode`.

Last bits differ from those of the CPU. So it is asked for, and a job is bound to the decoder it began with.
"""

import importlib
import queue
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from PIL import JpegImagePlugin

from .device import gpu
from .errors import BackendMissing, DeviceMissing
from .images import FAULTS, PIXEL_LIMIT, TURNS, UInt8, decode, encode

CPU = "cpu"
CHOICES = ("auto", CPU, "gpu")
"""auto is gpu where the engine runs on one and all that it needs is there, else cpu."""
ON_GPU = ("tensorrt", "torch")
"""Backends whose engines run on a GPU, where there is one."""
PACKAGE = "nvidia.nvimgcodec"
FIX = 'pip install ".[gpu-codec]" in the checkout, or --decode cpu'
FURTHEST = 8
"""Grey levels that a smooth picture may differ from the CPU's; the vendor promises no number."""

Decode = Callable[[bytes, str, tuple[int, int] | None], UInt8]
"""As images.decode: bytes, where they are from, and the declared width and height -> RGB (H, W, 3)."""


def resolved(choice: str, backend: str) -> str:
    """What a choice comes to for engines of a backend: `cpu`, or e.g. `nvimgcodec 0.9.0 on sm90`.

    Raises BackendMissing and DeviceMissing where gpu is insisted on and cannot be had.
    """
    if choice == CPU or (choice == "auto" and backend not in ON_GPU):
        return CPU
    try:
        device, package = gpu("to decode on", "--decode cpu"), codec()
        check(package)
        return f"nvimgcodec {package.__version__} on {device}"
    except (BackendMissing, DeviceMissing):
        if choice == "auto":
            return CPU
        raise


def decoder(name: str, count: int) -> Decode:
    """The decoder that `resolved` named, for so many threads at once. Raises BackendMissing, DeviceMissing."""
    return decode if name == CPU else GpuDecoder(codec(), count)


def codec() -> Any:
    """The package. Raises BackendMissing."""
    try:
        return importlib.import_module(PACKAGE)
    except ImportError as error:
        raise BackendMissing("nvimgcodec is not installed", where="--decode gpu", why=str(error), fix=FIX) from None


def check(package: Any) -> None:
    """Raises BackendMissing unless a picture that both can decode is nearly the same from GPU and CPU."""
    down, right = np.mgrid[0:48, 0:64].astype(np.uint8)
    data = encode(np.stack([right * 3, down * 4, 255 - right - down], axis=2), ".jpg")
    found = GpuDecoder(package, 1).on_gpu(data, (64, 48))
    off = 255 if found is None else int(np.abs(found.astype(int) - decode(data, "")).max())
    if off > FURTHEST:
        why = "it decodes no JPEG: nvjpeg may be missing" if found is None else f"a smooth picture is {off} levels off"
        raise BackendMissing("nvimgcodec does not work here", where="--decode gpu", why=why, fix=FIX)


class GpuDecoder:
    """Decodes as images.decode does, plain JPEGs on the GPU; call it from as many threads as it has decoders."""

    def __init__(self, package: Any, count: int) -> None:
        """Raises DeviceMissing where the package cannot have a GPU."""
        # One kind alone: among several the load decides, and with it the last bits. This one is nvjpeg's on CUDA.
        kind = package.Backend(package.BackendKind.HYBRID_CPU_GPU)
        how = {"max_num_cpu_threads": 1, "backends": [kind], "options": ":fancy_upsampling=1"}
        self._params = package.DecodeParams(apply_exif_orientation=False)
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        try:
            for _ in range(count):
                self._free.put(package.Decoder(**how))
        except RuntimeError as error:
            why, fix = " ".join(str(error).split())[:200], "install a driver, or --decode cpu"
            raise DeviceMissing("nvimgcodec cannot have a GPU", where="--decode gpu", why=why, fix=fix) from None

    def __call__(self, data: bytes, where: str, declared: tuple[int, int] | None = None) -> UInt8:
        """See images.decode, which decodes, or refuses, whatever is not plain and what the GPU cannot do."""
        size = plain(data)
        found = self.on_gpu(data, size) if size and declared in (None, size) else None
        return decode(data, where, declared) if found is None else found

    def on_gpu(self, data: bytes, size: tuple[int, int]) -> UInt8 | None:
        """RGB (H, W, 3) of a plain JPEG of that width and height, in pixels; None where the GPU cannot do it."""
        one = self._free.get()
        try:
            image = one.decode(data, params=self._params)
            rgb = None if image is None else np.asarray(image.cpu())
        except RuntimeError:  # of memory, say
            return None
        finally:
            self._free.put(one)
        return rgb if rgb is not None and rgb.shape == (*size[::-1], 3) and rgb.dtype == np.uint8 else None


def plain(data: bytes) -> tuple[int, int] | None:
    """Width and height of a whole upright JPEG whose three planes are YCbCr, of 8 bits, one after the other.

    None for all else, also for what is broken. What was cut off is seen by the end, which GPUs do not look at.
    """
    if not (data.startswith(b"\xff\xd8\xff") and data.endswith(b"\xff\xd9")):
        return None
    try:
        image = JpegImagePlugin.JpegImageFile(BytesIO(data))
        upright = image.getexif().get(0x0112, 1) not in TURNS
    except (MemoryError, *FAULTS):
        return None
    known = image.info.keys()
    usual = "jfif" in known and not known & {"adobe", "progressive", "mp"}
    fits = image.mode == "RGB" and image.width * image.height <= PIXEL_LIMIT
    return image.size if upright and usual and fits else None
