"""What an engine and a generator are, in frozen words: Band, Precision, Polarity, GeneratorSpec, Agreement, EngineSpec.

All of them go into JSON and come back equal. The papers of an engine are one EngineSpec beside its payload.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec

from .errors import EngineUntrusted


class Band(StrEnum):
    """What a generator imitates: a part of the infrared, or, from infrared, colour pictures."""

    NIR = "nir"
    SWIR = "swir"
    MWIR = "mwir"
    LWIR = "lwir"
    VISIBLE = "visible"


class Precision(StrEnum):
    """The arithmetic of an engine."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    INT8 = "int8"


class Polarity(StrEnum):
    """Which end of the grey scale is hot."""

    WHITE_HOT = "white-hot"
    BLACK_HOT = "black-hot"


Stride = Annotated[int, msgspec.Meta(ge=1)]
Extent = Annotated[int, msgspec.Meta(ge=0)]
Ending = Annotated[str, msgspec.Meta(pattern=r"^\.\w+$")]


class Agreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far an engine is from the float32 torch reference on the same pictures; differences in units of [-1, 1]."""

    pictures: int
    max_abs: float
    mean_abs: float
    psnr_db: float
    """10 log10(peak^2 / MSE) with peak 2, the width of [-1, 1]; the mean over pictures."""
    off_share: float | None = None
    """Share of pixels that are off by more than one grey level of 255."""


class GeneratorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which network a weights file belongs to."""

    network: str
    """The file in synthir/generators, e.g. `cascade`."""
    settings: dict[str, Any]
    stride: Stride
    """Height and width of a network frame are multiples of this, in pixels."""
    band: Band
    polarity: Polarity
    weights_sha256: str
    seen_sha256: str = ""
    """Of `model.seen`, the record of the pictures it was trained on (synthir.seen); empty where there is none."""


class EngineSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The papers of an engine: what it is, what it was made of, how well it agrees, and the hashes that pin it."""

    backend: str
    precision: Precision
    band: Band
    polarity: Polarity
    stride: Stride
    batch: Extent
    """Pictures a call; 0 is any number."""
    height: Extent
    """Pixels, a multiple of stride; 0 is any."""
    width: Extent
    """Pixels, a multiple of stride; 0 is any."""
    generator: str
    """The network and its name, e.g. `cascade-lwir-s`."""
    weights_sha256: str
    built_with: dict[str, str]
    """Package -> version at build time."""
    agreement: Agreement | None
    files: dict[Ending, str]
    """Ending of each payload file beside the papers, e.g. `.xml` -> sha256."""
    network: str = ""
    """The file in synthir/generators; what a backend needs that builds the network anew."""
    settings: dict[str, Any] = {}
    """Settings of that network."""

    pixels: bool = False
    """Whether results are uint8 grey levels; else they are float32 in [-1, 1]."""
    profile: dict[str, tuple[int, int, int]] = {}
    """Least, usual and most `batch`, `height` and `width` that it was built for; what is not named may be any."""

    @property
    def usual_batch(self) -> int:
        """Pictures a call where nobody says: what it was built for, or two, which CPU engines compute side by side."""
        return self.batch or self.profile.get("batch", (1, 2, 2))[1]

    def outside(self, batch: int, height: int, width: int) -> str:
        """Why a batch of padded pictures is outside the profile, or nothing where it is inside."""
        asked = {"batch": batch, "height": height, "width": width}
        wrong = [
            f"{name} {asked[name]}, built for {low} to {high}"
            for name, (low, _, high) in self.profile.items()
            if not low <= asked[name] <= high
        ]
        return "; ".join(wrong)

    @property
    def planes(self) -> int:
        """Channels of a result: 3 where it is a colour picture, 1 where it is infrared."""
        return 3 if self.band == Band.VISIBLE else 1


def to_json(spec: msgspec.Struct) -> bytes:
    """The spec as indented JSON with a newline at the end; equal specs give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(spec, order="sorted"), indent=2) + b"\n"


def read_generator_spec(path: Path) -> GeneratorSpec:
    """Read a `model.json`. Raises EngineUntrusted where there is none or it is no spec."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=GeneratorSpec)
    except (OSError, msgspec.DecodeError) as error:
        fix = "synthir models ls shows what is shipped; synthir train makes another"
        raise EngineUntrusted("no model there", where=str(path.parent), why=str(error), fix=fix) from error


def read_engine_spec(papers: Path, fix: str = "synthir compile") -> EngineSpec:
    """Read the papers of an engine. Raises EngineUntrusted where they are missing (with `fix`) or not papers."""
    try:
        return msgspec.json.decode(papers.read_bytes(), type=EngineSpec)
    except FileNotFoundError:
        why = "an engine is opened only with its papers"
        raise EngineUntrusted("papers missing", where=str(papers), why=why, fix=fix) from None
    except (msgspec.DecodeError, OSError) as error:
        fix = "compile the engine again: synthir compile"
        raise EngineUntrusted("papers unreadable", where=str(papers), why=str(error), fix=fix) from error
