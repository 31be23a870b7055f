"""Pictures in and out: any RGB picture file -> uint8 (H, W, 3); infrared (H, W) -> bytes marked as synthetic.

`docs/guides/pictures.md` says in words what is decided here about EXIF, alpha, 16-bit, CMYK and palettes.
"""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from .errors import OversizedPicture, SizeMismatch, UnreadablePicture, UnsupportedPicture

UInt8 = NDArray[np.uint8]
Infrared = NDArray[np.uint8 | np.uint16]

PIXEL_LIMIT = 178_000_000
"""Pixels of the largest picture that is decoded; just below where Pillow itself refuses."""

READERS: dict[bytes, Callable[[BytesIO], ImageFile]] = {
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,  # also the first picture of an MPO
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImagePlugin.TiffImageFile),
}
"""First bytes of a file -> its reader, called by hand: Image.open would try others and warn of large pictures."""

FAULTS = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, AssertionError),
    *(ArithmeticError, RuntimeError, Warning, Image.DecompressionBombError, struct.error, zlib.error),
)
"""What Pillow raises on broken files, one by one."""

Turn = Image.Transpose
TURNS = dict(zip(range(2, 9), map(Turn, (0, 3, 1, 5, 4, 6, 2)), strict=True))
"""EXIF orientation -> what makes the picture upright; 1 is upright."""
BACK = {**TURNS, 6: Turn.ROTATE_90, 8: Turn.ROTATE_270}
"""EXIF orientation -> what takes an upright picture back to the stored grid."""

