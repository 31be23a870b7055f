"""What a caller of a conversion may choose, each choice checked before anything is read."""

from dataclasses import dataclass
from typing import Any, Literal

from .errors import EngineIncompatible, UsageError
from .gpu_codec import CHOICES, CPU
from .images import cannot_write
from .specs import Band, EngineSpec, Polarity

BOTH, WARMED = "both", "warmed"
"""The mixtures in which every picture stands twice: in grayscale too, or in grayscale with its objects made warm."""


@dataclass(frozen=True)
class Options:
    """What a caller may choose."""

    ext: str = "keep"
    """Extension of the infrared pictures: keep, jpg, png or tif."""
    channels: int = 1
    """1, or 3 equal ones for tools that cannot read one."""
    bit_depth: int = 8
    """Bits a sample, 8 or 16; 16 fits png and tif."""
    polarity: Polarity = Polarity.WHITE_HOT
    """Which end of the grey scale is hot."""
    mix: float | Literal["both", "warmed"] = 0.0
    """both: every picture twice, in infrared and as its own luma, each with its labels. warmed: the same, and in the
    luma labelled objects are warm (see warming.py). Or the share of the pictures, 0 to 1, that are their luma in place
    of infrared; names decide which."""
    max_side: int = 0
    """Pixels the network sees at most on the longest side; the result keeps the picture's size. 0 is no limit."""
    batch: int = 0
    """Pictures a call of the engine; 0 is what it is usually fastest with. A fixed number is the engine's own."""
    decode: str = CPU
    """Where plain JPEGs are decoded: cpu, gpu, or auto, the GPU where the engine runs on one. Last bits differ."""
    limit: int = 0
    """Pictures to convert, the first ones; 0 is all."""
    workers: int = 3
    """Threads that decode and encode; one more than two cores, since writes wait for the disk."""
    strict: bool = False
    """Stop at the first refused picture."""
    max_failures: int = -1
    """Stop when more pictures than this are refused; -1 is never."""
    overwrite: bool = False
    """Take away what an earlier conversion wrote into the target, and begin anew. Other files there stay."""
    resume: bool = False
    """Insist that there is a job to go on with. Without it one is gone on with where there is one."""

    @property
    def share(self) -> float:
        """Share of the pictures, 0 to 1, that are written as their own luma in place of infrared."""
        return 0.0 if isinstance(self.mix, str) else self.mix

    def shaping(self) -> dict[str, Any]:
        """The options that shape bytes: they are written down, and a job resumes only with the same ones."""
        names = ["ext", "channels", "bit_depth", "polarity", "max_side", "batch"]
        # what older releases did is not written: their jobs go on
        names += ["decode"] if self.decode != CPU else []
        names += ["mix"] if self.mix else []
        return {name: str(value) if isinstance(value := getattr(self, name), str) else value for name in names}

    def allowed_failures(self) -> float:
        """Refused pictures that do not stop the job."""
        most = self.max_failures if self.max_failures >= 0 else float("inf")
        return 0 if self.strict else most


DEFAULTS = Options()
"""What a caller gets who chooses nothing."""


def _is_share(mix: object) -> bool:
    """True for a number from 0 to 1."""
    return isinstance(mix, int | float) and 0.0 <= mix <= 1.0


def check_options(options: Options, spec: EngineSpec) -> None:
    """Raises UsageError naming every option that cannot be, EngineIncompatible for another batch than the engine's."""
    wrong = [
        *([f"ext {options.ext}"] if options.ext not in ("keep", "jpg", "png", "tif") else []),
        *([f"channels {options.channels}"] if options.channels not in (1, 3) else []),
        *([f"decode {options.decode}"] if options.decode not in CHOICES else []),
        *([f"bit_depth {options.bit_depth}"] if options.bit_depth not in (8, 16) else []),
        *([f"mix {options.mix}"] if options.mix not in (BOTH, WARMED) and not _is_share(options.mix) else []),
        *(f"{name} {value}" for name in ("max_side", "limit", "batch") if (value := getattr(options, name)) < 0),
        *([f"workers {options.workers}"] if options.workers < 1 else []),
        *([f"max_failures {options.max_failures}"] if options.max_failures < -1 else []),
        *(["overwrite and resume together"] if options.overwrite and options.resume else []),
        *(["strict and max_failures together"] if options.strict and options.max_failures >= 0 else []),
    ]
    if wrong:
        raise UsageError(f"cannot convert with {', '.join(wrong)}", fix="synthir convert --help")
    if spec.band == Band.VISIBLE and options.mix:
        fix = "leave --mix out"
        raise UsageError("there is no infrared to mix with", where=spec.generator, why="it makes colours", fix=fix)
    if spec.band == Band.VISIBLE and options.polarity != spec.polarity:
        why = "the engine makes colour pictures, and nothing in them is hot"
        raise UsageError("there is no polarity to choose", where=spec.generator, why=why, fix="leave --polarity out")
    if spec.pixels and options.bit_depth == 16:
        fix = "leave --bit-depth out, or take an engine of openvino or torch"
        raise EngineIncompatible("the engine gives 8 bits", where=spec.generator, fix=fix)
    channels = max(options.channels, spec.planes)
    if options.ext != "keep" and (why := cannot_write(f".{options.ext}", options.bit_depth, channels)):
        raise UsageError(f"cannot write {options.bit_depth}-bit {options.ext}", why=why, fix="choose another --ext")
    if spec.batch and options.batch not in (0, 1, spec.batch):
        fix = f"--batch {spec.batch}, or compile an engine for any batch"
        raise EngineIncompatible(f"the engine runs {spec.batch} pictures a call", where=spec.generator, fix=fix)
    most = spec.profile.get("batch", (1, 1, options.batch))[2]
    if options.batch > most:
        fix = f"--batch {most}, or compile with a profile for more"
        raise EngineIncompatible(f"the engine runs at most {most} pictures a call", where=spec.generator, fix=fix)
