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
from ..files import fsync_folder, sha256_bytes, write_atomic
from ..images import UInt8, decode, encode
from ..model import SynthIR
from ..seen import seen_of, seen_pictures
from ..shipped import engine_payload, model_folder, models
from ..specs import read_generator_spec
from .data import Picture

FORBIDDEN = "forbid identifying people"
"""What the card of a shipped model says where the terms of its training pictures do."""


@dataclass(frozen=True)
class Generator:
    """An engine, found and checked but not opened yet."""

    place: str
    """Shipped model by name, or the engine's file."""
    sha256: str
    """Of its papers' pins: the same for the same engine."""
    height: int
    """Lower pictures are enlarged to this height before it, and their infrared reduced again; pixels."""
    weights: str
    """sha256 of the weights that the engine was made of."""

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
    papers = check_papers(payload)
    pins = papers.files
    digest = sha256_bytes("".join(f"{ending} {pin}\n" for ending, pin in sorted(pins.items())).encode())
    return Generator(str(payload) if own else name, digest, height, papers.weights_sha256)


def place_of(folder: Path, generator: Generator, picture: Path) -> Path:
    """Where the infrared of a picture is kept. Raises MissingPicture where there is no such picture any more."""
    try:
        data = picture.read_bytes()
    except OSError as error:
        raise MissingPicture("the picture is gone", where=str(picture), why=str(error), fix="put it back") from None
    return folder / f"{generator.sha256[:16]}-{generator.height}" / f"{sha256_bytes(data)}.png"


def convert_all(folder: Path, generator: Generator, pictures: Iterable[Path]) -> dict[Path, Path]:
    """Convert what is not there yet; gives of each visible picture where its infrared lies.

    Raises PictureError, EngineError, NoSpace. A stopped conversion goes on where it was; what is done is durable.
    """
    places = {picture: place_of(folder, generator, picture) for picture in sorted(set(pictures))}
    missing = [picture for picture, place in places.items() if not place.is_file()]
    if missing:
        with generator.open() as model:
            for picture in missing:
                rgb = decode(picture.read_bytes(), str(picture))
                write_atomic(places[picture], encode(painted(model, rgb, generator.height), ".png"), named=False)
        fsync_folder(places[missing[0]].parent)
    return places


def forbidding(generator: Generator) -> str:
    """The shipped model that an engine was made of, if its card says that identifying people is forbidden; or ""."""
    for name in models():
        folder = model_folder(name)
        card = " ".join((folder / "README.md").read_text(encoding="utf-8").split())
        if FORBIDDEN in card and read_generator_spec(folder / "model.json").weights_sha256 == generator.weights:
            return name
    return ""


def has_record(generator: Generator) -> bool:
    """Whether it is known what a generator was trained on. Raises EngineUntrusted."""
    return seen_of(generator.place) is not None


def seen_by(generator: Generator, test: Sequence[Picture]) -> str:
    """How many test pictures look like what the generator was trained on; nothing where none does, or none is known.

    Whole pictures are compared: a person cut out of a picture it saw is not found. Raises PictureError.
    """
    seen = seen_of(generator.place)
    kinds: tuple[tuple[bool, Modality], ...] = ((False, "visible"), (True, "infrared"))
    known = [
        match
        for heat, kind in kinds
        for match in (seen_pictures(seen, [p.path for p in test if p.infrared is heat], kind) if seen else ())
    ]
    if not known:
        return ""
    nearest = f"{known[0].picture.name} for one, {known[0].distance} of 256 bits apart"
    return f"{len(known)} of {len(test)} test pictures look like ones {generator.place} was trained on, {nearest}"


def painted(model: SynthIR, rgb: UInt8, height: int) -> UInt8:
    """The infrared (H, W) of a picture (H, W, 3), which the model sees at least `height` pixels tall."""
    tall, wide = rgb.shape[:2]
    if tall >= height:
        return np.ascontiguousarray(model(rgb))
    larger = cv2.resize(rgb, (max(1, round(wide * height / tall)), height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(model(np.asarray(larger, np.uint8)), (wide, tall), interpolation=cv2.INTER_AREA))
