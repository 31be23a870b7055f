"""One picture before and after the engine: read, decode, pad -> Frame; infrared -> encoded, written, told of.

What is wrong with one picture is returned, so that it costs that picture; what ends the job is raised.
"""

import errno
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .dataset import ImageRef
from .engine import Infrared
from .errors import (
    EngineOutput,
    MissingPicture,
    OversizedPicture,
    SynthIRError,
    TargetError,
    UnreadablePicture,
    UnsupportedPicture,
)
from .files import sha256_bytes, write_atomic
from .frames import UInt8, from_network, grow, pad, shrink
from .gpu_codec import Decode
from .images import encode
from .manifest import Converted
from .options import WARMED, Options
from .plan import Plan, check_fits
from .specs import Polarity
from .warming import boxes_of, warmed


@dataclass(frozen=True)
class Origin:
    """What must be known of a picture when its infrared comes back."""

    seen: tuple[int, int]
    """Height and width of what the network sees, in pixels, without padding."""
    size: tuple[int, int]
    """Height and width of the picture, in pixels."""
    sha256: str
    """Of the file."""


@dataclass(frozen=True)
class Frame:
    """One decoded picture on its way to the engine."""

    visible: UInt8
    """(Hp, Wp, 3), padded; it becomes float32, four times as large, only when the engine takes it."""
    origin: Origin


@dataclass(frozen=True)
class Grey:
    """One decoded picture that is written in grey, without the engine."""

    luma: UInt8
    """(H, W)."""
    sha256: str
    """Of the file."""
    warmed: bool = False
    """Its labelled objects were made warm, so it is no photograph any more."""


@dataclass(frozen=True)
class Painted:
    """What became of a frame."""

    infrared: Infrared
    """(C, Hp, Wp), as Engine.run gives it."""
    redone: bool = False
    """Computed again in float32, since the engine's own result was none."""


Outcome = Converted | SynthIRError


def stays_visible(place: str, share: float) -> bool:
    """Whether a picture is one of a share, 0 to 1, that is written in grayscale; its name alone decides."""
    return number_of(place, 8) < share * 16**8


def number_of(place: str, digits: int) -> int:
    """A number that a picture's name alone decides, of so many hexadecimal digits."""
    return int(sha256_bytes(place.encode(errors="surrogateescape"))[:digits], 16)


def in_grayscale(ref: ImageRef, options: Options) -> bool:
    """Whether a picture is written as its own luma and not as infrared."""
    return bool(ref.twin_of) or stays_visible(ref.place, options.share)


def load(plan: Plan, index: int, decode: Decode) -> Frame | Grey | SynthIRError:
    """Read and decode one picture, or say why not. decode: what `gpu_codec.decoder` gives."""
    ref, options = plan.images[index], plan.options
    try:
        data = read(ref)
        rgb = decode(data, ref.where, (ref.width, ref.height) if ref.width and ref.height else None)
        if in_grayscale(ref, options):
            return grey(plan, ref, rgb, sha256_bytes(data))
        small = shrink(rgb, options.max_side)
        visible = pad(small, plan.spec.stride)
        check_fits(visible.shape[0], visible.shape[1], plan.spec, ref.where)
        return Frame(visible, Origin(small.shape[:2], rgb.shape[:2], sha256_bytes(data)))
    except SynthIRError as error:
        return error
    except (MemoryError, cv2.error) as error:
        return too_large(error, ref.where)


def grey(plan: Plan, ref: ImageRef, rgb: UInt8, sha256: str) -> Grey:
    """A picture that the engine does not see; how warm its objects are made is drawn by its name."""
    if plan.options.mix != WARMED:
        return Grey(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False), sha256)
    rng = np.random.default_rng(number_of(ref.twin_of, 16))
    return Grey(warmed(rgb, boxes_of(plan.objects.get(ref.twin_of, ())), rng), sha256, warmed=True)


def read(ref: ImageRef) -> bytes:
    """The bytes of a picture. Raises MissingPicture, UnreadablePicture."""
    try:
        return ref.path.read_bytes()
    except FileNotFoundError:
        fix = "put it back, or take its entry out"
        raise MissingPicture("the picture is gone", where=ref.where, why=str(ref.path), fix=fix) from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UnreadablePicture("the file cannot be read", where=ref.where, why=why, fix="check its rights") from error


def store(plan: Plan, index: int, origin: Origin, painted: Painted) -> Outcome:
    """Encode and write one result durably, or say why it is no picture. Raises NoSpace, TargetError."""
    options, place = plan.options, plan.places[index]
    try:
        invert = options.polarity != plan.spec.polarity
        grey = from_network(painted.infrared, *origin.seen, bit_depth=options.bit_depth, invert=invert)
        data = encode(grow(grey, *origin.size), Path(place).suffix, 3 if grey.ndim == 3 else options.channels)
        write(plan.target / place, data)
    except (UnsupportedPicture, EngineOutput) as error:
        return error
    except (MemoryError, cv2.error) as error:
        return too_large(error, plan.images[index].where)
    return Converted(place, sha256_bytes(data), origin.sha256, redone=painted.redone)


def store_grey(plan: Plan, index: int, grey: Grey) -> Outcome:
    """Encode and write one picture in grey, or say why not; a photograph whatever the polarity. Raises NoSpace,
    TargetError."""
    options, place = plan.options, plan.places[index]
    luma = 255 - grey.luma if grey.warmed and options.polarity == Polarity.BLACK_HOT else grey.luma
    levels = luma.astype(np.uint16) * 257 if options.bit_depth == 16 else luma
    try:
        data = encode(levels, Path(place).suffix, options.channels, synthetic=grey.warmed)
        write(plan.target / place, data)
    except UnsupportedPicture as error:
        return error
    except (MemoryError, cv2.error) as error:
        return too_large(error, plan.images[index].where)
    return Converted(place, sha256_bytes(data), grey.sha256, grayscale=not grey.warmed, warmed=grey.warmed)


def write(path: Path, data: bytes) -> None:
    """Write a file; its name is left to fsync_folder.

    Raises UnsupportedPicture for a name that the disk does not take, NoSpace, TargetError for what else it says.
    """
    try:
        write_atomic(path, data, named=False)
    except OSError as error:
        why = error.strerror or type(error).__name__
        if error.errno in (errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ):
            raise UnsupportedPicture(
                "the disk does not take this name", where=str(path), why=why, fix="rename the file"
            ) from error
        raise TargetError(
            "cannot write", where=str(path), why=why, fix="check rights and disk, run it again"
        ) from error


def too_large(error: Exception, where: str) -> OversizedPicture:
    """The refusal of a picture that there is no memory for, or that has more pixels a side than OpenCV takes."""
    why = " ".join(str(error).split())[:200] or "out of memory"
    fix = "cut it into tiles, let the network see less with --max-side 1280, or --workers 1"
    return OversizedPicture("the picture is too large to work on here", where=where, why=why, fix=fix)
