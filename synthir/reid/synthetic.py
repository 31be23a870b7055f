"""Infrared pictures of visible ones from a generator, each converted once and kept by its content.

<folder>/<sha256 of the engine, 16 digits>-<height it sees at least>/<sha256 of the picture's file>.png

Generators learned from streets: of a person 64 pixels tall they make a blot. Such pictures are shown to them enlarged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..audit import Modality
from ..engine import check_papers
from ..errors import MissingPicture
from ..files import sha256_bytes, write_atomic
from ..images import UInt8, decode, encode
from ..model import SynthIR
from ..seen import seen_of, seen_pictures
from ..shipped import engine_payload, models
from .data import Picture


@dataclass(frozen=True)
class Generator:
    """An engine, found and checked but not opened yet."""

    place: str
    """Shipped model by name, or the engine's file."""
    sha256: str
    """Of its papers' pins: the same for the same engine."""
    height: int
    """Lower pictures are enlarged to this height before it, and their infrared reduced again; pixels."""

    def open(self) -> SynthIR:
        """Ready to run. Raises EngineError."""
        return SynthIR.from_pretrained(self.place) if self.place in models() else SynthIR.from_engine(self.place)


def find_generator(name: str, data: Path, height: int) -> Generator:
    """A shipped model by name, or an engine file relative to `data`; height: see Generator.

    Raises UnknownName, EngineUntrusted where its papers are missing or do not fit.
    """
    beside = data / name
    own = name not in models() and (beside.exists() or beside.suffix != "")
    payload = engine_payload(str(beside) if own else name)
    pins = check_papers(payload).files
    digest = sha256_bytes("".join(f"{ending} {pin}\n" for ending, pin in sorted(pins.items())).encode())
    return Generator(str(payload) if own else name, digest, height)


def place_of(folder: Path, generator: Generator, picture: Path) -> Path:
    """Where the infrared of a picture is kept. Raises MissingPicture where there is no such picture any more."""
    try:
        data = picture.read_bytes()
    except OSError as error:
        raise MissingPicture("the picture is gone", where=str(picture), why=str(error), fix="put it back") from None
    return folder / f"{generator.sha256[:16]}-{generator.height}" / f"{sha256_bytes(data)}.png"


def convert_all(folder: Path, generator: Generator, pictures: Iterable[Path]) -> dict[Path, Path]:
    """Convert what is not there yet; gives of each visible picture where its infrared lies.

    Raises PictureError, EngineError, NoSpace. A stopped conversion goes on where it was.
    """
    places = {picture: place_of(folder, generator, picture) for picture in sorted(set(pictures))}
    missing = [picture for picture, place in places.items() if not place.is_file()]
    if missing:
        with generator.open() as model:
            for picture in missing:
                rgb = decode(picture.read_bytes(), str(picture))
                write_atomic(places[picture], encode(painted(model, rgb, generator.height), ".png"), durable=False)
    return places


def seen_by(generator: Generator, test: Sequence[Picture]) -> str:
    """Whether test pictures look like what the generator was trained on, in a sentence; nothing where none does.

    Whole pictures are compared: a person cut out of a picture it saw is not found. Raises PictureError.
    """
    seen = seen_of(generator.place)
    if seen is None:
        return f"Whether {generator.place} was trained on test pictures is not known: it has no record."
    kinds: tuple[tuple[bool, Modality], ...] = ((False, "visible"), (True, "infrared"))
    known = [m for heat, kind in kinds for m in seen_pictures(seen, [p.path for p in test if p.infrared is heat], kind)]
    if not known:
        return ""
    nearest = f"{known[0].picture.name} for one, {known[0].distance} of 256 bits apart"
    return f"{len(known)} of {len(test)} test pictures look like ones {generator.place} was trained on, {nearest}."


def painted(model: SynthIR, rgb: UInt8, height: int) -> UInt8:
    """The infrared (H, W) of a picture (H, W, 3), which the model sees at least `height` pixels tall."""
    tall, wide = rgb.shape[:2]
    if tall >= height:
        return np.ascontiguousarray(model(rgb))
    larger = cv2.resize(rgb, (max(1, round(wide * height / tall)), height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(model(np.asarray(larger, np.uint8)), (wide, tall), interpolation=cv2.INTER_AREA))
