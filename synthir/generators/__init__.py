"""The networks, one file each: `cascade.py` is the network `cascade`, its function `cascade_s` the size `cascade_s`.

Each file has `Settings` (a frozen dataclass), `STRIDE` (pixels), `build(settings) -> Generator`, and its named sizes as
functions that return Settings. A generator draws no random numbers; what is random is an argument.
"""

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ..errors import ConfigError, UnknownName
from ..folders import load, names

if TYPE_CHECKING:
    from torch import Tensor, nn


class Stages(Protocol):
    """What every generator offers beside being an nn.Module: the result of each of its stages, the last one last."""

    def stages(self, visible: "Tensor") -> "tuple[Tensor, ...]":
        """Infrared (N, 1, H, W) after each stage, not clamped, of visible frames (N, 3, H, W) in [-1, 1]."""


def settings_of(size: str) -> tuple[str, dict[str, Any]]:
    """The network and the settings of a named size: `cascade_s` -> (`cascade`, {...}). Raises UnknownName."""
    network = max((n for n in names(__name__) if size == n or size.startswith(f"{n}_")), key=len, default="")
    module = load(__name__, network or size)
    sizes = [name for name in vars(module) if name.startswith(f"{network}_")]
    if size not in sizes:
        raise UnknownName(f"no size {size!r}", where=f"generator {network}", fix=f"one of {', '.join(sorted(sizes))}")
    settings: dict[str, Any] = msgspec.to_builtins(getattr(module, size)())
    return network, settings


def build(network: str, settings: dict[str, Any]) -> "nn.Module":
    """The network with fresh weights. Raises UnknownName for a network there is not, ConfigError for odd settings."""
    module = load(__name__, network)
    try:
        made: nn.Module = module.build(msgspec.convert(settings, module.Settings))
    except msgspec.ValidationError as error:
        raise ConfigError("settings of another network", where=network, why=str(error), fix="compile again") from None
    return made


def stride_of(network: str) -> int:
    """The number of pixels that height and width of a frame must be multiples of."""
    stride: int = load(__name__, network).STRIDE
    return stride


def way_back(size: str) -> "nn.Module":
    """The network of a named size for the other direction. Raises ConfigError where it knows one way only."""
    network, settings = settings_of(size)
    if "outputs" not in settings:
        fix = "choose a generator whose Settings have outputs, e.g. cyclegan_6"
        raise ConfigError(f"{size} has no way back", why="it makes infrared of visible pictures only", fix=fix)
    return build(network, {**settings, "outputs": 4 - settings["outputs"]})
