"""Decoding is complete or refused with a code; encoding is marked, lossless where it can be, and repeatable."""

import random
import struct
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from synthir.errors import OversizedPicture, SizeMismatch, SynthIRError, UnreadablePicture, UnsupportedPicture
from synthir.images import EXTENSIONS, PIXEL_LIMIT, UInt8, decode, encode, ending, is_marked

ORIENTATION = 0x0112


def colours(height: int = 12, width: int = 20) -> UInt8:
    """A picture in which every pixel is another colour, so that no turn goes unseen."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 7 + 3, columns * 11 + 5, rows * 13 + columns], axis=2).astype(np.uint8)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def png(rgb: UInt8, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return saved(Image.fromarray(rgb), "PNG", exif=exif)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_lossless_formats_give_the_same_pixels(form: str) -> None:
    assert np.array_equal(decode(saved(Image.fromarray(colours()), form), "x"), colours())


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "MPO"])
def test_lossy_formats_give_nearly_the_same_pixels(form: str) -> None:
    options = {"save_all": True, "append_images": [Image.new("RGB", (64, 48))]} if form == "MPO" else {}
    flat = np.full((48, 64, 3), (200, 90, 30), np.uint8)
    rgb = decode(saved(Image.fromarray(flat), form, quality=95, **options), "x")
    assert rgb.shape == flat.shape and np.abs(rgb.astype(int) - flat).max() <= 3


# What a viewer shows for each orientation, written with numpy; stored -> upright.
UPRIGHT: dict[int, Callable[[UInt8], UInt8]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def tiff(rgb: UInt8, orientation: int) -> bytes:
    return saved(Image.fromarray(rgb), "TIFF", tiffinfo={ORIENTATION: orientation})


@pytest.mark.parametrize("write", [png, tiff])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_follows_exif_and_the_labels(write: Callable[[UInt8, int], bytes], orientation: int) -> None:
    stored = colours()
    data = write(stored, orientation)
    upright = UPRIGHT[orientation](stored)
    assert np.array_equal(decode(data, "x"), upright)
    assert np.array_equal(decode(data, "x", (upright.shape[1], upright.shape[0])), upright)
    as_stored = decode(data, "x", (stored.shape[1], stored.shape[0]))
    assert np.array_equal(as_stored, stored if orientation in (5, 6, 7, 8) else upright)


def test_another_declared_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(SizeMismatch) as caught:
        decode(png(colours(), 6), "coco.json images[3]", (21, 12))
    assert "21x12" in caught.value.why and "20x12" in caught.value.why and "orientation 6" in caught.value.why
    assert caught.value.where == "coco.json images[3]" and caught.value.fix


def test_grey_palette_bilevel_and_alpha_become_rgb() -> None:
    rgb = colours()
    grey = Image.fromarray(rgb[:, :, 0])
    assert np.array_equal(decode(saved(grey, "PNG"), "x"), np.repeat(rgb[:, :, :1], 3, 2))
    palette = Image.fromarray(rgb).quantize(16)
    expected = np.asarray(palette.convert("RGB"))
    assert np.array_equal(decode(saved(palette, "PNG", transparency=bytes([0, 128] * 8)), "x"), expected)
    alpha = np.dstack([rgb, np.arange(240, dtype=np.uint8).reshape(12, 20)])
    assert np.array_equal(decode(saved(Image.fromarray(alpha), "PNG"), "x"), rgb)
    assert np.array_equal(decode(saved(Image.fromarray(alpha), "WEBP", lossless=True, exact=True), "x"), rgb)
    bilevel = Image.fromarray(rgb[:, :, 1] > 99)
    assert np.array_equal(decode(saved(bilevel, "PNG"), "x")[:, :, 0], np.where(rgb[:, :, 1] > 99, 255, 0))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_keep_the_high_byte(form: str) -> None:
    deep = np.array([[0, 255, 256, 0x1234, 0x80FF, 65535]], np.uint16)
    assert decode(saved(Image.fromarray(deep), form), "x")[0, :, 1].tolist() == [0, 0, 1, 0x12, 0x80, 255]


def test_sixteen_bit_colour_keeps_the_high_byte() -> None:
    rows = b"\0" + struct.pack(">6H", 0x1234, 0xFF00, 0x00FF, 65535, 0, 0x8000)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert decode(data, "x").tolist() == [[[0x12, 0xFF, 0], [255, 0, 0x80]]]


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_cmyk_becomes_rgb() -> None:
    ink = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    assert np.abs(decode(saved(ink, "JPEG", quality=95), "x")[8, 8].astype(int) - (0, 255, 255)).max() <= 3


def test_float_samples_are_refused() -> None:
    data = saved(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    with pytest.raises(UnsupportedPicture, match="float"):
        decode(data, "x")


@pytest.mark.parametrize("form", ["TIFF", "WEBP", "PNG"])
def test_several_frames_are_refused(form: str) -> None:
    first, second = Image.fromarray(colours()), Image.fromarray(255 - colours())
    with pytest.raises(UnsupportedPicture, match="several frames"):
        decode(saved(first, form, save_all=True, append_images=[second]), "x")


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "empty"), (b"<html>404</html>", "begins with"), (b"GIF89a..", "begins with")]
)
def test_what_is_no_picture_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePicture, match=reason):
        decode(data, "x")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
def test_truncated_pictures_are_refused(form: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), form)
    for keep in (4, 30, len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(UnreadablePicture):
            decode(data[:keep], "x")


def huge_png(width: int, height: int) -> bytes:
    data = bytearray(png(colours()))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def test_a_huge_header_is_refused_before_pixels_are_made() -> None:
    with pytest.raises(OversizedPicture, match="60000x60000"):
        decode(huge_png(60000, 60000), "x")
    with pytest.raises(UnreadablePicture):  # within the limit: it is only that its pixels are not there
        decode(huge_png(13_000, PIXEL_LIMIT // 13_000), "x")


def test_damaged_files_raise_coded_errors_only() -> None:
    rng, image = random.Random(4), Image.fromarray(colours())
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    forms = ("JPEG", "PNG", "WEBP", "BMP")
    whole = [saved(image, form, **({} if form == "BMP" else {"exif": exif})) for form in forms]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged EXIF data
        for turn in range(2000):
            data = bytearray(whole[turn % len(whole)])
            for _ in range(rng.choice((1, 3, 9))):
                data[rng.randrange(rng.choice((60, len(data))))] = rng.randrange(256)
            try:
                assert decode(bytes(data), "x").dtype == np.uint8
            except SynthIRError as error:
                assert error.where == "x" and error.fix


GREY = np.random.default_rng(2).integers(0, 256, (30, 41), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ext", EXTENSIONS)
def test_encoding_is_marked_repeatable_and_readable(ext: str, channels: int) -> None:
    data = encode(GREY, ext, channels)
    assert data == encode(GREY.copy(), ext.upper(), channels)
    assert is_marked(data) == (ext != ".bmp")
    rgb = decode(data, "x").astype(int)
    assert np.array_equal(rgb, np.repeat(rgb[:, :, :1], 3, 2))
    assert np.abs(rgb[:, :, 0] - GREY).max() <= (30 if "jp" in ext else 0)
    with Image.open(BytesIO(data)) as image:
        if ext not in (".bmp", ".webp"):
            assert image.mode == ("L" if channels == 1 else "RGB")


@pytest.mark.parametrize(("ext", "channels"), [(".png", 1), (".png", 3), (".tif", 1)])
def test_sixteen_bits_come_back(ext: str, channels: int) -> None:
    deep = GREY.astype(np.uint16) * 257 + 3
    data = encode(deep, ext, channels)
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert back is not None and back.dtype == np.uint16
    assert np.array_equal(back if channels == 1 else back[:, :, 2], deep) and is_marked(data)


@pytest.mark.parametrize(
    ("ext", "channels"), [(".jpg", 1), (".bmp", 1), (".webp", 1), (".tif", 3), (".gif", 1), ("", 1)]
)
def test_what_a_format_cannot_hold_is_refused(ext: str, channels: int) -> None:
    with pytest.raises(UnsupportedPicture):
        encode(GREY.astype(np.uint16), ext, channels)


def test_a_picture_too_wide_for_its_format_is_refused() -> None:
    with pytest.raises(UnsupportedPicture, match="70000x1"):
        encode(np.zeros((1, 70_000), np.uint8), ".jpg")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.jpg", ".jpg"), ("b/a.tar.PNG", ".PNG"), ("b.d/a", ""), ("b/.jpg", ""), ("a.", "."), ("", "")],
)
def test_the_ending_of_a_name(name: str, expected: str) -> None:
    assert ending(name) == expected
