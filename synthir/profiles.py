"""How an engine is built: a frozen BuildProfile from a TOML file in engines/, or one of the user's own.

`tensorrt_fp16.toml` is the profile `tensorrt_fp16`. A backend's own profile is the first of its name.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import config
from .errors import UnknownName
from .shipped import engines_folder
from .specs import BARS, Bar, Precision

Range = tuple[int, int, int]
"""Least, usual and most; three zeros are any."""
ANY: Range = (0, 0, 0)


@dataclass(frozen=True)
class BuildProfile:
    """How to build an engine."""

    backend: str
    """The file in synthir/backends."""
    precisions: tuple[Precision, ...] = ()
    """Tried in this order until one agrees; none is what the backend computes in here, fastest first."""
    bucket: int = 0
    """Pictures are padded to multiples of this, in pixels: fewer sizes and more pixels. 0 is the network's stride."""
    batch: Range = ANY
    """Pictures a call; the least is 1, since a dataset ends with what is left."""
    height: Range = ANY
    """Pixels."""
    width: Range = ANY
    """Pixels."""
    workspace_mib: int = 0
    """Memory of the device that one layer may take beside its inputs and outputs; 0 is all there is."""
    timing_cache: Path | None = None
    """Folder where TensorRT's timings are kept for the next build; none keeps nothing."""
    targets: tuple[str, ...] = ()
    """GPU architectures a portable engine is built for, e.g. `sm89`; none is the runtime's own choice."""
    via: Literal["onnx", "torch-tensorrt"] = "onnx"
    """How TensorRT gets the network."""
    eager: bool = False
    """Whether torch runs the network on a GPU as it is, not compiled: what other engines are compared with."""
    least_psnr_db: float = 0.0
    """Beside specs.BARS: an engine that is under this on one picture is not written."""
    most_grey_levels: float = 255.0
    """Beside specs.BARS: an engine that is further off anywhere is not written."""

    def __post_init__(self) -> None:
        for name, (low, usual, high) in self.bounds.items():
            if (low, usual, high) != ANY and not 0 < low <= usual <= high:
                raise ValueError(f"{name} is {low}, {usual}, {high}, expected least <= usual <= most")
        if self.batch[0] > 1:
            raise ValueError(f"batch begins at {self.batch[0]}, expected 1: the last pictures come alone")
        config.at_least(0, bucket=self.bucket, workspace_mib=self.workspace_mib)

    @property
    def bounds(self) -> dict[str, Range]:
        """The three ranges by name."""
        return {"batch": self.batch, "height": self.height, "width": self.width}

    def bar(self, precision: Precision) -> Bar:
        """What an engine of that precision must reach."""
        return BARS[precision].stricter(Bar(self.least_psnr_db, self.most_grey_levels))

    def ranges(self, stride: int) -> dict[str, Range]:
        """The ranges that are not any; heights and widths as multiples of the stride, in pixels, widened to it."""
        kept = {name: bounds for name, bounds in self.bounds.items() if bounds != ANY}
        for name in kept.keys() & {"height", "width"}:
            low, usual, high = kept[name]
            kept[name] = (low // stride * stride or stride, up(usual, stride), up(high, stride))
        return kept


def up(pixels: int, stride: int) -> int:
    """Rounded up to a multiple."""
    return -(-pixels // stride) * stride


def profiles() -> dict[str, Path]:
    """The shipped profiles by name, sorted."""
    return {path.stem: path for path in sorted(engines_folder().glob("*.toml"))}


def read_profile(place: str) -> BuildProfile:
    """A shipped profile by name, or a TOML file. Raises UnknownName, ConfigError."""
    known = profiles()
    if place not in known and not Path(place).is_file():
        near = difflib.get_close_matches(place, known, 1)
        why = f"shipped are: {', '.join(known)}" + (f"; nearest is {near[0]}" if near else "")
        raise UnknownName(f"no profile {place!r}", why=why, fix="name one of them, or a TOML file")
    return config.load(known.get(place, Path(place)), BuildProfile)


def profile_of(backend: str) -> BuildProfile:
    """The first shipped profile of a backend; one that asks for nothing where there is none."""
    found = (config.load(path, BuildProfile) for path in profiles().values())
    return next((profile for profile in found if profile.backend == backend), BuildProfile(backend))