DIGITAL_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""The IPTC word for pixels made by a trained model."""

XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE}"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
).encode()

EXTENSIONS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".tif": "tiff", ".tiff": "tiff"}
EXTENSIONS |= {".bmp": "bmp", ".webp": "webp"}
"""Extension, lower case -> the format it is written in."""


def decode(data: bytes, where: str, declared: tuple[int, int] | None = None) -> UInt8:
    """Decode one picture completely: RGB uint8 (H, W, 3).

    EXIF orientation is applied, unless `declared` (width, height in pixels) fits the stored grid only: labels were
    drawn there. Raises UnreadablePicture (empty, no image, truncated, corrupt), UnsupportedPicture (float samples,
    several frames), OversizedPicture (before pixels are allocated, or where there is no memory for them), SizeMismatch.
    """
    try:
        image = open_header(data, where)
        orientation = image.getexif().get(0x0112, 1)
        image.load()
        grid = turned(image, orientation, where, declared)
        return to_rgb(grid, where)
    except MemoryError:
        fix = "cut it into tiles first, or --workers 1"
        raise OversizedPicture("no memory to decode the picture", where=where, fix=fix) from None
    except FAULTS as error:
        fix = "replace it by a good copy, or take it out of the dataset"
        why = str(error) or type(error).__name__
        raise UnreadablePicture("the picture cannot be decoded", where=where, why=why, fix=fix) from error


def open_header(data: bytes, where: str) -> ImageFile:
    """A picture whose header is read and whose size is within the limit; no pixel is decoded yet."""
    reader = next((reader for magic, reader in READERS.items() if data.startswith(magic)), None)
    if reader is None:
        why = (
            "the file is empty" if not data else f"it begins with {data[:8]!r}; JPEG, PNG, TIFF, BMP and WebP are read"
        )
        raise UnreadablePicture("not a picture", where=where, why=why, fix="convert it to JPEG or PNG, or take it out")
    image = reader(BytesIO(data))
    if image.width * image.height > PIXEL_LIMIT:
        why = f"{image.width}x{image.height} is more than {PIXEL_LIMIT // 10**6} megapixels"
        raise OversizedPicture("the picture is too large", where=where, why=why, fix="cut it into tiles first")
    if getattr(image, "is_animated", False):
        fix = "save the frame that is labelled as a picture of its own"
        raise UnsupportedPicture("the file holds several frames", where=where, fix=fix)
    return image


def turned(image: ImageFile, orientation: int, where: str, declared: tuple[int, int] | None) -> Image.Image:
    """The picture on the grid its labels were drawn on: upright, or as stored where only that fits."""
    loaded_upright = isinstance(image, TiffImagePlugin.TiffImageFile)  # Pillow turns TIFF by itself
    size, other = image.size, image.size[::-1] if orientation in (5, 6, 7, 8) else image.size
    upright, stored = (size, other) if loaded_upright else (other, size)
    if declared not in (None, upright, stored):
        why = f"the labels say {declared[0]}x{declared[1]}, the file holds {stored[0]}x{stored[1]}"
        why += f", EXIF orientation {orientation}" if orientation != 1 else ""
        fix = "put the picture back that the labels were drawn on, or correct them and convert anew with --overwrite"
        raise SizeMismatch("declared size is not the real size", where=where, why=why, fix=fix)
    want_upright = declared in (None, upright)
    if want_upright == loaded_upright or orientation not in TURNS:
        return image
    return image.transpose((TURNS if want_upright else BACK)[orientation])


def to_rgb(image: Image.Image, where: str) -> UInt8:
    """RGB uint8 (H, W, 3) of any mode: 16-bit grey keeps its high byte, alpha is dropped, grey fills three channels."""
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("F", "I"):
        kind = "float" if image.mode == "F" else "32-bit integer"
        fix = "scale it to 8 bits and save it as PNG"
        raise UnsupportedPicture(f"{kind} samples have no known range", where=where, fix=fix)
    image.info.pop("transparency", None)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def ending(name: str) -> str:
    """The ending of a file name with its dot, e.g. `.jpg`; nothing where it has none."""
    start = name.rfind("/") + 1
    dot = name.rfind(".", start)
    return name[dot:] if dot > start else ""


def cannot_write(ext: str, bit_depth: int = 8, channels: int = 1) -> str:
    """Why a picture cannot be written with this extension, or nothing where it can."""
    form = EXTENSIONS.get(ext.lower())
    if form is None:
        return f"{ext or 'no extension'} is not written here; {', '.join(EXTENSIONS)} are"
    if bit_depth == 16 and form not in ("png", "tiff"):
        return f"{ext} holds 8 bits; png and tif hold 16"
    if bit_depth == 16 and channels == 3 and form == "tiff":
        return "tif holds 16 bits in one channel only; png holds them in three"
    return ""


def encode(infrared: Infrared, ext: str, channels: int = 1, *, synthetic: bool = True) -> bytes:
    """Encode infrared (H, W), or RGB (H, W, 3), uint8 or uint16, as the extension says; equal input, equal bytes.

    Marked as synthetic where it is, but for BMP, which has no room for it. `channels` 3 repeats the plane. JPEG has
    quality 95, all others are lossless.
    Raises UnsupportedPicture where the format cannot hold the picture.
    """
    size = f"{infrared.shape[1]}x{infrared.shape[0]} {infrared.dtype}"
    if why := cannot_write(ext, infrared.itemsize * 8, channels):
        raise UnsupportedPicture(f"cannot write {size}", why=why, fix="choose another --ext")
    planes = infrared if channels == 1 or infrared.ndim == 3 else np.repeat(infrared[:, :, None], channels, axis=2)
    try:
        return WRITERS[EXTENSIONS[ext.lower()]](np.ascontiguousarray(planes), XMP if synthetic else b"")
    except (cv2.error, OSError, ValueError) as error:
        raise UnsupportedPicture(f"cannot write {size} as {ext}", why=str(error), fix="--ext png") from error


def is_marked(data: bytes) -> bool:
    """True where the bytes of a picture say that a model made it."""
    return DIGITAL_SOURCE.encode() in data


def _jpeg(planes: Infrared, mark: bytes) -> bytes:
    data = _cv2(".jpg", planes, [cv2.IMWRITE_JPEG_QUALITY, 95])
    if not mark:
        return data
    packet = b"http://ns.adobe.com/xap/1.0/\0" + mark
    after = 4 + int.from_bytes(data[4:6]) if data[2:4] == b"\xff\xe0" else 2  # the JFIF segment stays first
    return data[:after] + b"\xff\xe1" + (len(packet) + 2).to_bytes(2) + packet + data[after:]


def _png(planes: Infrared, mark: bytes) -> bytes:
    data = _cv2(".png", planes, [])
    if not mark:
        return data
    chunk = b"iTXt" + b"XML:com.adobe.xmp\0\0\0\0\0" + mark
    after = 8 + 25  # signature and IHDR
    return data[:after] + (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4) + data[after:]


def _tiff(planes: Infrared, mark: bytes) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[317] = 2  # the horizontal predictor makes LZW worth its time
    if mark:
        tags[700], tags.tagtype[700] = mark, 1
    return _pillow("TIFF", planes, tiffinfo=tags, compression="tiff_lzw")


def _bmp(planes: Infrared, mark: bytes) -> bytes:
    return _cv2(".bmp", planes, [])


def _webp(planes: Infrared, mark: bytes) -> bytes:
    return _pillow("WEBP", planes, lossless=True, quality=0, method=0, **({"xmp": mark} if mark else {}))


WRITERS = {"jpeg": _jpeg, "png": _png, "tiff": _tiff, "bmp": _bmp, "webp": _webp}


def _cv2(ext: str, planes: Infrared, parameters: list[int]) -> bytes:
    blue_first = planes if planes.ndim == 2 else np.ascontiguousarray(planes[..., ::-1])
    fits, data = cv2.imencode(ext, blue_first, parameters)
    if not fits:
        raise ValueError("more pixels a side than the format can hold")
    return data.tobytes()


def _pillow(form: str, planes: Infrared, **options: object) -> bytes:
    out = BytesIO()
    Image.fromarray(planes).save(out, form, **options)
    return out.getvalue()
