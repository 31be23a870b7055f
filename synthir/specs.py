"""What an engine and a generator are, in frozen words: Band, Precision, Polarity, GeneratorSpec, Agreement, EngineSpec.

All of them go into JSON and come back equal. The papers of an engine are one EngineSpec beside its payload, sealed:
they hold their own sha256, so that a line that was changed later is noticed.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec

from .errors import EngineUntrusted
from .files import sha256_bytes


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


class Bar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an engine must reach beside the float32 network, on every picture of the comparison."""

    psnr_db: float = 0.0
    grey_levels: float = 255.0
    """Most that any pixel may differ, in levels of 255."""

    def stricter(self, other: "Bar") -> "Bar":
        """What asks for both."""
        return Bar(max(self.psnr_db, other.psnr_db), min(self.grey_levels, other.grey_levels))


BARS = {
    Precision.FLOAT32: Bar(75.0, 1.0),
    Precision.BFLOAT16: Bar(50.0),
    Precision.FLOAT16: Bar(50.0, 2.0),
}
"""By precision, where the profile asks for no more; docs/guides/engines.md has the reasons."""


class Agreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far an engine is from the float32 torch reference on the same pictures; differences in units of [-1, 1]."""

    pictures: Annotated[int, msgspec.Meta(ge=1)]
    max_abs: float
    mean_abs: float
    psnr_db: float
    """10 log10(peak^2 / MSE) with peak 2, the width of [-1, 1]; the mean over pictures."""
    worst_psnr_db: float
    """Of the picture that is furthest off; this is what is held against the bar."""
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

    bar: Bar = Bar()
    """What its profile asked for; BARS where that asks for more."""
    papers_sha256: str = ""
    """The seal, of all the rest: `to_json` writes it, and papers with another one are not read."""

    def shortfall(self) -> str:
        """Why its agreement is under its bar, or nothing where it is not."""
        bar, agreed = self.bar.stricter(BARS.get(self.precision, Bar())), self.agreement
        if agreed is None:
            return "it was not compared"
        if not agreed.worst_psnr_db >= bar.psnr_db:  # also where it is not a number
            return f"{agreed.worst_psnr_db:.1f} dB in {self.precision} on one picture, the bar is {bar.psnr_db:.0f} dB"
        levels = agreed.max_abs * 127.5
        if not levels <= bar.grey_levels + 0.01:
            return f"{levels:.1f} grey levels off in {self.precision}, the bar is {bar.grey_levels:.0f}"
        return ""

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
    """The spec as indented JSON with a newline at the end, papers sealed; equal specs give equal bytes."""
    data = msgspec.json.encode(spec, order="sorted")
    if isinstance(spec, EngineSpec):
        data = msgspec.json.encode(msgspec.structs.replace(spec, papers_sha256=seal_of(data)), order="sorted")
    return msgspec.json.format(data, indent=2) + b"\n"


def seal_of(papers: bytes) -> str:
    """The sha256 of papers, however they are laid out, without the one they hold."""
    entries = msgspec.json.decode(papers, type=dict[str, Any])
    entries.pop("papers_sha256", None)
    return sha256_bytes(msgspec.json.encode(entries, order="sorted"))


def read_generator_spec(path: Path) -> GeneratorSpec:
    """Read a `model.json`. Raises EngineUntrusted where there is none or it is no spec."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=GeneratorSpec)
    except (OSError, msgspec.DecodeError) as error:
        fix = "synthir models ls shows what is shipped; synthir train makes another"
        raise EngineUntrusted("no model there", where=str(path.parent), why=str(error), fix=fix) from error


def read_engine_spec(papers: Path, fix: str = "synthir compile") -> EngineSpec:
    """Read the papers of an engine. Raises EngineUntrusted where they are missing (with `fix`), not papers, or not as
    they were written."""
    try:
        data = papers.read_bytes()
        spec = msgspec.json.decode(data, type=EngineSpec)
    except FileNotFoundError:
        why = "an engine is opened only with its papers"
        raise EngineUntrusted("papers missing", where=str(papers), why=why, fix=fix) from None
    except (msgspec.DecodeError, OSError) as error:
        fix = "compile the engine again: synthir compile"
        raise EngineUntrusted("papers unreadable", where=str(papers), why=str(error), fix=fix) from error
    if spec.papers_sha256 != seal_of(data):
        why = (
            "their seal is of other papers" if spec.papers_sha256 else "they have no seal, as older releases wrote them"
        )
        out = f"new{Path(papers.stem).suffix}"
        again = f"compile the engine again: synthir compile {spec.generator} --backend {spec.backend} --out {out}"
        raise EngineUntrusted("papers not as they were written", where=str(papers), why=why, fix=again)
    return spec
